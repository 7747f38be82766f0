"""Mates and earlier games that a network attends to: worked out slowly, and leak-free."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import FEATURE_KEYS
from statmuse_pipeline.domain import ROTATION_MINUTES, PipelineError
from statmuse_pipeline.features.squads import GAMES, SEATS, Squads, build_squads
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import DAY, League, in_regulation
from statmuse_pipeline_tests.features.test_leaks import noise_on, without_some_starters

LATELY, IN, OUT = 1, 21, 22
"""Places of a member's figures."""


@pytest.fixture(scope="module")
def squads(league: League) -> Squads:
    return build_squads(league.player_games, league.players)


def same(one: Squads, other: Squads) -> None:
    for name in ("game_id", "player_id", "seat", "games", "played"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.members[one.night], other.members[other.night])
    np.testing.assert_array_equal(one.seated[one.night], other.seated[other.night])


def mates_of(squads: Squads, row: int) -> np.ndarray:
    """Figures of those who are seen beside a row's own player."""
    there = squads.seated[squads.night[row]] & (np.arange(SEATS) != squads.seat[row])
    return squads.members[squads.night[row]][there].astype(float)


def test_the_rows_are_those_of_the_feature_table(league: League, features: pd.DataFrame, squads: Squads) -> None:
    assert squads.of(features) is squads
    some = features.sample(50, random_state=1)
    np.testing.assert_array_equal(squads.of(some).player_id, some["player_id"])
    nights = len(features.drop_duplicates(["game_id", "team_id"]))
    assert squads.members.shape[:2] == squads.seated.shape == (nights, SEATS)
    assert squads.games.shape[:2] == squads.played.shape == (len(features), GAMES)
    for figures, there in ((squads.members, squads.seated), (squads.games, squads.played)):
        assert np.isfinite(figures).all()
        assert not figures[~there].any()
    with pytest.raises(PipelineError, match="whom player 7 plays with"):
        squads.of(features.head(3).assign(player_id=7))


def test_mates_are_those_of_the_last_thirty_days_worked_out_by_hand(small_league: League) -> None:
    games = in_regulation(small_league.player_games)
    squads = build_squads(small_league.player_games, small_league.players)
    keys = pd.DataFrame({"game_id": squads.game_id, "player_id": squads.player_id}).reset_index(names="place")
    rows = keys.merge(games, on=["game_id", "player_id"]).sort_values("game_date").tail(400)
    for row in rows.sample(5, random_state=3).itertuples():
        past = games[(games["game_date"] < row.game_date) & (games["min"] > 0)].sort_values("game_date")
        last = past.drop_duplicates("player_id", keep="last")
        recent = last["game_date"] >= row.game_date - pd.Timedelta(days=30)
        team = set(last.loc[recent & (last["team_id"] == row.team_id), "player_id"])
        box = games[(games["game_id"] == row.game_id) & (games["team_id"] == row.team_id)]
        quick = past.groupby("player_id")["regulation"].agg(lambda x: x.ewm(alpha=0.25).mean().iloc[-1])
        lately = past.groupby("player_id")["regulation"].agg(lambda x: x.ewm(alpha=0.1).mean().iloc[-1])
        new = {p for p in box["player_id"] if p not in team and quick.get(p, 0) >= ROTATION_MINUTES}
        mates = (team | new) - {row.player_id}
        shown = mates_of(squads, row.place)
        assert len(team | new | {row.player_id}) <= SEATS
        assert len(shown) == len(mates)
        rotation = {p for p in mates if quick[p] >= ROTATION_MINUTES}
        assert shown[:, IN].sum() == len(rotation & set(box["player_id"]))
        assert shown[:, OUT].sum() == len(rotation - set(box["player_id"]))
        assert (np.diff(shown[:, LATELY]) <= 1e-3).all()
        own = squads.members[squads.night[row.place], squads.seat[row.place]].astype(float)
        assert squads.seat[row.place] >= 0
        assert 15 * (own[LATELY] + 1) == pytest.approx(lately[row.player_id], abs=0.05)


def test_earlier_games_are_the_newest_first_and_tell_who_was_there(small_league: League) -> None:
    games = small_league.player_games
    squads = build_squads(games, small_league.players)
    keys = pd.DataFrame({"game_id": squads.game_id, "player_id": squads.player_id}).reset_index(names="place")
    rows = keys.merge(games, on=["game_id", "player_id"]).sort_values("game_date").tail(300)
    regulation = in_regulation(games)
    for row in rows.sample(5, random_state=4).itertuples():
        mine = regulation[(regulation["player_id"] == row.player_id) & (regulation["game_date"] < row.game_date)]
        mine = mine[mine["min"] > 0].sort_values("game_date", ascending=False).head(GAMES)
        shown = squads.games[row.place][squads.played[row.place]].astype(float)
        assert len(shown) == len(mine)
        np.testing.assert_allclose(15 * (shown[:, 0] + 1), mine["regulation"], atol=0.05)
        days = (row.game_date - mine["game_date"]).dt.days
        np.testing.assert_allclose(np.expm1(3 * (shown[:, 1] + 1)), days, rtol=0.02)
        np.testing.assert_array_equal(shown[:, 3], mine["team_id"] == row.team_id)


@pytest.mark.parametrize("day", [DAY, pd.Timestamp("2023-11-17")])
def test_nothing_up_to_a_day_moves_when_the_archive_ends_there_in_noise(
    league: League, squads: Squads, features: pd.DataFrame, day: pd.Timestamp
) -> None:
    cut = noise_on(league.player_games[league.player_games["game_date"] <= day], on=day)
    same(build_squads(cut, league.players), squads.of(features[features["game_date"] <= day]))


def test_whether_a_reserve_appears_moves_nothing(league: League, features: pd.DataFrame, squads: Squads) -> None:
    upto = league.player_games[league.player_games["game_date"] <= DAY]
    today = features[features["game_date"] == DAY]
    reserves = today[today["min_ewm_25"] < 14].groupby("team_id").head(1)[["game_id", "player_id"]]
    assert len(reserves) >= 4
    rest = upto.merge(reserves, on=["game_id", "player_id"], how="left", indicator=True)
    kept = today.merge(reserves, on=["game_id", "player_id"], how="left", indicator=True)
    again = build_squads(rest[rest["_merge"] == "left_only"].drop(columns="_merge"), league.players)
    asked = kept[kept["_merge"] == "left_only"]
    same(again.of(asked), squads.of(asked))


def test_a_regular_who_is_taken_out_is_seen_by_his_mates(
    league: League, features: pd.DataFrame, squads: Squads
) -> None:
    fewer, removed = without_some_starters(league)
    again = build_squads(fewer, league.players)
    one = removed.iloc[0]
    mates = features[(features["game_id"] == one["game_id"]) & (features["team_id"] == one["team_id"])]
    mates = mates[mates["player_id"] != one["player_id"]]
    before, after = squads.of(mates), again.of(mates)
    then, now = (told.members[told.night].sum(axis=1, dtype=float) for told in (before, after))
    np.testing.assert_array_equal(now[:, OUT], then[:, OUT] + 1)
    np.testing.assert_array_equal(now[:, IN], then[:, IN] - 1)
    assert (after.games != before.games).any()


def test_tonights_slate_gets_what_the_day_gets_afterwards(
    league: League, features: pd.DataFrame, squads: Squads
) -> None:
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
    slate = build_squads(past, league.players, upcoming, only_upcoming=True)
    same(slate, squads.of(features[features["game_date"] == DAY]))
    told = build_features(past, league.games, league.players, upcoming, only_upcoming=True)
    assert slate.of(told) is slate
