"""Frames out of the warehouse, in the shapes of `contracts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from statmuse_pipeline.contracts import BOX_COLUMNS
from statmuse_pipeline.contracts import GAMES as GAMES_CONTRACT
from statmuse_pipeline.contracts import PLAYER_GAMES as PLAYER_GAMES_CONTRACT
from statmuse_pipeline.contracts import PLAYERS as PLAYERS_CONTRACT
from statmuse_pipeline.contracts import TEAM_GAMES as TEAM_GAMES_CONTRACT
from statmuse_pipeline.domain import ELIGIBLE_GAMES, PipelineError
from statmuse_pipeline.warehouse.difference import typed_games
from statmuse_pipeline.warehouse.engine import clear_errors
from statmuse_pipeline.warehouse.tables import GAMES, INGEST_AUDIT, PLAYER_STATS, PLAYERS, TEAMS, WAREHOUSE_INFO

COUNTED = ("players", "teams", "games", "player_stats", "ingest_audit", "quarantine")
"""Tables whose rows `verify` counts."""

PLAYERS_WITH_ENOUGH_GAMES = (
    "SELECT player_id, COUNT(*) FROM player_stats GROUP BY player_id HAVING COUNT(*) >= :minimum_games"
)


@dataclass(frozen=True)
class VerifyReport:
    """Whether the warehouse holds enough to train on.

    `counts`: table -> rows. `seasons`: season, games, rows, players, teams, first, last (dates).
    """

    counts: dict[str, int]
    seasons: pd.DataFrame
    players_with_enough: int
    passed: bool
    source: str | None


def games(engine: sa.Engine, seasons: Sequence[str] | None = None) -> pd.DataFrame:
    """`contracts.GAMES`: games played, sorted by game_date, game_id. All seasons unless some are named.

    Raises:
        WarehouseError: when the database refuses.
    """
    return typed_games(_frame(engine, _of_seasons(sa.select(GAMES), seasons)))[
        list(GAMES_CONTRACT.columns)
    ].sort_values(["game_date", "game_id"], ignore_index=True)


def players(engine: sa.Engine) -> pd.DataFrame:
    """`contracts.PLAYERS`: everyone with a box score, sorted by player_id.

    Raises:
        WarehouseError: when the database refuses.
    """
    frame = _frame(engine, sa.select(PLAYERS).order_by(PLAYERS.c.player_id))[list(PLAYERS_CONTRACT.columns)]
    frame["birthdate"] = pd.to_datetime(frame["birthdate"]).astype("datetime64[ns]")
    return frame.astype(
        {
            "player_id": "int64",
            "player_name": "str",
            "position": "str",
            "height_in": "float64",
            "weight_lb": "float64",
        }
    )


def teams(engine: sa.Engine) -> pd.DataFrame:
    """team_id, abbreviation, name (as of the newest game), sorted by team_id.

    Raises:
        WarehouseError: when the database refuses.
    """
    query = sa.select(TEAMS.c.team_id, TEAMS.c.abbreviation, TEAMS.c.name).order_by(TEAMS.c.team_id)
    return _frame(engine, query).astype({"team_id": "int64", "abbreviation": "str", "name": "str"})


def player_games(engine: sa.Engine, seasons: Sequence[str] | None = None) -> pd.DataFrame:
    """`contracts.PLAYER_GAMES`: one row a player and game, sorted by game_date, game_id, player_id.

    Rows with `min` 0 are players who entered for seconds; they are part of it.

    Raises:
        WarehouseError: when the database refuses.
    """
    joined = _of_seasons(sa.select(PLAYER_STATS).join(GAMES, GAMES.c.game_id == PLAYER_STATS.c.game_id), seasons)
    stats = _frame(engine, sa.select(PLAYER_STATS) if seasons is None else joined)
    integers = ("player_id", "team_id", *BOX_COLUMNS)
    stats = stats.astype({"game_id": "str", "won": "bool", **dict.fromkeys(integers, "int64")})
    frame = stats.merge(games(engine, seasons), on="game_id").merge(players(engine)[["player_id", "player_name"]])
    frame["is_home"] = frame["team_id"] == frame["home_team_id"]
    frame["opponent_team_id"] = np.where(frame["is_home"], frame["away_team_id"], frame["home_team_id"])
    frame["pra"] = frame["pts"] + frame["reb"] + frame["ast"]
    return frame[list(PLAYER_GAMES_CONTRACT.columns)].sort_values(
        ["game_date", "game_id", "player_id"], ignore_index=True
    )


def team_games(engine: sa.Engine, seasons: Sequence[str] | None = None) -> pd.DataFrame:
    """`contracts.TEAM_GAMES`: the view `team_games`, sorted by game_date, game_id, team_id.

    Raises:
        WarehouseError: when the database refuses.
    """
    view = sa.table("team_games", *(sa.column(name) for name in TEAM_GAMES_CONTRACT.columns))
    query = sa.select(view)
    frame = _frame(engine, query if seasons is None else query.where(view.c.season.in_(list(seasons))))
    frame["game_date"] = pd.to_datetime(frame["game_date"]).astype("datetime64[ns]")
    integers = [name for name, column in TEAM_GAMES_CONTRACT.columns.items() if str(column.dtype) == "int64"]
    typed = frame.astype(
        {"season": "str", "game_id": "str", "is_home": "bool", "won": "bool", **dict.fromkeys(integers, "int64")}
    )
    return typed.sort_values(["game_date", "game_id", "team_id"], ignore_index=True)


def eligible_players(
    engine: sa.Engine, minimum_games: int = ELIGIBLE_GAMES, seasons: Sequence[str] | None = None
) -> pd.DataFrame:
    """player_id, player_name, games of players with at least that many games, sorted by player_id.

    Raises:
        WarehouseError: when the database refuses.
    """
    count = sa.func.count().label("games")
    query = sa.select(PLAYER_STATS.c.player_id, PLAYERS.c.player_name, count).join(
        PLAYERS, PLAYERS.c.player_id == PLAYER_STATS.c.player_id
    )
    if seasons is not None:
        query = _of_seasons(query.join(GAMES, GAMES.c.game_id == PLAYER_STATS.c.game_id), seasons)
    query = query.group_by(PLAYER_STATS.c.player_id, PLAYERS.c.player_name).having(count >= minimum_games)
    frame = _frame(engine, query.order_by(PLAYER_STATS.c.player_id))
    return frame.astype({"player_id": "int64", "player_name": "str", "games": "int64"})


def verify(engine: sa.Engine, minimum_players: int = 50, minimum_games: int = 50) -> VerifyReport:
    """Counts every table, and the players with enough games; passes with enough of those.

    Raises:
        WarehouseError: when the database refuses.
    """
    with clear_errors(engine.url), engine.connect() as connection:
        counts = {name: int(connection.scalar(sa.text(f"SELECT COUNT(*) FROM {name}")) or 0) for name in COUNTED}
        enough = connection.execute(sa.text(PLAYERS_WITH_ENOUGH_GAMES), {"minimum_games": minimum_games}).all()
        source = connection.scalar(sa.select(WAREHOUSE_INFO.c.value).where(WAREHOUSE_INFO.c.key == "source"))
    by_season = (
        sa.select(
            GAMES.c.season,
            sa.func.count(GAMES.c.game_id.distinct()).label("games"),
            sa.func.count().label("rows"),
            sa.func.count(PLAYER_STATS.c.player_id.distinct()).label("players"),
            sa.func.count(PLAYER_STATS.c.team_id.distinct()).label("teams"),
            sa.func.min(GAMES.c.game_date).label("first"),
            sa.func.max(GAMES.c.game_date).label("last"),
        )
        .join(PLAYER_STATS, PLAYER_STATS.c.game_id == GAMES.c.game_id)
        .group_by(GAMES.c.season)
        .order_by(GAMES.c.season)
    )
    return VerifyReport(
        counts,
        _frame(engine, by_season),
        len(enough),
        len(enough) >= minimum_players,
        None if source is None else source,
    )


def season_fingerprint(engine: sa.Engine, season: str) -> str:
    """The content hash of what the last load of a season was made from.

    Raises:
        PipelineError: when the season was never loaded.
        WarehouseError: when the database refuses.
    """
    newest = sa.select(INGEST_AUDIT.c.sha256).where(INGEST_AUDIT.c.season == season).order_by(INGEST_AUDIT.c.id.desc())
    with clear_errors(engine.url), engine.connect() as connection:
        found = connection.scalar(newest.limit(1))
    if found is None:
        raise PipelineError(f"The warehouse has no season {season}: run `statmuse sync --seasons {season}` first.")
    return str(found)


def last_load(engine: sa.Engine, season: str) -> int:
    """The number of the newest load of a season in `ingest_audit`; 0 when it was never loaded.

    Raises:
        WarehouseError: when the database refuses.
    """
    newest = sa.select(sa.func.max(INGEST_AUDIT.c.id)).where(INGEST_AUDIT.c.season == season)
    with clear_errors(engine.url), engine.connect() as connection:
        return int(connection.scalar(newest) or 0)


def _of_seasons(query: sa.Select, seasons: Sequence[str] | None) -> sa.Select:
    return query if seasons is None else query.where(GAMES.c.season.in_(list(seasons)))


def _frame(engine: sa.Engine, query: sa.Select) -> pd.DataFrame:
    with clear_errors(engine.url), engine.connect() as connection:
        result = connection.execute(query)
        # Plain tuples: pandas asks every row of SQLAlchemy for attributes that it lacks.
        return pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))
