"""The vocabulary of the pipeline as types: stat, season, information level, ladder lines."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

ELIGIBLE_GAMES = 50
"""A player with at least this many games in train and validation gets models of their own."""

ROTATION_MINUTES = 15.0
"""Only players expected to play this long may enter tip-off features: "who played at all" leaks."""

MINIMUM_HISTORY = 10
"""Player-games with fewer earlier games do not count in any accuracy metric."""

STARTER_MINUTES = 28.0
ROLES = ("starter", "rotation", "bench")
"""By expected minutes: 28 or more, 15 or more, fewer."""

COVERAGES = (50, 80, 95)
"""Intervals that are told, in percent of the games."""


def role_of(minutes: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """The role that expected minutes [n] stand for; unknown minutes count as bench."""
    known = np.nan_to_num(np.asarray(minutes, dtype=np.float64))
    return np.select([known >= STARTER_MINUTES, known >= ROTATION_MINUTES], ROLES[:2], ROLES[2])


class PipelineError(Exception):
    """An error whose message tells a user what was wrong, where, and what to do about it."""


class Stat(StrEnum):
    """A statistic of a player-game that people bet on. `PRA` is PTS + REB + AST."""

    PTS = "PTS"
    REB = "REB"
    AST = "AST"
    FG3M = "FG3M"
    STL = "STL"
    BLK = "BLK"
    TOV = "TOV"
    PRA = "PRA"

    @property
    def column(self) -> str:
        """The column of a player-games frame that holds this stat."""
        return self.value.lower()

    @property
    def parts(self) -> tuple[Stat, ...]:
        """The box-score stats that add up to this one."""
        return (Stat.PTS, Stat.REB, Stat.AST) if self is Stat.PRA else (self,)


class Combination(StrEnum):
    """A sum of stats that books quote and no model forecasts by itself; `Stat.PRA`, which is forecast, is none."""

    PTS_REB = "PTS+REB"
    PTS_AST = "PTS+AST"
    REB_AST = "REB+AST"

    @property
    def parts(self) -> tuple[Stat, ...]:
        """The stats that are added."""
        return tuple(Stat(name) for name in self.value.split("+"))


def stat_or_sum(text: str) -> Stat | Combination:
    """What a user means: `pts` is a stat, `reb+pts` a sum of two, `PTS+REB+AST` another name of PRA.

    Raises:
        PipelineError: when it is none of them, with all that are.
    """
    names = [name.strip().upper() for name in text.split("+")]
    order = [stat.value for stat in Stat]
    asked = "+".join(sorted(names, key=order.index)) if set(names) <= set(order) else ""
    known = {item.value: item for item in (*Stat, *Combination)} | {"+".join(Stat.PRA.parts): Stat.PRA}
    if asked not in known:
        raise PipelineError(f"Unknown stat {text}: choose from {', '.join(known)}.")
    return known[asked]


def _ladder(first: float, last: float, step: float) -> tuple[float, ...]:
    return tuple(float(line) for line in np.arange(first, last + step / 2, step))


LADDER: Mapping[Stat, tuple[float, ...]] = {
    Stat.PTS: _ladder(4.5, 39.5, 5),
    Stat.REB: _ladder(1.5, 15.5, 2),
    Stat.AST: _ladder(0.5, 12.5, 2),
    Stat.FG3M: _ladder(0.5, 5.5, 1),
    Stat.STL: _ladder(0.5, 2.5, 1),
    Stat.BLK: _ladder(0.5, 2.5, 1),
    Stat.TOV: _ladder(0.5, 4.5, 1),
    Stat.PRA: _ladder(9.5, 59.5, 5),
}
"""The fixed lines on which the ladder Brier score is computed."""

LARGEST_COUNT: Mapping[Stat, int] = {
    Stat.PTS: 90,
    Stat.REB: 40,
    Stat.AST: 32,
    Stat.FG3M: 18,
    Stat.STL: 14,
    Stat.BLK: 16,
    Stat.TOV: 16,
    Stat.PRA: 120,
}
"""Where predictive distributions are cut off: above every value since 1983-84."""


class InformationLevel(StrEnum):
    """What was known when a forecast was made."""

    PREGAME = "pregame"
    """The schedule and everything played before that date."""
    TIPOFF = "tipoff"
    """Also which rotation players are out."""

    def may_use(self, level: InformationLevel) -> bool:
        """Whether a forecast at this level may touch information of `level`."""
        return self is InformationLevel.TIPOFF or level is InformationLevel.PREGAME


@dataclass(frozen=True, order=True)
class Season:
    """An NBA season by the year it starts in; `str()` gives the label, `2023-24`."""

    start_year: int

    @classmethod
    def parse(cls, label: str) -> Season:
        """`2023-24` -> Season(2023).

        Raises:
            PipelineError: when the label is not of that form.
        """
        match = re.fullmatch(r"(\d{4})-(\d{2})", label.strip())
        if not match or (int(match[1]) + 1) % 100 != int(match[2]):
            raise PipelineError(f"{label!r} is not a season: write it like 2023-24.")
        return cls(int(match[1]))

    @classmethod
    def of_date(cls, date: dt.date) -> Season:
        """The season a game of that day belongs to (seasons turn over in August)."""
        return cls(date.year if date.month >= 8 else date.year - 1)

    @property
    def label(self) -> str:
        """How people write it, `2023-24`."""
        return f"{self.start_year}-{(self.start_year + 1) % 100:02d}"

    @property
    def season_id(self) -> str:
        """The regular season's SEASON_ID at stats.nba.com, `22023`."""
        return f"2{self.start_year}"

    def __str__(self) -> str:
        return self.label


EXPECTED_MINUTES: Mapping[InformationLevel, str] = {
    InformationLevel.PREGAME: "exp_min_pregame",
    InformationLevel.TIPOFF: "tip_exp_min",
}
"""The column that holds the minutes expected at a level."""


def prior_column(stat: Stat, level: InformationLevel) -> str:
    """The column that holds the pooled prior's mean of a stat."""
    return f"prior_{stat.column}" + ("_pregame" if level is InformationLevel.PREGAME else "")


def player_slug(name: str) -> str:
    """A name in plain letters and dashes: `Luka Dončić` -> `luka-doncic`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def player_key(player_id: int, name: str) -> str:
    """The partition key of a player: `luka-doncic-1629029`."""
    return f"{player_slug(name)}-{player_id}"


def player_id_of(key: str) -> int:
    """The stats.nba.com id at the end of a partition key.

    Raises:
        PipelineError: when the key ends in no number.
    """
    tail = key.rsplit("-", 1)[-1]
    if not tail.isdigit():
        raise PipelineError(f"{key!r} is not a player key: it must end in the player's NBA id.")
    return int(tail)
