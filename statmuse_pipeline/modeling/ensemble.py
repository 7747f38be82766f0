"""Ensembles of the members' residual forecasts, and how much of them is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import nnls

ENSEMBLES = ("voting", "stacking")


def vote(members: np.ndarray) -> np.ndarray:
    """Mean of the members: [rows, members] -> [rows]."""
    return members.mean(axis=1)


def expanding_folds(rows: int, folds: int, first: float = 0.4) -> list[tuple[slice, slice]]:
    """Time-ordered folds: fit on everything before, forecast the next block.

    Args:
        rows: how many rows, sorted by date.
        folds: how many blocks the rows after the first fit are cut into.
        first: share of the rows that the first fit gets.

    Returns:
        (fit, forecast) slices; no forecast row comes before a fit row of the same fold.
    """
    edges = np.linspace(rows * first, rows, folds + 1).round().astype(int)
    return [(slice(0, int(start)), slice(int(start), int(stop))) for start, stop in pairwise(edges) if 0 < start < stop]


def stacking_weights(members: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Weights of the meta-learner: ridge regression without intercept, weights not negative.

    Minimises |target - members w|^2 + ridge * rows * |w|^2 over w >= 0 (Breiman 1996, "Stacked regressions", shows
    that stacking wants the constraint). The penalty pulls towards 0, which is the prior itself.

    Args:
        members: [rows, members] out-of-fold forecasts, each made from earlier rows only.
        target: [rows] scaled residuals.
        ridge: penalty for each row; the members' forecasts vary far less than 1.

    Returns:
        [members] weights.
    """
    rows, count = members.shape
    penalty = np.sqrt(ridge * rows) * np.eye(count)
    weights, _ = nnls(np.vstack([members, penalty]), np.concatenate([target, np.zeros(count)]))
    return weights


@dataclass(frozen=True)
class Served:
    """Which ensemble is served and how strongly.

    Attributes:
        ensemble: "voting", "stacking", or "prior" when neither beat the prior.
        shrinkage: lambda in served = prior + lambda * (ensemble - prior); 0 for "prior".
    """

    ensemble: str = "prior"
    shrinkage: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """Games on which ensembles are compared with the prior; none of them was used to fit the members.

    Attributes:
        prior: [rows] prior means.
        actual: [rows] outcomes.
        ensembles: name -> [rows] unshrunken means.
    """

    prior: np.ndarray
    actual: np.ndarray
    ensembles: Mapping[str, np.ndarray]

    def gain(self, name: str, shrinkage: float) -> float:
        """Sum of squared errors of the prior minus that of the shrunken ensemble; positive when it helps."""
        served = np.maximum(self.prior + shrinkage * (self.ensembles[name] - self.prior), 0.0)
        return float(((self.actual - self.prior) ** 2 - (self.actual - served) ** 2).sum())


def choose_served(validation: Evidence, earlier: Evidence, grid: Sequence[float], cap: float) -> Served:
    """The ensemble and shrinkage that gained most; the prior unless it is beaten.

    A player's validation games are few, so that the best of several choices on them is mostly luck. The out-of-fold
    forecasts of the training games are out of sample for the members too, and so a choice must gain on both, and the
    gains are added. In particular it is never made when it does worse than the prior on validation.

    Args:
        validation: validation games.
        earlier: training games with out-of-fold forecasts.
        grid: shrinkages to try; those above `cap` count as `cap`.
        cap: largest shrinkage allowed.

    Returns:
        The choice; ties go to the prior, then to the smaller shrinkage and the earlier name.
    """
    best, most = Served(), 0.0
    for shrinkage in sorted({min(float(value), cap) for value in grid} - {0.0}):
        for name in validation.ensembles:
            gains = validation.gain(name, shrinkage), earlier.gain(name, shrinkage)
            if min(gains) > 0 and sum(gains) > most:
                best, most = Served(name, shrinkage), sum(gains)
    return best
