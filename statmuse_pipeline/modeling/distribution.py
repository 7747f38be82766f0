"""Predictive distributions of counts as survival functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from statmuse_pipeline.domain import PipelineError

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-6


class CountDistribution:
    """Distributions of n counts on 0..K.

    Args:
        survival: [n, K + 1], P(Y > k) for k = 0..K; within [0, 1] and non-increasing along k. What is left in the last
            column lies above K.

    Raises:
        PipelineError: when it is no survival function.
    """

    def __init__(self, survival: npt.ArrayLike) -> None:
        values = np.asarray(survival)
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
        if values.ndim != 2 or values.shape[1] < 1:
            raise PipelineError(f"A survival matrix has the shape [rows, counts], not {values.shape}.")
        if values.size and not (values.min() >= -_TOLERANCE and values.max() <= 1 + _TOLERANCE):
            raise PipelineError("Survival probabilities must lie in [0, 1], without missing ones.")
        if values.size and (np.diff(values, axis=1) > _TOLERANCE).any():
            raise PipelineError("Survival probabilities must not rise with the count.")
        self.survival = values

    def __len__(self) -> int:
        return len(self.survival)

    @property
    def largest(self) -> int:
        """K, the last count that is told apart."""
        return self.survival.shape[1] - 1

    def over(self, line: npt.ArrayLike, rows: npt.NDArray[np.integer[Any]] | None = None) -> Floats:
        """P(Y > line), one a row; `line` is a number or one number a row. A push is not over.

        A line below 0 is beaten for sure; NaN where the line is NaN. With `rows`, [m] indices of rows in any order and
        as often as wanted, there is one answer for each of them.
        """
        lines, at = self._asked(line, rows)
        return self._above(np.floor(lines), at)

    def push(self, line: npt.ArrayLike, rows: npt.NDArray[np.integer[Any]] | None = None) -> Floats:
        """P(Y = line): 0 unless the line is a whole number; NaN where the line is NaN. `rows` as in `over`."""
        lines, at = self._asked(line, rows)
        return self._above(np.ceil(lines) - 1, at) - self._above(np.floor(lines), at)

    def under(self, line: npt.ArrayLike, rows: npt.NDArray[np.integer[Any]] | None = None) -> Floats:
        """P(Y < line) = 1 - over - push. `rows` as in `over`."""
        lines, at = self._asked(line, rows)
        return 1.0 - self._above(np.ceil(lines) - 1, at)

    def mean(self) -> Floats:
        """Expected count [n], what lies above K counted as K + 1."""
        return self.survival.sum(axis=1, dtype=np.float64)

    def median(self) -> Floats:
        """The smallest count m with P(Y <= m) >= 1/2, [n]."""
        return self.quantile(0.5)

    def quantile(self, q: float) -> Floats:
        """The smallest count k with P(Y <= k) >= q, [n], as floats; K + 1 stands for "above K".

        Raises:
            PipelineError: when q lies outside (0, 1).
        """
        if not 0 < q < 1:
            raise PipelineError(f"A quantile lies strictly between 0 and 1, not at {q}.")
        return (self.survival > 1 - q + _TOLERANCE * 1e-3).sum(axis=1).astype(np.float64)

    def interval(self, level: npt.ArrayLike) -> tuple[Floats, Floats]:
        """The run of counts round the median whose probability is nearest to `level`: (first, last), both [n].

        Equal tails of whole counts cover too much wherever a single count holds a good part of the probability (a
        player who makes one three a game), so counts are added round the median, the likelier neighbour first, until
        adding another would leave the level farther behind. Intervals of rising levels lie within each other.
        """
        return self.intervals((level,))[0]

    def intervals(self, levels: Sequence[npt.ArrayLike]) -> list[tuple[Floats, Floats]]:
        """`interval` for several levels at once, each a number or one a row, in the order given.

        Raises:
            PipelineError: when a level lies outside (0, 1).
        """
        asked = [np.broadcast_to(np.asarray(level, dtype=np.float64), (len(self),)) for level in levels]
        if not all(((level > 0) & (level < 1)).all() for level in asked):
            raise PipelineError(f"Interval levels lie strictly between 0 and 1: {tuple(levels)} do not.")
        runs, widest = _Runs(self), np.max(asked, axis=0)
        found = [(runs.low.copy(), runs.high.copy()) for _ in asked]
        rows = np.arange(len(self))
        while len(rows):
            more = runs.next(rows)
            rows = rows[(more > 0) & (runs.held[rows] + more / 2 < widest[rows])]
            before = runs.grow(rows)
            for level, (low, high) in zip(asked, found, strict=True):
                nearer = rows[(before + runs.held[rows]) / 2 < level[rows]]
                low[nearer], high[nearer] = runs.low[nearer], runs.high[nearer]
        return [(low.astype(np.float64) - 1, high.astype(np.float64) - 1) for low, high in found]

    def level_of(self, y: npt.ArrayLike) -> Floats:
        """The level above which `interval` holds y, [n]: 0 for the median, and 1 for what cannot come."""
        runs, actual = _Runs(self), np.clip(np.asarray(y, dtype=np.int64), 0, self.largest + 1) + 1
        found = np.zeros(len(self))
        rows = np.arange(len(self))
        while len(rows := rows[(actual[rows] < runs.low[rows]) | (actual[rows] > runs.high[rows])]):
            ended = runs.next(rows) <= 0
            found[rows[ended]] = 1.0
            rows = rows[~ended]
            before = runs.grow(rows)
            found[rows] = (before + runs.held[rows]) / 2
        return found

    def pmf(self) -> Floats:
        """P(Y = k) for k = 0..K + 1, [n, K + 2]; the last column is all that lies above K."""
        ones, zeros = np.ones((len(self), 1)), np.zeros((len(self), 1))
        return np.maximum(-np.diff(np.hstack([ones, self.survival, zeros]), axis=1), 0.0)

    def crps(self, y: npt.ArrayLike) -> Floats:
        """Continuous ranked probability score [n] in units of the count, 0 for a certain and right forecast.

        sum over k of (P(Y > k) - 1[y > k])^2: the integral of Gneiting and Raftery (2007) for counts up to K + 1.
        """
        above = np.asarray(y, dtype=np.float64)[:, None] > np.arange(self.survival.shape[1])[None, :]
        return ((self.survival - above) ** 2).sum(axis=1, dtype=np.float64)

    def log_score(self, y: npt.ArrayLike) -> Floats:
        """-log P(Y = y) in nats, [n]; probabilities are floored at 1e-12."""
        actual = np.clip(np.asarray(y, dtype=np.int64), 0, self.largest + 1)
        return -np.log(np.maximum(self.pmf()[np.arange(len(self)), actual], 1e-12))

    def mapped(self, change: Callable[[Floats], Floats]) -> CountDistribution:
        """The distributions with every survival probability put through a non-decreasing map of [0, 1] into itself."""
        survival = np.asarray(change(self.survival), dtype=np.float64)
        return CountDistribution(np.minimum.accumulate(np.clip(survival, 0.0, 1.0), axis=1))

    def take(self, rows: npt.ArrayLike) -> CountDistribution:
        """The distributions of those rows (indices or a mask), in that order."""
        return CountDistribution(self.survival[np.asarray(rows)])

    @classmethod
    def concat(cls, parts: Sequence[CountDistribution]) -> CountDistribution:
        """All rows one after another.

        Raises:
            PipelineError: when there is no part, or they end at different counts.
        """
        if len({part.largest for part in parts}) != 1:
            raise PipelineError("Only distributions that end at the same count can be put together, one or more.")
        return cls(np.concatenate([part.survival for part in parts]))

    def _asked(
        self, line: npt.ArrayLike, rows: npt.NDArray[np.integer[Any]] | None
    ) -> tuple[Floats, npt.NDArray[np.integer[Any]]]:
        at = np.arange(len(self)) if rows is None else rows
        return np.broadcast_to(np.asarray(line, dtype=np.float64), at.shape), at

    def _above(self, count: Floats, at: npt.NDArray[np.integer[Any]]) -> Floats:
        """P(Y > count) of the rows `at` for whole counts; 0 above K."""
        known = np.nan_to_num(count, nan=0.0)
        place = np.clip(known, 0, self.largest).astype(np.int64)
        chance = self.survival[at, place].astype(np.float64)
        chance = np.where(known < 0, 1.0, np.where(known > self.largest, 0.0, chance))
        return np.where(np.isnan(count), np.nan, chance)


def mean_pit(forecast: CountDistribution, y: npt.ArrayLike, knots: npt.ArrayLike) -> Floats:
    """Share of outcomes whose probability integral transform lies below each knot, without randomisation.

    A count y spreads evenly over P(Y < y)..P(Y <= y) (Czado, Gneiting and Held 2009); a calibrated forecast gives the
    knots back.

    Args:
        forecast: of n rows.
        y: [n] counts.
        knots: values in [0, 1].
    """
    actual = np.asarray(y, dtype=np.float64)
    low, high = forecast.under(actual), 1.0 - forecast.over(actual)
    width = np.maximum(high - low, 1e-12)
    return np.array([np.clip((u - low) / width, 0, 1).mean() for u in np.asarray(knots)])


class _Runs:
    """Runs of counts that grow round the medians, the likelier neighbour first; ends are columns of `_padded`.

    Attributes:
        low: first column of every row's run.
        high: last column of every row's run.
        held: probability of every row's run.
    """

    def __init__(self, forecast: CountDistribution) -> None:
        self._padded = np.pad(forecast.pmf(), ((0, 0), (1, 1)))
        self._last = self._padded.shape[1] - 1
        self.low = forecast.median().astype(np.int64) + 1
        self.high = self.low.copy()
        self.held = self._padded[np.arange(len(forecast)), np.minimum(self.high, self._last)]

    def _neighbours(self, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        below = self._padded[rows, np.maximum(self.low[rows] - 1, 0)]
        return below, self._padded[rows, np.minimum(self.high[rows] + 1, self._last)]

    def next(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Probability of the count that `grow` would add to each of these rows."""
        return np.maximum(*self._neighbours(rows))

    def grow(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Add a count to these rows' runs, of which a neighbour must be possible; what the runs held before."""
        before, (below, above) = self.held[rows], self._neighbours(rows)
        self.low[rows] -= below >= above
        self.high[rows] += below < above
        self.held[rows] += np.maximum(below, above)
        return before
