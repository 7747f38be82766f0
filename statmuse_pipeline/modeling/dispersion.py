"""How wide predictive distributions must be: negative binomials with learned dispersion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.modeling.distribution import CountDistribution, Floats, mean_pit

SMALLEST_MEAN = 1e-3
DISPERSION_RANGE = (1e-4, 4.0)
PIT_KNOTS = 41
FITTED_ROWS = 40_000
"""Dispersion has three numbers to learn: more rows than this only cost time."""


def negative_binomial(mean: npt.ArrayLike, dispersion: npt.ArrayLike, largest: int) -> CountDistribution:
    """Negative binomial (Poisson with gamma-distributed rate) with variance mean + dispersion * mean^2.

    Args:
        mean: [n], floored at SMALLEST_MEAN.
        dispersion: [n] or one number, 0 or more; 0 is Poisson.
        largest: K; the little that lies above is put on K.

    Raises:
        PipelineError: when a mean or dispersion is missing or negative.
    """
    mu = np.asarray(mean, dtype=np.float64).ravel()
    alpha = np.broadcast_to(np.asarray(dispersion, dtype=np.float64), mu.shape)
    if not (np.isfinite(mu).all() and np.isfinite(alpha).all() and (mu >= 0).all() and (alpha >= 0).all()):
        raise PipelineError("A negative binomial needs a finite, non-negative mean and dispersion in every row.")
    mu = np.maximum(mu, SMALLEST_MEAN)
    # Below 1e-6 the gamma functions of 1 / alpha cancel; the distribution is Poisson to eight digits there.
    size = 1.0 / np.maximum(alpha, 1e-6)
    count = np.arange(1, largest + 1)
    # P(Y = k) / P(Y = k - 1) = (size + k - 1) / k * mu / (size + mu): products instead of gamma functions.
    steps = (size[:, None] + (count - 1)) / count
    steps *= (mu / (size + mu))[:, None]
    pmf = np.cumprod(np.hstack([np.exp(-size * np.log1p(mu / size))[:, None], steps]), axis=1)
    survival = np.zeros_like(pmf)
    # Summed from above, so that small tails keep their digits; what lies above K is added to every one of them.
    survival[:, :-1] = np.cumsum(pmf[:, :0:-1], axis=1)[:, ::-1]
    survival[:, :-1] += np.maximum(1.0 - pmf.sum(axis=1), 0.0)[:, None]
    return CountDistribution(np.minimum(survival, 1.0))


@dataclass(frozen=True)
class DispersionModel:
    """Negative binomial whose dispersion is a smooth function of its mean, with optional refinements.

    log dispersion = a + b x + c x^2 (+ d m + e m^2), where x = log mean and m = log(expected minutes / 20), both held
    constant outside the values they were fitted on: of two players of whom as much is expected, the one who has less
    time for it is the less certain.

    Attributes:
        coefficients: a, b, c, and where expected minutes help, d, e.
        log_means: smallest and largest x of the fit.
        pit: knots u -> share of outcomes whose probability integral transform lay below u, None for no correction.
    """

    coefficients: tuple[float, ...]
    log_means: tuple[float, float]
    pit: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @classmethod
    def fit(
        cls,
        mean: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        minutes: npt.ArrayLike | None = None,
        largest: int | None = None,
    ) -> DispersionModel:
        """Fit by maximum likelihood on forecasts that did not know their outcomes.

        Args:
            mean: [n] forecast means.
            y: [n] counts that came.
            minutes: [n] expected minutes, NaN where not known.
            largest: K; when given, a correction of the shape and the part of the minutes are learned too, and each is
                kept where it lowers the CRPS of the last third of the rows, by more than noise, after being fitted on
                those before. Rows must then be in the order of time.

        Raises:
            PipelineError: when there are fewer than 50 rows, or missing or negative values.
        """
        mu, actual, time = _fit_rows(mean, y, minutes)
        if largest is None:
            return cls._fit_dispersion(mu, actual, None)
        cut = len(mu) * 2 // 3

        def fitted(rows: slice, with_minutes: bool, with_pit: bool) -> DispersionModel:
            model = cls._fit_dispersion(mu[rows], actual[rows], time[rows] if with_minutes else None)
            return model._with_pit(mu[rows], actual[rows], time[rows], largest) if with_pit else model

        def late_crps(refinements: tuple[bool, bool]) -> Floats:
            late = slice(cut, None)
            model = fitted(slice(None, cut), *refinements)
            return model.distribution(mu[late], largest, time[late]).crps(actual[late])

        best = (False, False)
        least = late_crps(best)
        for refinements in ((False, True), (True, False), (True, True)):
            if refinements[0] and minutes is None:
                continue
            crps = late_crps(refinements)
            gain = least - crps
            # A gain below two standard errors is as likely the noise of those rows.
            if gain.mean() > 2 * gain.std() / np.sqrt(len(gain)):
                best, least = refinements, crps
        return fitted(slice(None), *best)

    @classmethod
    def _fit_dispersion(cls, mu: Floats, y: Floats, minutes: Floats | None) -> DispersionModel:
        x = np.log(mu)
        low, high = (float(value) for value in np.quantile(x, [0.005, 0.995]))
        x = np.clip(x, low, high)
        columns = [np.ones_like(x), x, x**2]
        if minutes is not None:
            m = _log_minutes(minutes)
            columns += [m, m**2]
        basis = np.column_stack(columns)
        # A weak pull towards a Poisson-like 0.1 that is flat in x decides where the counts leave it open.
        start = np.zeros(len(columns))
        start[0] = np.log(0.1)
        weight = np.ones(len(columns))
        weight[0] = 0.1

        def loss(b: Floats) -> tuple[float, Floats]:
            log_alpha = np.clip(basis @ b, *np.log(DISPERSION_RANGE))
            size = np.exp(-log_alpha)
            terms = (
                special.gammaln(y + size) - special.gammaln(size)
                + size * np.log(size / (size + mu)) + y * np.log(mu / (size + mu))
            )  # fmt: skip
            slope = (
                special.digamma(y + size) - special.digamma(size) + np.log(size / (size + mu)) + (mu - y) / (size + mu)
            )
            gradient = basis.T @ (slope * size)
            pull = weight * (b - start)
            return float(-terms.sum() + pull @ (b - start)), gradient + 2 * pull

        found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B")
        return cls(tuple(float(value) for value in found.x), (low, high))

    def _with_pit(self, mu: Floats, y: Floats, minutes: Floats, largest: int) -> DispersionModel:
        knots = np.linspace(0, 1, PIT_KNOTS)
        share = mean_pit(self._plain(mu, largest, minutes), y, knots)
        share = np.maximum.accumulate(np.clip(share, 0.0, 1.0))
        return DispersionModel(self.coefficients, self.log_means, (tuple(knots.tolist()), tuple(share.tolist())))

    def predict(self, mean: npt.ArrayLike, minutes: npt.ArrayLike | None = None) -> Floats:
        """Dispersion [n] of forecasts with those means [n]: variance = mean + dispersion * mean^2.

        Raises:
            PipelineError: when the model was fitted with expected minutes [n] and none are given.
        """
        x = np.clip(np.log(np.maximum(np.asarray(mean, dtype=np.float64), SMALLEST_MEAN)), *self.log_means)
        a, b, c, *by_minutes = self.coefficients
        log_alpha = a + b * x + c * x**2
        if by_minutes:
            if minutes is None:
                raise PipelineError("This dispersion depends on expected minutes: give them with the means.")
            m = _log_minutes(np.asarray(minutes, dtype=np.float64))
            log_alpha = log_alpha + by_minutes[0] * m + by_minutes[1] * m**2
        return np.exp(np.clip(log_alpha, *np.log(DISPERSION_RANGE)))

    def distribution(
        self, mean: npt.ArrayLike, largest: int, minutes: npt.ArrayLike | None = None
    ) -> CountDistribution:
        """The predictive distributions of forecasts with those means [n], on 0..largest; raises like `predict`."""
        plain = self._plain(mean, largest, minutes)
        if self.pit is None:
            return plain
        u, share = (np.asarray(values) for values in self.pit)
        return plain.mapped(lambda survival: 1.0 - np.interp(1.0 - survival, u, share))

    def _plain(self, mean: npt.ArrayLike, largest: int, minutes: npt.ArrayLike | None) -> CountDistribution:
        return negative_binomial(mean, self.predict(mean, minutes), largest)

    def to_dict(self) -> dict[str, Any]:
        """The fitted numbers as plain JSON."""
        return {
            "kind": "negative binomial",
            "coefficients": list(self.coefficients),
            "log_means": list(self.log_means),
            "pit": None if self.pit is None else [list(values) for values in self.pit],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DispersionModel:
        """The model of `to_dict`.

        Raises:
            PipelineError: when the content is not of that form.
        """
        try:
            if content["kind"] != "negative binomial":
                raise KeyError(content["kind"])
            coefficients = tuple(float(value) for value in content["coefficients"])
            if len(coefficients) not in (3, 5):
                raise ValueError(f"{len(coefficients)} coefficients")
            low, high = (float(value) for value in content["log_means"])
            pit = content["pit"]
        except (KeyError, TypeError, ValueError) as error:
            raise PipelineError(f"This is no dispersion model: {error}.") from error
        return cls(coefficients, (low, high), None if pit is None else (tuple(pit[0]), tuple(pit[1])))


def _fit_rows(mean: npt.ArrayLike, y: npt.ArrayLike, minutes: npt.ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    mu, actual = np.asarray(mean, dtype=np.float64).ravel(), np.asarray(y, dtype=np.float64).ravel()
    time = np.full(len(mu), np.nan) if minutes is None else np.asarray(minutes, dtype=np.float64).ravel()
    if not len(mu) == len(actual) == len(time) or len(mu) < 50:
        raise PipelineError(f"Dispersion needs 50 forecasts with their outcomes, not {len(mu)} and {len(actual)}.")
    if not (np.isfinite(mu).all() and np.isfinite(actual).all() and mu.min() >= 0 and actual.min() >= 0):
        raise PipelineError("Dispersion cannot be fitted on missing or negative means or counts.")
    every = max(1, -(-len(mu) // FITTED_ROWS))
    return np.maximum(mu[::every], SMALLEST_MEAN), actual[::every], time[::every]


def _log_minutes(minutes: Floats) -> Floats:
    """log(minutes / 20) within 2 to 45 minutes; 0 where they are not known."""
    return np.nan_to_num(np.log(np.clip(minutes, 2.0, 45.0) / 20.0))
