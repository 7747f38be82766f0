"""Count distributions and how wide they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.modeling.dispersion import DispersionModel, negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution, mean_pit

means = arrays(np.float64, st.integers(1, 6), elements=st.floats(0.001, 60))
dispersions = st.floats(0, 3)
half_and_whole_lines = st.integers(-4, 300).map(lambda number: number / 2)


@st.composite
def distributions(draw):
    """Any distributions at all, not only negative binomial ones."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 12)))
    steps = draw(arrays(np.float64, shape, elements=st.floats(0, 1)))
    return CountDistribution(np.cumprod(steps, axis=1))


@given(means, dispersions)
def test_survival_never_rises_and_stays_within_zero_and_one(mean, dispersion):
    survival = negative_binomial(mean, dispersion, 90).survival
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 0).all()


@given(means, st.floats(1e-6, 3))
def test_the_negative_binomial_is_scipys(mean, dispersion):
    ours = negative_binomial(mean, dispersion, 40).survival[:, :-1]
    size = 1 / dispersion
    theirs = stats.nbinom.sf(np.arange(40)[None, :], size, (size / (size + mean))[:, None])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_without_dispersion_it_is_poisson():
    ours = negative_binomial([0.3, 4.0], 0, 30).survival[:, :-1]
    np.testing.assert_allclose(ours, stats.poisson.sf(np.arange(30)[None, :], [[0.3], [4.0]]), atol=1e-5)


@given(means, dispersions)
def test_the_mean_is_kept_where_the_range_is_wide_enough(mean, dispersion):
    small = np.minimum(mean, 2.0)
    np.testing.assert_allclose(negative_binomial(small, dispersion, 400).mean(), small, rtol=1e-4, atol=1e-4)


def test_a_mean_far_above_the_range_leaves_nothing_below():
    assert negative_binomial([5000.0], 0.0, 20).over(18.5).tolist() == [1.0]


@given(distributions(), half_and_whole_lines)
def test_over_push_and_under_sum_to_one(forecast, line):
    over, push, under = forecast.over(line), forecast.push(line), forecast.under(line)
    np.testing.assert_allclose(over + push + under, 1.0, atol=1e-9)
    assert min(over.min(), push.min(), under.min()) >= -1e-12
    if line % 1:
        assert (push == 0).all()


@given(distributions(), half_and_whole_lines)
def test_over_is_the_probability_mass_above_the_line(forecast, line):
    counts = np.arange(forecast.largest + 2)
    # What lies above the range is one bin, so lines there are beaten by nothing that is told apart.
    expected = forecast.pmf()[:, counts > line].sum(axis=1) if line < forecast.largest + 1 else 0.0
    np.testing.assert_allclose(forecast.over(line), expected, atol=1e-9)


@given(distributions())
def test_the_mass_sums_to_one_and_gives_the_mean(forecast):
    np.testing.assert_allclose(forecast.pmf().sum(axis=1), 1.0)
    np.testing.assert_allclose(forecast.pmf() @ np.arange(forecast.largest + 2), forecast.mean(), atol=1e-9)


@given(distributions(), st.floats(0.001, 0.999))
def test_quantiles_invert_the_distribution(forecast, q):
    quantile = forecast.quantile(q)
    at_most = 1 - forecast.over(quantile)
    assert (at_most[quantile <= forecast.largest] >= q - 1e-8).all()
    below = 1 - forecast.over(quantile - 1)
    assert (below[quantile > 0] < q + 1e-8).all()


@given(distributions(), st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_intervals_hold_the_median_and_lie_within_wider_ones(forecast, level, more):
    (low, high), (lower, higher) = forecast.intervals([level, level + more])
    assert ((low <= forecast.median()) & (forecast.median() <= high)).all()
    assert ((lower <= low) & (high <= higher)).all()
    np.testing.assert_array_equal(np.stack(forecast.interval(level)), np.stack([low, high]))


@given(distributions(), st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3))
def test_a_count_lies_in_the_intervals_above_its_level_and_in_no_other(forecast, levels):
    for count in range(forecast.largest + 2):
        found = forecast.level_of(np.full(len(forecast), count))
        for level, (low, high) in zip(levels, forecast.intervals(levels), strict=True):
            clear = np.abs(found - level) > 1e-9
            np.testing.assert_array_equal(((low <= count) & (count <= high))[clear], (found < level)[clear])


