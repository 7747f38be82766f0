"""Money a second time, slowly: exact fractions and plain loops, without numpy or pandas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction


def payout(american: int) -> Fraction:
    """What a winning stake of 1 pays, the stake included."""
    return 1 + (Fraction(american, 100) if american > 0 else Fraction(100, -american))


def expected_profit(win: Fraction, lose: Fraction, american: int) -> Fraction:
    """Mean profit of a stake of 1; what is neither won nor lost is returned."""
    return win * (payout(american) - 1) - lose


def settle(side: str, line: float, actual: float, american: int) -> Fraction:
    """Profit of a stake of 1."""
    if actual == line:
        return Fraction(0)
    won = actual > line if side == "over" else actual < line
    return payout(american) - 1 if won else Fraction(-1)


def account(daily_profits: Iterable[float], start: float) -> list[float]:
    """The balance after each day."""
    balances = []
    for profit in daily_profits:
        start += profit
        balances.append(start)
    return balances


def worst_fall(balances: Sequence[float]) -> float:
    """The deepest fall from an earlier balance to a later one."""
    return max((high - low for i, high in enumerate(balances) for low in balances[i:]), default=0.0)


def kelly_season(
    days: Sequence[Sequence[tuple[float, float]]], start: float, fraction: float, bet_cap: float, day_cap: float
) -> tuple[list[list[float]], list[float]]:
    """Stakes and end-of-day bankrolls.

    Args:
        days: per day the bets as (full Kelly share, profit of a stake of 1).
    """
    bankroll, stakes, curve = start, [], []
    for day in days:
        shares = [min(fraction * share, bet_cap) for share, _ in day]
        if sum(shares) > day_cap:
            shares = [share * day_cap / sum(shares) for share in shares]
        placed = [share * bankroll for share in shares]
        bankroll += sum(stake * profit for stake, (_, profit) in zip(placed, day, strict=True))
        stakes.append(placed)
        curve.append(bankroll)
    return stakes, curve
