"""Who belongs to a team, who then did not play, and that nothing of the day itself is in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import BOX_COLUMNS, FEATURE_KEYS
from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.roster import ROSTER_COLUMNS, listed_statuses, roster_features
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.modeling.absence import AbsenceModel
from statmuse_pipeline.modeling.playing_time import MinutesShape
from statmuse_pipeline.participation import PARTICIPATION, ParticipationModels, forecast_participation
from statmuse_pipeline.slate.roster import upcoming_rows
from statmuse_pipeline_tests.features.leagues import DAY, League

KEYS = ["game_id", "player_id"]


@pytest.fixture(scope="module")
def roster(league: League) -> pd.DataFrame:
    return roster_features(league.player_games, league.players)


def games_of(league: League, day: pd.Timestamp) -> pd.DataFrame:
    """contracts.SCHEDULED_GAMES as far as `upcoming_rows` looks at them."""
    home = league.player_games[(league.player_games["game_date"] == day) & league.player_games["is_home"]]
    sides = home.drop_duplicates("game_id").rename(
        columns={"team_id": "home_team_id", "opponent_team_id": "away_team_id"}
    )
    return sides[["season", "game_id", "game_date", "home_team_id", "away_team_id"]].reset_index(drop=True)


def test_the_members_of_a_day_are_those_whom_a_night_asks_about(league: League, roster: pd.DataFrame) -> None:
    asked = upcoming_rows(league.player_games, games_of(league, DAY))
    found = roster[roster["game_date"] == DAY]
    both = [frame[["game_id", "team_id", "player_id"]].sort_values(KEYS) for frame in (asked, found)]
    np.testing.assert_array_equal(both[0].to_numpy(), both[1].to_numpy())


def test_the_row_of_a_game_to_come_is_the_one_it_has_once_it_was_played(league: League, roster: pd.DataFrame) -> None:
    asked = upcoming_rows(league.player_games, games_of(league, DAY))
    before = league.player_games[league.player_games["game_date"] < DAY]
    ahead = roster_features(before, league.players, asked[[*FEATURE_KEYS, "is_home"]])
    assert ahead["played"].isna().all()
    after = roster[roster["game_date"] == DAY].reset_index(drop=True)
    columns = [*KEYS, *ROSTER_COLUMNS]
    pd.testing.assert_frame_equal(ahead[columns], after[columns], check_exact=True)


def test_who_has_no_minutes_did_not_play_and_games_missed_are_counted(league: League, roster: pd.DataFrame) -> None:
    keys = [*KEYS, "team_id"]
    minutes = roster.merge(league.player_games[[*keys, "min"]], on=keys, how="left")["min"].fillna(0)
    np.testing.assert_array_equal(roster["played"], minutes > 0)
    assert 0.05 < 1 - roster["played"].mean() < 0.5
    played = league.player_games[league.player_games["min"] > 0]
    team_days = league.player_games[["team_id", "game_date"]].drop_duplicates()
    for row in roster.sample(60, random_state=1).itertuples():
        own = played[(played["player_id"] == row.player_id) & (played["game_date"] < row.game_date)]
        if own.empty:
            assert np.isnan(row.missed)
            continue
        last = own.sort_values("game_date").iloc[-1]
        between = team_days[(team_days["team_id"] == row.team_id) & (team_days["game_date"] > last["game_date"])]
        assert row.missed == min((between["game_date"] < row.game_date).sum(), 30)
        assert row.last_played == last["game_date"]


def _noise(player_games: pd.DataFrame) -> pd.DataFrame:
    """The archive up to DAY, that day's box scores noise: some play, some do not."""
    rng = np.random.default_rng(11)
    noisy = player_games[player_games["game_date"] <= DAY].copy()
    today = noisy["game_date"] == DAY
    noisy.loc[today, [*BOX_COLUMNS, "pra"]] = rng.integers(0, 48, (today.sum(), len(BOX_COLUMNS) + 1))
    noisy.loc[today & (rng.random(len(noisy)) < 0.3), "min"] = 0
    return noisy


def _without_regulars(player_games: pd.DataFrame) -> pd.DataFrame:
    upto = player_games[player_games["game_date"] <= DAY]
    today = upto[upto["game_date"] == DAY]
    usual = upto[upto["game_date"] < DAY].groupby("player_id")["min"].mean()
    regulars = today[today["player_id"].map(usual) > 25].groupby("team_id").head(2)
    assert len(regulars) >= 4
    return upto.drop(regulars.index)


@pytest.mark.parametrize("change", [_noise, _without_regulars])
def test_nothing_known_of_a_member_moves_with_that_days_box_scores(
    league: League, roster: pd.DataFrame, change: object
) -> None:
    again = roster_features(change(league.player_games), league.players)  # type: ignore[operator]
    before = roster[roster["game_date"] <= DAY].reset_index(drop=True)
    columns = [*KEYS, "last_played", *ROSTER_COLUMNS]
    pd.testing.assert_frame_equal(again[columns], before[columns], check_exact=True)
    today = again["game_date"] == DAY
    assert (again.loc[today, "played"] != before.loc[today, "played"]).any()


