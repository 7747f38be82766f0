"""What a spread is worth is found where it tells something, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.ablations.spreads import measure_spreads
from statmuse_pipeline.datasets.split import split_by_date
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import made_up_league


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    parts = split_by_date(add_minutes_forecasts(build_features(*made_up_league(teams=20)), seed=3)).parts()
    return pd.concat([parts[name].assign(split=name) for name in ("train", "validation")], ignore_index=True)


def spreads_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Spreads drawn at random, one a game; the first team by number is at home."""
    games = rows.groupby("game_id")["team_id"].min().rename("home_team_id").reset_index()
    drawn = np.random.default_rng(5).normal(0.0, 8.0, len(games)).round()
    return games.assign(pregame=drawn, tipoff=drawn)


def test_a_spread_that_tells_nothing_gains_nothing(rows):
    table = pd.DataFrame(measure_spreads(rows, spreads_of(rows), seed=3, draws=100))
    assert table.groupby("level")["name"].nunique().to_dict() == {"pregame": 3, "tipoff": 3}
    rmse = table.pivot_table(index="level", columns="name", values="rmse")
    np.testing.assert_allclose(rmse["corrected with the spread"], rmse["corrected"], rtol=0.005)
    assert not table.isna().to_numpy().any()


def test_minutes_that_follow_the_margin_are_forecast_better_with_it(rows):
    spreads = spreads_of(rows)
    margin = rows.merge(spreads, on="game_id")
    own = np.where(margin["team_id"] == margin["home_team_id"], -margin["pregame"], margin["pregame"])
    told = rows.assign(min=np.clip(rows["min"] - 0.4 * own, 1, 48).round())
    table = pd.DataFrame(measure_spreads(told, spreads, seed=3, draws=100)).set_index(["level", "name"])
    for level in ("pregame", "tipoff"):
        assert table.loc[(level, "corrected with the spread"), "rmse_diff_hi"] < 0
        assert table.loc[(level, "corrected"), "rmse_diff_hi"] > -0.05


def test_too_few_games_with_a_spread_are_not_measured(rows):
    assert measure_spreads(rows, spreads_of(rows).head(10), seed=3, draws=100) == []
