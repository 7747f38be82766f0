"""Which columns the pooled models lean on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from statmuse_pipeline.domain import InformationLevel, Stat
from statmuse_pipeline.modeling.importance import COLUMNS, prior_importance, top_columns, tree_importance
from statmuse_pipeline.modeling.prior import PooledPrior

TIPOFF = InformationLevel.TIPOFF


def _prior(stat: Stat, coefficients: list[float]) -> PooledPrior:
    names = tuple(f"column_{place}" for place in range(len(coefficients)))
    ones = np.ones(len(coefficients))
    return PooledPrior(stat, TIPOFF, names, ones, ones, np.r_[12.0, coefficients], debut=3.0)


def test_shares_follow_the_size_of_coefficients_and_leave_the_intercept_out() -> None:
    table = prior_importance([_prior(Stat.PTS, [3.0, -1.0]), _prior(Stat.REB, [0.0, 0.5])])
    assert list(table.columns) == COLUMNS
    np.testing.assert_allclose(table["importance"], [0.75, 0.25, 0.0, 1.0])
    assert table["stat"].tolist() == ["PTS", "PTS", "REB", "REB"]
    assert set(table["level"]) == {"tipoff"}


def test_the_input_that_trees_split_on_gets_all_the_gain() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(500, 3)).astype(np.float32)
    booster = xgb.train({"max_depth": 2}, xgb.DMatrix(x, label=np.sign(x[:, 1])), 5)
    table = tree_importance(booster, ["a", "b", "c"], TIPOFF).set_index("name")
    assert table["importance"].sum() == pytest.approx(1)
    assert table.loc["b", "importance"] > 0.99
    assert set(table["stat"]) == {"MIN"}


def test_top_columns_are_means_over_the_stats_with_the_stat_that_leans_most() -> None:
    booster_like = pd.DataFrame({"name": ["min_last"], "level": "tipoff", "stat": "MIN", "importance": [0.9]})
    table = prior_importance([_prior(Stat.PTS, [3.0, 1.0]), _prior(Stat.REB, [0.0, 0.5])])
    top = top_columns(pd.concat([table, booster_like], ignore_index=True))
    assert top["name"].tolist() == ["min_last", "column_1", "column_0"]
    assert top["of"].tolist() == ["minutes", "stats", "stats"]
    assert top["largest"].tolist() == ["MIN", "REB", "PTS"]
    np.testing.assert_allclose(top["importance"], [0.9, 0.625, 0.375])
