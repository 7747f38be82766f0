"""Collected bookmakers' quotes: the `lines` folder of an archive, and what was fetched day by day."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from statmuse_pipeline.contracts import QUOTES_RAW, check
from statmuse_pipeline.domain import PipelineError, Season
from statmuse_pipeline.receipts import replace_file
from statmuse_pipeline.sources.archive import archive_root, read_parquet
from statmuse_pipeline.sources.source import SourceError

LINES_FOLDER = "lines"
EASTERN = "America/New_York"
REQUIRED = ("bookmaker", "player_name", "market", "line", "over_price", "under_price")
"""Columns without which a file holds no quotes; moments and team names may be missing."""


class QuoteFiles:
    """Quotes as received, one Parquet file a collection or a fetch.

    Args:
        path: the archive (or its game_logs folder). There are no quotes without an archive or in one without a
            `lines` folder.
        fetched: the folder that `store_quotes` writes to; there may be nothing.
    """

    def __init__(self, path: Path | None, fetched: Path | None = None) -> None:
        folder = archive_root(path) / LINES_FOLDER if path else None
        self._files = sorted(folder.glob("*.parquet")) if folder and folder.is_dir() else []
        self._fetched = fetched

    def read(self, seasons: Sequence[str]) -> pd.DataFrame:
        """All quotes of those seasons as a `contracts.QUOTES_RAW` frame, in the order of the files and their rows.

        A quote belongs to the season of its game_date, else of the Eastern day on which it was captured, else of
        the day on which its game was to begin. A quote with none of the three is delivered with every season, for
        the resolution to report it. What was fetched follows the archive; a quote that was stored twice comes once.

        Raises:
            SourceError: when a file is unreadable, lacks columns or holds values of the wrong kind.
        """
        starts = [Season.parse(label).start_year for label in seasons]
        frames = [_of_seasons(_read(file), starts) for file in self._files]
        fetched = [_read(file, named=False) for season in sorted(set(seasons)) for file in self._fetched_files(season)]
        if fetched:
            frames.append(_of_seasons(pd.concat(fetched).drop_duplicates(), starts))
        filled = [frame for frame in frames if not frame.empty]
        return pd.concat(filled, ignore_index=True) if filled else empty_quotes()

    def fingerprint(self, season: str | None = None) -> str:
        """SHA-256 over names and bytes of the archive's files and of the fetched ones: the season's, else all.

        Raises:
            SourceError: when a file cannot be read.
        """
        fetched = self._fetched_files(season or "*")
        return _digest(fetched, hashlib.sha256(self._archive_digest.encode())) if fetched else self._archive_digest

    @cached_property
    def _archive_digest(self) -> str:
        return _digest(self._files, hashlib.sha256())

    def _fetched_files(self, season: str) -> list[Path]:
        return sorted(self._fetched.glob(f"{season}/*.parquet")) if self._fetched else []


def store_quotes(folder: Path, quotes: pd.DataFrame) -> list[Path]:
    """Keeps fetched quotes for `QuoteFiles`, a file a game day: `<season>/<day>-<hash>.parquet`.

    Files are named by their content and appear whole: the same quotes stored again change nothing, and two writers
    never meet.

    Args:
        folder: made when it is missing.
        quotes: `contracts.QUOTES_RAW` with a `game_date` in every row.

    Returns:
        The files, sorted.

    Raises:
        PipelineError: when quotes have no day or the disk refuses.
    """
    check(QUOTES_RAW, quotes)
    if quotes["game_date"].isna().any():
        raise SourceError("Quotes without a game_date can't be stored: they belong to no day.")
    files = []
    for day, rows in quotes.groupby("game_date"):
        buffer = io.BytesIO()
        rows.drop_duplicates().sort_values(list(_types()), ignore_index=True).to_parquet(buffer, index=False)
        content, date = buffer.getvalue(), pd.Timestamp(str(day)).date()
        name = f"{date.isoformat()}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
        files.append(replace_file(folder / Season.of_date(date).label / name, content))
    return files


def empty_quotes() -> pd.DataFrame:
    """No quotes, in the columns and types of `contracts.QUOTES_RAW`."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _types().items()})


def quotes_frame(raw: pd.DataFrame, told: str) -> pd.DataFrame:
    """Quotes in the columns and types of `contracts.QUOTES_RAW`; columns that are missing are empty.

    Args:
        raw: at least `REQUIRED` and `quote_set`.
        told: where they come from, for error messages.

    Raises:
        SourceError: when values are of the wrong kind.
    """
    columns = {}
    for name, kind in _types().items():
        values = raw[name] if name in raw else pd.Series(index=raw.index, dtype=kind)
        try:
            if kind.startswith("datetime64"):
                values = pd.to_datetime(values, utc="UTC" in kind, format="ISO8601")
            columns[name] = values.astype(kind)
        except (ValueError, TypeError) as error:
            raise SourceError(f"{told} has values of the wrong kind in {name}: {error}.") from error
    try:
        return check(QUOTES_RAW, pd.DataFrame(columns))
    except PipelineError as error:
        raise SourceError(f"{told}: {error}") from error


def _types() -> dict[str, Any]:
    """Column -> pandas type; pandera's text type would become the nullable `string` instead of `str`."""
    kinds = {name: str(column.dtype) for name, column in QUOTES_RAW.columns.items()}
    return {name: kind if kind.startswith(("datetime64", "float")) else "str" for name, kind in kinds.items()}


def _read(file: Path, *, named: bool = True) -> pd.DataFrame:
    """One file in the columns and types of the contract; `named` after the file, else as it says itself."""
    raw = read_parquet(file, REQUIRED if named else (*REQUIRED, "quote_set"))
    return quotes_frame(raw.assign(quote_set=file.stem) if named else raw, str(file))


def _digest(files: Iterable[Path], digest: Any) -> str:
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror or error}.") from error
        digest.update(f"{file.name}\x1f{len(content)}\x1f".encode() + content)
    return str(digest.hexdigest())


def _of_seasons(quotes: pd.DataFrame, starts: Sequence[int]) -> pd.DataFrame:
    moment = quotes["captured_at"].fillna(quotes["commence_time"])
    eastern = moment.dt.tz_convert(EASTERN).dt.tz_localize(None)
    day = quotes["game_date"].fillna(eastern)
    # The vectorised form of Season.of_date.
    season = day.dt.year - (day.dt.month < 8)
    return quotes[season.isin(starts) | day.isna()]
