"""Voting, stacking on time-ordered folds, and the choice of what is served."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.modeling.ensemble import (
    Evidence,
    Served,
    choose_served,
    expanding_folds,
    stacking_weights,
    vote,
)


@given(rows=st.integers(20, 400), folds=st.integers(1, 5))
def test_folds_only_forecast_what_comes_after_what_they_were_fitted_on(rows: int, folds: int) -> None:
    pairs = expanding_folds(rows, folds)
    assert len(pairs) == folds
    for fit, new in pairs:
        assert fit.start == 0
        assert fit.stop == new.start < new.stop
    assert [new.start for _, new in pairs[1:]] == [new.stop for _, new in pairs[:-1]]
    assert pairs[-1][1].stop == rows


def test_voting_is_the_mean_of_the_members() -> None:
    np.testing.assert_allclose(vote(np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])), [3.0, 1.0])


def test_stacking_without_penalty_finds_the_true_weights() -> None:
    members = np.random.default_rng(1).normal(size=(300, 3))
    np.testing.assert_allclose(stacking_weights(members, members @ [0.5, 0.0, 0.3], 0.0), [0.5, 0.0, 0.3], atol=1e-9)


def test_a_member_that_points_the_wrong_way_gets_no_weight() -> None:
    rng = np.random.default_rng(2)
    members = rng.normal(size=(300, 3))
    weights = stacking_weights(members, members[:, 0] - members[:, 1] + rng.normal(size=300), 0.01)
    assert weights[1] == 0
    assert weights[0] > 0.5


def test_the_penalty_equals_ridge_regression_where_all_weights_are_positive() -> None:
    rng = np.random.default_rng(3)
    members = rng.normal(size=(200, 3))
    target = members @ [0.6, 0.4, 0.5] + 0.1 * rng.normal(size=200)
    ridge = np.linalg.solve(members.T @ members + 0.05 * 200 * np.eye(3), members.T @ target)
    np.testing.assert_allclose(stacking_weights(members, target, 0.05), ridge, atol=1e-9)


def evidence(seed: int, skill: float, rows: int = 60) -> Evidence:
    """Games with an ensemble "voting" of that skill (below 0: harmful) and one that is the prior itself."""
    rng = np.random.default_rng(seed)
    prior = rng.uniform(8, 12, rows)
    actual = prior + rng.normal(0, 2, rows)
    return Evidence(prior, actual, {"voting": prior + skill * (actual - prior), "stacking": prior.copy()})


GRID = (0.0, 0.1, 0.2, 0.35, 0.5)


def test_an_ensemble_that_helps_is_served_up_to_the_cap() -> None:
    assert choose_served(evidence(1, 0.8), evidence(2, 0.8), GRID, cap=0.5) == Served("voting", 0.5)
    assert choose_served(evidence(1, 0.8), evidence(2, 0.8), GRID, cap=0.25) == Served("voting", 0.25)


@pytest.mark.parametrize(("now", "before"), [(-0.5, -0.5), (-0.5, 0.8), (0.8, -0.5), (0.0, 0.0)])
def test_the_prior_is_served_unless_validation_and_the_folds_before_it_agree(now: float, before: float) -> None:
    assert choose_served(evidence(1, now), evidence(2, before), GRID, cap=0.5) == Served("prior", 0.0)


def test_a_cap_of_zero_serves_the_prior() -> None:
    assert choose_served(evidence(1, 0.8), evidence(2, 0.8), GRID, cap=0.0) == Served("prior", 0.0)


def test_no_games_on_validation_serve_the_prior() -> None:
    assert choose_served(evidence(1, 0.8, rows=0), evidence(2, 0.8), GRID, cap=0.5) == Served("prior", 0.0)


@given(seed=st.integers(0, 10_000), skill=st.floats(-1, 1), before=st.floats(-1, 1))
def test_what_is_served_never_does_worse_than_the_prior_on_validation(seed: int, skill: float, before: float) -> None:
    validation = evidence(seed, skill, rows=15)
    served = choose_served(validation, evidence(seed + 1, before), GRID, cap=0.5)
    if served.ensemble != "prior":
        assert validation.gain(served.ensemble, served.shrinkage) > 0
