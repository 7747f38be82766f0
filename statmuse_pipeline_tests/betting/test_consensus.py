"""The market's view and the blend with ours."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.betting import odds
from statmuse_pipeline.betting.blend import EVERY, POOL
from statmuse_pipeline.betting.consensus import add_consensus, market_view
from statmuse_pipeline.betting.hygiene import screen
from statmuse_pipeline_tests.betting.conftest import frame, quote, simulated_market


def consensus(*rows: dict[str, object], leave_one_out: bool = False) -> pd.DataFrame:
    return add_consensus(screen(frame(*rows)).quotes, leave_one_out)


def brier(p: pd.Series, quotes: pd.DataFrame) -> float:
    return float(((p - (quotes["actual"] > quotes["line"])) ** 2).mean())


def test_books_with_the_same_line_are_averaged() -> None:
    rows = [
        quote(),
        quote(bookmaker="beta", over_price=-150, under_price=120),
        quote(bookmaker="gamma", over_price=-130),
    ]
    expected = np.mean([odds.no_vig(row["over_price"], row["under_price"]) for row in rows])
    table = consensus(*rows)
    assert table["p_consensus"].tolist() == pytest.approx([expected] * 3)
    assert table["books"].tolist() == [3, 3, 3]


def test_leaving_one_out_uses_the_other_books_alone() -> None:
    rows = [quote(), quote(bookmaker="beta", over_price=-150, under_price=120)]
    table = consensus(*rows, leave_one_out=True)
    assert table["p_consensus"].tolist() == pytest.approx([odds.no_vig(-150, 120), 0.5])
    assert np.isnan(consensus(quote(), leave_one_out=True)["p_consensus"][0])


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8))
def test_a_higher_line_is_less_likely_to_be_beaten_and_moving_is_symmetric(line: int, step: int) -> None:
    low, high = quote(line=line + 0.5), quote(bookmaker="beta", line=line + 0.5 + step)
    p_low, p_high = consensus(low, high)["p_consensus"]
    assert 0.5 < p_low < 1
    assert p_low + p_high == pytest.approx(1)


def test_a_ladder_gives_its_nearest_line() -> None:
    rung = quote(line=2.5, over_price=180, under_price=-230)
    table = consensus(quote(), rung, quote(bookmaker="beta", line=2.5, over_price=170, under_price=-220))
    expected = np.mean([odds.no_vig(180, -230), odds.no_vig(170, -220)])
    assert table["p_consensus"][2] == pytest.approx(expected)
    assert table["books"].tolist() == [2, 2, 2]


def test_no_quote_sees_a_later_one_and_each_book_counts_with_its_latest() -> None:
    morning = pd.Timestamp("2024-11-01 15:00", tz="UTC")
    rows = [
        quote(captured_at=morning),
        quote(captured_at=morning + pd.Timedelta(hours=2), over_price=-150, under_price=120),
        quote(captured_at=morning + pd.Timedelta(hours=3), bookmaker="beta", over_price=-130, under_price=110),
    ]
    last = np.mean([odds.no_vig(-150, 120), odds.no_vig(-130, 110)])
    assert consensus(*rows)["p_consensus"].tolist() == pytest.approx([0.5, odds.no_vig(-150, 120), last])


def test_a_stale_line_drops_out() -> None:
    old = quote(captured_at=pd.Timestamp("2024-10-31 20:00", tz="UTC"), over_price=-200, under_price=160)
    table = consensus(old, quote(bookmaker="beta"))
    assert table["p_consensus"][1] == pytest.approx(0.5)
    assert table["books"].tolist() == [1, 1]


def test_unsound_quotes_have_no_voice_and_still_hear_the_others() -> None:
    table = consensus(quote(), quote(bookmaker="beta", over_price=-100_000, under_price=100))
    assert table["p_consensus"].tolist() == pytest.approx([0.5, 0.5])
    assert table["books"].tolist() == [1, 1]


def test_collections_stats_and_players_do_not_mix() -> None:
    other = {"over_price": -200, "under_price": 160, "bookmaker": "beta"}
    rows = [quote(), quote(**other, player_id=2), quote(**other, stat="PTS"), quote(**other, quote_set="x_2024-25")]
    assert consensus(*rows)["books"].tolist() == [1, 1, 1, 1]


def test_a_sharp_forecast_earns_weight_and_lowers_the_brier_score() -> None:
    quotes = simulated_market(days=200, market_noise=0.35, our_noise=0.05)
    view = market_view(quotes)
    late = view.quotes[view.quotes["game_date"] >= view.quotes["game_date"].max() - pd.Timedelta(days=80)]
    assert view.weights["ours"].iloc[-1] > 0.4
    assert brier(late["p_over_final"], late) < brier(late["p_consensus"], late) - 0.005


def test_noise_earns_no_weight_and_does_no_harm() -> None:
    quotes = simulated_market(days=200, market_noise=0.02, our_noise=0.02)
    noise = np.random.default_rng(1).uniform(0.2, 0.8, len(quotes))
    view = market_view(quotes.assign(p_over=noise))
    assert abs(view.weights["ours"].iloc[-1]) < 0.05
    assert brier(view.quotes["p_over_final"], quotes) < brier(view.quotes["p_consensus"], quotes) + 0.0005


def test_until_enough_outcomes_are_known_the_consensus_is_served_alone() -> None:
    view = market_view(simulated_market(days=40))
    assert view.weights.empty
    assert np.allclose(view.quotes["p_over_final"], view.quotes["p_consensus"])


def test_no_probability_depends_on_outcomes_of_its_own_day_or_later() -> None:
    quotes = simulated_market(days=120)
    cut = pd.Timestamp("2025-02-03")  # a Monday, when weights are refitted
    turned = quotes.assign(actual=quotes["actual"].mask(quotes["game_date"] >= cut, 20.0))
    before, after = market_view(quotes), market_view(turned)
    seen = quotes["game_date"] <= cut
    assert len(before.weights) > 5
    for column in ("p_consensus", "p_over_final"):
        assert before.quotes.loc[seen, column].tolist() == after.quotes.loc[seen, column].tolist()
    assert not np.allclose(before.quotes["p_over_final"], after.quotes["p_over_final"])


def test_weights_are_refitted_weekly_on_earlier_weeks_alone() -> None:
    weights = market_view(simulated_market(days=120)).weights
    assert set(weights["kind"]) == {EVERY, "threes"}
    for _, own in weights.groupby(POOL):
        assert (own["week"].dt.dayofweek == 0).all()
        assert own["week"].diff().dropna().eq(pd.Timedelta(days=7)).all()
        assert own["markets"].is_monotonic_increasing


def test_without_a_forecast_the_market_is_served_and_without_a_market_the_forecast() -> None:
    rows = [
        quote(p_over=np.nan, over_price=-150, under_price=120),
        quote(player_id=2, over_price=0, p_over=0.42),
        quote(player_id=3, over_price=0, p_over=np.nan),
    ]
    p = market_view(frame(*rows)).quotes["p_over_final"]
    assert p[0] == pytest.approx(odds.no_vig(-150, 120))
    assert p[1] == pytest.approx(0.42)
    assert np.isnan(p[2])


def test_a_pickem_line_stands_for_even_money() -> None:
    view = market_view(frame(quote(over_price=-137, under_price=-137, p_over=0.7)))
    assert view.quotes["p_over_final"].tolist() == pytest.approx([0.5])


def test_the_probability_of_a_push_is_taken_off_both_sides() -> None:
    table = frame(quote(line=2.0)).assign(p_push=0.2)
    assert market_view(table).quotes["p_over_final"].tolist() == pytest.approx([0.4])
    unpriced = frame(quote(line=2.0, over_price=0, p_over=0.3)).assign(p_push=0.2)
    assert market_view(unpriced).quotes["p_over_final"].tolist() == pytest.approx([0.3])


def test_the_order_of_the_rows_changes_nothing() -> None:
    quotes = simulated_market(days=90)
    shuffled = market_view(quotes.sample(frac=1, random_state=5)).quotes.sort_index()
    assert np.allclose(shuffled["p_over_final"], market_view(quotes).quotes["p_over_final"], atol=1e-9)


def test_the_real_consensus_beats_the_single_quote_and_the_blend_is_fast(real_quotes: pd.DataFrame) -> None:
    begun = time.perf_counter()
    quotes = market_view(real_quotes).quotes
    seconds = time.perf_counter() - begun
    assert seconds < 20 * len(quotes) / 250_000 + 5
    played = quotes[(quotes["actual"] != quotes["line"]) & quotes["no_vig"].notna()]
    for stat in ("PRA", "FG3M"):
        part = played[(played["stat"] == stat) & played["p_consensus"].notna()]
        assert len(part) > 20_000
        assert brier(part["p_consensus"], part) < brier(part["no_vig"], part) - 0.001
        assert brier(part["p_over_final"], part) < brier(part["no_vig"], part) - 0.001
    assert quotes["p_over_final"].notna().all()
