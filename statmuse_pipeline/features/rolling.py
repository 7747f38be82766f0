"""What a player did lately: means, weighted means, spread, trend and per-minute rates over earlier games.

Histories hold games with MIN > 0 only. Every row, also one of MIN 0 or one still to be played, sees the history up to
the day before.
"""

from __future__ import annotations

import numpy as np
from coreforecast import lag_transforms
from coreforecast.grouped_array import GroupedArray

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rows import Rows

FULL = ("min", *(stat.column for stat in Stat), "fga", "fg3a", "fta")
"""Stats that get every kind of running figure."""

BRIEF = ("fgm", "ftm", "oreb", "dreb", "pf", "plus_minus")
"""Stats that get weighted means and rates only."""

WINDOWS = (3, 5, 10, 20)
FAST, SLOW = 0.1, 0.03
"""Weights of the newest game in exponentially weighted means; FAST is the referee's baseline."""

_SPAN = 1 << 20
"""More days than any date has since 1970: entity * _SPAN + day orders by entity, then by day."""


class History:
    """Observations of entities on days, and running figures over them.

    Running figures are computed including each observation; `before` then tells which observation is the last one
    strictly before a day, so that `take` gives every row the figure as it was known then.

    Args:
        entity: non-negative int64 codes, one an observation.
        day: days since 1970, one an observation.
    """

    def __init__(self, entity: np.ndarray, day: np.ndarray):
        key = entity * _SPAN + day
        self._order = np.argsort(key, kind="stable")
        self._key = key[self._order]
        owner = self._key // _SPAN
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]) if len(owner) else np.array([], np.int64)
        self._indptr = np.r_[starts, len(owner)].astype(np.int32)
        self._number = np.arange(len(owner)) - np.repeat(starts, np.diff(self._indptr))

    def before(self, entity: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Index of the entity's last observation strictly before the day; -1 where there is none."""
        return self._last(entity, np.searchsorted(self._key, entity * _SPAN + day, side="left") - 1)

    def until(self, entity: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Index of the entity's last observation on or before the day; -1 where there is none."""
        return self._last(entity, np.searchsorted(self._key, entity * _SPAN + day, side="right") - 1)

    def _last(self, entity: np.ndarray, index: np.ndarray) -> np.ndarray:
        if not len(self._key):
            return np.full(len(entity), -1)
        return np.where((index >= 0) & (self._key[index] // _SPAN == entity), index, -1)

    def take(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Running figures (in this history's order) at the given indices; NaN where the index is -1."""
        if not len(values):
            return np.full(len(at), np.nan)
        return np.where(at >= 0, values[at], np.nan)

    def count(self, at: np.ndarray) -> np.ndarray:
        """How many observations the entity had, up to and including the given index; 0 for -1."""
        return np.nan_to_num(self.take(self._number + 1.0, at))

    def days(self, at: np.ndarray) -> np.ndarray:
        """Day of the observation at each index (float); NaN for -1."""
        return self.take((self._key % _SPAN).astype(np.float64), at)

    def sort(self, values: np.ndarray) -> np.ndarray:
        """Values given in the order of the constructor, brought into this history's order (float64)."""
        return np.ascontiguousarray(values[self._order], dtype=np.float64)

    @property
    def number(self) -> np.ndarray:
        """0, 1, 2 ... within each entity."""
        return self._number

    def _apply(self, transform: object, ordered: np.ndarray) -> np.ndarray:
        if not len(ordered):
            return ordered
        return transform.transform(GroupedArray(ordered, self._indptr, 1))  # type: ignore[attr-defined]

    def mean(self, ordered: np.ndarray, window: int) -> np.ndarray:
        """Mean over the last `window` observations (fewer at the start)."""
        return self._apply(lag_transforms.RollingMean(0, window, 1), ordered)

    def std(self, ordered: np.ndarray, window: int) -> np.ndarray:
        """Sample standard deviation over the last `window` observations, NaN below two."""
        return self._apply(lag_transforms.RollingStd(0, window, 2), ordered)

    def low(self, ordered: np.ndarray, window: int) -> np.ndarray:
        """Minimum over the last `window` observations."""
        return self._apply(lag_transforms.RollingMin(0, window, 1), ordered)

    def high(self, ordered: np.ndarray, window: int) -> np.ndarray:
        """Maximum over the last `window` observations."""
        return self._apply(lag_transforms.RollingMax(0, window, 1), ordered)

    def median(self, ordered: np.ndarray, window: int) -> np.ndarray:
        """Median over the last `window` observations."""
        return self._apply(lag_transforms.RollingQuantile(0, 0.5, window, 1), ordered)

    def expanding(self, ordered: np.ndarray) -> np.ndarray:
        """Mean over all observations so far."""
        return self._apply(lag_transforms.ExpandingMean(0), ordered)

    def ewm(self, ordered: np.ndarray, alpha: float) -> np.ndarray:
        """Exponentially weighted mean, weights (1 - alpha)^k normalised (pandas' adjust=True).

        The recursion e_t = alpha x_t + (1 - alpha) e_{t-1} started at x_0 gives x_0 the weight (1 - alpha)^t instead
        of alpha (1 - alpha)^t; taking the excess away and dividing by the sum of weights gives the adjusted mean.
        """
        plain = self._apply(lag_transforms.ExponentiallyWeightedMean(0, alpha), ordered)
        if not len(plain):
            return plain
        first = ordered[np.arange(len(ordered)) - self._number]
        excess = (1 - alpha) ** (self._number + 1.0)
        return (plain - excess * first) / (1 - excess)

    def trend(self, ordered: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Linearly weighted mean (newest heaviest) and least-squares slope a game over the last `window`.

        Both follow from the rolling means of x and of number * x. The slope is NaN below three observations.
        """
        number = self._number.astype(np.float64)
        games = np.minimum(number + 1, window)
        mean, moment = self.mean(ordered, window), self.mean(ordered * number, window)
        weighted = 2 * (moment - (number - games) * mean) / (games + 1)
        variance = np.where(games >= 3, (games**2 - 1) / 12, np.nan)
        return weighted, (moment - (number - (games - 1) / 2) * mean) / variance


def player_history(rows: Rows) -> History:
    """History of player-games with MIN > 0."""
    return History(rows.player[rows.played], rows.day[rows.played])


def recent_form(rows: Rows, history: History) -> Columns:
    """Running figures of every stat before each row; see `catalog()`."""
    at = history.before(rows.player, rows.day)
    seasons = int(rows.season.max()) + 1
    by_season = History(rows.player[rows.played] * seasons + rows.season[rows.played], rows.day[rows.played])
    in_season = by_season.before(rows.player * seasons + rows.season, rows.day)

    columns: Columns = {}
    values = {s: history.sort(rows.box[s][rows.played]) for s in (*FULL, *BRIEF)}
    weighted = {(s, alpha): history.ewm(x, alpha) for s, x in values.items() for alpha in (FAST, SLOW)}
    for s, x in values.items():
        columns[f"{s}_ewm_10"] = history.take(weighted[s, FAST], at)
        columns[f"{s}_ewm_03"] = history.take(weighted[s, SLOW], at)
        if s != "min":
            columns[f"{s}_per_min_10"] = history.take(weighted[s, FAST] / weighted["min", FAST], at)
            columns[f"{s}_per_min_03"] = history.take(weighted[s, SLOW] / weighted["min", SLOW], at)
        if s in FULL:
            season = by_season.expanding(by_season.sort(rows.box[s][rows.played]))
            columns |= {name: history.take(v, at) for name, v in _windows(history, s, x).items()}
            columns[f"{s}_season"] = by_season.take(season, in_season)
    columns["games_before"] = history.count(at)
    columns["season_games_before"] = by_season.count(in_season)
    return columns


def _windows(history: History, s: str, x: np.ndarray) -> Columns:
    means = {window: history.mean(x, window) for window in WINDOWS}
    weighted, slope = history.trend(x, 10)
    return {
        **{f"{s}_mean_{window}": mean for window, mean in means.items()},
        f"{s}_wma_10": weighted,
        f"{s}_median_10": history.median(x, 10),
        f"{s}_min_10": history.low(x, 10),
        f"{s}_max_10": history.high(x, 10),
        f"{s}_std_10": history.std(x, 10),
        f"{s}_slope_10": slope,
        f"{s}_momentum_5": x - means[5],
    }


def catalog() -> list[Feature]:
    """The columns of `recent_form`."""
    found: list[tuple[str, str]] = []
    for s in (*FULL, *BRIEF):
        label = s.upper()
        found += [
            (f"{s}_ewm_10", f"exponentially weighted mean of {label}, newest game 0.1"),
            (f"{s}_ewm_03", f"exponentially weighted mean of {label}, newest game 0.03"),
        ]
        if s != "min":
            found += [
                (f"{s}_per_min_10", f"{label} a minute, exponentially weighted, newest game 0.1"),
                (f"{s}_per_min_03", f"{label} a minute, exponentially weighted, newest game 0.03"),
            ]
        if s in FULL:
            found += [(f"{s}_mean_{window}", f"mean of {label} over the last {window} games") for window in WINDOWS]
            found += [
                (f"{s}_wma_10", f"linearly weighted mean of {label} over the last 10 games, newest heaviest"),
                (f"{s}_median_10", f"median of {label} over the last 10 games"),
                (f"{s}_min_10", f"smallest {label} of the last 10 games"),
                (f"{s}_max_10", f"largest {label} of the last 10 games"),
                (f"{s}_std_10", f"sample standard deviation of {label} over the last 10 games"),
                (f"{s}_slope_10", f"least-squares slope of {label} a game over the last 10 games"),
                (f"{s}_momentum_5", f"{label} of the last game minus the mean of the last 5"),
                (f"{s}_season", f"mean of {label} this season before the game"),
            ]
    found += [
        ("games_before", "earlier games with MIN > 0"),
        ("season_games_before", "earlier games with MIN > 0 this season"),
    ]
    return [Feature(name, PREGAME, "recent form", text) for name, text in found]
