"""Isotonic calibration that is kept only where it helps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statmuse_pipeline.calibration.isotonic import CollapsedCalibrator, IsotonicCalibrator, choose_calibrator
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.modeling.dispersion import negative_binomial

DAYS = 60


def league(bias: float, rows: int = 6000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities whose logit is off by `bias`, outcomes and days."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.02, 0.98, rows)
    told = 1 / (1 + np.exp(-(np.log(truth / (1 - truth)) + bias)))
    return told, (rng.random(rows) < truth).astype(float), np.sort(rng.integers(0, DAYS, rows))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=200),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
@example([(0.0, False), (2.2250738585e-313, True)], [0.0, 5e-324, 1.0])
def test_the_map_is_monotone_stays_within_bounds_and_keeps_zero_and_one(pairs, asked):
    p, y = np.array([pair[0] for pair in pairs]), np.array([float(pair[1]) for pair in pairs])
    try:
        calibrator = IsotonicCalibrator.fit(p, y)
    except CollapsedCalibrator:
        return
    mapped = calibrator(np.sort(asked))
    assert (np.diff(mapped) >= 0).all()
    assert ((mapped >= 0) & (mapped <= 1)).all()
    assert calibrator([0.0, 1.0]).tolist() == [0.0, 1.0]


def test_a_bias_is_taken_out():
    p, y, _ = league(0.8, rows=40_000)
    mapped = IsotonicCalibrator.fit(p, y)(p)
    for low in np.arange(0.1, 0.9, 0.2):
        here = (mapped >= low) & (mapped < low + 0.2)
        assert mapped[here].mean() == pytest.approx(y[here].mean(), abs=0.02)


def test_the_map_has_no_hard_steps():
    p, y, _ = league(0.8)
    calibrator = IsotonicCalibrator.fit(p, y)
    grid = np.linspace(0, 1, 2001)
    assert np.diff(calibrator(grid)).max() < 0.05


def test_a_map_that_collapses_to_a_constant_is_refused():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.2, 0.8, 500)
    with pytest.raises(CollapsedCalibrator, match="constant"):
        IsotonicCalibrator.fit(p, (p < 0.5).astype(float))
    decision = choose_calibrator(p, (p < 0.5).astype(float), np.arange(500) // 10)
    assert (decision.kept, decision.calibrator) == (False, None)
    assert "constant" in decision.reason


def test_a_players_few_games_make_no_forecast_certain():
    p = np.tile([0.05, 0.2, 0.4, 0.55, 0.9], 80)
    y = np.tile([0.0, 0.0, 0.0, 0.0, 1.0], 80)
    calibrator = IsotonicCalibrator.fit(p, y, bins=12)
    assert calibrator(0.55) < 0.4
    assert calibrator(0.4) > 0.1
    wide = negative_binomial([7.3], 0.3, 60)
    low, high = wide.mapped(calibrator).interval(0.8)
    assert high - low >= 4


def test_a_calibrator_survives_json():
    p, y, _ = league(0.5)
    calibrator = IsotonicCalibrator.fit(p, y)
    again = IsotonicCalibrator.from_dict(json.loads(json.dumps(calibrator.to_dict())))
    np.testing.assert_array_equal(again(p), calibrator(p))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "isotonic", "x": [0, 1]},
        {"kind": "isotonic", "x": [0.0, 0.5, 1.0], "y": [0.0, 1.2, 1.0]},
        {"kind": "isotonic", "x": [0.1, 1.0], "y": [0.0, 1.0]},
    ],
)
def test_content_that_is_no_calibrator_is_refused(content):
    with pytest.raises(PipelineError):
        IsotonicCalibrator.from_dict(content)


def test_a_calibrator_that_helps_on_later_days_is_kept_with_its_gain():
    decision = choose_calibrator(*league(0.8))
    assert decision.kept
    assert decision.calibrator is not None
    assert decision.brier_after < decision.brier_before


def test_calibrated_forecasts_are_left_alone_nearly_always():
    kept = [choose_calibrator(*league(0.0, rows=600, seed=seed)).kept for seed in range(40)]
    assert sum(kept) <= 6


def test_a_bias_that_turned_round_is_not_calibrated():
    early, late = league(1.0, rows=3000), league(-1.0, rows=3000, seed=1)
    p, y = np.concatenate([early[0], late[0]]), np.concatenate([early[1], late[1]])
    decision = choose_calibrator(p, y, np.concatenate([early[2], late[2] + DAYS]))
    assert not decision.kept
    assert decision.brier_after > decision.brier_before


def test_the_decision_does_not_depend_on_the_order_of_the_pairs():
    p, y, day = league(0.4, rows=900)
    order = np.random.default_rng(5).permutation(len(p))
    one, two = choose_calibrator(p, y, day), choose_calibrator(p[order], y[order], day[order])
    assert (one.kept, one.reason) == (two.kept, two.reason)
    assert one.brier_after == pytest.approx(two.brier_after)


def test_too_few_pairs_or_days_are_not_calibrated():
    p, y, day = league(0.8, rows=300)
    assert "fewer than the 400" in choose_calibrator(p, y, day, minimum=400).reason
    assert "days" in choose_calibrator(p, y, np.zeros(300)).reason
    assert choose_calibrator([], [], []).kept is False


def test_probabilities_outside_their_range_are_refused():
    with pytest.raises(PipelineError, match="outside"):
        IsotonicCalibrator.fit([0.2, 1.4], [0, 1])


def test_mapping_a_distribution_gives_a_distribution():
    p, y, _ = league(0.8)
    forecast = negative_binomial([0.4, 6.0, 25.0], 0.1, 60).mapped(IsotonicCalibrator.fit(p, y))
    assert (np.diff(forecast.survival, axis=1) <= 0).all()
    np.testing.assert_allclose(forecast.over(4) + forecast.push(4) + forecast.under(4), 1.0)
