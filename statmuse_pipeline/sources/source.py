"""What a source of game logs delivers, and the promise it makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError

_SCHEDULE_TYPES = {
    "GAME_ID": "str",
    "GAME_DATE": "str",
    "TIPOFF_UTC": "datetime64[ns, UTC]",
    "HOME_TEAM_ID": "int64",
    "AWAY_TEAM_ID": "int64",
}
_PLAYER_TYPES = {
    "PLAYER_ID": "int64",
    "PLAYER_NAME": "str",
    "POSITION": "str",
    "HEIGHT_IN": "float64",
    "WEIGHT_LB": "float64",
    "BIRTHDATE": "datetime64[ns]",
}

SCHEDULE_COLUMNS = tuple(_SCHEDULE_TYPES)
"""GAME_DATE is the Eastern day as text, `2023-10-24`, as in the game logs; TIPOFF_UTC may be missing."""

PLAYER_COLUMNS = tuple(_PLAYER_TYPES)
"""Height in inches, weight in pounds; everything but the id and the name may be missing."""


class SourceError(PipelineError):
    """A source could not deliver what was asked: which one, why, and what to do."""


@dataclass(frozen=True)
class SeasonPayload:
    """One season, regular season only, as a source gave it.

    Attributes:
        season: such as `2023-24`.
        game_logs: one row a player and game with at least `contracts.GAME_LOG_COLUMNS`.
        schedule: `SCHEDULE_COLUMNS`, one row a game; empty where the source has none.
        players: `PLAYER_COLUMNS`, one row a player; empty where the source has none.
        origin: the file or URL it came from.
        fetched_at: when it was fetched; None for sources without a clock, so that their bytes never change.
        sha256: hash of the content of the three frames, whatever the order of their rows.
        since: the first day it covers; None when it covers the season from its start.
        player_ids: the only players it covers; None when it covers all.
    """

    season: str
    game_logs: pd.DataFrame
    schedule: pd.DataFrame
    players: pd.DataFrame
    origin: str
    fetched_at: datetime | None
    sha256: str
    since: date | None = None
    player_ids: tuple[int, ...] | None = None

    @property
    def complete(self) -> bool:
        """Whether it is the whole season; anything else must go through `merge_increment` before it is loaded."""
        return self.since is None and self.player_ids is None


class GameLogSource(Protocol):
    """Anything that delivers seasons of game logs."""

    @property
    def name(self) -> str:
        """What the warehouse calls it: `archive`, `nba_api` or `demo`."""

    def seasons(self) -> tuple[str, ...]:
        """The seasons it can deliver, sorted."""

    def fetch(self, season: str, since: date | None = None) -> SeasonPayload:
        """That season, or its games on and after `since`.

        Raises:
            SourceError: when it cannot be delivered, in one sentence.
        """

    def fingerprint(self, season: str) -> str:
        """A cheap hash that changes when the season's content changes.

        Raises:
            SourceError: when the source has no such season.
        """


def schedule_frame(columns: pd.DataFrame | None = None) -> pd.DataFrame:
    """The frame cut down to `SCHEDULE_COLUMNS` in their types; an empty one without an argument."""
    return _typed(columns, _SCHEDULE_TYPES)


def player_frame(columns: pd.DataFrame | None = None) -> pd.DataFrame:
    """The frame cut down to `PLAYER_COLUMNS` in their types; an empty one without an argument."""
    return _typed(columns, _PLAYER_TYPES)


def players_of(game_logs: pd.DataFrame, details: pd.DataFrame) -> pd.DataFrame:
    """The players of these game logs under their latest name, by id, with `details` (unique PLAYER_ID) beside them."""
    by_date = game_logs.sort_values(["GAME_DATE", "GAME_ID"], kind="stable")
    known = by_date.drop_duplicates("PLAYER_ID", keep="last")[["PLAYER_ID", "PLAYER_NAME"]].sort_values("PLAYER_ID")
    return known.merge(details.drop_duplicates("PLAYER_ID", keep="last"), on="PLAYER_ID", how="left")


def content_hash(*frames: pd.DataFrame) -> str:
    """SHA-256 over names and values of the frames, the same for any order of their rows."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update("\x1f".join(map(str, frame.columns)).encode())
        rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        digest.update(np.sort(rows).tobytes() + len(rows).to_bytes(8, "big"))
    return digest.hexdigest()


def _typed(frame: pd.DataFrame | None, types: dict[str, str]) -> pd.DataFrame:
    columns = pd.DataFrame(columns=list(types)) if frame is None else frame
    return pd.DataFrame({name: _cast(columns[name], kind) for name, kind in types.items()}).reset_index(drop=True)


def _cast(values: pd.Series, kind: Any) -> pd.Series:
    if kind.startswith("datetime"):
        return pd.to_datetime(values, utc="UTC" in kind, format="ISO8601").astype(kind)
    return values.astype(kind)
