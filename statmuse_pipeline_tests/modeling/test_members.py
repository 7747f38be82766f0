"""The members: exact in their stored form, deterministic, and stopping early without a look ahead."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from statmuse_pipeline.modeling.members import (
    DEFAULT_PARAMS,
    FAMILIES,
    BoostedTrees,
    OnnxForest,
    export_boosted,
    export_forest,
    fit_boosted,
    fit_forest,
    fit_linear,
    fit_predict,
)

ROWS, COLUMNS, STATS = 150, 8, 3


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    targets = inputs[:, :STATS] * 0.8 + rng.normal(size=(ROWS, STATS))
    return inputs, targets


def test_a_forest_in_onnx_forecasts_what_scikit_learn_does(data: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, targets = data
    forest = fit_forest(inputs, targets, DEFAULT_PARAMS["random_forest"], seed=1)
    fresh = np.random.default_rng(6).normal(size=(500, COLUMNS)).astype(np.float32)
    assert np.abs(export_forest(forest).predict(fresh) - forest.predict(fresh)).max() < 1e-5
    assert np.ptp(forest.predict(fresh)[:, 0]) > 0.1


def test_boosted_trees_in_ubjson_forecast_what_xgboost_does(data: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, targets = data
    booster = fit_boosted(inputs, targets[:, 0], DEFAULT_PARAMS["xgboost"], seed=1)
    stored = BoostedTrees(export_boosted(booster).content)
    np.testing.assert_array_equal(stored.predict(inputs), booster.inplace_predict(inputs).astype(float))
    assert np.ptp(stored.predict(inputs)) > 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(data: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, targets = data
    forests = [
        export_forest(fit_forest(inputs, targets, DEFAULT_PARAMS["random_forest"], s)).content for s in (1, 1, 2)
    ]
    boosters = [
        export_boosted(fit_boosted(inputs, targets[:, 0], DEFAULT_PARAMS["xgboost"], s)).content for s in (1, 1, 2)
    ]
    for first, again, other in (forests, boosters):
        assert first == again
        assert first != other


def test_boosting_stops_at_once_on_noise_and_later_on_a_signal() -> None:
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(300, 5)).astype(np.float32)
    params = {**DEFAULT_PARAMS["xgboost"], "rounds": 60, "feature_share": 1.0}
    noise = fit_boosted(inputs, rng.normal(size=300), params, seed=1).num_boosted_rounds()
    signal = fit_boosted(inputs, inputs[:, 0] + 0.1 * rng.normal(size=300), params, seed=1).num_boosted_rounds()
    assert noise < 15
    assert signal > 40


def test_the_elastic_net_finds_the_column_that_matters() -> None:
    rng = np.random.default_rng(8)
    inputs = rng.normal(size=(400, 5)).astype(np.float32)
    net = fit_linear(inputs, 2.0 * inputs[:, 3] + 0.5 + 0.1 * rng.normal(size=400), {"alpha": 0.05, "l1_share": 0.5})
    assert np.argmax(np.abs(net.coefficients)) == 3
    assert net.coefficients[3] == pytest.approx(1.9, abs=0.1)
    assert net.intercept == pytest.approx(0.5, abs=0.05)


def test_a_heavy_penalty_leaves_the_linear_member_at_its_mean() -> None:
    rng = np.random.default_rng(9)
    inputs = rng.normal(size=(100, 5)).astype(np.float32)
    net = fit_linear(inputs, rng.normal(size=100), {"alpha": 50.0, "l1_share": 0.5})
    assert not net.coefficients.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_forecasts_rows_it_was_not_fitted_on(family: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, targets = data
    target = targets if family == "random_forest" else targets[:, 0]
    forecast = fit_predict(family, inputs[:100], target[:100], inputs[100:], DEFAULT_PARAMS[family], 1)
    assert forecast.shape == target[100:].shape
    assert np.isfinite(forecast).all()


def test_members_travel_between_processes_without_their_open_sessions(data: tuple[np.ndarray, np.ndarray]) -> None:
    inputs, targets = data
    members: list[OnnxForest | BoostedTrees] = [
        export_forest(fit_forest(inputs, targets, DEFAULT_PARAMS["random_forest"], 1)),
        export_boosted(fit_boosted(inputs, targets[:, 0], DEFAULT_PARAMS["xgboost"], 1)),
    ]
    for member in members:
        before = member.predict(inputs)
        moved = pickle.loads(pickle.dumps(member))
        np.testing.assert_array_equal(moved.predict(inputs), before)
