"""Columns on one scale."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from statmuse_pipeline.standardizer import Standardizer


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_gaps_stand_at_the_mean_and_outliers_are_cut_off(kind: type) -> None:
    inputs = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, 5.0], [np.nan, np.nan, 5.0]], dtype=kind)
    standard = Standardizer.fit(inputs, 6.0)
    np.testing.assert_allclose(standard.transform(inputs), [[-1, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert standard.transform(np.array([[1e9, 1.0, 5.0]], dtype=kind)).tolist() == [[6.0, 1.0, 0.0]]


def test_it_does_what_scikit_learn_does_and_fills_the_gaps() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal([3, -20, 1e4], [1, 7, 300], (500, 3))
    inputs[rng.random(inputs.shape) < 0.2] = np.nan
    want = np.nan_to_num(StandardScaler().fit_transform(inputs))
    np.testing.assert_allclose(Standardizer.fit(inputs, 8.0).transform(inputs), want, rtol=1e-5, atol=1e-6)


def test_the_result_can_be_put_where_it_belongs() -> None:
    inputs = np.random.default_rng(4).normal(2, 3, (40, 5)).astype(np.float32)
    standard = Standardizer.fit(inputs, 8.0)
    wide = np.ones((40, 6), dtype=np.float32)
    standard.transform(inputs, out=wide[:, 1:])
    np.testing.assert_array_equal(wide[:, 1:], standard.transform(inputs))
    assert (wide[:, 0] == 1).all()
    assert standard.transform(np.asfortranarray(inputs)).flags["C_CONTIGUOUS"]


def test_a_column_without_a_location_has_no_say() -> None:
    standard = Standardizer(np.array([np.nan, 1.0]), np.array([1.0, 2.0]), 5.0)
    assert standard.transform(np.array([[100.0, 5.0]])).tolist() == [[0.0, 2.0]]
