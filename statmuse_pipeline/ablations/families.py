"""Families of predictive distributions that were compared with the released one, all learned on the same games.

Each is a function that learns from games in the order of time and gives back a function from games to distributions.
What is served is `distribution.DispersionModel`; the others are here so that the choice stays a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy import optimize, special

from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
from statmuse_pipeline.domain import LADDER, LARGEST_COUNT, PipelineError, Stat
from statmuse_pipeline.modeling.dispersion import DispersionModel, negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution, mean_pit

Floats = npt.NDArray[np.float64]

GROUPS = 12
"""Groups of like means (or like expected minutes) within which residuals share a shape."""

MINUTES_NODES = 16
LEVELS = (0.005, 0.025, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.975, 0.995)
"""Quantiles that are regressed on; the distribution between them is interpolated."""

_KNOTS = np.linspace(0, 1, 41)
_SPREAD = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""A count stands for the interval of length 1 around it: evenly spread copies instead of random jitter, after
Machado and Santos Silva (2005), "Quantiles for counts"."""

_BOOSTER = {
    "objective": "reg:quantileerror", "quantile_alpha": list(LEVELS), "tree_method": "hist", "max_bin": 64,
    "max_depth": 3, "eta": 0.15, "min_child_weight": 200, "nthread": 1, "seed": 0, "verbosity": 0,
}  # fmt: skip
_ROUNDS = 40
_REGRESSED_ROWS = 25_000
"""More games than this move the regressed quantiles by less than they cost in time."""


@dataclass(frozen=True)
class Games:
    """Player-games with their forecast means, in the order of time.

    Attributes:
        mean: [n] forecast means of the stat, made before the games.
        minutes: [n] expected minutes.
        columns: [n, c] other things known before, NaN where unknown.
        actual: [n] counts that came.
        played: [n] minutes that were played.
    """

    mean: Floats
    minutes: Floats
    columns: Floats
    actual: Floats
    played: Floats

    def __post_init__(self) -> None:
        lengths = {len(self.mean), len(self.minutes), len(self.columns), len(self.actual), len(self.played)}
        if len(lengths) != 1:
            raise PipelineError(f"Games need as many means as minutes, columns and outcomes, not {sorted(lengths)}.")

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: slice | npt.NDArray[Any]) -> Games:
        """Some of the games."""
        return Games(self.mean[rows], self.minutes[rows], self.columns[rows], self.actual[rows], self.played[rows])


Forecaster = Callable[[Games], CountDistribution]
Family = Callable[[Games, Stat], Forecaster]


def poisson(games: Games, stat: Stat) -> Forecaster:
    """Variance equal to the mean: nothing to learn."""
    return lambda new: negative_binomial(new.mean, 0.0, LARGEST_COUNT[stat])


def one_dispersion(games: Games, stat: Stat) -> Forecaster:
    """Negative binomial with variance mean + a mean^2, one a for all, by maximum likelihood."""
    mu, y = np.maximum(games.mean, 1e-3), games.actual

    def loss(log_alpha: float) -> float:
        size = np.exp(-log_alpha)
        terms = special.gammaln(y + size) - special.gammaln(size) + size * np.log(size / (size + mu))
        return -float((terms + y * np.log(mu / (size + mu))).sum())

    alpha = float(np.exp(optimize.minimize_scalar(loss, bounds=(np.log(1e-4), np.log(4.0)), method="bounded").x))
    return lambda new: negative_binomial(new.mean, alpha, LARGEST_COUNT[stat])


def learned_dispersion(games: Games, stat: Stat) -> Forecaster:
    """Negative binomial whose dispersion is a smooth function of the mean."""
    width = DispersionModel.fit(games.mean, games.actual)
    return lambda new: width.distribution(new.mean, LARGEST_COUNT[stat])


def shape_corrected(games: Games, stat: Stat) -> Forecaster:
    """The learned negative binomial put through the distribution of its own probability integral transform."""
    width = learned_dispersion(games, stat)
    bend = _pit_map(width(games), games.actual)
    return lambda new: width(new).mapped(bend)


def released(games: Games, stat: Stat) -> Forecaster:
    """What is served: dispersion by mean and expected minutes, the shape corrected, each where it helps later on."""
    largest = LARGEST_COUNT[stat]
    width = DispersionModel.fit(games.mean, games.actual, minutes=games.minutes, largest=largest)
    return lambda new: width.distribution(new.mean, largest, new.minutes)