def test_each_row_may_have_a_level_of_its_own():
    forecast = negative_binomial([3.0, 9.0, 20.0], 0.2, 60)
    levels = np.array([0.5, 0.9, 0.7])
    low, high = forecast.interval(levels)
    for row, level in enumerate(levels):
        alone = forecast.take([row]).interval(float(level))
        assert (low[row], high[row]) == (alone[0][0], alone[1][0])
    with pytest.raises(PipelineError, match="strictly between"):
        forecast.interval(np.array([0.5, 1.0, 0.7]))


def test_intervals_cover_what_they_promise_on_the_counts_of_scorers_and_shooters():
    rng = np.random.default_rng(2)
    for mean, tolerance in ((rng.gamma(3, 5, 20_000), 0.01), (rng.gamma(4, 1, 20_000), 0.03)):
        forecast = negative_binomial(mean, 0.1, 120)
        actual = rng.negative_binomial(10, 1 / (1 + 0.1 * mean))
        for level in (0.5, 0.8, 0.95):
            low, high = forecast.interval(level)
            assert ((actual >= low) & (actual <= high)).mean() == pytest.approx(level, abs=tolerance)


@given(st.integers(0, 10))
def test_crps_is_zero_for_a_certain_forecast_that_is_right(count):
    certain = CountDistribution((np.arange(10) < count).astype(float)[None, :])
    assert certain.crps([count]).tolist() == [0.0]
    assert certain.crps([(count + 3) % 11])[0] > 0


@given(means, st.floats(0.01, 2), st.integers(0, 60))
def test_crps_agrees_with_the_closed_form_of_scoringrules(mean, dispersion, count):
    mean = np.minimum(mean, 15.0)
    forecast = negative_binomial(mean, dispersion, 600)
    size = 1 / dispersion
    theirs = [scoringrules.crps_negbinom(count, size, size / (size + mu)) for mu in mean]
    np.testing.assert_allclose(forecast.crps(np.full(len(mean), count)), theirs, rtol=1e-4, atol=1e-4)


def test_crps_prefers_the_truth():
    actual = np.random.default_rng(0).poisson(5, 20_000)
    score = {mu: negative_binomial(np.full(20_000, mu), 0, 40).crps(actual).mean() for mu in (4.0, 5.0, 6.0)}
    assert min(score, key=score.__getitem__) == 5.0


def test_a_whole_line_can_push_and_a_push_is_not_over():
    fair = CountDistribution([[0.75, 0.5, 0.25, 0.0]])
    assert [fair.over(2)[0], fair.push(2)[0], fair.under(2)[0]] == [0.25, 0.25, 0.5]
    assert [fair.over(1.5)[0], fair.push(1.5)[0], fair.under(1.5)[0]] == [0.5, 0.0, 0.5]
    assert fair.over(-0.5)[0] == 1.0
    assert fair.over(np.nan)[0] != fair.over(np.nan)[0]


def test_queries_about_some_rows_answer_each_of_them():
    forecast = negative_binomial([1.0, 5.0, 9.0], 0.1, 40)
    rows, lines = np.array([2, 0, 2]), np.array([8.5, 0.5, 3.5])
    expected = [forecast.take([row]).over(line)[0] for row, line in zip(rows, lines, strict=True)]
    assert forecast.over(lines, rows).tolist() == expected


def test_taking_and_putting_together_keeps_every_row():
    forecast = negative_binomial([1.0, 5.0, 9.0], 0.1, 40)
    again = CountDistribution.concat([forecast.take([0]), forecast.take(np.array([False, True, True]))])
    np.testing.assert_array_equal(again.survival, forecast.survival)
    with pytest.raises(PipelineError, match="same count"):
        CountDistribution.concat([forecast, negative_binomial([1.0], 0.1, 30)])


@pytest.mark.parametrize("survival", [[[0.2, 0.5]], [[1.2, 0.1]], [[0.5, np.nan]], [0.5, 0.2]])
def test_what_is_no_survival_function_is_refused(survival):
    with pytest.raises(PipelineError):
        CountDistribution(survival)


@pytest.mark.parametrize(("mean", "dispersion"), [([np.nan], 0.1), ([-1.0], 0.1), ([1.0], -0.1)])
def test_missing_and_negative_parameters_are_refused(mean, dispersion):
    with pytest.raises(PipelineError, match="finite"):
        negative_binomial(mean, dispersion, 10)


def simulated(rows: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, true dispersions that fall with the mean, and counts."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 6.0, rows) + 0.2
    dispersion = 0.5 / np.sqrt(mean)
    return mean, dispersion, rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))


