"""A folder of LeagueGameLog files, one a season, with optional schedules and rosters beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from statmuse_pipeline.contracts import GAME_LOG_COLUMNS
from statmuse_pipeline.domain import PipelineError, Season
from statmuse_pipeline.sources.source import (
    SCHEDULE_COLUMNS,
    SeasonPayload,
    SourceError,
    content_hash,
    player_frame,
    players_of,
    schedule_frame,
)

LOGS_FOLDER = "game_logs"
EARLIER_FOLDER = "game_logs_earlier"
SUFFIXES = (".parquet", ".csv")
"""Where a season is there as both, Parquet wins: its types need no guessing."""

GAME_ID_LENGTH = 10
TEXT_COLUMNS = (
    "SEASON_ID", "PLAYER_NAME", "TEAM_ABBREVIATION", "TEAM_NAME", "GAME_ID", "GAME_DATE", "MATCHUP", "WL",
)  # fmt: skip


def archive_root(path: Path) -> Path:
    """The folder that holds the optional files, whether the archive or its game_logs folder was named."""
    return path.parent if path.resolve().name == LOGS_FOLDER else path


class ArchiveSource:
    """Seasons from files; reads nothing but the files of the season asked for.

    Args:
        path: the archive, or a folder that directly holds `<season>.parquet` or `<season>.csv`. The archive may
            also hold `schedule/<season>.parquet`, `player_metadata.parquet` and `player_positions.parquet`, and
            seasons that are only learned from, in `game_logs_earlier`.

    Raises:
        SourceError: when the folder is missing or holds no season.
    """

    name = "archive"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise SourceError(f"The archive {path} is not a folder: set STATMUSE_ARCHIVE to a folder of season files.")
        self._root = archive_root(path)
        self._logs = path / LOGS_FOLDER if (path / LOGS_FOLDER).is_dir() else path
        self._files = _season_files(self._logs)
        self._earlier = _season_files(self._root / EARLIER_FOLDER)
        if not self._files:
            raise SourceError(
                f"The archive {path} holds no season: it needs files such as {LOGS_FOLDER}/2023-24.parquet or .csv."
            )

    def seasons(self) -> tuple[str, ...]:
        """The seasons it has a file of, sorted."""
        return tuple(sorted(self._files))

    def earlier_seasons(self, before: str) -> tuple[str, ...]:
        """The seasons before that one which are there to learn from only, sorted; `fetch` gives them too."""
        return tuple(sorted(label for label in self._earlier if label < before and label not in self._files))

    def fetch(self, season: str, since: date | None = None) -> SeasonPayload:
        """That season's files, or its games on and after `since`.

        Raises:
            SourceError: when the season is not there, or a file is unreadable, lacks columns or holds another season.
        """
        file = self._file(season)
        logs = _read_game_logs(file, season)
        schedule = self._schedule(season)
        if since is not None:
            logs = logs[logs["GAME_DATE"] >= since.isoformat()].reset_index(drop=True)
            schedule = schedule[schedule["GAME_DATE"] >= since.isoformat()].reset_index(drop=True)
        players = self._players(season, logs)
        return SeasonPayload(
            season=season,
            game_logs=logs,
            schedule=schedule,
            players=players,
            origin=str(file),
            fetched_at=None,
            sha256=content_hash(logs, schedule, players),
            since=since,
        )

    def fingerprint(self, season: str) -> str:
        """SHA-256 over the bytes of every file the season is read from."""
        digest = hashlib.sha256()
        for file in (self._file(season), *self._extras(season).values()):
            content = _bytes(file) if file.is_file() else b""
            digest.update(f"{file.name}\x1f{len(content)}\x1f".encode() + content)
        return digest.hexdigest()

    def _file(self, season: str) -> Path:
        if season not in self._files and season in self._earlier:
            return self._earlier[season]
        if season not in self._files:
            raise SourceError(
                f"The archive {self._logs} has no season {season}; it has {', '.join(self.seasons())}. "
                "Set SEASONS to some of these or add the file."
            )
        return self._files[season]

    def _extras(self, season: str) -> dict[str, Path]:
        return {
            "schedule": self._root / "schedule" / f"{season}.parquet",
            "metadata": self._root / "player_metadata.parquet",
            "positions": self._root / "player_positions.parquet",
        }

    def _schedule(self, season: str) -> pd.DataFrame:
        file = self._extras(season)["schedule"]
        if not file.is_file():
            return schedule_frame()
        raw = read_parquet(file, SCHEDULE_COLUMNS)
        raw["GAME_ID"] = _game_ids(raw["GAME_ID"])
        raw["GAME_DATE"] = _iso_days(raw["GAME_DATE"])
        return _typed(schedule_frame, raw, file)

    def _players(self, season: str, logs: pd.DataFrame) -> pd.DataFrame:
        """One row a player of these game logs; what the files do not know stays missing."""
        files = self._extras(season)
        if not files["metadata"].is_file() and not files["positions"].is_file():
            return player_frame()
        players = players_of(logs, _player_details(files["metadata"]))
        fallback = players["PLAYER_ID"].map(_season_positions(files["positions"], season))
        players["POSITION"] = players["POSITION"].fillna(fallback)
        return _typed(player_frame, players, files["metadata"])


def read_parquet(file: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """All columns of a Parquet file.

    Raises:
        SourceError: when it is no complete Parquet file or lacks one of the required columns.
    """
    try:
        frame = pyarrow.parquet.read_table(file).to_pandas(ignore_metadata=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(file, "Parquet", error) from error
    _require(frame, required, file)
    # pandas stores a frame's row labels as a column of that name.
    return frame.drop(columns=[name for name in frame if str(name).startswith("__index_level_")])


def _season_files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for suffix in reversed(SUFFIXES):
        for file in folder.glob(f"*{suffix}"):
            try:
                found[Season.parse(file.stem).label] = file
            except PipelineError:
                continue  # files of another kind may lie beside the seasons
    return found


def _read_game_logs(file: Path, season: str) -> pd.DataFrame:
    logs = read_parquet(file, GAME_LOG_COLUMNS) if file.suffix == ".parquet" else _read_csv(file)
    if logs.empty:
        raise SourceError(f"{file} holds no rows: replace it by that season's LeagueGameLog.")
    logs["GAME_ID"] = _game_ids(logs["GAME_ID"])
    logs["SEASON_ID"] = logs["SEASON_ID"].astype("str")
    logs["GAME_DATE"] = _iso_days(logs["GAME_DATE"])
    if not (logs["SEASON_ID"] == Season.parse(season).season_id).any():
        found = ", ".join(sorted(logs["SEASON_ID"].dropna().unique())[:3])
        raise SourceError(
            f"{file} holds no regular-season row of {season} (SEASON_ID {Season.parse(season).season_id}) "
            f"but SEASON_ID {found}: rename or replace the file."
        )
    return logs


def _read_csv(file: Path) -> pd.DataFrame:
    """A CSV whose ids stay text; pyarrow refuses rows with too few fields, as a cut-off file has."""
    try:
        table = pyarrow.csv.read_csv(
            file,
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(TEXT_COLUMNS, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(file, "CSV", error) from error
    frame = table.to_pandas()
    _require(frame, GAME_LOG_COLUMNS, file)
    return frame


def _player_details(file: Path) -> pd.DataFrame:
    columns = ("PLAYER_ID", "POSITION", "HEIGHT_IN", "WEIGHT_LB", "BIRTHDATE")
    if not file.is_file():
        return player_frame()[list(columns)]
    return read_parquet(file, columns)[list(columns)]


def _season_positions(file: Path, season: str) -> dict[int, str]:
    """Roster positions of that season."""
    if not file.is_file():
        return {}
    positions = read_parquet(file, ("SEASON", "PLAYER_ID", "POSITION")).dropna(subset="POSITION")
    of_season = positions[positions["SEASON"] == season]
    return dict(zip(of_season["PLAYER_ID"], of_season["POSITION"], strict=True))


def _game_ids(ids: pd.Series) -> pd.Series:
    """Game ids as 10 characters, also where a spreadsheet has eaten their leading zeros."""
    return ids.astype("str").str.zfill(GAME_ID_LENGTH)


def _iso_days(days: pd.Series) -> pd.Series:
    """Days as text like 2023-10-24; text that is no day stays as it is, for validation to name its row."""
    parsed = pd.to_datetime(days, format="ISO8601", errors="coerce")
    return parsed.dt.strftime("%Y-%m-%d").astype("str").fillna(days.astype("str"))


def _typed(cast: Callable[[pd.DataFrame], pd.DataFrame], frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    try:
        return cast(frame)
    except (ValueError, TypeError) as error:
        raise SourceError(f"{file} has values of the wrong kind: {error}. Replace the file.") from error


def _require(frame: pd.DataFrame, columns: tuple[str, ...], file: Path) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise SourceError(f"{file} lacks the columns {', '.join(missing)}: replace it by a complete file.")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, file.suffix.removeprefix("."), error) from error


def _unreadable(file: Path, kind: str, error: Exception) -> SourceError:
    told = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"{file} is not a readable {kind} file ({told}): it is damaged or cut off, fetch it again.")
