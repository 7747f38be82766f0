"""Nothing that was not known yet moves a feature: checked through the product's own code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import BOX_COLUMNS, FEATURE_KEYS, TARGETS
from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features, columns_at
from statmuse_pipeline_tests.features.leagues import DAY, League

KEYS = ["game_id", "player_id"]


def noise_on(player_games: pd.DataFrame, on: pd.Timestamp) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    today = player_games["game_date"] == on
    box = [*BOX_COLUMNS, "pra"]
    noisy = player_games.copy()
    noisy.loc[today, box] = rng.integers(0, 48, (today.sum(), len(box)))
    noisy.loc[today, "won"] = rng.random(today.sum()) < 0.5
    return noisy


@pytest.mark.parametrize("day", [DAY, pd.Timestamp("2023-11-17")], ids=["refit day", "early"])
def test_no_feature_up_to_a_day_moves_when_the_archive_ends_there_in_noise(
    league: League, features: pd.DataFrame, day: pd.Timestamp
) -> None:
    assert (league.player_games["game_date"] == day).any()
    cut = noise_on(league.player_games[league.player_games["game_date"] <= day], on=day)
    games = league.games[league.games["game_date"] <= day]
    again = add_minutes_forecasts(build_features(cut, games, league.players), seed=3)
    columns = [*KEYS, *columns_at(InformationLevel.TIPOFF)]
    before = features[features["game_date"] <= day]
    pd.testing.assert_frame_equal(again[columns], before[columns].reset_index(drop=True), check_exact=True)


def without_some_starters(league: League) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The season up to DAY without four of that day's regulars; and their rows."""
    upto = league.player_games[league.player_games["game_date"] <= DAY]
    today = upto[upto["game_date"] == DAY]
    usual = upto[upto["game_date"] < DAY].groupby("player_id")["min"].mean()
    regulars = today[today["player_id"].map(usual) > 25].groupby("team_id").head(1).head(4)
    assert len(regulars) == 4
    return upto.drop(regulars.index), regulars


def test_no_pregame_column_moves_when_players_are_taken_out_of_the_day(league: League, features: pd.DataFrame) -> None:
    fewer, removed = without_some_starters(league)
    again = add_minutes_forecasts(build_features(fewer, league.games, league.players), seed=3)
    gone = features.merge(removed[KEYS], on=KEYS, how="left", indicator=True)["_merge"] == "both"
    before = features[(features["game_date"] <= DAY) & ~gone.to_numpy()]
    columns = [*KEYS, *columns_at(InformationLevel.PREGAME)]
    pd.testing.assert_frame_equal(again[columns], before[columns].reset_index(drop=True), check_exact=True)


def test_tipoff_columns_of_both_teams_move_when_a_regular_is_taken_out(league: League, features: pd.DataFrame) -> None:
    fewer, removed = without_some_starters(league)
    again = add_minutes_forecasts(build_features(fewer, league.games, league.players), seed=3)
    both = again[again["game_date"] == DAY].merge(features, on=KEYS, suffixes=("", "_before"))
    one = removed.iloc[0]
    mates, rivals = both[both["team_id"] == one["team_id"]], both[both["team_id"] == one["opponent_team_id"]]
    assert (mates["tip_out_count"] > mates["tip_out_count_before"]).all()
    assert (mates["tip_out_min"] > mates["tip_out_min_before"] + 15).all()
    assert (mates["tip_mates_min"] < mates["tip_mates_min_before"]).all()
    assert (rivals["tip_opp_out_min"] > rivals["tip_opp_out_min_before"] + 15).all()
    assert (mates["tip_exp_min"] != mates["tip_exp_min_before"]).any()


def test_whether_a_reserve_appears_moves_nothing(league: League, features: pd.DataFrame) -> None:
    upto = league.player_games[league.player_games["game_date"] <= DAY]
    today = features[features["game_date"] == DAY]
    reserves = today[today["min_ewm_25"] < 14].groupby("team_id").head(1)[KEYS]
    assert len(reserves) >= 4
    rest = upto.merge(reserves, on=KEYS, how="left", indicator=True)
    again = build_features(rest[rest["_merge"] == "left_only"].drop(columns="_merge"), league.games, league.players)
    columns = [name for name in columns_at(InformationLevel.TIPOFF) if "exp_min" not in name]
    both = again[again["game_date"] == DAY].merge(features, on=KEYS, suffixes=("", "_before"))
    for name in columns:
        np.testing.assert_array_equal(both[name], both[f"{name}_before"], err_msg=name)


def test_tonights_slate_gets_the_features_that_the_day_gets_afterwards(league: League, features: pd.DataFrame) -> None:
    past = league.player_games[league.player_games["game_date"] < DAY]
    today = league.player_games.loc[league.player_games["game_date"] == DAY, [*FEATURE_KEYS, "is_home"]]
    last = past.drop_duplicates("player_id", keep="last")
    recent = last[last["game_date"] >= DAY - pd.Timedelta(days=30)]
    out = recent[recent["team_id"].isin(today["team_id"]) & ~recent["player_id"].isin(today["player_id"])]
    fixtures = today.drop_duplicates("team_id").set_index("team_id")
    absent = out[["player_id", "player_name", "team_id"]].join(
        fixtures[["season", "game_id", "game_date", "opponent_team_id", "is_home"]], on="team_id"
    )
    upcoming = pd.concat([today.assign(out=False), absent.assign(out=True)], ignore_index=True)
    slate = build_features(past, league.games, league.players, upcoming=upcoming)
    slate = slate[slate["game_date"] == DAY].reset_index(drop=True)
    expected = features[features["game_date"] == DAY].reset_index(drop=True)
    assert expected["tip_out_count"].max() >= 1
    columns = [*KEYS, *(name for name in columns_at(InformationLevel.TIPOFF) if "exp_min" not in name)]
    pd.testing.assert_frame_equal(slate[columns], expected[columns], check_exact=True)
    assert slate[list(TARGETS)].isna().all(axis=None)
