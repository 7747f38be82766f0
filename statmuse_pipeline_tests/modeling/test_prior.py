"""The pooled prior and its walk-forward forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError, Stat
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.modeling.design import FeatureView, design_columns
from statmuse_pipeline.modeling.prior import (
    LEAGUE_MEANS,
    SMALLEST_MEAN,
    PooledPrior,
    RidgeSettings,
    walk_forward,
    walk_forward_all,
)
from statmuse_pipeline_tests.features.leagues import made_up_league, real_season

PREGAME, TIPOFF = InformationLevel.PREGAME, InformationLevel.TIPOFF
FIRST = 3000
"""Rows before the first fit: the made-up league has about 7,900."""

TARGETS = ["min", *(stat.column for stat in Stat)]


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return add_minutes_forecasts(build_features(*made_up_league()), seed=3)


@pytest.fixture(scope="module")
def means(features) -> dict[InformationLevel, pd.DataFrame]:
    return {level: walk_forward_all(features, level, first_fit_rows=FIRST) for level in InformationLevel}


def noise(frame: pd.DataFrame, columns: list[str], rows: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """The frame with random numbers in those columns and rows."""
    changed = frame.copy()
    for column in columns:
        values = changed[column].to_numpy(dtype=float, copy=True)
        values[rows] = np.random.default_rng(seed).uniform(0, 40, rows.sum())
        changed[column] = values
    return changed


@pytest.mark.parametrize("level", list(InformationLevel))
def test_outcomes_of_a_day_and_later_do_not_move_forecasts_up_to_that_day(features, means, level):
    day = features["game_date"].iloc[FIRST + 2500]
    later = (features["game_date"] >= day).to_numpy()
    again = walk_forward_all(noise(features, TARGETS, later), level, first_fit_rows=FIRST)
    until = (features["game_date"] <= day).to_numpy()
    np.testing.assert_allclose(again[until], means[level][until], rtol=1e-9)
    assert not np.allclose(again[~until], means[level][~until])


def test_tipoff_columns_do_not_move_a_pregame_forecast(features, means):
    columns = [name for name in features if name.startswith("tip_")]
    everywhere = np.ones(len(features), dtype=bool)
    changed = noise(features, columns, everywhere)
    again = walk_forward_all(changed, PREGAME, first_fit_rows=FIRST)
    pd.testing.assert_frame_equal(again, means[PREGAME])
    assert not np.allclose(walk_forward_all(changed, TIPOFF, first_fit_rows=FIRST), means[TIPOFF])


def test_a_pregame_design_cannot_reach_a_tipoff_column(features):
    with pytest.raises(PipelineError, match="known at tip-off only"):
        FeatureView(features, PREGAME)["tip_out_min"]
    pregame = [name for name in features if not name.startswith("tip_")]
    known = design_columns(features[pregame], PREGAME)
    assert not any(name.startswith("tip_") or "*tip_" in name for name in known)
    assert set(design_columns(features, TIPOFF)) - set(known)


def test_the_first_walk_forward_block_is_what_a_fit_on_the_rows_before_gives(features, means):
    start = features["game_date"].iloc[FIRST]
    before = features[features["game_date"] < start]
    week = features[(features["game_date"] >= start) & (features["game_date"] < start + pd.Timedelta(days=7))]
    for stat in (Stat.PTS, Stat.PRA):
        direct = PooledPrior.fit(before, stat, TIPOFF).predict(week)
        known = (week["games_before"] > 0).to_numpy()
        np.testing.assert_allclose(direct[known], means[TIPOFF].loc[week.index, stat][known], rtol=5e-3, atol=5e-3)


def test_a_later_block_has_learned_from_all_weeks_before(features, means):
    day = features["game_date"].iloc[FIRST] + pd.Timedelta(days=35)
    week = features[(features["game_date"] >= day) & (features["game_date"] < day + pd.Timedelta(days=7))]
    direct = PooledPrior.fit(features[features["game_date"] < day], Stat.PTS, TIPOFF).predict(week)
    error = np.abs(direct - means[TIPOFF].loc[week.index, "PTS"])
    assert error[week["games_before"] > 0].mean() < 0.1


def test_one_stat_alone_gives_the_same_as_all_together(features, means):
    alone = walk_forward(features, Stat.AST, PREGAME, first_fit_rows=FIRST)
    np.testing.assert_allclose(alone, means[PREGAME]["AST"], rtol=1e-7)


def test_the_order_of_the_rows_does_not_matter(features, means):
    shuffled = features.sample(frac=1, random_state=1)
    again = walk_forward_all(shuffled, TIPOFF, first_fit_rows=FIRST)
    assert list(again.index) == list(shuffled.index)
    np.testing.assert_allclose(again.loc[features.index], means[TIPOFF], rtol=1e-9)


def test_means_are_positive_and_beat_the_moving_average(features, means):
    judged = ((features["min"] > 0) & (features["games_before"] >= 10)).to_numpy() & (np.arange(len(features)) > FIRST)
    for level in InformationLevel:
        assert (means[level] >= SMALLEST_MEAN).all(axis=None)
        for stat in (Stat.PTS, Stat.REB, Stat.PRA):
            actual = features.loc[judged, stat.column]
            error = ((means[level].loc[judged, stat] - actual) ** 2).mean()
            assert error < ((features.loc[judged, f"{stat.column}_ewm_10"] - actual) ** 2).mean()


def test_before_the_first_fit_the_moving_average_serves(features, means):
    early = features[(features.index < FIRST - 200) & (features["games_before"] > 0)]
    expected = np.maximum(early["pts_ewm_10"].astype(float), SMALLEST_MEAN)
    np.testing.assert_allclose(means[TIPOFF].loc[early.index, "PTS"], expected)


def test_on_the_very_first_day_the_leagues_mean_serves(features, means):
    first = features[features["game_date"] == features["game_date"].min()]
    for stat in Stat:
        assert means[PREGAME].loc[first.index, stat].unique().tolist() == [LEAGUE_MEANS[stat]]


def test_too_few_rows_give_the_moving_average_only(features):
    few = features.head(500)
    some = few["games_before"] > 0
    means = walk_forward(few, Stat.REB, PREGAME, first_fit_rows=400)
    np.testing.assert_allclose(means[some], np.maximum(few.loc[some, "reb_ewm_10"].astype(float), SMALLEST_MEAN))
    with pytest.raises(PipelineError, match="load at least 100"):
        PooledPrior.fit(few.head(100), Stat.REB, PREGAME)


def test_games_still_to_be_played_are_forecast_and_not_learned_from(features, means):
    last = (features["game_date"] == features["game_date"].max()).to_numpy()
    upcoming = features.astype(dict.fromkeys(TARGETS, "float64"))
    upcoming.loc[last, TARGETS] = np.nan
    again = walk_forward_all(upcoming, TIPOFF, first_fit_rows=FIRST)
    np.testing.assert_allclose(again, means[TIPOFF], rtol=1e-9)


def test_without_expected_minutes_there_is_no_forecast(features):
    unknown = features.tail(50).assign(tip_exp_min=np.nan)
    prior = PooledPrior.fit(features, Stat.PTS, TIPOFF)
    with_history = (unknown["games_before"] > 0).to_numpy()
    assert np.isnan(prior.predict(unknown)[with_history]).all()


def test_a_prior_survives_its_bytes_and_refuses_others(features):
    prior = PooledPrior.fit(features, Stat.FG3M, TIPOFF)
    again = PooledPrior.from_bytes(prior.to_bytes())
    np.testing.assert_array_equal(again.predict(features.tail(100)), prior.predict(features.tail(100)))
    assert (again.stat, again.level) == (Stat.FG3M, TIPOFF)
    for content in (b"", b"{}", b'{"kind": "other"}', b"\x80\x04."):
        with pytest.raises(PipelineError, match="no pooled prior"):
            PooledPrior.from_bytes(content)


def test_fitting_is_deterministic(features):
    one, two = (PooledPrior.fit(features, Stat.TOV, PREGAME).to_bytes() for _ in range(2))
    assert one == two


def test_what_is_made_in_a_seasons_last_games_is_learned_from_those_of_seasons_before(features):
    week = ((features["game_date"] - features["game_date"].min()).dt.days // 7).to_numpy()
    last = week % 4 == 3
    played = features.assign(
        team_games_left=np.where(last, 3.0, 40.0), pts=features["pts"].where(~last, features["pts"] * 1.5)
    )
    judged = last & (week > 12) & (features["games_before"] >= 10).to_numpy() & (features["min"] > 0).to_numpy()

    def bias(*without: str) -> float:
        settings = RidgeSettings(without=without)
        found = walk_forward_all(played, PREGAME, (Stat.PTS,), first_fit_rows=FIRST, settings=settings)
        return float((found[Stat.PTS] - played["pts"])[judged].mean())

    assert judged.sum() > 300
    usual = features.loc[judged, "pts"].mean()
    assert bias("minutes?last_games") < -0.25 * usual
    assert abs(bias()) < 0.1 * usual


def test_a_missing_column_is_named(features):
    with pytest.raises(PipelineError, match="opp_pace_20"):
        walk_forward(features.drop(columns="opp_pace_20"), Stat.PTS, PREGAME, first_fit_rows=FIRST)


def test_on_a_real_season_both_levels_beat_the_moving_average_without_bias(archive):
    season = add_minutes_forecasts(build_features(*real_season(archive)), seed=3)
    judged = ((season["min"] > 0) & (season["games_before"] >= 10) & (season["game_date"] >= "2024-01-15")).to_numpy()
    # One season of history only; the full archive reaches 0.95.
    limits = {
        TIPOFF: {Stat.PTS: 0.97, Stat.REB: 0.98, Stat.AST: 0.98, Stat.PRA: 0.96},
        PREGAME: dict.fromkeys(Stat, 1.0),
    }
    ratios = {}
    for level, wanted in limits.items():
        means = walk_forward_all(season, level)
        for stat, limit in wanted.items():
            actual = season.loc[judged, stat.column].to_numpy(dtype=float)
            error = means.loc[judged, stat].to_numpy() - actual
            base = season.loc[judged, f"{stat.column}_ewm_10"].to_numpy(dtype=float) - actual
            ratios[level, stat] = np.sqrt((error**2).mean() / (base**2).mean())
            assert ratios[level, stat] < limit, (level, stat)
            assert abs(error.mean()) < 0.03 * actual.mean(), (level, stat)
    assert all(ratios[TIPOFF, stat] < ratios[PREGAME, stat] for stat in limits[TIPOFF])


def test_columns_left_out_are_forgotten_like_columns_nobody_knows(features, means):
    settings = RidgeSettings(without=("tip_*", "*tip_*", "*mates_*_new", "*opponents_*", "*like_*_gain"))
    absences = [name for name in features if name.startswith("tip_") and name != "tip_exp_min"]
    left_out = walk_forward_all(features, TIPOFF, first_fit_rows=FIRST, settings=settings)
    unknown = walk_forward_all(features.assign(**dict.fromkeys(absences, np.nan)), TIPOFF, first_fit_rows=FIRST)
    np.testing.assert_allclose(left_out, unknown, rtol=1e-5)
    assert not np.allclose(left_out, means[TIPOFF])
    with pytest.raises(PipelineError, match="no column left"):
        walk_forward_all(features, TIPOFF, first_fit_rows=FIRST, settings=RidgeSettings(without=("*",)))
    with pytest.raises(PipelineError, match="nothing to leave out"):
        walk_forward_all(features, TIPOFF, first_fit_rows=FIRST, settings=RidgeSettings(without=("wind_*",)))


def test_a_huge_penalty_leaves_little_but_the_mean_of_the_league(features, means):
    tame = walk_forward_all(features, TIPOFF, first_fit_rows=FIRST, settings=RidgeSettings(penalty=1e9))
    late = features.index[FIRST + 2000 :]
    known = late[features.loc[late, "games_before"] > 0]
    assert tame.loc[known, "PTS"].std() < 0.1 * means[TIPOFF].loc[known, "PTS"].std()