@pytest.fixture(scope="module")
def models(features: pd.DataFrame, roster: pd.DataFrame) -> ParticipationModels:
    rows = features[features["game_date"] < DAY]
    return ParticipationModels(
        plain=AbsenceModel.fit(roster[roster["game_date"] < DAY], ROSTER_COLUMNS, seed=3),
        listed=None,
        shapes={level: MinutesShape.fit(rows, level, seed=3) for level in InformationLevel},
    )


def participation(
    models: ParticipationModels, features: pd.DataFrame, roster: pd.DataFrame, level: InformationLevel
) -> pd.DataFrame:
    """What is said of every member of DAY."""
    rows = roster[roster["game_date"] == DAY].assign(status="Unknown")
    today = features[(features["game_date"] == DAY) & features["player_id"].isin(rows["player_id"])]
    return forecast_participation(models, rows, rows, today, dict.fromkeys(today["game_id"], level))


@pytest.mark.parametrize("level", list(InformationLevel))
def test_no_probability_of_a_day_moves_when_its_box_scores_become_noise(
    league: League, features: pd.DataFrame, roster: pd.DataFrame, models: ParticipationModels, level: InformationLevel
) -> None:
    cut = _noise(league.player_games)
    again = add_minutes_forecasts(build_features(cut, league.games, league.players), seed=3)
    noisy = participation(models, again, roster_features(cut, league.players), level)
    plain = participation(models, features, roster, level)
    pd.testing.assert_frame_equal(noisy, plain, check_exact=True)
    assert plain["p_plays"].between(0, 1).all()
    assert plain["exp_min"].notna().sum() > 20


def test_no_pregame_probability_moves_when_players_are_taken_out_of_the_day(
    league: League, features: pd.DataFrame, roster: pd.DataFrame, models: ParticipationModels
) -> None:
    fewer = _without_regulars(league.player_games)
    again = add_minutes_forecasts(build_features(fewer, league.games, league.players), seed=3)
    level = InformationLevel.PREGAME
    without = participation(models, again, roster_features(fewer, league.players), level)
    whole = participation(models, features, roster, level)
    pd.testing.assert_series_equal(without["p_plays"], whole["p_plays"], check_exact=True)
    here = without["exp_min"].notna()
    assert 20 < here.sum() < whole["exp_min"].notna().sum()
    pd.testing.assert_frame_equal(without[here], whole[here.reindex(whole.index)], check_exact=True)


def test_what_is_said_of_a_night_adds_up(
    features: pd.DataFrame, roster: pd.DataFrame, models: ParticipationModels
) -> None:
    said = participation(models, features, roster, InformationLevel.TIPOFF).dropna()
    assert list(said) == list(PARTICIPATION)
    np.testing.assert_allclose(said[["p_limited", "p_normal", "p_extended"]].sum(axis=1), said["p_plays"], atol=1e-12)
    assert ((said["min_lo80"] <= said["exp_min"]) & (said["exp_min"] <= said["min_hi80"])).mean() > 0.95


def transactions(*rows: tuple[int, str, bool, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["player_id", "date", "out", "status"])
    return frame.assign(date=pd.to_datetime(frame["date"]).astype("datetime64[ns]"), season="2023-24")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ([(1, "2024-01-08", True, "Out")], 3.0),
        ([(1, "2024-01-08", True, "Doubtful")], 2.0),
        ([(1, "2024-01-08", True, "Questionable")], 1.0),
        ([(1, "2024-01-10", True, "Out")], 0.0),  # of the day itself
        ([(1, "2024-01-08", True, "Out"), (1, "2024-01-09", False, "Questionable")], 0.0),
        ([(1, "2024-01-08", True, "Out"), (1, "2024-01-08", False, "Questionable")], 3.0),
        ([(1, "2024-01-04", True, "Out")], 0.0),  # played on the 5th
        ([(1, "2024-01-05", True, "Out")], 3.0),  # after that day's game, as far as is known
        ([(2, "2024-01-08", True, "Out")], 0.0),
    ],
)
def test_the_last_transaction_before_the_day_counts_until_he_plays(told, code) -> None:
    row = {"player_id": [1], "season": ["2023-24"]}
    days = {name: pd.to_datetime([day]).astype("datetime64[ns]")
            for name, day in (("game_date", "2024-01-10"), ("last_played", "2024-01-05"))}  # fmt: skip
    assert listed_statuses(pd.DataFrame({**row, **days}), transactions(*told)).tolist() == [code]
    assert listed_statuses(pd.DataFrame({**row, **days, "season": ["2022-23"]}), transactions(*told)).tolist() == [0.0]
