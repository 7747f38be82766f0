"""Flat and Kelly stakes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.betting import odds, staking
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline_tests.oracles import money_plain

bet = st.tuples(st.floats(0, 1), st.one_of(st.just(-1.0), st.just(0.0), st.floats(0.05, 10)))
seasons = st.lists(st.lists(bet, min_size=1, max_size=30), min_size=1, max_size=12)


def as_frame(days: list[list[tuple[float, float]]]) -> pd.DataFrame:
    rows = [(pd.Timestamp("2025-01-01") + pd.Timedelta(days=d), *one) for d, day in enumerate(days) for one in day]
    return pd.DataFrame(rows, columns=["game_date", "kelly_share", "profit_per_unit"])


@settings(max_examples=40, deadline=None)
@given(seasons)
def test_kelly_stakes_and_bankroll_equal_the_plain_account(days: list[list[tuple[float, float]]]) -> None:
    rule = staking.KellyRule()
    placed = staking.stake_kelly(as_frame(days), rule)
    stakes, curve = money_plain.kelly_season(days, staking.START, rule.fraction, rule.bet_cap, rule.day_cap)
    expected = [stake for day in stakes for stake in day if stake > 0]
    assert placed["stake"].tolist() == pytest.approx(expected)
    with_bets = [balance for day, balance in zip(stakes, curve, strict=True) if any(stake > 0 for stake in day)]
    assert staking.bankroll_curve(placed)["bankroll"].tolist() == pytest.approx(with_bets)


@settings(max_examples=40, deadline=None)
@given(seasons, st.floats(0.01, 1), st.floats(0.001, 1), st.floats(0.01, 0.99))
def test_a_kelly_bankroll_never_reaches_zero(
    days: list[list[tuple[float, float]]], fraction: float, bet_cap: float, day_cap: float
) -> None:
    placed = staking.stake_kelly(as_frame(days), staking.KellyRule(fraction, bet_cap, day_cap))
    curve = staking.bankroll_curve(placed)
    assert (curve["bankroll"] > 0).all()
    before = curve["bankroll"].shift(1, fill_value=staking.START)
    assert (curve["staked"] <= day_cap * before * (1 + 1e-9)).all()
    assert (
        placed["stake"]
        <= placed["game_date"].map(dict(zip(curve["game_date"], before, strict=True))) * bet_cap * (1 + 1e-9)
    ).all()


def test_bets_of_a_day_are_sized_from_the_bankroll_at_its_start() -> None:
    # Full Kelly shares of 4% and 40%: a quarter is 1%, and 10% that the cap makes 2%.
    days = [[(0.04, 1.0), (0.40, -1.0)], [(0.04, 1.0)]]
    placed = staking.stake_kelly(as_frame(days))
    assert placed["stake"].tolist() == pytest.approx([1.0, 2.0, 0.99])
    assert staking.bankroll_curve(placed)["bankroll"].tolist() == pytest.approx([99.0, 99.99])


def test_too_many_bets_on_a_day_are_scaled_down_together() -> None:
    placed = staking.stake_kelly(as_frame([[(1.0, -1.0)] * 50]))
    assert placed["stake"].tolist() == pytest.approx([0.5] * 50)
    assert staking.bankroll_curve(placed)["bankroll"].tolist() == pytest.approx([75.0])


@given(st.floats(0.02, 0.95), st.floats(0, 0.04), st.integers(101, 2000))
def test_no_other_share_grows_faster_than_kelly(p: float, push: float, price: int) -> None:
    b = price / 100

    def growth(share: float) -> float:
        return p * math.log1p(b * share) + (1 - p - push) * math.log1p(-share)

    best = float(staking.kelly_share(p, price, push))
    assert 0 <= best < 1
    assert all(growth(best) >= growth(other) - 1e-12 for other in np.linspace(0, 0.99, 100))


@given(st.floats(0.01, 0.99), st.integers(100, 5000))
def test_kelly_stakes_nothing_without_value(p: float, price: int) -> None:
    assert (float(staking.kelly_share(p, price)) > 0) == (float(odds.expected_value(p, price)) > 0)


def test_flat_stakes_are_one_unit_and_their_account_is_plain_addition() -> None:
    days = [[(0.0, 0.9), (0.0, -1.0)], [(0.0, -1.0)], [(0.0, 2.0)]]
    placed = staking.stake_flat(as_frame(days))
    assert placed["stake"].tolist() == [1.0] * 4
    expected = money_plain.account([-0.1, -1.0, 2.0], staking.START)
    assert staking.bankroll_curve(placed)["bankroll"].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("changes", [{"fraction": 0}, {"bet_cap": 1.5}, {"day_cap": -0.1}])
def test_a_senseless_kelly_rule_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(PipelineError, match="Kelly"):
        staking.KellyRule(**changes)
