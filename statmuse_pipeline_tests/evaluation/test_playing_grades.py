"""Playing time as it was said before tip-off, graded: nights made by hand, and nights that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.evaluation.playing_grades import (
    GROUPS,
    PLAYING_SUMS,
    TOLD_OUT,
    PlayingGrades,
    grade_playing,
    playing_totals,
)
from statmuse_pipeline.participation import PARTICIPATION

GAME = "0022409901"
NOTHING = float("nan")


def said(
    player: int, plays: float, usual: float, expected: float, limited: float = 0.0, extended: float = 0.0,
    status: str = "Available",
) -> dict[str, object]:  # fmt: skip
    """What was stored of a player; his 80% interval is 5 minutes either way."""
    return {
        "game_id": GAME, "player_id": player, "status": status, "p_plays": plays, "usual_min": usual,
        "exp_min": expected, "min_lo80": expected - 5, "min_hi80": expected + 5, "p_limited": limited,
        "p_normal": plays - limited - extended, "p_extended": extended,
    }  # fmt: skip


NIGHT = (
    said(1, 0.9, 30.0, 31.0, 0.05, 0.1),
    said(2, 0.8, 20.0, 21.0, 0.1, 0.2),
    said(3, 0.6, 10.0, 11.0, 0.3, 0.1),
    said(4, 0.5, 8.0, 9.0, 0.2, 0.1),
    said(5, 0.0, 25.0, NOTHING, status="Out"),
    said(6, NOTHING, NOTHING, NOTHING),
)
CAME = {1: 33, 2: 10, 3: 17, 6: 5}


def night(came: dict[int, int], *players: dict[str, object]) -> PlayingGrades:
    box = pd.DataFrame({"game_id": GAME, "player_id": list(came), "min": list(came.values())})
    return grade_playing(pd.DataFrame(players or NIGHT), box.astype({"player_id": "int64", "min": "int64"}))


def test_a_night_is_graded_by_what_was_stored_of_it():
    rows = night(CAME).players.set_index("player_id")
    assert rows["role"].tolist() == ["starter", "rotation", "bench", "bench", TOLD_OUT, "bench"]
    assert rows["played"].tolist() == [True, True, True, False, False, True]
    assert rows["night"].tolist() == ["normal", "limited", "extended", "did_not_play", "did_not_play", "normal"]
    np.testing.assert_allclose(rows["brier"], [0.01, 0.04, 0.16, 0.25, 0.0, NOTHING])
    np.testing.assert_allclose(rows["error"], [-2, 11, -6, NOTHING, NOTHING, NOTHING])
    np.testing.assert_allclose(rows["inside80"], [1, 0, 0, NOTHING, NOTHING, NOTHING])


def test_sums_of_the_roles_and_of_who_is_out_make_those_of_everyone():
    sums = night(CAME).sums.set_index("group")
    assert list(sums.index) == list(GROUPS)
    everyone = sums.loc["everyone"]
    counts = ["asked", "absent", "expected", "kinds", "limited", "extended"]
    assert everyone[counts].tolist() == [5, 2, 3, 5, 1, 1]
    assert everyone["brier"] == pytest.approx(0.46)
    assert everyone["error"] == pytest.approx(3.0)
    assert everyone["inside80"] == 1
    assert (everyone["limited_said"], everyone["extended_said"]) == pytest.approx((0.65, 0.5))
    pd.testing.assert_series_equal(sums.iloc[1:].sum(), everyone, check_names=False)


def test_the_debut_of_a_player_of_whom_nothing_was_said_is_not_asked_about():
    sums = night({6: 5}, NIGHT[5]).sums.set_index("group")
    assert (sums.loc["everyone"] == 0).all()


def test_who_entered_for_seconds_did_not_play():
    row = night({1: 0}, NIGHT[0]).players.iloc[0]
    assert not row["played"]
    assert row["brier"] == pytest.approx(0.81)
    assert np.isnan(row["error"])


def test_who_was_told_to_be_out_and_plays_all_the_same_is_a_miss_without_minutes():
    result = night({5: 40}, NIGHT[4])
    assert result.players["brier"].iloc[0] == 1.0
    out = result.sums.set_index("group").loc[TOLD_OUT]
    assert (out["asked"], out["absent"], out["expected"], out["extended"], out["extended_said"]) == (1, 0, 0, 1, 0.0)


def test_the_base_rate_is_the_share_that_did_not_play_in_all_nights_together():
    told = playing_totals(pd.concat([night(CAME).sums, night({1: 30}, NIGHT[0]).sums])).set_index("group")
    assert told["nights"].to_dict() == dict.fromkeys(GROUPS, 2)
    everyone = told.loc["everyone"]
    assert everyone["asked"] == 6
    assert everyone["absent"] == pytest.approx(2 / 6)
    assert everyone["brier_base"] == pytest.approx(2 / 6 * 4 / 6)
    assert everyone["brier"] == pytest.approx((0.46 + 0.01) / 6)
    assert everyone["bias"] == pytest.approx((3 + 1) / 4)
    assert everyone["cover80"] == pytest.approx(2 / 4)
    assert (everyone["limited"], everyone["limited_said"]) == pytest.approx((1 / 6, 0.7 / 6))
    assert (everyone["extended"], everyone["extended_said"]) == pytest.approx((1 / 6, 0.6 / 6))
    assert np.isnan(told.loc[TOLD_OUT, "cover80"])


@given(
    seed=st.integers(0, 1000),
    cut=st.integers(1, 29),
)
@settings(max_examples=20, deadline=None)
def test_nights_add_up_to_what_they_are_together(seed, cut):
    rng = np.random.default_rng(seed)
    players = [
        said(n, p, usual, usual + rng.normal(), 0.1 * p, 0.2 * p)
        for n, p, usual in zip(range(30), rng.random(30), rng.uniform(2, 38, 30), strict=True)
    ]
    came = {n: int(rng.integers(0, 45)) for n in range(30) if rng.random() < 0.7}
    parts = [night(came, *part).sums for part in (players[:cut], players[cut:])]
    apart, together = playing_totals(pd.concat(parts)), playing_totals(night(came, *players).sums)
    pd.testing.assert_frame_equal(apart.drop(columns="nights"), together.drop(columns="nights"))
    # No one number said of everybody could have scored better than the base rate.
    played = night(came, *players).players["played"]
    everyone = together.set_index("group").loc["everyone"]
    for one in np.linspace(0, 1, 21):
        assert everyone["brier_base"] <= ((one - (1.0 - played)) ** 2).mean() + 1e-12


def test_a_night_stored_before_playing_time_was_told_counts_for_nothing_and_one_without_usual_minutes_for_no_kind():
    old = pd.DataFrame(NIGHT)
    box = pd.DataFrame({"game_id": GAME, "player_id": [1], "min": [30]})
    sums = grade_playing(old.drop(columns=list(PARTICIPATION)), box).sums
    assert (sums[list(PLAYING_SUMS)] == 0).all(axis=None)
    assert playing_totals(sums).empty
    everyone = grade_playing(old.drop(columns="usual_min"), box).sums.set_index("group").loc["everyone"]
    assert (everyone["asked"], everyone["kinds"], everyone["limited_said"]) == (5, 0, 0)


def test_no_night_gives_no_totals():
    assert playing_totals(night(CAME).sums.head(0)).empty
