"""Forecasts that need no model."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.modeling.baselines import BASELINES, baselines
from statmuse_pipeline_tests.features.leagues import made_up_league


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return build_features(*made_up_league(teams=4))


@pytest.mark.parametrize("stat", list(Stat))
def test_every_baseline_is_a_mean_of_earlier_games(features, stat):
    table = baselines(features, stat)
    assert list(table.columns) == list(BASELINES)
    player = features["player_id"].iloc[0]
    own = features[(features["player_id"] == player) & (features["min"] > 0)]
    made = own[stat.column]
    expected = {"season_average": made[:9].mean(), "mean_5": made[4:9].mean(), "ewm": made[:9].ewm(alpha=0.1).mean()}
    expected["ewm"] = expected["ewm"].iloc[-1]
    for name, value in expected.items():
        assert table.loc[own.index[9], name] == pytest.approx(value, rel=1e-5)


def test_a_first_game_has_no_baseline(features):
    first = features["games_before"] == 0
    assert baselines(features, Stat.PTS)[first].isna().all(axis=None)


def test_a_missing_column_is_named(features):
    with pytest.raises(PipelineError, match="reb_ewm_10"):
        baselines(features.drop(columns="reb_ewm_10"), Stat.REB)
