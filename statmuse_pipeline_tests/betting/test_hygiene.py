"""Which quotes may be believed and bet on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.betting import hygiene
from statmuse_pipeline.betting.hygiene import information_level, quote_kind, screen
from statmuse_pipeline.contracts import QUOTES, check
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline_tests.betting.conftest import frame, quote, simulated_market

TIP = pd.Timestamp("2024-11-02 00:00", tz="UTC")


def reasons(*rows: dict[str, object]) -> list[str]:
    return screen(frame(*rows)).quotes["reason"].tolist()


def test_the_simulated_market_fits_the_contract_of_quotes() -> None:
    check(QUOTES, simulated_market(days=2))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"line": np.nan}, "impossible line"),
        ({"line": -0.5}, "impossible line"),
        ({"line": 1.3}, "impossible line"),
        ({"under_price": np.nan}, "one-sided quote"),
        ({"over_price": np.nan}, "one-sided quote"),
        ({"over_price": 0}, "impossible price"),
        ({"under_price": -99}, "impossible price"),
        ({"over_price": -137, "under_price": -137}, "overround out of range"),
        ({"over_price": 120, "under_price": 120}, "overround out of range"),
        ({"over_price": -100_000, "under_price": -100_000}, "overround out of range"),
        ({"captured_at": TIP}, "captured at or after tip-off"),
        ({"captured_at": TIP + pd.Timedelta(hours=1)}, "captured at or after tip-off"),
        ({"captured_at": pd.NaT}, "not provably before tip-off"),
        ({"tipoff_utc": pd.NaT}, "not provably before tip-off"),
        ({}, "book on probation"),
    ],
)
def test_a_quote_is_excluded_for_what_is_wrong_with_it(changes: dict[str, object], reason: str) -> None:
    assert reasons(quote(**changes)) == [reason]


def test_a_quote_one_second_before_tip_off_is_not_late() -> None:
    assert reasons(quote(captured_at=TIP - pd.Timedelta(seconds=1))) == ["book on probation"]


def test_a_quote_can_not_be_acted_on_before_its_snapshot_is_complete() -> None:
    early = quote(captured_at=TIP - pd.Timedelta(minutes=2), tipoff_utc=TIP - pd.Timedelta(minutes=1))
    late = {**early, "bookmaker": "beta", "captured_at": TIP - pd.Timedelta(seconds=30)}
    assert reasons(early, late) == ["captured at or after tip-off"] * 2


def test_of_conflicting_copies_the_less_generous_price_stays_whatever_the_order() -> None:
    generous, mean = quote(over_price=105), quote(over_price=-120)
    assert reasons(generous, mean) == ["duplicate", "book on probation"]
    assert reasons(mean, generous) == ["book on probation", "duplicate"]


def test_a_copy_with_an_impossible_price_does_not_displace_the_sound_one() -> None:
    assert reasons(quote(over_price=0), quote()) == ["impossible price", "book on probation"]


def test_the_main_line_of_a_ladder_is_the_one_nearest_to_even() -> None:
    ladder = [
        quote(line=0.5, over_price=-400, under_price=280),
        quote(line=1.5, over_price=-125, under_price=100),
        quote(line=2.5, over_price=170, under_price=-225),
    ]
    assert screen(frame(*ladder)).quotes["main_line"].tolist() == [False, True, False]


def test_every_book_capture_and_player_has_a_main_line_of_its_own() -> None:
    rows = [quote(), quote(bookmaker="beta", line=2.5), quote(player_id=2)]
    rows.append(quote(captured_at=TIP - pd.Timedelta(hours=1), line=3.5))
    assert screen(frame(*rows)).quotes["main_line"].all()


def test_every_quote_is_either_kept_or_counted_once() -> None:
    market = simulated_market(days=40, bad_book="gamma")
    market.loc[::17, "under_price"] = 0
    market.loc[::19, "captured_at"] = market["tipoff_utc"]
    screened = screen(market)
    assert len(screened.kept) + screened.exclusions["quotes"].sum() == len(market)
    assert list(screened.exclusions.columns) == ["reason", "quote_set", "quotes"]
    assert set(screened.exclusions["reason"]) <= {*hygiene.UNSOUND, *hygiene.UNBETTABLE}


def test_a_book_worse_than_a_coin_is_barred_once_it_has_a_record_and_the_others_are_not() -> None:
    quotes = screen(simulated_market(days=60, bad_book="gamma")).quotes
    bad, good = quotes[quotes["bookmaker"] == "gamma"], quotes[quotes["bookmaker"] != "gamma"]
    # 20 quotes a day: 300 of earlier dates are reached on the 16th day.
    settled = quotes["game_date"] >= quotes["game_date"].min() + pd.Timedelta(days=15)
    assert (bad.loc[settled, "reason"] == "book worse than a coin").all()
    assert (bad.loc[~settled, "reason"] == "book on probation").all()
    assert (good.loc[settled, "reason"] == "").all()
    assert (good.loc[~settled, "reason"] == "book on probation").all()


def test_the_rules_do_not_know_names() -> None:
    market = simulated_market(days=40, bad_book="gamma")
    renamed = market.assign(bookmaker=market["bookmaker"].map({"alpha": "gamma", "beta": "alpha", "gamma": "beta"}))
    assert screen(market).quotes["reason"].tolist() == screen(renamed).quotes["reason"].tolist()


def test_a_record_counts_for_later_seasons_of_the_same_kind_and_for_no_other_stat() -> None:
    market = simulated_market(days=30, bad_book="gamma")
    later = market["game_date"] >= market["game_date"].min() + pd.Timedelta(days=20)
    next_season = market.assign(quote_set=market["quote_set"].mask(later, "threes_2025-26"))
    assert screen(next_season).quotes["reason"].tolist() == screen(market).quotes["reason"].tolist()
    other_stat = screen(market.assign(stat=market["stat"].mask(later, "PTS"))).quotes
    assert (other_stat.loc[later, "reason"] == "book on probation").all()


def test_no_verdict_depends_on_outcomes_of_its_own_day_or_later() -> None:
    market = simulated_market(days=40, bad_book="gamma")
    cut = market["game_date"].min() + pd.Timedelta(days=25)
    turned = market.assign(actual=market["actual"].mask(market["game_date"] >= cut, 50.0))
    before, after = screen(market).quotes, screen(turned).quotes
    seen = market["game_date"] <= cut
    assert before.loc[seen, "reason"].tolist() == after.loc[seen, "reason"].tolist()
    assert before["reason"].tolist() != after["reason"].tolist()


def test_a_quote_of_the_day_before_does_not_know_that_days_games() -> None:
    market = simulated_market(days=3)
    market["captured_at"] -= pd.Timedelta(hours=20)
    decided = screen(market).quotes["decided_on"]
    assert (decided == market["game_date"] - pd.Timedelta(days=1)).all()


def test_after_midnight_the_evening_is_not_over() -> None:
    late_night = quote(captured_at=pd.Timestamp("2024-11-01 07:30", tz="UTC"))  # 3:30 am Eastern on the day of the game
    assert screen(frame(late_night)).quotes["decided_on"].tolist() == [pd.Timestamp("2024-10-31")]


def test_the_order_of_the_rows_changes_nothing() -> None:
    market = simulated_market(days=30, bad_book="gamma")
    market.loc[::7, "line"] += 1
    shuffled = market.sample(frac=1, random_state=3)
    assert screen(shuffled).quotes["reason"].sort_index().equals(screen(market).quotes["reason"])


def test_outcomes_may_come_as_a_table_of_their_own() -> None:
    market = simulated_market(days=30, bad_book="gamma")
    outcomes = market[["game_id", "player_id", "stat", "actual"]].drop_duplicates()
    alone = screen(market.drop(columns="actual"), outcomes).quotes
    assert alone["reason"].tolist() == screen(market).quotes["reason"].tolist()


def test_missing_outcomes_and_contradicting_ones_are_refused() -> None:
    market = simulated_market(days=1)
    with pytest.raises(PipelineError, match="outcomes"):
        screen(market.drop(columns="actual"))
    twice = pd.concat([market, market.assign(actual=market["actual"] + 1)])
    with pytest.raises(PipelineError, match="two values"):
        screen(market, twice)
    with pytest.raises(PipelineError, match="index"):
        screen(pd.concat([market, market]))


def test_tip_off_news_is_public_half_an_hour_before_and_not_earlier() -> None:
    minutes = [31, 30, 1, 0, -60]
    table = frame(*(quote(captured_at=TIP - pd.Timedelta(minutes=m)) for m in minutes), quote(captured_at=pd.NaT))
    assert information_level(table).tolist() == ["pregame", "tipoff", "tipoff", "tipoff", "tipoff", "pregame"]


def test_an_unknown_tip_off_proves_nothing() -> None:
    assert information_level(frame(quote(tipoff_utc=pd.NaT))).tolist() == ["pregame"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("points_12h_2023-24", "points_12h"),
        ("all_markets_2024-02-29_2024-05-24", "all_markets"),
        ("all_markets_5pm_2024-10_2025-01", "all_markets_5pm"),
        ("consensus_two_sided_2021-2023", "consensus_two_sided"),
        ("live", "live"),
    ],
)
def test_the_kind_of_a_collection_is_its_name_without_the_season(name: str, kind: str) -> None:
    assert quote_kind(name) == kind


def test_real_threes_captured_after_tip_off_and_real_broken_feeds_are_barred(real_quotes: pd.DataFrame) -> None:
    quotes = screen(real_quotes).quotes
    late = real_quotes["captured_at"] >= real_quotes["tipoff_utc"]
    threes = real_quotes["stat"] == "FG3M"
    assert (late & threes).sum() > 2000
    assert not (quotes.loc[late, "reason"] == "").any()
    assert not (quotes.loc[real_quotes["under_price"].isna(), "reason"] == "").any()
    # One feed under two names quotes PRA worse than a coin in both seasons; no rule knows its name.
    feed = quotes["bookmaker"].isin(["betrivers", "unibet"]) & (quotes["stat"] == "PRA")
    assert not (quotes.loc[feed, "reason"] == "").any()
    others = quotes[~feed & ~threes & ~late]
    assert (others["reason"] == "").mean() > 0.7
