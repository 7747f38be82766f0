"""How much to bet: flat stakes and fractional Kelly, sized day by day.

Kelly (1956), "A new interpretation of information rate"; for why only a fraction of it is staked when the
probability is an estimate, see Thorp, "The Kelly criterion in blackjack, sports betting and the stock
market" (2006). Amounts are in units of the flat stake.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from statmuse_pipeline.betting import odds
from statmuse_pipeline.domain import PipelineError

START = 100.0
"""The bankroll before the first bet, in units."""


@dataclass(frozen=True)
class KellyRule:
    """Fractional Kelly with caps.

    Attributes:
        fraction: share of the full Kelly stake (a quarter: the usual guard against overestimated edges).
        bet_cap: largest share of the bankroll on one bet.
        day_cap: largest share of the bankroll on all bets of a day, which are open at the same time; stakes of
            a day above it are scaled down together. Below 1 it makes ruin impossible.
    """

    fraction: float = 0.25
    bet_cap: float = 0.02
    day_cap: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.fraction <= 1 and 0 < self.bet_cap <= 1 and 0 < self.day_cap <= 1):
            raise PipelineError("A Kelly rule needs fraction, bet_cap and day_cap above 0 and at most 1.")


def kelly_share(probability: ArrayLike, american: ArrayLike, push: ArrayLike = 0.0) -> NDArray[np.float64]:
    """The share of the bankroll that maximises expected log growth: EV / (b * (p + q)), at least 0.

    Args:
        probability: P(win) = p; P(lose) = q = 1 - p - push.
        american: the price; b is the profit of a winning stake of 1.
        push: P(stake returned).
    """
    p, tie = np.asarray(probability, dtype=float), np.asarray(push, dtype=float)
    decided = np.where(tie < 1, 1 - tie, np.nan)
    share = odds.expected_value(p, american, tie) / ((odds.american_to_decimal(american) - 1) * decided)
    return np.nan_to_num(np.clip(share, 0.0, 1.0))


def stake_flat(bets: pd.DataFrame) -> pd.DataFrame:
    """One unit on every bet; adds `stake` and `profit` (from `profit_per_unit`)."""
    return bets.assign(stake=1.0, profit=bets["profit_per_unit"])


def stake_kelly(bets: pd.DataFrame, rule: KellyRule | None = None, start: float = START) -> pd.DataFrame:
    """Kelly stakes, sequential by date: all bets of a day are sized from the bankroll at its start.

    Args:
        bets: game_date, `kelly_share` (full Kelly) and `profit_per_unit` (>= -1).
        rule: the fraction and the caps.
        start: bankroll before the first day, in units.

    Returns:
        The bets whose stake is above 0, with `stake` and `profit`. The bankroll never falls to zero.
    """
    rule = rule or KellyRule()
    wanted = (rule.fraction * bets["kelly_share"]).clip(upper=rule.bet_cap)
    by_day = wanted.groupby(bets["game_date"])
    total = by_day.transform("sum")
    share = wanted * (rule.day_cap / total.where(total > 0, 1.0)).clip(upper=1.0)
    growth = (share * bets["profit_per_unit"]).groupby(bets["game_date"]).sum().sort_index()
    before = start * (1 + growth).cumprod().shift(1, fill_value=1.0)
    stake = share * bets["game_date"].map(before)
    return bets.assign(stake=stake, profit=stake * bets["profit_per_unit"])[stake > 0]


def bankroll_curve(bets: pd.DataFrame, start: float = START) -> pd.DataFrame:
    """DataFrame[game_date, bets, staked, profit, bankroll], one row a day with bets; bankroll after the day.

    With flat stakes the bankroll is a running account and may go below zero.
    """
    daily = bets.groupby("game_date").agg(bets=("stake", "size"), staked=("stake", "sum"), profit=("profit", "sum"))
    daily = daily.sort_index()
    return daily.assign(bankroll=start + daily["profit"].cumsum()).reset_index()
