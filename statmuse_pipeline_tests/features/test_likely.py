"""What is expected of absences before the day: with perfect foresight it is what tip-off knows, else in between."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline import participation_backtest
from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.roster import roster_features
from statmuse_pipeline.features.table import build_features, columns_at
from statmuse_pipeline.participation_backtest import known_chances
from statmuse_pipeline_tests.features.leagues import DAY, League
from statmuse_pipeline_tests.features.test_leaks import noise_on, without_some_starters

KEYS = ["game_id", "player_id"]
PREGAME = columns_at(InformationLevel.PREGAME)
PREGAME_BUILT = [name for name in PREGAME if "exp_min" not in name]
IN_P = ["mates_min", "mates_min_pos", "mates_min_new", "mates_min_pos_new", "likely_count", "likely_min",
        "likely_out_min", "likely_out_pts", "p_plays"]  # fmt: skip
"""Columns that are linear in the chances of the mates."""


@pytest.fixture(scope="module")
def whole_games(small_league: League) -> League:
    """The league without entries for seconds, after which a player counts as a member and not as one who played."""
    return small_league._replace(player_games=small_league.player_games[small_league.player_games["min"] > 0])


@pytest.fixture(scope="module")
def members(whole_games: League) -> pd.DataFrame:
    return roster_features(whole_games.player_games, whole_games.players)


def built(league: League, chances: pd.DataFrame | None) -> pd.DataFrame:
    return build_features(*league, chances=chances)


def test_with_perfect_foresight_the_expected_is_what_is_known_at_tip_off(
    whole_games: League, members: pd.DataFrame
) -> None:
    table = built(whole_games, members[KEYS].assign(p_plays=members["played"]))
    # A newcomer is no member before his first game: where one plays, tip-off knows more.
    new = table["games_missed"].isna().groupby([table["game_id"], table["team_id"]]).transform("any")
    rows = table[~new & (table["games_before"] > 5)]
    assert len(rows) > 3000
    for before, known in (
        ("mates_min", "tip_mates_min"), ("mates_min_pos", "tip_mates_min_pos"), ("mates_min_new", "tip_mates_min_new"),
        ("mates_min_lately", "tip_mates_min_lately"), ("mates_min_pos_new", "tip_mates_min_pos_new"),
        ("likely_out_min", "tip_out_min"), ("likely_out_pts", "tip_out_pts"), ("like_min", "tip_like_min"),
        ("like_pts_gain", "tip_like_pts_gain"), ("mates_pts_per_min_new", "tip_mates_pts_per_min_new"),
    ):  # fmt: skip
        np.testing.assert_allclose(rows[before], rows[known], rtol=1e-4, atol=1e-4, err_msg=before)
    assert (rows["p_plays"] == 1).all()
    plain = built(whole_games, None).loc[rows.index]
    assert (plain["mates_min"] != rows["mates_min"]).mean() > 0.1


def test_without_chances_who_played_the_last_game_is_expected(whole_games: League, members: pd.DataFrame) -> None:
    told = members[KEYS].assign(p_plays=(members["missed"] == 0).astype(float))
    plain = built(whole_games, None)
    pd.testing.assert_frame_equal(built(whole_games, told), plain)
    # A chance that is not known is none at all, and chances of games that are not there are nobody's.
    elsewhere = told.drop_duplicates("player_id").assign(game_id="elsewhere", p_plays=0.1)
    pd.testing.assert_frame_equal(built(whole_games, pd.concat([told.assign(p_plays=np.nan), elsewhere])), plain)


def test_two_chances_of_one_player_in_one_game_are_an_error(whole_games: League, members: pd.DataFrame) -> None:
    twice = members[KEYS].head(1).assign(p_plays=0.5)
    with pytest.raises(PipelineError, match=r"player \d+ in game \d+ .* twice"):
        built(whole_games, pd.concat([twice, twice]))


def test_half_a_chance_lies_half_way(whole_games: League, members: pd.DataFrame) -> None:
    never, half, always = (built(whole_games, members[KEYS].assign(p_plays=p)) for p in (0.0, 0.5, 1.0))
    for name in IN_P:
        np.testing.assert_allclose(half[name], (never[name] + always[name]) / 2, rtol=1e-4, atol=1e-3, err_msg=name)
    assert (always["mates_min"] > never["mates_min"] + 60).mean() > 0.9
    tip = [name for name in columns_at(InformationLevel.TIPOFF) if name.startswith("tip_") and name in half]
    pd.testing.assert_frame_equal(never[tip], always[tip])


def test_a_doubtful_regular_moves_his_mates_and_opponents_and_nobody_else(
    whole_games: League, members: pd.DataFrame
) -> None:
    today = whole_games.player_games[whole_games.player_games["game_date"] == DAY]
    star = today.sort_values("min").iloc[-1]
    likely = members[KEYS].assign(p_plays=1.0)
    his = (likely["game_id"] == star["game_id"]) & (likely["player_id"] == star["player_id"])
    assert his.sum() == 1
    before, after = (
        built(whole_games, likely),
        built(whole_games, likely.assign(p_plays=likely["p_plays"].mask(his, 0.25))),
    )
    moved = (before[PREGAME_BUILT] != after[PREGAME_BUILT]) & before[PREGAME_BUILT].notna()
    game = before["game_id"] == star["game_id"]
    assert not moved[~game].any(axis=None)
    mates = game & (before["team_id"] == star["team_id"]) & (before["player_id"] != star["player_id"])
    lost = before.loc[mates, "mates_min"] - after.loc[mates, "mates_min"]
    assert lost.between(15, 40).all()
    np.testing.assert_allclose(
        lost, after.loc[mates, "likely_out_min"] - before.loc[mates, "likely_out_min"], rtol=1e-4
    )
    himself = game & (before["player_id"] == star["player_id"])
    assert set(moved.columns[moved[himself].iloc[0]]) == {"p_plays"}
    rivals = game & (before["team_id"] != star["team_id"])
    assert {"opp_pts_per_min"} <= set(moved.columns[moved[rivals].all()])


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chances from December on in the small league."""
    monkeypatch.setattr(participation_backtest, "CHANCES_ROWS", 3000)


