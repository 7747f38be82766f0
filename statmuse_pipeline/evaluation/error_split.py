"""What the error of a forecast is made of: minutes, the noise of single events, and all the rest.

The law of total variance. Let a count Y of one game be drawn round an intensity L, what the player was to produce that
night given his minutes, his role and his shooting. If its events come independently of one another, then for a mean
forecast m made before the game

    E (Y - m)^2 = E (L - m)^2 + E Var(Y | L),

where Var(Y | L) is a floor that no forecast gets below: for counts of events Y is Poisson and the variance is L; points
come in ones, twos and threes, a compound Poisson with variance sum of value^2 times expected makes (Ross, Introduction
to Probability Models, ch. 5.4.2). As E L = E Y, what came is an unbiased estimate of its mean, and needs no model.

E (L - m)^2 is told apart into what a forecast with the minutes as they were played would remove, and the rest:
efficiency and role, what a player does with his minutes.

What to keep in mind: the minutes' part is a lower bound, for it is measured with a simple correction of our own
forecast and not with the best there could be; and minutes are not only a cause, since who plays well is left on the
floor. The noise is an estimate under independence: free throws come in pairs, which makes it larger; attempts are
limited, and a turnover ends a possession, which makes it smaller. Where counts are more even than Poisson the rest may
fall below 0, and is told as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.evaluation.scores import interval_by_date

Floats = npt.NDArray[np.float64]

PARTS = ("minutes", "noise", "rest")
"""Shares of the mean squared error; they add to 1."""

FEWEST_ROWS = 50


def event_variance(box: pd.DataFrame, stat: Stat) -> Floats:
    """Unbiased estimate [n] of a game's variance if every event came independently: sum of value^2 over the events.

    Args:
        box: n box scores: the stat's columns; for points and PRA also fgm, fg3m, ftm.
        stat: which stat.
    """
    total = np.zeros(len(box))
    for part in stat.parts:
        if part is Stat.PTS:
            twos = box["fgm"] - box["fg3m"]
            total += (box["ftm"] + 4 * twos + 9 * box["fg3m"]).to_numpy(np.float64)
        else:
            total += box[part.column].to_numpy(np.float64)
    return total


@dataclass(frozen=True)
class KnownMinutes:
    """A forecast corrected as if the minutes had been known.

    E Y = b0 + b1 m + b2 m a / e + b3 a + b4 e for a forecast m, the minutes played a and expected e, by least squares.
    A forecast that is proportional to minutes has b2 = 1 alone.

    Attributes:
        weights: b0 to b4.
    """

    weights: tuple[float, ...]

    @classmethod
    def fit(
        cls, mean: npt.ArrayLike, expected: npt.ArrayLike, played: npt.ArrayLike, actual: npt.ArrayLike
    ) -> KnownMinutes:
        """Learned from forecasts made before their games.

        Args:
            mean, expected, played, actual: [n] forecast means, expected minutes, minutes played, counts that came.

        Raises:
            PipelineError: when there are fewer than FEWEST_ROWS games.
        """
        columns = _columns(mean, expected, played)
        if len(columns) < FEWEST_ROWS:
            raise PipelineError(f"What minutes are worth is learned from {FEWEST_ROWS} games or more.")
        found = np.linalg.lstsq(columns, np.asarray(actual, dtype=np.float64), rcond=None)[0]
        return cls(tuple(found.tolist()))

    def predict(self, mean: npt.ArrayLike, expected: npt.ArrayLike, played: npt.ArrayLike) -> Floats:
        """Means [n] as they might have been, had the minutes been known."""
        return np.asarray(_columns(mean, expected, played) @ np.asarray(self.weights))


def _columns(mean: npt.ArrayLike, expected: npt.ArrayLike, played: npt.ArrayLike) -> Floats:
    m, a = np.asarray(mean, dtype=np.float64), np.asarray(played, dtype=np.float64)
    e = np.maximum(np.asarray(expected, dtype=np.float64), 1.0)
    return np.column_stack([np.ones(len(m)), m, m * a / e, a, e])


def split_error(games: pd.DataFrame, known: KnownMinutes) -> dict[str, float]:
    """The mean squared error of forecasts and the shares of its parts.

    Args:
        games: one row a game that counts: game_date, mean, expected (minutes), played (minutes), actual, variance (of
            `event_variance`).
        known: learned on earlier games.

    Returns:
        rows, mse, and the shares minutes, noise, rest of it, each with `_lo` and `_hi`: 95%, dates drawn with
        replacement.
    """
    actual = games["actual"].to_numpy(np.float64)
    error = (actual - games["mean"].to_numpy(np.float64)) ** 2
    informed = (actual - known.predict(games["mean"], games["expected"], games["played"])) ** 2
    noise = games["variance"].to_numpy(np.float64)
    told: dict[str, float] = {"rows": len(games), "mse": float(error.mean())}
    for name, part in zip(PARTS, (error - informed, noise, informed - noise), strict=True):
        low, high = interval_by_date(part, error, games["game_date"])
        told |= {name: float(part.sum() / error.sum()), f"{name}_lo": low, f"{name}_hi": high}
    return told
