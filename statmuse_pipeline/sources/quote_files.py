"""Collected bookmakers' quotes from the `lines` folder of an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from statmuse_pipeline.contracts import QUOTES_RAW, check
from statmuse_pipeline.domain import PipelineError, Season
from statmuse_pipeline.sources.archive import archive_root, read_parquet
from statmuse_pipeline.sources.source import SourceError

LINES_FOLDER = "lines"
EASTERN = "America/New_York"
REQUIRED = ("bookmaker", "player_name", "market", "line", "over_price", "under_price")
"""Columns without which a file holds no quotes; moments and team names may be missing."""


class QuoteFiles:
    """Quotes as received, one Parquet file a collection.

    Args:
        path: the archive (or its game_logs folder). There are no quotes without an archive or in one without a
            `lines` folder.
    """

    def __init__(self, path: Path | None) -> None:
        folder = archive_root(path) / LINES_FOLDER if path else None
        self._files = sorted(folder.glob("*.parquet")) if folder and folder.is_dir() else []

    def read(self, seasons: Sequence[str]) -> pd.DataFrame:
        """All quotes of those seasons as a `contracts.QUOTES_RAW` frame, in the order of the files and their rows.

        A quote belongs to the season of its game_date, else of the Eastern day on which it was captured, else of
        the day on which its game was to begin. A quote with none of the three is delivered with every season, for
        the resolution to report it.

        Raises:
            SourceError: when a file is unreadable, lacks columns or holds values of the wrong kind.
        """
        starts = [Season.parse(label).start_year for label in seasons]
        frames = [_of_seasons(_read(file), starts) for file in self._files]
        filled = [frame for frame in frames if not frame.empty]
        return pd.concat(filled, ignore_index=True) if filled else _empty()

    def fingerprint(self) -> str:
        """SHA-256 over names and bytes of all files.

        Raises:
            SourceError: when a file cannot be read.
        """
        digest = hashlib.sha256()
        for file in self._files:
            try:
                content = file.read_bytes()
            except OSError as error:
                raise SourceError(f"{file} cannot be read: {error.strerror or error}.") from error
            digest.update(f"{file.name}\x1f{len(content)}\x1f".encode() + content)
        return digest.hexdigest()


def _types() -> dict[str, Any]:
    """Column -> pandas type; pandera's text type would become the nullable `string` instead of `str`."""
    kinds = {name: str(column.dtype) for name, column in QUOTES_RAW.columns.items()}
    return {name: kind if kind.startswith(("datetime64", "float")) else "str" for name, kind in kinds.items()}


def _empty() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _types().items()})


def _read(file: Path) -> pd.DataFrame:
    """One file in the columns and types of the contract."""
    raw = read_parquet(file, REQUIRED)
    raw["quote_set"] = file.stem
    columns = {}
    for name, kind in _types().items():
        values = raw[name] if name in raw else pd.Series(index=raw.index, dtype=kind)
        try:
            if kind.startswith("datetime64"):
                values = pd.to_datetime(values, utc="UTC" in kind, format="ISO8601")
            columns[name] = values.astype(kind)
        except (ValueError, TypeError) as error:
            raise SourceError(f"{file} has values of the wrong kind in {name}: {error}.") from error
    try:
        return check(QUOTES_RAW, pd.DataFrame(columns))
    except PipelineError as error:
        raise SourceError(f"{file}: {error}") from error


def _of_seasons(quotes: pd.DataFrame, starts: Sequence[int]) -> pd.DataFrame:
    moment = quotes["captured_at"].fillna(quotes["commence_time"])
    eastern = moment.dt.tz_convert(EASTERN).dt.tz_localize(None)
    day = quotes["game_date"].fillna(eastern)
    # The vectorised form of Season.of_date.
    season = day.dt.year - (day.dt.month < 8)
    return quotes[season.isin(starts) | day.isna()]
