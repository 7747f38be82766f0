"""The tables of the warehouse, as the newest migration leaves them.

`player_stats` holds counts only: season, date, opponent and home follow from `games`, the name from `players`,
so that a correction is made in one place. The table `model_metadata` belongs to the model registry and the view
`team_games` is read with SQL; both exist in the migrations alone.
"""

from __future__ import annotations

import sqlalchemy as sa

from statmuse_pipeline.contracts import BOX_COLUMNS

METADATA = sa.MetaData()

UTC = sa.DateTime(timezone=True)
"""Moments are written in UTC; SQLite drops the zone, so readers localise what they get to UTC."""

TEAMS = sa.Table(
    "teams",
    METADATA,
    sa.Column("team_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("abbreviation", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
)
"""`as_of`: the day of the newest game whose log these attributes come from."""

PLAYERS = sa.Table(
    "players",
    METADATA,
    sa.Column("player_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("player_name", sa.Text, nullable=False),
    sa.Column("position", sa.Text),
    sa.Column("height_in", sa.Float),
    sa.Column("weight_lb", sa.Float),
    sa.Column("birthdate", sa.Date),
    sa.Column("as_of", sa.Date, nullable=False),
)

GAMES = sa.Table(
    "games",
    METADATA,
    sa.Column("game_id", sa.String(10), primary_key=True),
    sa.Column("season", sa.String(7), nullable=False, index=True),
    sa.Column("game_date", sa.Date, nullable=False),
    sa.Column("tipoff_utc", UTC),
    sa.Column("home_team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
    sa.Column("away_team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
    sa.CheckConstraint("home_team_id <> away_team_id", name="two_teams"),
)
"""Games that have been played; `game_date` is the Eastern calendar day."""

PLAYER_STATS = sa.Table(
    "player_stats",
    METADATA,
    sa.Column("game_id", sa.String(10), sa.ForeignKey("games.game_id"), primary_key=True),
    sa.Column(
        "player_id",
        sa.BigInteger,
        sa.ForeignKey("players.player_id"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
    sa.Column("team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
    sa.Column("won", sa.Boolean, nullable=False),
    *(sa.Column(name, sa.Integer, nullable=False) for name in BOX_COLUMNS),
)
"""One row a player and game. The index on `player_id` serves the counts of games a player."""

INGEST_AUDIT = sa.Table(
    "ingest_audit",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("season", sa.String(7), nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("fetched_at", UTC),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("rows", "inserted", "updated", "unchanged", "removed", "quarantined", "games", "players")
    ),
    sa.Column("loaded_at", UTC, nullable=False),
)
"""One row a load. The only table that a repeated load adds to."""

QUARANTINE = sa.Table(
    "quarantine",
    METADATA,
    sa.Column("season", sa.String(7), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("row", sa.Text, nullable=False),
)
"""Rows of the last load of a season that were not believed, as JSON; `digest` tells equal rows apart by occurrence."""

WAREHOUSE_INFO = sa.Table(
    "warehouse_info",
    METADATA,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Facts about the warehouse itself, such as the source that all of it came from."""

FORECAST_LEDGER = sa.Table(
    "forecast_ledger",
    METADATA,
    sa.Column("game_day", sa.Date, primary_key=True),
    sa.Column("output", sa.String(40), primary_key=True),
    sa.Column("game_id", sa.String(10), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("due_at", UTC),
    sa.Column("recorded_at", UTC, nullable=False),
    sa.Column("rows", sa.Integer),
    sa.Column("detail", sa.Text, nullable=False),
    sa.CheckConstraint("state IN ('expected', 'complete', 'empty', 'failed', 'missed')", name="known_state"),
)
"""One row a game day, output and game (game_id empty: the day as a whole); see `warehouse.ledger`."""