def without_minutes(games: Games, stat: Stat) -> Forecaster:
    """The same, but for expected minutes."""
    width = DispersionModel.fit(games.mean, games.actual, largest=LARGEST_COUNT[stat])
    return lambda new: width.distribution(new.mean, LARGEST_COUNT[stat])


def isotonic(games: Games, stat: Stat) -> Forecaster:
    """The learned negative binomial of the first two thirds, its ladder probabilities calibrated on the last third."""
    early, late = _halves(games)
    width, lines = learned_dispersion(early, stat), np.asarray(LADDER[stat])
    forecast = width(late)
    p = np.column_stack([forecast.over(line) for line in lines])
    calibrator = IsotonicCalibrator.fit(p, late.actual[:, None] > lines)
    return lambda new: width(new).mapped(calibrator)


def conformal(games: Games, stat: Stat) -> Forecaster:
    """Split conformal predictive distributions, by thirds of the mean.

    The width of the first two thirds of the games, its transform calibrated on the last third within groups of like
    means (Vovk et al. 2020, "Conformal calibrators", in the Mondrian form).
    """
    early, late = _halves(games)
    return _bent_by_group(learned_dispersion(early, stat), late, lambda some: some.mean)


def conformal_by_minutes(games: Games, stat: Stat) -> Forecaster:
    """The same within thirds of the expected minutes."""
    early, late = _halves(games)
    return _bent_by_group(learned_dispersion(early, stat), late, lambda some: some.minutes)


def minutes_mixture_corrected(games: Games, stat: Stat) -> Forecaster:
    """The mixture over minutes, its shape corrected on all games within thirds of the expected minutes."""
    return _bent_by_group(minutes_mixture(games, stat), games, lambda some: some.minutes)


def empirical_residuals(games: Games, stat: Stat) -> Forecaster:
    """Location and scale of the negative binomial, shape of the standardised residuals of games with like means."""
    width, counts = DispersionModel.fit(games.mean, games.actual), np.arange(LARGEST_COUNT[stat] + 1)

    def scale(mean: Floats) -> Floats:
        return np.sqrt(mean + width.predict(mean) * mean**2)

    edges = np.quantile(games.mean, np.arange(1, GROUPS) / GROUPS)
    group = np.searchsorted(edges, games.mean)
    spread = ((games.actual[:, None] + _SPREAD) - games.mean[:, None]) / scale(games.mean)[:, None]
    shapes = [np.sort(spread[group == g].ravel()) for g in range(GROUPS)]

    def distribution(new: Games) -> CountDistribution:
        survival, own = np.zeros((len(new), len(counts))), np.searchsorted(edges, new.mean)
        z = (counts + 0.5 - new.mean[:, None]) / scale(new.mean)[:, None]
        for g, shape in enumerate(shapes):
            survival[own == g] = 1 - np.searchsorted(shape, z[own == g]) / max(len(shape), 1)
        return CountDistribution(survival)

    return distribution


