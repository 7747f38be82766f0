"""Weights of our forecast beside the market's: shared by all markets first, then each market's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from statmuse_pipeline.betting.blend import ALONE, COLUMNS, EVERY, LEAST_OWN, LEAST_SHARED, fit_weekly, weights_of

BEGIN = pd.Timestamp("2024-10-21")


def lessons(
    kind: str, c: float, days: int, a_day: int = 60, *, begin: pd.Timestamp = BEGIN, late: bool = False, seed: int = 1
) -> pd.DataFrame:
    """Quotes of one market whose truth lies a share `c` of the way from the market's log-odds to ours."""
    rng = np.random.default_rng(seed)
    n = days * a_day
    date = begin + pd.to_timedelta(np.repeat(np.arange(days), a_day), unit="D")
    market, ours = rng.normal(0, 0.3, n), rng.normal(0, 0.6, n)
    came = rng.uniform(size=n) < expit(market + c * (ours - market))
    return pd.DataFrame(
        {
            "kind": kind, "stat": "PTS", "late": late, "week": date - pd.to_timedelta(date.dayofweek, unit="D"),
            "date": date, "market": market, "ours": ours, "y": came.astype(float),
            "unit": np.arange(n) + 1_000_000 * seed,
        }
    )  # fmt: skip


def newest(weights: pd.DataFrame, kind: str) -> pd.Series:
    return weights[weights["kind"] == kind].iloc[-1]


def test_a_new_market_starts_from_what_the_others_have_taught():
    old = lessons("old", 0.5, days=70)
    new = lessons("new", 0.5, days=8, a_day=10, begin=BEGIN + pd.Timedelta(days=70), seed=2)
    weights = fit_weekly(pd.concat([old, new], ignore_index=True))
    shared = newest(weights, EVERY)
    assert shared["ours"] > 0.3
    asked = new[["kind", "stat", "late", "week"]]
    first = asked["week"] == asked["week"].min()
    own = weights_of(asked, weights)
    # It has no game of its own before its first week.
    at_start = weights[(weights["kind"] == EVERY) & (weights["week"] == asked["week"].min())].iloc[0]
    np.testing.assert_allclose(own.loc[first, "ours"], at_start["ours"])
    assert "new" in set(weights["kind"])
    assert newest(weights, "new")["ours"] == pytest.approx(shared["ours"], abs=0.1)


def test_a_market_that_differs_departs_from_the_others_as_its_own_games_tell():
    sharp, dull = lessons("ours is sharp", 0.5, days=100), lessons("ours is noise", 0.0, days=100, seed=2)
    weights = fit_weekly(pd.concat([sharp, dull], ignore_index=True))
    low, shared, high = (newest(weights, kind)["ours"] for kind in ("ours is noise", EVERY, "ours is sharp"))
    assert low < shared - 0.05 < shared + 0.05 < high
    assert newest(weights, EVERY)["markets"] == newest(weights, "ours is sharp")["markets"] * 2


def test_before_enough_is_known_the_consensus_stands_alone():
    few = lessons("one", 0.5, days=(LEAST_SHARED - 1) // 20, a_day=20)
    after = few.tail(1).assign(week=few["week"].max() + pd.Timedelta(days=7), date=pd.NaT)
    rows = pd.concat([few, after], ignore_index=True)
    weights = fit_weekly(rows)
    assert list(weights) == COLUMNS
    assert weights.empty
    assert (weights_of(rows[["kind", "stat", "late", "week"]], weights) == ALONE).all(axis=None)


def test_quotes_after_tip_off_neither_teach_the_others_nor_learn_from_them():
    early, late = lessons("early", 0.5, days=70), lessons("late", -0.5, days=10, late=True, seed=2)
    rows = pd.concat([early, late], ignore_index=True)
    weights = fit_weekly(rows)
    alone = fit_weekly(early)
    pd.testing.assert_frame_equal(weights[weights["kind"] != "late"].reset_index(drop=True), alone, check_dtype=False)
    assert "late" not in set(weights["kind"])
    asked = rows.loc[rows["late"], ["kind", "stat", "late", "week"]]
    assert (weights_of(asked, weights) == ALONE).all(axis=None)


def test_quotes_after_tip_off_leave_the_consensus_only_by_strong_evidence():
    early, late = lessons("x", 0.2, days=70), lessons("x", 0.2, days=70, late=True, seed=2)
    weights = fit_weekly(pd.concat([early, late], ignore_index=True))
    before, after = (weights[(weights["kind"] == "x") & (weights["late"] == when)].iloc[-1] for when in (False, True))
    assert 0.02 < after["ours"] < before["ours"] - 0.05


def test_no_weight_is_learned_from_its_own_week_or_later():
    rows = pd.concat([lessons("one", 0.4, days=60), lessons("two", 0.2, days=60, seed=2)], ignore_index=True)
    cut = BEGIN + pd.Timedelta(days=35)
    turned = rows.assign(y=rows["y"].where(rows["date"] < cut, 1 - rows["y"]))
    shortened = rows[rows["date"] < cut + pd.Timedelta(days=7)]
    before = fit_weekly(rows)
    seen = before[before["week"] <= cut].reset_index(drop=True)
    assert len(seen) > 5
    for other in (turned, shortened):
        after = fit_weekly(other)
        pd.testing.assert_frame_equal(after[after["week"] <= cut].reset_index(drop=True), seen)
    assert not before["ours"].equals(fit_weekly(turned)["ours"])


def test_a_player_game_stat_counts_once_however_many_books_quote_it():
    rows = lessons("one", 0.4, days=60)
    twice = pd.concat([rows, rows], ignore_index=True)
    once, both = fit_weekly(rows), fit_weekly(twice)
    assert both["markets"].tolist() == once["markets"].tolist()
    np.testing.assert_allclose(both[["intercept", "consensus", "ours"]], once[["intercept", "consensus", "ours"]])


def test_the_newest_weights_serve_the_weeks_after_them():
    rows = lessons("one", 0.4, days=60)
    weights = fit_weekly(rows)
    later = pd.DataFrame(
        {
            "kind": ["one", "never seen"],
            "stat": "PTS",
            "late": False,
            "week": rows["week"].max() + pd.Timedelta(days=70),
        }
    )
    found = weights_of(later, weights)
    assert found["ours"].tolist() == [newest(weights, "one")["ours"], newest(weights, EVERY)["ours"]]
    assert LEAST_OWN < LEAST_SHARED
