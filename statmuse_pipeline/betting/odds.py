"""Prices and probabilities: American and decimal odds, overround, no-vig, fair price, expected value.

Everything is vectorised and takes scalars or arrays. A price that no bookmaker can mean (missing,
infinite or between -100 and +100) gives NaN, so that hygiene can count it. American odds are the
profit on a stake of 100 (positive) or the stake that wins 100 (negative); see Joseph Buchdahl,
*Squares & Sharps, Suckers & Sharks* (2016), for the conversions and for the bookmaker's margin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmuse_pipeline.domain import PipelineError

Floats = NDArray[np.float64]


def is_price(american: ArrayLike) -> NDArray[np.bool_]:
    """Whether each value is an American price: finite and at least 100 in size."""
    price = np.asarray(american, dtype=float)
    return np.isfinite(price) & (np.abs(price) >= 100)


def american_to_decimal(american: ArrayLike) -> Floats:
    """Payout of a winning stake of 1, the stake included: +150 -> 2.5, -200 -> 1.5. NaN for no price."""
    price = np.where(is_price(american), np.asarray(american, dtype=float), np.nan)
    return np.where(price > 0, 1 + price / 100, 1 - 100 / price)


def decimal_to_american(decimal: ArrayLike) -> Floats:
    """The inverse of `american_to_decimal`; even money is +100. NaN for odds not above 1."""
    odds = np.asarray(decimal, dtype=float)
    profit = np.where(np.isfinite(odds) & (odds > 1), odds - 1, np.nan)
    return np.where(profit >= 1, 100 * profit, -100 / profit)


def implied_probability(american: ArrayLike) -> Floats:
    """The win probability at which the price breaks even, 1/decimal; it holds the margin. NaN for no price."""
    return 1 / american_to_decimal(american)


def overround(over_price: ArrayLike, under_price: ArrayLike) -> Floats:
    """Sum of both implied probabilities - 1: the bookmaker's margin (0.048 for -110 both ways)."""
    return implied_probability(over_price) + implied_probability(under_price) - 1


def no_vig(over_price: ArrayLike, under_price: ArrayLike) -> Floats:
    """P(over | no push) after the margin is taken off in proportion (multiplicative method)."""
    over, under = implied_probability(over_price), implied_probability(under_price)
    return over / (over + under)


def fair_price(probability: ArrayLike) -> Floats:
    """The American price at which a bet of this win probability (no push) has EV 0. NaN outside (0, 1)."""
    p = np.asarray(probability, dtype=float)
    return decimal_to_american(1 / np.where((p > 0) & (p < 1), p, np.nan))


def expected_value(probability: ArrayLike, american: ArrayLike, push: ArrayLike = 0.0) -> Floats:
    """Expected profit of a stake of 1: p*(decimal-1) - (1-p-push); a push returns the stake.

    Args:
        probability: P(win), pushes not counted as wins.
        american: the price.
        push: P(push), 0 on half lines.
    """
    p, tie = np.asarray(probability, dtype=float), np.asarray(push, dtype=float)
    return p * (american_to_decimal(american) - 1) - (1 - p - tie)


def profit(side: ArrayLike, line: ArrayLike, actual: ArrayLike, american: ArrayLike, stake: ArrayLike = 1.0) -> Floats:
    """Profit of settled bets: stake*(decimal-1) when won, -stake when lost, 0 on a push.

    Args:
        side: "over" or "under".
        line, actual: the line and what happened; an over wins when actual > line.
        american, stake: the price and what was staked.

    Raises:
        PipelineError: when a side is neither.
    """
    sides = np.asarray(side, dtype=object)
    over = sides == "over"
    if not (over | (sides == "under")).all():
        raise PipelineError('A bet is on the "over" or on the "under": another side can\'t be settled.')
    beyond = np.sign(np.asarray(actual, dtype=float) - np.asarray(line, dtype=float)) * np.where(over, 1, -1)
    won = american_to_decimal(american) - 1
    return np.asarray(stake, dtype=float) * np.where(beyond > 0, won, np.where(beyond < 0, -1.0, 0.0 * beyond))
