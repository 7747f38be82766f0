"""Prices and probabilities."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.betting import odds
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline_tests.oracles import money_plain

prices = st.one_of(st.integers(100, 20_000), st.integers(-20_000, -101))
probabilities = st.floats(0.001, 0.999)


def test_known_prices_have_their_known_payouts() -> None:
    american = [100, -100, 150, -200, -110]
    assert odds.american_to_decimal(american) == pytest.approx([2, 2, 2.5, 1.5, 1 + 100 / 110])
    assert odds.implied_probability(american) == pytest.approx([0.5, 0.5, 0.4, 2 / 3, 110 / 210])


@given(prices)
def test_decimal_odds_equal_exact_fractions_and_lead_back_to_the_price(american: int) -> None:
    decimal = odds.american_to_decimal(american)
    assert float(decimal) == pytest.approx(float(money_plain.payout(american)))
    assert odds.decimal_to_american(decimal) == pytest.approx(american)


@given(probabilities)
def test_a_bet_at_its_fair_price_has_no_expected_profit(p: float) -> None:
    fair = odds.fair_price(p)
    assert odds.expected_value(p, fair) == pytest.approx(0, abs=1e-9)
    assert odds.implied_probability(fair) == pytest.approx(p)


@given(probabilities)
def test_fair_prices_of_both_sides_have_no_overround(p: float) -> None:
    assert odds.overround(odds.fair_price(p), odds.fair_price(1 - p)) == pytest.approx(0, abs=1e-9)


@given(prices, prices)
def test_no_vig_probabilities_of_both_sides_add_up_to_one_and_keep_the_ratio(over: int, under: int) -> None:
    p, q = odds.no_vig(over, under), odds.no_vig(under, over)
    assert p + q == pytest.approx(1)
    assert p / q == pytest.approx(odds.implied_probability(over) / odds.implied_probability(under))


@given(st.fractions(0, 1), st.fractions(0, 1), prices)
def test_expected_value_with_pushes_equals_exact_fractions(win: Fraction, share: Fraction, american: int) -> None:
    push = (1 - win) * share
    exact = money_plain.expected_profit(win, 1 - win - push, american)
    assert float(odds.expected_value(float(win), american, float(push))) == pytest.approx(float(exact), abs=1e-9)


@given(
    st.sampled_from(["over", "under"]),
    st.integers(0, 80).map(lambda k: k / 2),
    st.integers(0, 40),
    prices,
    st.floats(0.01, 50),
)
def test_settled_bets_equal_exact_fractions(side: str, line: float, actual: int, american: int, stake: float) -> None:
    exact = stake * float(money_plain.settle(side, line, actual, american))
    assert float(odds.profit(side, line, actual, american, stake)) == pytest.approx(exact)


def test_a_push_returns_the_stake_on_both_sides() -> None:
    assert odds.profit(["over", "under"], 5.0, 5, -110).tolist() == [0, 0]


@pytest.mark.parametrize("price", [0, 99, -99.5, np.nan, np.inf, -np.inf])
def test_what_is_no_price_gives_nan_and_not_a_number_to_bet_on(price: float) -> None:
    assert not odds.is_price(price)
    assert np.isnan(odds.american_to_decimal(price))
    assert np.isnan(odds.no_vig(price, -110))
    assert np.isnan(odds.expected_value(0.5, price))


@pytest.mark.parametrize("p", [0, 1, -0.1, 1.1, np.nan])
def test_certainties_have_no_fair_price(p: float) -> None:
    assert np.isnan(odds.fair_price(p))


def test_an_unknown_side_is_refused() -> None:
    with pytest.raises(PipelineError, match="over"):
        odds.profit(["over", "draw"], 1.5, 2, -110)


def test_overround_of_minus_110_both_ways_is_four_point_eight_percent() -> None:
    assert odds.overround(-110, -110) == pytest.approx(220 / 210 - 1)