def test_a_dispersion_that_falls_with_the_mean_is_found():
    mean, _, actual = simulated(40_000)
    model = DispersionModel.fit(mean, actual)
    wanted = np.array([2.0, 5.0, 10.0, 20.0, 30.0])
    np.testing.assert_allclose(model.predict(wanted), 0.5 / np.sqrt(wanted), rtol=0.12)


def test_poisson_counts_need_next_to_no_dispersion():
    rng = np.random.default_rng(4)
    mean = rng.uniform(0.5, 3, 20_000)
    model = DispersionModel.fit(mean, rng.poisson(mean))
    assert (model.predict([0.5, 1.0, 3.0]) < 0.03).all()


def test_the_shape_is_left_alone_where_it_is_right():
    mean, _, actual = simulated(30_000)
    assert DispersionModel.fit(mean, actual, largest=120).pit is None


def test_a_wrong_shape_is_corrected_and_scores_better_on_new_rows():
    rng = np.random.default_rng(8)
    mean = rng.gamma(4, 4, 30_000) + 2
    # Rounded normal counts are symmetric, where a negative binomial has a long right tail and a low median.
    actual = np.maximum(np.round(rng.normal(mean, 1.6 * np.sqrt(mean))), 0)
    old, new = slice(None, 20_000), slice(20_000, None)
    plain = DispersionModel.fit(mean[old], actual[old]).distribution(mean[new], 120)
    model = DispersionModel.fit(mean[old], actual[old], largest=120)
    corrected = model.distribution(mean[new], 120)
    assert model.pit is not None
    assert corrected.crps(actual[new]).mean() < plain.crps(actual[new]).mean()
    assert abs((actual[new] - corrected.median()).mean()) < abs((actual[new] - plain.median()).mean())
    np.testing.assert_allclose(mean_pit(corrected, actual[new], [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.015)


def counts_less_certain_in_fewer_minutes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(12)
    minutes = rng.uniform(5, 40, 30_000)
    mean = minutes * rng.uniform(0.1, 0.6, 30_000)
    dispersion = 0.6 * (minutes / 20) ** -1.0
    return mean, minutes, rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))


def test_where_less_time_means_less_certainty_the_width_learns_it_and_scores_better_on_new_rows():
    mean, minutes, actual = counts_less_certain_in_fewer_minutes()
    old, new = slice(None, 20_000), slice(20_000, None)
    without = DispersionModel.fit(mean[old], actual[old], largest=120).distribution(mean[new], 120)
    model = DispersionModel.fit(mean[old], actual[old], minutes=minutes[old], largest=120)
    short, long = model.predict([6.0, 6.0], [12.0, 36.0])
    assert short > 2 * long
    with_minutes = model.distribution(mean[new], 120, minutes[new])
    assert with_minutes.crps(actual[new]).mean() < without.crps(actual[new]).mean()
    with pytest.raises(PipelineError, match="give them"):
        model.predict([6.0])


def test_minutes_that_say_nothing_are_left_out():
    mean, _, actual = simulated(30_000)
    minutes = np.random.default_rng(5).uniform(5, 40, 30_000)
    assert len(DispersionModel.fit(mean, actual, minutes=minutes, largest=120).coefficients) == 3


def test_outside_the_means_it_was_fitted_on_the_dispersion_stays_constant():
    mean, _, actual = simulated(5_000)
    model = DispersionModel.fit(mean, actual)
    assert model.predict([200.0]) == model.predict([90.0])


def test_a_dispersion_model_survives_json():
    mean, _, actual = simulated(3_000)
    for model in (
        DispersionModel.fit(mean, actual),
        DispersionModel((0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 1.0), ((0, 1), (0, 1))),
    ):
        assert DispersionModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model
    with pytest.raises(PipelineError, match="no dispersion model"):
        DispersionModel.from_dict({"kind": "poisson"})


@pytest.mark.parametrize(
    ("mean", "actual"),
    [(np.ones(10), np.ones(10)), (np.ones(60), np.ones(61)), (np.full(60, np.nan), np.ones(60))],
)
def test_too_few_or_missing_rows_are_refused(mean, actual):
    with pytest.raises(PipelineError, match="ispersion"):
        DispersionModel.fit(mean, actual)


def test_a_calibrated_forecast_has_an_even_transform():
    mean, dispersion, actual = simulated(40_000)
    knots = np.linspace(0, 1, 11)
    np.testing.assert_allclose(mean_pit(negative_binomial(mean, dispersion, 200), actual, knots), knots, atol=0.01)
