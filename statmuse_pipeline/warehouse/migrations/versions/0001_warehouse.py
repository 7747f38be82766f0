"""Players, teams, games, box scores, audit, quarantine, model metadata and the view of team games."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UTC = sa.DateTime(timezone=True)
BOX = (
    "min", "fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb", "reb",
    "ast", "stl", "blk", "tov", "pf", "pts", "plus_minus",
)  # fmt: skip
LOAD_COUNTS = ("rows", "inserted", "updated", "unchanged", "removed", "quarantined", "games", "players")

TEAM_GAMES = """
CREATE VIEW team_games AS
SELECT g.season, g.game_id, g.game_date, s.team_id,
       CASE WHEN s.team_id = g.home_team_id THEN g.away_team_id ELSE g.home_team_id END AS opponent_team_id,
       (s.team_id = g.home_team_id) AS is_home,
       s.won,
       {sums}
FROM player_stats s JOIN games g ON g.game_id = s.game_id
GROUP BY g.season, g.game_id, g.game_date, g.home_team_id, g.away_team_id, s.team_id, s.won
""".format(sums=", ".join(f"SUM(s.{name}) AS {name}" for name in BOX if name != "plus_minus"))


def upgrade() -> None:
    """Create everything."""
    _season_tables()
    _bookkeeping()
    op.create_table(
        "model_metadata",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("player_key", "stat", "kind")),
        sa.Column("player_id", sa.BigInteger),
        *(
            sa.Column(name, sa.Text)
            for name in ("artefact", "sha256", "dataset_version", "fingerprint", "metrics", "features", "libraries")
        ),
        sa.Column("failure", sa.Text),
    )
    op.execute(TEAM_GAMES)


def _season_tables() -> None:
    op.create_table(
        "teams",
        sa.Column("team_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("abbreviation", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
    )
    op.create_table(
        "players",
        sa.Column("player_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("player_name", sa.Text, nullable=False),
        sa.Column("position", sa.Text),
        sa.Column("height_in", sa.Float),
        sa.Column("weight_lb", sa.Float),
        sa.Column("birthdate", sa.Date),
        sa.Column("as_of", sa.Date, nullable=False),
    )
    op.create_table(
        "games",
        sa.Column("game_id", sa.String(10), primary_key=True),
        sa.Column("season", sa.String(7), nullable=False),
        sa.Column("game_date", sa.Date, nullable=False),
        sa.Column("tipoff_utc", UTC),
        sa.Column("home_team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
        sa.Column("away_team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
        sa.CheckConstraint("home_team_id <> away_team_id", name="two_teams"),
    )
    op.create_index("ix_games_season", "games", ["season"])
    op.create_table(
        "player_stats",
        sa.Column("game_id", sa.String(10), sa.ForeignKey("games.game_id"), primary_key=True),
        sa.Column(
            "player_id", sa.BigInteger, sa.ForeignKey("players.player_id"), primary_key=True, autoincrement=False
        ),
        sa.Column("team_id", sa.BigInteger, sa.ForeignKey("teams.team_id"), nullable=False),
        sa.Column("won", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in BOX),
    )
    op.create_index("ix_player_stats_player_id", "player_stats", ["player_id"])


def _bookkeeping() -> None:
    op.create_table(
        "ingest_audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("season", sa.String(7), nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("fetched_at", UTC),
        *(sa.Column(name, sa.Integer, nullable=False) for name in LOAD_COUNTS),
        sa.Column("loaded_at", UTC, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("season", sa.String(7), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
    )
    op.create_table(
        "warehouse_info",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop everything."""
    op.execute("DROP VIEW team_games")
    for table in (
        "model_metadata", "warehouse_info", "quarantine", "ingest_audit", "player_stats", "games", "players", "teams",
    ):  # fmt: skip
        op.drop_table(table)