def quantile_regression(games: Games, stat: Stat) -> Forecaster:
    """Boosted trees on the pinball loss of standardised residuals, quantiles put in order and interpolated.

    Crossing quantiles are sorted (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    learned = games.take(slice(None, None, max(1, -(-len(games) // _REGRESSED_ROWS))))
    # One place within its interval a game, in turn, so that the spread costs no rows.
    target = learned.actual + np.resize(_SPREAD, len(learned))
    label = (target - learned.mean) / np.sqrt(learned.mean + 1)
    data = xgb.QuantileDMatrix(_seen(learned), label=label, max_bin=64, nthread=1)
    booster = xgb.train(_BOOSTER, data, _ROUNDS)
    counts = np.arange(LARGEST_COUNT[stat] + 1)

    def distribution(new: Games) -> CountDistribution:
        scale = np.sqrt(new.mean + 1)
        inner = np.sort(booster.inplace_predict(_seen(new)), axis=1).astype(np.float64)
        values = new.mean[:, None] + scale[:, None] * inner
        far = values[:, -1:] + 2 * (values[:, -1:] - values[:, -3:-2]) + 1
        values = np.maximum.accumulate(np.hstack([np.full((len(new), 1), -0.5), values, far]), axis=1)
        heights = np.r_[0.0, LEVELS, 1.0]
        below = np.vstack([np.interp(counts + 0.5, row, heights) for row in values])
        return CountDistribution(1 - below)

    return distribution


def minutes_mixture(games: Games, stat: Stat) -> Forecaster:
    """A count given the minutes is negative binomial; minutes are drawn from those of games with like expectation."""
    edges = np.quantile(games.minutes, np.arange(1, GROUPS) / GROUPS)
    group = np.searchsorted(edges, games.minutes)
    probabilities = (np.arange(MINUTES_NODES) + 0.5) / MINUTES_NODES
    left = games.played - games.minutes
    nodes = np.vstack([np.quantile(left[group == g], probabilities) for g in range(GROUPS)])

    def factors(new: Games) -> Floats:
        """[n, nodes] minutes in units of those expected, mean 1."""
        minutes = np.clip(new.minutes[:, None] + nodes[np.searchsorted(edges, new.minutes)], 0.5, 53.0)
        return minutes / minutes.mean(axis=1, keepdims=True)

    given = np.clip(games.played / np.maximum(games.minutes, 1.0), 0.05, 5.0)
    width = DispersionModel.fit(games.mean * given, games.actual)

    def distribution(new: Games) -> CountDistribution:
        factor = factors(new)
        survival = np.zeros((len(new), LARGEST_COUNT[stat] + 1))
        for node in range(MINUTES_NODES):
            survival += width.distribution(new.mean * factor[:, node], LARGEST_COUNT[stat]).survival
        return CountDistribution(survival / MINUTES_NODES)

    return distribution


FAMILIES: Mapping[str, tuple[Family, str]] = {
    "Poisson": (poisson, "variance equal to the mean"),
    "negative binomial, one dispersion": (one_dispersion, "one number for all means"),
    "negative binomial, learned dispersion": (learned_dispersion, "dispersion a function of the mean, no correction"),
    "negative binomial, shape corrected": (shape_corrected, "and always put through its PIT"),
    "width without minutes": (without_minutes, "the served one, minutes left out"),
    "empirical residuals": (empirical_residuals, "shape of standardised residuals by groups of like means"),
    "quantile regression": (quantile_regression, "boosted trees on the pinball loss"),
    "minutes mixture": (minutes_mixture, "negative binomial given minutes, averaged over minutes"),
    "minutes mixture, corrected": (minutes_mixture_corrected, "its PIT by thirds of expected minutes"),
    "conformal": (conformal, "split conformal by thirds of the mean"),
    "conformal by minutes": (conformal_by_minutes, "split conformal by thirds of expected minutes"),
    "isotonic": (isotonic, "isotonic map of ladder probabilities"),
}
"""Name -> how it is learned, and in a few words what it is."""

SLOW = ("quantile regression", "minutes mixture, corrected")
"""Left out of a quick run."""


def _halves(games: Games) -> tuple[Games, Games]:
    """The first two thirds of the games and the last third."""
    cut = len(games) * 2 // 3
    return games.take(slice(None, cut)), games.take(slice(cut, None))


def _pit_map(forecast: CountDistribution, actual: Floats) -> Callable[[Floats], Floats]:
    share = np.maximum.accumulate(np.clip(mean_pit(forecast, actual, _KNOTS), 0.0, 1.0))
    return lambda survival: 1.0 - np.interp(1.0 - survival, _KNOTS, share)


def _bent_by_group(width: Forecaster, games: Games, by: Callable[[Games], Floats]) -> Forecaster:
    """The forecasts put through the transforms of those games, a group of like `by` each."""
    edges = np.quantile(by(games), [1 / 3, 2 / 3])
    forecast, group = width(games), np.searchsorted(edges, by(games))
    # A third may be empty where the values hardly differ.
    bends = {int(g): _pit_map(forecast.take(group == g), games.actual[group == g]) for g in np.unique(group)}

    def distribution(new: Games) -> CountDistribution:
        survival, own = width(new).survival.copy(), np.searchsorted(edges, by(new))
        for g, bend in bends.items():
            survival[own == g] = bend(survival[own == g])
        return CountDistribution(np.minimum.accumulate(survival, axis=1))

    return distribution


def _seen(games: Games) -> npt.NDArray[np.float32]:
    return np.column_stack([np.log(games.mean), games.minutes, games.columns]).astype(np.float32)
