"""Paired comparison of two forecasts of the same games."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.domain import LADDER, Stat
from statmuse_pipeline.evaluation.paired import PAIRED, DateBootstrap, GameScores
from statmuse_pipeline.modeling.dispersion import negative_binomial

LINES = LADDER[Stat.PTS]


def scores(mean: np.ndarray, actual: np.ndarray, dispersion: float = 0.2) -> GameScores:
    return GameScores.of(mean, negative_binomial(mean, dispersion, 90).survival, actual, LINES)


@pytest.fixture(scope="module")
def games() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, counts that follow them, dates: 60 days of 40 games."""
    rng = np.random.default_rng(2)
    mean = rng.gamma(4, 3, 2400)
    return mean, rng.poisson(mean * rng.gamma(5, 0.2, 2400)).clip(max=90), np.repeat(np.arange(60), 40)


def test_scores_are_those_of_the_distributions(games):
    mean, actual, _ = games
    forecast = negative_binomial(mean, 0.2, 90)
    told = GameScores.of(mean, forecast.survival, actual, LINES)
    np.testing.assert_allclose(told.crps, forecast.crps(actual))
    np.testing.assert_allclose(told.log_score, forecast.log_score(actual))
    over = np.column_stack([forecast.over(line) for line in LINES])
    np.testing.assert_allclose(told.brier, ((over - (actual[:, None] > LINES)) ** 2).mean(axis=1))
    np.testing.assert_allclose(told.above_median, forecast.over(forecast.median()))
    np.testing.assert_array_equal(told.was_above, actual > forecast.median())
    assert told.summary()["rmse"] == pytest.approx(np.sqrt(((mean - actual) ** 2).mean()))


def test_a_forecast_does_not_differ_from_itself(games):
    mean, actual, dates = games
    same = scores(mean, actual)
    found = DateBootstrap(dates, draws=50).differences(same, same)
    assert set(found.values()) == {0.0}
    assert len(found) == 3 * len(PAIRED)


def test_a_worse_forecast_is_worse_beyond_doubt_and_the_reverse_is_the_negative(games):
    mean, actual, dates = games
    good, bad = scores(mean, actual), scores(mean * 1.3, actual)
    bootstrap = DateBootstrap(dates, draws=400)
    there, back = bootstrap.differences(bad, good), bootstrap.differences(good, bad)
    for name in PAIRED:
        assert there[f"{name}_diff_lo"] > 0
        assert there[f"{name}_diff"] == pytest.approx(-back[f"{name}_diff"])
        assert there[f"{name}_diff_lo"] == pytest.approx(-back[f"{name}_diff_hi"])


def test_noise_is_no_difference_and_whole_dates_are_what_is_drawn(games):
    mean, actual, dates = games
    good = scores(mean, actual)
    evening = np.random.default_rng(1).normal(1, 0.03, 60)[dates]
    by_date = DateBootstrap(dates, draws=400).differences(scores(mean * evening, actual), good)
    assert by_date["log_score_diff_lo"] < 0 < by_date["log_score_diff_hi"]
    # Values that are alike within an evening are only as many as the evenings.
    shared = np.random.default_rng(3).normal(0, 1, 60)[dates]
    spread = DateBootstrap(dates, draws=2000).means(shared).std()
    assert spread == pytest.approx(shared.std() / np.sqrt(60), rel=0.1)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 5))
def test_samples_of_a_constant_are_that_constant_whatever_the_dates(dates, seed):
    drawn = DateBootstrap(np.array(dates), draws=20, seed=seed).means(np.full(len(dates), 2.5))
    np.testing.assert_allclose(drawn, 2.5)
