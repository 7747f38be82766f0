"""Brings a season into the warehouse: validated, idempotent, in one transaction."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.bulk import delete, upsert
from statmuse_pipeline.warehouse.difference import Difference, difference, stored_games, stored_stats
from statmuse_pipeline.warehouse.engine import clear_errors, write_transaction
from statmuse_pipeline.warehouse.season import SeasonTables, newest_facts, season_tables
from statmuse_pipeline.warehouse.tables import (
    GAMES,
    INGEST_AUDIT,
    PLAYER_STATS,
    PLAYERS,
    QUARANTINE,
    TEAMS,
    WAREHOUSE_INFO,
)
from statmuse_pipeline.warehouse.validation import SeasonRejected, ValidatedLogs, validate_season

__all__ = [
    "LoadReport",
    "MixedSources",
    "SeasonRejected",
    "ValidatedLogs",
    "claim_source",
    "load_season",
    "validate_season",
]


class MixedSources(PipelineError):
    """Rows of one source were about to be mixed with those of another."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did. `rows`, `games`, `players`: of the season afterwards; the rest counts rows of `player_stats`."""

    season: str
    rows: int
    inserted: int
    updated: int
    unchanged: int
    removed: int
    quarantined: int
    games: int
    players: int


def claim_source(engine: sa.Engine, source: str) -> None:
    """Marks the warehouse as holding rows of `source` and no other.

    Raises:
        MixedSources: when it already holds rows of another source.
        WarehouseError: when the database refuses.
    """
    with clear_errors(engine.url), write_transaction(engine) as connection:
        _claim(connection, source)


def load_season(
    engine: sa.Engine,
    *,
    source: str,
    season: str,
    game_logs: pd.DataFrame,
    schedule: pd.DataFrame,
    players: pd.DataFrame,
    origin: str,
    fetched_at: dt.datetime | None,
    sha256: str,
) -> LoadReport:
    """Makes the warehouse's season equal to what the source says, in one transaction.

    Rows are inserted, updated where a value changed, left alone where none did, and removed where the source no longer
    has them. Loading the same frames again changes no table but adds a row to `ingest_audit`.

    Args:
        engine: from `open_warehouse`.
        source: the source's name; a warehouse holds one source only.
        season: its label, `2023-24`; `game_logs` must be the whole of it.
        game_logs: LeagueGameLog rows, see `contracts.GAME_LOG_COLUMNS`.
        schedule: GAME_ID, TIPOFF_UTC, HOME_TEAM_ID, AWAY_TEAM_ID; may be empty.
        players: PLAYER_ID, POSITION, HEIGHT_IN, WEIGHT_LB, BIRTHDATE; may be empty.
        origin: the file or URL that the rows came from.
        fetched_at: when they were fetched, UTC, or None for a source without a clock.
        sha256: content hash of the three frames.

    Raises:
        SeasonRejected: when more than 1% of the rows are bad.
        MixedSources: when the warehouse holds another source.
        WarehouseError: when the database refuses; the season is then as it was before.
    """
    validated = validate_season(game_logs, season, schedule)
    wanted = season_tables(validated.good, season, schedule, players)
    with clear_errors(engine.url), write_transaction(engine) as connection:
        _claim(connection, source)
        change = _write_season(connection, season, wanted)
        _write_quarantine(connection, season, validated.quarantined)
        report = LoadReport(
            season=season,
            rows=len(wanted.player_stats),
            inserted=len(change.inserted),
            updated=len(change.updated),
            unchanged=change.unchanged,
            removed=len(change.removed),
            quarantined=len(validated.quarantined),
            games=len(wanted.games),
            players=len(wanted.players),
        )
        moments = {"fetched_at": fetched_at and fetched_at.astimezone(dt.UTC), "loaded_at": dt.datetime.now(dt.UTC)}
        facts = {"source": source, "origin": origin, "sha256": sha256}
        connection.execute(INGEST_AUDIT.insert(), {**vars(report), **facts, **moments})
    return report


def _claim(connection: sa.Connection, source: str) -> None:
    held = connection.scalar(sa.select(WAREHOUSE_INFO.c.value).where(WAREHOUSE_INFO.c.key == "source"))
    if held is None:
        connection.execute(WAREHOUSE_INFO.insert(), {"key": "source", "value": source})
    elif held != source:
        raise MixedSources(
            f"The warehouse holds rows of the source {held!r}; rows of {source!r} can't be mixed in: "
            f"set STATMUSE_SOURCE={held}, or give DATABASE_URL (or STATMUSE_DATA) a place of its own."
        )


def _write_season(connection: sa.Connection, season: str, wanted: SeasonTables) -> Difference:
    """Parents before children when writing, children before parents when removing."""
    for table, frame, key in ((TEAMS, wanted.teams, "team_id"), (PLAYERS, wanted.players, "player_id")):
        stored = _stored(connection, table, frame)
        change = difference(stored, newest_facts(stored, frame, key), [key])
        upsert(connection, table, change.written)
    games = difference(stored_games(connection, season), wanted.games, ["game_id"])
    stats = difference(stored_stats(connection, season), wanted.player_stats, ["game_id", "player_id"])
    upsert(connection, GAMES, games.written)
    upsert(connection, PLAYER_STATS, stats.written)
    delete(connection, PLAYER_STATS, stats.removed)
    delete(connection, GAMES, games.removed)
    if not stats.removed.empty:
        used = sa.select(PLAYER_STATS.c.player_id)
        gone = [int(player) for player in stats.removed["player_id"].unique()]
        connection.execute(PLAYERS.delete().where(PLAYERS.c.player_id.in_(gone), PLAYERS.c.player_id.not_in(used)))
    return stats


def _stored(connection: sa.Connection, table: sa.Table, like: pd.DataFrame) -> pd.DataFrame:
    """The whole of a small table with the dtypes of `like`."""
    names = list(like.columns)
    rows = connection.execute(sa.select(*(table.c[name] for name in names))).tuples().all()
    frame = pd.DataFrame(rows, columns=names)
    dates = {name: pd.to_datetime(frame[name]) for name in names if like[name].dtype.kind == "M"}
    return frame.assign(**dates).astype(like.dtypes.to_dict())


def _write_quarantine(connection: sa.Connection, season: str, quarantined: pd.DataFrame) -> None:
    rows = pd.DataFrame(_quarantine_rows(season, quarantined), columns=QUARANTINE.c.keys(), dtype="str")
    query = sa.select(QUARANTINE).where(QUARANTINE.c.season == season)
    stored = pd.DataFrame(connection.execute(query).tuples().all(), columns=QUARANTINE.c.keys(), dtype="str")
    change = difference(stored, rows, ["season", "digest"])
    upsert(connection, QUARANTINE, change.written)
    delete(connection, QUARANTINE, change.removed)


def _quarantine_rows(season: str, quarantined: pd.DataFrame) -> Iterable[tuple[str, str, str, str]]:
    seen: dict[str, int] = {}
    for reason, row in zip(quarantined["reason"], quarantined.drop(columns="reason").to_dict("records"), strict=True):
        text = json.dumps(row, sort_keys=True, default=str)
        seen[text] = seen.get(text, 0) + 1
        yield season, hashlib.sha256(f"{text}#{seen[text]}".encode()).hexdigest(), reason, text
