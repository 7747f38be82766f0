"""Isotonic calibration of probabilities, kept only where it helps on later days than it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from statmuse_pipeline.domain import PipelineError

FOLDS = 4
MINIMUM_PAIRS = 200
BINS = 60
"""Bins of equal count that the pairs are averaged in before fitting, so that no step rests on a handful of pairs."""

PULL = 50.0
"""Pairs with the forecast's own probability that every bin starts with: a handful of games must not make a forecast
certain of anything. Among a season's pairs of all players they do not count."""

SIGMAS = 2.0
"""Standard errors that a gain must exceed. Of 48 decisions on the first part of the validation days, those kept at less
than one raised the Brier score on the rest, every one."""

_LEAST = 1e-100
"""Knots nearer to 0 are left out: slopes between such numbers overflow."""

Floats = npt.NDArray[np.float64]


class CollapsedCalibrator(PipelineError):
    """The fitted map gives everything the same probability, and so would destroy what the forecast knows."""


class IsotonicCalibrator:
    """A monotone, continuous map of probabilities with 0 -> 0 and 1 -> 1.

    Isotonic regression (Zadrozny and Elkan 2002) through bins of equal count, with linear interpolation between the
    bins instead of steps. Because it keeps 0, 1 and order, mapping every survival probability of a distribution gives a
    distribution again.

    Args:
        x: increasing probabilities from 0 to 1.
        y: non-decreasing calibrated probabilities from 0 to 1.
    """

    def __init__(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        self.x, self.y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if self.x.shape != self.y.shape or self.x.ndim != 1 or len(self.x) < 2:
            raise PipelineError("A calibrator needs two knots or more, as many x as y.")
        ends = (self.x[0], self.y[0], self.x[-1], self.y[-1]) == (0.0, 0.0, 1.0, 1.0)
        if not ends or (np.diff(self.x) <= 0).any() or not (np.diff(self.y) >= 0).all():
            raise PipelineError("A calibrator's knots must rise from (0, 0) to (1, 1).")

    @classmethod
    def fit(cls, p: npt.ArrayLike, y: npt.ArrayLike, *, bins: int = BINS) -> IsotonicCalibrator:
        """Fit on forecast probabilities `p` [n] and what happened `y` [n], 0 or 1, pulled towards no change (`PULL`).

        Raises:
            CollapsedCalibrator: when the fitted map is constant between its ends.
            PipelineError: when p and y differ in length, are empty or lie outside [0, 1].
        """
        probability, happened = _pairs(p, y)
        x, mean, weight = _binned(probability, happened, bins)
        fitted = _isotonic(mean, weight)
        if np.ptp(fitted) < 1e-9:
            raise CollapsedCalibrator(
                f"The calibrator of {len(probability)} pairs is constant at {fitted[0]:.3f}: it is not used."
            )
        pulled = (weight * mean + PULL * x) / (weight + PULL)
        fitted = _isotonic(pulled, weight + PULL)
        inside = (x > _LEAST) & (x < 1)
        return cls(np.r_[0.0, x[inside], 1.0], np.r_[0.0, fitted[inside], 1.0])

    def __call__(self, p: npt.ArrayLike) -> Floats:
        """Calibrated probabilities, of the shape of `p`; NaN stays NaN."""
        return np.interp(np.asarray(p, dtype=np.float64), self.x, self.y)

    def to_dict(self) -> dict[str, Any]:
        """The knots as plain JSON."""
        return {"kind": "isotonic", "x": self.x.tolist(), "y": self.y.tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> IsotonicCalibrator:
        """The calibrator of `to_dict`.

        Raises:
            PipelineError: when the content is not of that form.
        """
        if content.get("kind") != "isotonic" or not {"x", "y"} <= set(content):
            raise PipelineError("This is no isotonic calibrator: it needs the kind 'isotonic' and the knots x and y.")
        return cls(content["x"], content["y"])


@dataclass(frozen=True)
class Decision:
    """Whether to calibrate.

    Attributes:
        calibrator: fitted on all pairs where it is kept, None otherwise.
        kept: whether it is.
        reason: why or why not, one sentence.
        brier_before: out-of-sample Brier score without, on the later folds (NaN where there was too little).
        brier_after: the same pairs with calibrators fitted on the days before them.
    """

    calibrator: IsotonicCalibrator | None
    kept: bool
    reason: str
    brier_before: float
    brier_after: float


def choose_calibrator(
    p: npt.ArrayLike,
    y: npt.ArrayLike,
    dates: npt.ArrayLike,
    *,
    minimum: int = MINIMUM_PAIRS,
    folds: int = FOLDS,
    bins: int = BINS,
) -> Decision:
    """Fit an isotonic calibrator and keep it only where it lowers the Brier score out of sample.

    The days are cut into `folds` runs of about equally many pairs; each run but the first is calibrated by a map fitted
    on the runs before it. The gain must exceed `SIGMAS` standard errors over days, since all lines of an evening move
    together: a smaller one is noise, and over hundreds of players noise would be picked every time.

    Args:
        p: [n] forecast probabilities.
        y: [n] what happened, 0 or 1.
        dates: [n] day of each pair, sortable.
        minimum: with fewer pairs nothing is fitted.
        folds: runs of days, two or more.
        bins: of the fit.

    Raises:
        PipelineError: when the arrays differ in length or lie outside [0, 1].
    """
    nan = float("nan")
    day = np.unique(np.asarray(dates), return_inverse=True)[1].ravel()
    if len(day) < minimum:
        return Decision(None, False, f"{len(day)} pairs are fewer than the {minimum} that are asked for.", nan, nan)
    probability, happened = _pairs(p, y)
    if len(day) != len(probability):
        raise PipelineError(f"There are {len(probability)} probabilities but {len(day)} dates.")
    if day.max() + 1 < folds:
        return Decision(None, False, f"{day.max() + 1} days are fewer than {folds} folds.", nan, nan)
    fold = _time_folds(day, folds)
    mapped, later = probability.copy(), fold > 0
    try:
        for number in range(1, folds):
            here = fold == number
            mapped[here] = IsotonicCalibrator.fit(probability[fold < number], happened[fold < number], bins=bins)(
                probability[here]
            )
        calibrator = IsotonicCalibrator.fit(probability, happened, bins=bins)
    except CollapsedCalibrator as error:
        return Decision(None, False, str(error), nan, nan)
    before, after = (probability - happened) ** 2, (mapped - happened) ** 2
    gains = np.bincount(day[later], (before - after)[later])
    days = gains[np.unique(day[later])]
    gain, noise = days.mean(), days.std(ddof=1) / np.sqrt(len(days))
    scores = float(before[later].mean()), float(after[later].mean())
    if gain > SIGMAS * noise:
        return Decision(calibrator, True, "It lowers the Brier score on days it was not fitted on.", *scores)
    told = "raises" if gain <= 0 else "lowers by no more than noise"
    return Decision(None, False, f"It {told} the Brier score on days it was not fitted on.", *scores)


def _pairs(p: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    probability, happened = np.asarray(p, dtype=np.float64).ravel(), np.asarray(y, dtype=np.float64).ravel()
    if len(probability) != len(happened) or not len(probability):
        raise PipelineError(f"{len(probability)} probabilities and {len(happened)} outcomes cannot be calibrated.")
    inside = (probability >= 0) & (probability <= 1) & (happened >= 0) & (happened <= 1)
    if not inside.all():
        raise PipelineError(f"{int((~inside).sum())} probabilities or outcomes are missing or outside [0, 1].")
    return probability, happened


def _binned(p: Floats, y: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """Mean probability, frequency and count of bins of about equal count; equal probabilities share a bin."""
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    which = np.minimum((np.cumsum(counts) - counts) * bins // len(p), bins - 1)[inverse]
    weight = np.bincount(which)
    used = weight > 0
    x, mean = np.bincount(which, p)[used] / weight[used], np.bincount(which, y)[used] / weight[used]
    return x, mean, weight[used].astype(np.float64)


def _isotonic(frequency: Floats, weight: Floats) -> Floats:
    """The non-decreasing values nearest to the bins' frequencies, in their order.

    SciPy's own, since the bins are sorted and distinct: scikit-learn's checks of its arguments take 30 times as long,
    and a night fits 30 maps a player.
    """
    return np.clip(isotonic_regression(frequency, weights=weight).x, 0.0, 1.0)


def _time_folds(day: npt.NDArray[np.int64], folds: int) -> npt.NDArray[np.int64]:
    """Fold of every pair: runs of whole days with about equally many pairs, none empty."""
    earlier = np.r_[0, np.cumsum(np.bincount(day))[:-1]]
    place = np.minimum(earlier * folds // len(day), folds - 1)
    number = np.unique(place, return_inverse=True)[1]
    if number.max() + 1 < folds:
        number = np.arange(len(place)) * folds // len(place)
    return number[day]
