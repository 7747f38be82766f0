"""Writes seasons as the files that `ArchiveSource` reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from statmuse_pipeline.sources.archive import LOGS_FOLDER, ArchiveSource, read_parquet
from statmuse_pipeline.sources.source import PLAYER_COLUMNS, SeasonPayload, SourceError, content_hash

_POSITIONS = ("SEASON", "PLAYER_ID", "POSITION")


def write_archive(out: Path, seasons: Sequence[SeasonPayload]) -> list[Path]:
    """Writes complete seasons, and reads them back to be sure that they are the same.

    Files: `game_logs/<season>.parquet`, `schedule/<season>.parquet` where there is one, `player_positions.parquet`
    (by season) and `player_metadata.parquet` (height, weight and birth date; where seasons differ the latest known
    value stands). Each appears whole or not at all; seasons and players that are already there and not given stay.

    Args:
        out: the archive's folder, made when it is missing.
        seasons: at least one.

    Returns:
        The files written, in the order of their writing.

    Raises:
        SourceError: when a season is only a part, the disk refuses, or game logs or schedule read back differ.
    """
    ordered = sorted(seasons, key=lambda payload: payload.season)
    for payload in ordered:
        if not payload.complete:
            raise SourceError(f"Only a part of {payload.season} was fetched: an archive holds whole seasons.")
    written: list[Path] = []
    try:
        for payload in ordered:
            written.append(_write(out / LOGS_FOLDER / f"{payload.season}.parquet", payload.game_logs))
            schedule = out / "schedule" / f"{payload.season}.parquet"
            if payload.schedule.empty:
                schedule.unlink(missing_ok=True)
            else:
                written.append(_write(schedule, payload.schedule))
        if any(not payload.players.empty for payload in ordered):
            written.append(_write(out / "player_positions.parquet", _positions(out, ordered)))
            written.append(_write(out / "player_metadata.parquet", _metadata(out, ordered)))
    except OSError as error:
        raise SourceError(
            f"Could not write the archive {out}: {error.strerror or error}. Free space or choose another --out."
        ) from error
    for payload in ordered:
        _compare(ArchiveSource(out), payload)
    return written


def _positions(out: Path, seasons: Sequence[SeasonPayload]) -> pd.DataFrame:
    """Positions by season: those of a player change, and the table of details has no season."""
    fresh = pd.concat([payload.players.assign(SEASON=payload.season)[list(_POSITIONS)] for payload in seasons])
    file = out / "player_positions.parquet"
    known = read_parquet(file, _POSITIONS) if file.is_file() else fresh.iloc[:0]
    kept = known[~known["SEASON"].isin([payload.season for payload in seasons])]
    every = fresh if kept.empty else pd.concat([kept[list(_POSITIONS)], fresh])
    return every.dropna(subset="POSITION").sort_values(["SEASON", "PLAYER_ID"], ignore_index=True)


def _metadata(out: Path, seasons: Sequence[SeasonPayload]) -> pd.DataFrame:
    """The latest known value of each player; POSITION stays empty, so that the season's own one counts."""
    file = out / "player_metadata.parquet"
    older = [read_parquet(file, PLAYER_COLUMNS)[list(PLAYER_COLUMNS)]] if file.is_file() else []
    every = pd.concat([*older, *(payload.players for payload in seasons if not payload.players.empty)])
    # `last` takes the last value that is not missing.
    latest = every.groupby("PLAYER_ID", sort=True).last().reset_index()
    latest["POSITION"] = pd.Series(pd.NA, index=latest.index, dtype="str")
    return latest[list(PLAYER_COLUMNS)]


def _compare(archive: ArchiveSource, payload: SeasonPayload) -> None:
    back = archive.fetch(payload.season)
    for name in ("game_logs", "schedule"):
        if content_hash(getattr(back, name)) != content_hash(getattr(payload, name)):
            raise SourceError(
                f"The {name.replace('_', ' ')} of {payload.season} in the archive are not what was fetched: "
                f"delete {back.origin} and report this."
            )


def _write(file: Path, frame: pd.DataFrame) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        frame.to_parquet(temporary, index=False)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return file
