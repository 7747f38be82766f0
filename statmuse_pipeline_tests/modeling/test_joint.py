"""The joint distribution of points, rebounds and assists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from statmuse_pipeline.domain import LARGEST_COUNT, PipelineError, Stat
from statmuse_pipeline.modeling.dispersion import negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.joint import COMBINATIONS, LARGEST_LOADING, PARTS, JointModel

LOADINGS = {Stat.PTS: 0.6, Stat.REB: 0.5, Stat.AST: 0.4}
MEANS = {Stat.PTS: [22.0, 3.0], Stat.REB: [8.0, 2.0], Stat.AST: [5.0, 0.6]}

counts = st.floats(0.05, 30)
loading = st.floats(-LARGEST_LOADING, LARGEST_LOADING)


def marginals(means: dict[Stat, list[float]]) -> dict[Stat, CountDistribution]:
    return {stat: negative_binomial(mean, 0.12, LARGEST_COUNT[stat]) for stat, mean in means.items()}


def simulated(forecast: dict[Stat, CountDistribution], row: int, games: int, seed: int = 0) -> dict[Stat, np.ndarray]:
    """Counts drawn through the definition of the copula, with `LOADINGS`."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=games)
    found = {}
    for stat, a in LOADINGS.items():
        u = special.ndtr(a * factor + np.sqrt(1 - a * a) * rng.normal(size=games))
        found[stat] = np.searchsorted(1 - forecast[stat].survival[row], u)
    return found


@pytest.mark.parametrize("parts", COMBINATIONS, ids="+".join)
def test_probabilities_of_sums_are_those_of_a_simulation(parts):
    forecast, model = marginals(MEANS), JointModel(LOADINGS)
    for row in range(2):
        drawn = simulated(forecast, row, 200_000)
        total = sum(drawn[stat] for stat in parts)
        for line in np.quantile(total, [0.05, 0.3, 0.5, 0.8, 0.99]).round() + 0.5:
            assert model.over(forecast, parts, line)[row] == pytest.approx((total > line).mean(), abs=0.004)


@pytest.mark.parametrize("stat", PARTS)
def test_the_marginals_stay_as_they_are(stat):
    forecast = marginals(MEANS)
    alone = JointModel(dict.fromkeys(PARTS, LARGEST_LOADING)).total(forecast, (stat,))
    own = forecast[stat].survival
    np.testing.assert_allclose(alone.survival[:, : own.shape[1]], own, atol=3e-3)
    usual = JointModel(LOADINGS).total(forecast, (stat,))
    np.testing.assert_allclose(usual.survival[:, : own.shape[1]], own, atol=1e-6)


def test_without_loadings_the_sum_is_the_plain_convolution():
    forecast = marginals(MEANS)
    found = JointModel(dict.fromkeys(PARTS, 0.0)).total(forecast, (Stat.PTS, Stat.AST)).pmf()
    for row in range(2):
        direct = np.convolve(forecast[Stat.PTS].pmf()[row], forecast[Stat.AST].pmf()[row])
        np.testing.assert_allclose(found[row, : len(direct)], direct, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(counts, counts, counts, loading, loading, loading)
def test_a_sum_is_a_distribution_whose_mean_is_the_sum_of_the_means(pts, reb, ast, a, b, c):
    forecast = marginals({Stat.PTS: [pts], Stat.REB: [reb], Stat.AST: [ast]})
    model = JointModel({Stat.PTS: a, Stat.REB: b, Stat.AST: c})
    for parts in COMBINATIONS:
        total = model.total(forecast, parts)
        assert ((total.survival >= 0) & (total.survival <= 1)).all()
        assert (np.diff(total.survival) <= 1e-12).all()
        expected = sum(float(forecast[stat].mean()[0]) for stat in parts)
        assert float(total.mean()[0]) == pytest.approx(expected, rel=2e-3, abs=2e-3)


@settings(deadline=None, max_examples=40)
@given(counts, counts, st.floats(0.0, 0.8), st.floats(0.0, 0.8), st.integers(0, 60))
def test_a_sum_is_over_a_line_at_least_as_often_as_one_of_its_parts(pts, reb, a, b, line):
    forecast = marginals({Stat.PTS: [pts], Stat.REB: [reb]})
    model, at = JointModel({Stat.PTS: a, Stat.REB: b}), line + 0.5
    over = model.over(forecast, (Stat.PTS, Stat.REB), at)[0]
    assert over >= max(forecast[stat].over(at)[0] for stat in forecast) - 1e-3


def test_stats_that_go_together_make_their_sum_wider():
    forecast = marginals(MEANS)
    apart, together = (JointModel(dict.fromkeys(PARTS, a)).total(forecast) for a in (0.0, 0.7))
    far = forecast[Stat.PTS].mean() + forecast[Stat.REB].mean() + forecast[Stat.AST].mean()
    assert (together.over(np.ceil(1.6 * far) + 0.5) > 1.2 * apart.over(np.ceil(1.6 * far) + 0.5)).all()


def test_the_loadings_of_simulated_games_are_found_again():
    rng = np.random.default_rng(4)
    games = 8000
    forecast = marginals({stat: (mean[0] * rng.uniform(0.3, 1.3, games)).tolist() for stat, mean in MEANS.items()})
    factor = rng.normal(size=games)
    actual = {}
    for stat, a in LOADINGS.items():
        u = special.ndtr(a * factor + np.sqrt(1 - a * a) * rng.normal(size=games))
        actual[stat] = ((1 - forecast[stat].survival) < u[:, None]).sum(axis=1)
    found = JointModel.fit(forecast, actual)
    for stat, a in LOADINGS.items():
        assert found.loadings[stat] == pytest.approx(a, abs=0.06)
    assert found.correlation(Stat.PTS, Stat.REB) == pytest.approx(0.3, abs=0.03)
    assert JointModel.from_dict(found.to_dict()) == found


def test_what_cannot_be_joined_is_refused():
    forecast = marginals(MEANS)
    with pytest.raises(PipelineError, match="same 50 games"):
        JointModel.fit(forecast, {stat: [1, 2] for stat in forecast})
    with pytest.raises(PipelineError, match="needs a marginal of each"):
        JointModel(LOADINGS).total(forecast, (Stat.PTS, Stat.FG3M))
    with pytest.raises(PipelineError, match="Loadings lie between"):
        JointModel({Stat.PTS: 1.0})
    with pytest.raises(PipelineError, match="no joint model"):
        JointModel.from_dict({"kind": "independence"})
