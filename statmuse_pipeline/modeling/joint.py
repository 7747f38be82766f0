"""Joint distribution of points, rebounds and assists of a player-game, for bets on their sums.

A Gaussian copula with one common factor (Krupskii and Joe 2013) on the forecasts' own marginals: stat i is the
quantile of its marginal at Phi(a_i F + sqrt(1 - a_i^2) e_i), with F and all e_i independent standard normal. A good
night (more minutes, above all) lifts all three. Given F the counts are independent, so that the distribution of a sum
is a mixture of convolutions: no simulation, and the marginals stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial.hermite_e import hermegauss
from scipy import fft, optimize, special

from statmuse_pipeline.domain import Combination, PipelineError, Stat
from statmuse_pipeline.modeling.distribution import CountDistribution

Floats = npt.NDArray[np.float64]
Marginals = Mapping[Stat, CountDistribution]

PARTS = Stat.PRA.parts
COMBINATIONS: tuple[tuple[Stat, ...], ...] = (*(combination.parts for combination in Combination), PARTS)
"""The sums that books offer."""

NODES = 24
LARGEST_LOADING = 0.9
"""At this the quadrature over the factor keeps the marginals to 3e-3, at 0.6 to 1e-6."""

FITTED_ROWS = 10_000
MINIMUM_ROWS = 50
_BLOCK = 2048


@dataclass(frozen=True)
class JointModel:
    """How the stats of a player-game go together.

    Attributes:
        loadings: stat -> a, its correlation with the common factor.
    """

    loadings: Mapping[Stat, float]

    def __post_init__(self) -> None:
        if not all(abs(value) <= LARGEST_LOADING for value in self.loadings.values()):
            raise PipelineError(f"Loadings lie between -{LARGEST_LOADING} and {LARGEST_LOADING}: {self.loadings}.")

    @classmethod
    def fit(cls, marginals: Marginals, actual: Mapping[Stat, npt.ArrayLike]) -> JointModel:
        """Maximum likelihood on forecasts that did not know their outcomes; marginals are taken as they are.

        The likelihood is that of counts (a rectangle of the copula), so that ties need no jitter.

        Args:
            marginals: stat -> distributions of n player-games, the same in every stat.
            actual: stat -> [n] counts that came.

        Raises:
            PipelineError: when there are fewer than two stats or fewer than MINIMUM_ROWS rows, or lengths differ.
        """
        stats = tuple(marginals)
        lengths = {len(marginals[stat]) for stat in stats} | {len(np.asarray(actual[stat])) for stat in stats}
        if len(stats) < 2 or len(lengths) != 1 or min(lengths) < MINIMUM_ROWS:
            raise PipelineError(
                f"A joint distribution needs two stats or more of the same {MINIMUM_ROWS} games, not {lengths}."
            )
        every = slice(None, None, max(1, -(-min(lengths) // FITTED_ROWS)))
        ends = [_normal_ends(marginals[stat], np.asarray(actual[stat]), every) for stat in stats]
        nodes, weights = _quadrature()

        def loss(free: Floats) -> float:
            chance = np.ones((len(ends[0][0]), NODES))
            for a, (low, high) in zip(LARGEST_LOADING * np.tanh(free), ends, strict=True):
                chance *= _below(high, a, nodes) - _below(low, a, nodes)
            return -float(np.log(np.maximum(chance @ weights, 1e-300)).mean())

        found = optimize.minimize(loss, np.full(len(stats), 0.4), method="L-BFGS-B", options={"eps": 1e-5})
        loadings = (LARGEST_LOADING * np.tanh(found.x)).round(6)
        # The factor has no sign of its own.
        loadings = loadings if loadings.sum() >= 0 else -loadings
        return cls(dict(zip(stats, loadings.tolist(), strict=True)))

    @classmethod
    def independent(cls) -> JointModel:
        """As if no stat told anything of another: what has nothing to learn from, and the rival to beat."""
        return cls(dict.fromkeys(PARTS, 0.0))

    def correlation(self, one: Stat, other: Stat) -> float:
        """Correlation of the two stats' normal scores."""
        return 1.0 if one is other else self.loadings[one] * self.loadings[other]

    def total(self, marginals: Marginals, parts: Sequence[Stat] = PARTS) -> CountDistribution:
        """Distributions [n] of the sum of those stats, on 0..sum of their largest counts.

        Args:
            marginals: stat -> distributions of the same n player-games; calibrated ones, as they are served.
            parts: which are added.

        Raises:
            PipelineError: when a stat is missing or marginals differ in length.
        """
        missing = [stat.value for stat in parts if stat not in marginals or stat not in self.loadings]
        if missing or not parts or len({len(marginals[stat]) for stat in parts}) != 1:
            raise PipelineError(f"The sum of {'+'.join(parts)} needs a marginal of each for the same games; {missing}.")
        rows = len(marginals[parts[0]])
        # What lies above K counts as K + 1, as in the marginal's mean.
        largest = sum(marginals[stat].largest + 1 for stat in parts)
        survival = np.zeros((rows, largest))
        for start in range(0, rows, _BLOCK):
            block = slice(start, start + _BLOCK)
            survival[block] = self._block([(self.loadings[s], marginals[s].survival[block]) for s in parts], largest)
        return CountDistribution(survival)

    def over(self, marginals: Marginals, parts: Sequence[Stat], line: npt.ArrayLike) -> Floats:
        """P(sum > line) [n]; a number or one line a game. Raises as `total`."""
        return self.total(marginals, parts).over(line)

    @staticmethod
    def _block(parts: list[tuple[float, npt.NDArray[np.floating[Any]]]], largest: int) -> Floats:
        size = fft.next_fast_len(largest + 1, real=True)
        # Without a factor there is nothing to average over.
        nodes, weights = _quadrature() if any(a for a, _ in parts) else (np.zeros(1), np.ones(1))
        scores = [(a, _normal_scores(survival)) for a, survival in parts]
        mixed = np.zeros((len(parts[0][1]), size // 2 + 1), dtype=np.complex128)
        for node, weight in zip(nodes, weights, strict=True):
            product = np.full_like(mixed, weight)
            for a, normal in scores:
                below = special.ndtr((normal - a * node) / np.sqrt(1 - a * a))
                edges = np.hstack([np.zeros((len(below), 1)), below, np.ones((len(below), 1))])
                product *= fft.rfft(np.diff(edges, axis=1), size, axis=1)
            mixed += product
        pmf = np.maximum(fft.irfft(mixed, size, axis=1)[:, : largest + 1], 0.0)
        above = np.cumsum(pmf[:, :0:-1], axis=1)[:, ::-1]
        return np.minimum(above, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """The fitted numbers as plain JSON."""
        return {"kind": "one-factor copula", "loadings": {stat.value: a for stat, a in self.loadings.items()}}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> JointModel:
        """The model of `to_dict`.

        Raises:
            PipelineError: when the content is not of that form.
        """
        try:
            if content["kind"] != "one-factor copula":
                raise KeyError(content["kind"])
            return cls({Stat(name): float(value) for name, value in content["loadings"].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PipelineError(f"This is no joint model: {error}.") from error


def _quadrature() -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes and weights of a standard normal."""
    nodes, weights = hermegauss(NODES)
    return nodes, weights / weights.sum()


def _normal_scores(survival: npt.NDArray[np.floating[Any]]) -> Floats:
    """Phi^-1 of P(Y <= k), from the survival probability so that the upper tail keeps its digits."""
    return -special.ndtri(np.clip(np.asarray(survival, dtype=np.float64), 0.0, 1.0))


def _normal_ends(forecast: CountDistribution, actual: npt.NDArray[Any], every: slice) -> tuple[Floats, Floats]:
    """Normal scores of P(Y < y) and P(Y <= y), both [m]."""
    y = actual.astype(np.float64)
    above, at_least = np.clip(forecast.over(y), 0, 1), np.clip(1.0 - forecast.under(y), 0, 1)
    return _normal_scores(at_least)[every], _normal_scores(above)[every]


def _below(normal: Floats, a: float, nodes: Floats) -> Floats:
    return np.asarray(special.ndtr((normal[:, None] - a * nodes) / np.sqrt(1 - a * a)))
