"""Two forecasts of the same games: how far their scores differ, with an interval that knows they are paired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.evaluation.scores import DRAWS, Floats, crps

PAIRED = ("rmse", "crps", "log_score", "ladder_brier")
"""Scores that are compared; lower is better in all of them."""

_FLOOR = 1e-12


@dataclass(frozen=True)
class GameScores:
    """Scores of one stat's forecasts game by game, all [n].

    Attributes:
        squared: (mean - y)^2.
        crps: continuous ranked probability score.
        log_score: -log P(Y = y) in nats, the probability floored at 1e-12.
        brier: mean over the lines of (P(Y > line) - 1[y > line])^2.
        above_median: P(Y > median) as forecast.
        was_above: whether y was above the median.
    """

    squared: Floats
    crps: Floats
    log_score: Floats
    brier: Floats
    above_median: Floats
    was_above: Floats

    def __len__(self) -> int:
        return len(self.squared)

    @classmethod
    def of(
        cls, mean: npt.ArrayLike, survival: npt.NDArray[np.floating[Any]], actual: npt.ArrayLike, lines: npt.ArrayLike
    ) -> GameScores:
        """Scores of forecasts.

        Args:
            mean: [n] forecast means.
            survival: [n, K + 1], P(Y > k) for k = 0..K.
            actual: [n] counts, at most K + 1.
            lines: the half lines of the Brier score.
        """
        y, sure = np.asarray(actual, dtype=np.float64), np.asarray(survival, dtype=np.float64)
        rows, count = np.arange(len(y)), y.astype(np.int64)
        padded = np.hstack([np.ones((len(y), 1)), sure, np.zeros((len(y), 1))])
        chance = padded[rows, count] - padded[rows, count + 1]
        rungs = np.floor(np.asarray(lines)).astype(np.int64)
        hits = y[:, None] > rungs
        median = (sure > 0.5).sum(axis=1)
        return cls(
            squared=(np.asarray(mean, dtype=np.float64) - y) ** 2,
            crps=crps(sure, y),
            log_score=-np.log(np.maximum(chance, _FLOOR)),
            brier=((sure[:, rungs] - hits) ** 2).mean(axis=1),
            above_median=padded[rows, median + 1],
            was_above=(y > median).astype(np.float64),
        )

    def summary(self) -> dict[str, float]:
        """rows, rmse, crps, log_score, ladder_brier; over_median (forecast) and over_median_true (what came)."""
        return {
            "rows": len(self), "rmse": float(np.sqrt(self.squared.mean())), "crps": float(self.crps.mean()),
            "log_score": float(self.log_score.mean()), "ladder_brier": float(self.brier.mean()),
            "over_median": float(self.above_median.mean()), "over_median_true": float(self.was_above.mean()),
        }  # fmt: skip


class DateBootstrap:
    """Whole dates drawn with replacement, the same draws for everything that is compared.

    Args:
        dates: [n] day of each game.
        draws: how many samples.
        seed: of the draws.
    """

    def __init__(self, dates: npt.ArrayLike | pd.Series, *, draws: int = DRAWS, seed: int = 0) -> None:
        self._day = np.unique(np.asarray(dates), return_inverse=True)[1].ravel()
        days = int(self._day.max()) + 1
        drawn = np.random.default_rng(seed).integers(0, days, (draws, days))
        self._times = np.vstack([np.bincount(row, minlength=days) for row in drawn]).astype(np.float64)
        self._games = self._means_of(np.ones(len(self._day)))

    def _means_of(self, values: Floats) -> Floats:
        return self._times @ np.bincount(self._day, values)

    def means(self, values: Floats) -> Floats:
        """Mean of values [n] in each of the samples, [draws]."""
        return self._means_of(values) / self._games

    def differences(self, one: GameScores, other: GameScores) -> dict[str, float]:
        """Scores of `one` minus those of `other` on the same games, each with the ends of its 95% interval.

        Returns:
            `{score}_diff`, `{score}_diff_lo`, `{score}_diff_hi` for rmse, crps, log_score and ladder_brier.
        """
        found: dict[str, float] = {}
        for name in PAIRED:
            a, b = ((s.squared, s.crps, s.log_score, s.brier)[PAIRED.index(name)] for s in (one, other))
            if name == "rmse":
                sample = np.sqrt(self.means(a)) - np.sqrt(self.means(b))
                value = np.sqrt(a.mean()) - np.sqrt(b.mean())
            else:
                sample, value = self.means(a - b), (a - b).mean()
            low, high = np.quantile(sample, [0.025, 0.975])
            found |= {f"{name}_diff": float(value), f"{name}_diff_lo": float(low), f"{name}_diff_hi": float(high)}
        return found
