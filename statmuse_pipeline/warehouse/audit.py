"""The dry run: what a source delivers and what loading it would change, without touching the warehouse."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, cast

import pandas as pd
import sqlalchemy as sa

from statmuse_pipeline.contracts import BOX_COLUMNS, GAME_LOG_COLUMNS
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.difference import difference, stored_stats
from statmuse_pipeline.warehouse.engine import clear_errors
from statmuse_pipeline.warehouse.season import PLAYER_FACTS, season_tables
from statmuse_pipeline.warehouse.tables import WAREHOUSE_INFO
from statmuse_pipeline.warehouse.validation import SeasonRejected, ValidatedLogs, validate_season

BATCH = pd.Timedelta(days=7)
"""Rows are counted by week, so that a hole in a season shows."""

OUTLIERS_SHOWN = 5


def audit_season(
    engine: sa.Engine | None,
    season: str,
    game_logs: pd.DataFrame,
    schedule: pd.DataFrame | None = None,
    players: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """What one season's delivery holds, as a JSON-ready dict; reads the warehouse, writes nothing.

    Keys: `season`, `rows`, `games`, `players`, `teams`, `first`, `last`, `accepted`, `rejected` (why the season would
    be refused, or None), `quarantined` (reason -> rows), `missing` (column -> share of missing values), `batches` (rows
    and games by week), `outliers` (per stat the most extreme player-games with their z-score within the stat),
    `would_change` (inserted, updated, unchanged, removed rows of `player_stats`, or "everything" without a warehouse).

    Args:
        engine: of an existing warehouse, or None when there is none.
        season: its label.
        game_logs: LeagueGameLog rows as received.
        schedule, players: as received; may be left out.

    Raises:
        WarehouseError: when the database refuses.
    """
    rejected = None
    try:
        parts = validate_season(game_logs, season, schedule)
    except SeasonRejected as error:
        rejected = str(error)
        nothing = pd.DataFrame(columns=list(GAME_LOG_COLUMNS)).astype({"GAME_DATE": "datetime64[ns]"})
        parts = ValidatedLogs(nothing, error.quarantined)
    good = parts.good
    reasons = parts.quarantined["reason"].value_counts() if "reason" in parts.quarantined else pd.Series(dtype="int64")
    days = good["GAME_DATE"].dt.strftime("%Y-%m-%d")
    return {
        "season": season,
        "rows": len(game_logs),
        "games": int(good["GAME_ID"].nunique()),
        "players": int(good["PLAYER_ID"].nunique()),
        "teams": int(good["TEAM_ID"].nunique()),
        "first": None if good.empty else days.min(),
        "last": None if good.empty else days.max(),
        "accepted": len(good),
        "rejected": rejected,
        "quarantined": {
            str(reason): int(count) for reason, count in sorted(reasons.items(), key=lambda pair: str(pair[0]))
        },
        "missing": _missing(game_logs, players),
        "batches": _batches(good),
        "outliers": _outliers(good),
        "would_change": "nothing: the season is rejected"
        if rejected
        else _would_change(engine, season, good, schedule),
    }


def write_audit(folder: Path, audits: list[dict[str, Any]]) -> Path:
    """Writes the audits of a run to `<folder>/<seasons>_<content hash>.json`, whole or not at all.

    Raises:
        PipelineError: when the folder or file can't be written.
    """
    text = json.dumps({"seasons": audits}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    labels = sorted(audit["season"] for audit in audits)
    span = "_to_".join(dict.fromkeys((labels[0], labels[-1]))) if labels else "nothing"
    file = folder / f"{span}_{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
    part = file.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise PipelineError(f"The audit {file} can't be written: {error.strerror}.") from error
    return file


def _missing(game_logs: pd.DataFrame, players: pd.DataFrame | None) -> dict[str, float]:
    shares = {name: float(game_logs[name].isna().mean()) for name in game_logs.columns}
    if players is not None and len(players):
        roster = {name.upper() for name in PLAYER_FACTS} & set(players.columns)
        shares |= {f"players.{name}": float(players[name].isna().mean()) for name in roster}
    return {name: round(share, 6) for name, share in sorted(shares.items())}


def _batches(good: pd.DataFrame) -> list[dict[str, Any]]:
    week = (good["GAME_DATE"] - good["GAME_DATE"].min()) // BATCH
    dated = good[["GAME_ID"]].assign(day=good["GAME_DATE"].dt.strftime("%Y-%m-%d"))
    counts = dated.groupby(week).agg(
        first=("day", "min"), last=("day", "max"), rows=("GAME_ID", "size"), games=("GAME_ID", "nunique")
    )
    return [{str(name): value for name, value in row.items()} for row in counts.to_dict("records")]


def _outliers(good: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The most extreme values of every stat; ties in the order of date, game and player."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in BOX_COLUMNS:
        values = good[name.upper()].astype("float64")
        spread = values.std(ddof=0)
        if good.empty or not spread > 0:
            continue
        scores = (values - values.mean()) / spread
        most = scores.abs().sort_values(ascending=False, kind="stable").index[:OUTLIERS_SHOWN]
        told = pd.DataFrame(
            {
                "player": good["PLAYER_NAME"],
                "player_id": good["PLAYER_ID"],
                "game_id": good["GAME_ID"],
                "date": good["GAME_DATE"].dt.strftime("%Y-%m-%d"),
                "value": good[name.upper()],
                "z": scores.round(2),
            }
        )
        found[name] = cast(list[dict[str, Any]], told.loc[most].to_dict("records"))
    return found


def _would_change(
    engine: sa.Engine | None, season: str, good: pd.DataFrame, schedule: pd.DataFrame | None
) -> dict[str, Any] | str:
    if engine is None:
        return "everything"
    empty = pd.DataFrame(columns=["GAME_ID", "TIPOFF_UTC", "HOME_TEAM_ID", "AWAY_TEAM_ID"])
    roster = pd.DataFrame(columns=["PLAYER_ID", *(name.upper() for name in PLAYER_FACTS)])
    wanted = season_tables(good, season, empty if schedule is None else schedule, roster).player_stats
    with clear_errors(engine.url), engine.connect() as connection:
        stored = stored_stats(connection, season)
        source = connection.scalar(sa.select(WAREHOUSE_INFO.c.value).where(WAREHOUSE_INFO.c.key == "source"))
    change = difference(stored, wanted, ["game_id", "player_id"])
    return {
        "inserted": len(change.inserted),
        "updated": len(change.updated),
        "unchanged": change.unchanged,
        "removed": len(change.removed),
        "warehouse_source": source,
    }