def through(player_games: pd.DataFrame, league: League) -> pd.DataFrame:
    chances = known_chances(roster_features(player_games, league.players), seed=3)
    table = build_features(player_games, league.games, league.players, chances=chances)
    return add_minutes_forecasts(table, seed=3)


@pytest.mark.usefixtures("soon")
def test_nothing_of_a_day_or_later_moves_its_chances_or_what_they_tell(small_league: League) -> None:
    whole = through(small_league.player_games, small_league)
    upto = small_league.player_games[small_league.player_games["game_date"] <= DAY]
    again = through(noise_on(upto, on=DAY), small_league)
    columns = [*KEYS, *columns_at(InformationLevel.TIPOFF)]
    before = whole[whole["game_date"] <= DAY].reset_index(drop=True)
    pd.testing.assert_frame_equal(again[columns], before[columns], check_exact=True)
    assert before.loc[before["game_date"] == DAY, "p_plays"].between(0.01, 0.9999).all()


@pytest.mark.usefixtures("soon")
def test_who_is_missing_moves_no_pregame_column_of_the_others(small_league: League) -> None:
    whole = through(small_league.player_games, small_league)
    fewer, removed = without_some_starters(small_league)
    again = through(fewer, small_league)
    gone = whole.merge(removed[KEYS], on=KEYS, how="left", indicator=True)["_merge"] == "both"
    before = whole[(whole["game_date"] <= DAY) & ~gone.to_numpy()].reset_index(drop=True)
    columns = [*KEYS, *PREGAME]
    pd.testing.assert_frame_equal(again[columns], before[columns], check_exact=True)
