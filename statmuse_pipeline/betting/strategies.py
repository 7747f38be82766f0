"""Which side of which quote a strategy bets on: value, confidence, season average, placebos.

Offers are quotes seen from a side. Every strategy bets at most once on a player, game and stat, at the
first moment at which an offer qualifies, and takes the best offer of that moment. Ties fall to the higher
price, then to the book, collection and line in alphabetical and numerical order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.betting import odds
from statmuse_pipeline.betting.hygiene import MARKET

REFERENCE_PRICE = -110.0
"""The price of both sides of a reference line: what a standard book charges (overround 4.8%)."""

REFERENCE_PREFIX = "reference: "
"""Begins the name of every strategy on reference lines, which nobody ever offered."""

ONE_BET = ["game_id", "player_id", "stat"]


@dataclass(frozen=True)
class Strategy:
    """A rule for betting.

    Attributes:
        name: short and unique; goes into the table of bets.
        description: one sentence for the report.
        probability: which column of the offers is believed: `p_own`, `p_final` or `p_market`.
        qualifies: offers -> boolean Series.
        shops_lines: True takes the highest EV among every book's main line; False stays on the line that most
            books quote and takes its best price, so that no forecast enters into the choice.
        kelly: whether it is also run with fractional Kelly stakes.
        placebo: whether it claims to know nothing.
    """

    name: str
    description: str
    probability: str
    qualifies: Callable[[pd.DataFrame], pd.Series]
    shops_lines: bool = False
    kelly: bool = False
    placebo: bool = False


def _value(column: str, margin: float) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda offers: offers[f"ev_{column}"] > margin


def _confident(threshold: float) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda offers: offers["p_own"] >= threshold


def _every(side: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda offers: offers["side"] == side


def _over_below_average(offers: pd.DataFrame) -> pd.Series:
    return (offers["side"] == "over") & (offers["line"] < offers["season_average"])


def _value_strategies() -> list[Strategy]:
    own = [
        Strategy(
            f"own ev>{margin:.0%}",
            f"Our forecast alone: expected value above {margin:.0%} at the price offered.",
            "p_own",
            _value("own", margin),
            shops_lines=True,
            kelly=True,
        )
        for margin in (0.0, 0.02, 0.05)
    ]
    blend = Strategy(
        "blend ev>2%",
        "Consensus of the books and our forecast, blended with weights from earlier quotes: EV above 2%.",
        "p_final",
        _value("final", 0.02),
        shops_lines=True,
        kelly=True,
    )
    return [*own, blend]


def _plain_strategies() -> list[Strategy]:
    confidence = [
        Strategy(
            f"own p>={threshold:.2f}",
            f"Our forecast gives the side at least {threshold:.0%}, whatever the price.",
            "p_own",
            _confident(threshold),
            kelly=True,
        )
        for threshold in (0.55, 0.60)
    ]
    below_average = Strategy(
        "over below average",
        "Over, where the line lies below the player's season average.",
        "p_market",
        _over_below_average,
    )
    placebos = [
        Strategy(
            f"placebo: every {side}",
            f"Every {side}, to show what no knowledge costs.",
            "p_market",
            _every(side),
            placebo=True,
        )
        for side in ("over", "under")
    ]
    return [*confidence, below_average, *placebos]


STRATEGIES: tuple[Strategy, ...] = (*_value_strategies(), *_plain_strategies())
"""Every strategy of the backtest, in the order of the report."""


def offers(quotes: pd.DataFrame) -> pd.DataFrame:
    """Both sides of bettable quotes.

    Args:
        quotes: screened quotes that were kept, with `no_vig`, `moment`, `p_over`, `p_over_final`, `p_consensus`,
            `p_closing`, `season_average` and optionally `p_push`.

    Returns:
        Two rows a quote: the quote's columns and `quote` (its index), `side`, `price`, `push`, `modal_line` (whether
        the line is the one most books quote at the moment), for own, final and market `p_*` = P(win) and `ev_*`,
        `closing_probability` of the side and `clv`, how far it lies above the consensus at the moment of the quote.
    """
    push = quotes["p_push"].fillna(0.0) if "p_push" in quotes else pd.Series(0.0, index=quotes.index)
    base = quotes.assign(quote=quotes.index, push=push, modal_line=_modal_lines(quotes))
    p_over = {"own": base["p_over"], "final": base["p_over_final"], "market": base["no_vig"] * (1 - push)}
    sides = []
    for side in ("over", "under"):
        wins = {f"p_{name}": (p if side == "over" else 1 - p - push).clip(0, 1) for name, p in p_over.items()}
        closing = base["p_closing"] if side == "over" else 1 - base["p_closing"]
        clv = (base["p_closing"] - base["p_consensus"]) * (1 if side == "over" else -1)
        prices = {"price": base[f"{side}_price"], "closing_probability": closing, "clv": clv}
        sides.append(base.assign(side=side, **prices, **wins))
    both = pd.concat(sides, ignore_index=True)
    values = {f"ev_{name}": odds.expected_value(both[f"p_{name}"], both["price"], both["push"]) for name in p_over}
    return both.assign(**values)


def _modal_lines(quotes: pd.DataFrame) -> pd.Series:
    """Whether a quote is on its market's most quoted line of the moment (ties: nearest to even, then lower)."""
    keys = [*MARKET, "moment"]
    table = quotes[[*keys, "line"]].assign(uneven=(quotes["no_vig"] - 0.5).abs().round(9))
    lines = table.groupby([*keys, "line"], dropna=False)["uneven"].agg(["size", "mean"]).reset_index()
    lines = lines.sort_values(["size", "mean", "line"], ascending=[False, True, True], kind="stable")
    modal = lines.drop_duplicates(keys)[[*keys, "line"]].assign(modal=True)
    found = quotes[[*keys, "line"]].merge(modal, on=[*keys, "line"], how="left")["modal"]
    return pd.Series(found.notna().to_numpy(), index=quotes.index)


def choose_bets(table: pd.DataFrame, strategy: Strategy) -> pd.DataFrame:
    """The offers a strategy takes: one a player, game and stat.

    Args:
        table: the result of `offers`.

    Returns:
        Rows of the table with `strategy`, `probability`, `ev` added, sorted by game_date, game_id, player_id, stat.
    """
    takes = strategy.qualifies(table).fillna(False).astype(bool) & table[strategy.probability].notna()
    if not strategy.shops_lines:
        takes &= table["modal_line"]
    chosen = table[takes]
    ev = chosen[strategy.probability.replace("p_", "ev_", 1)]
    chosen = chosen.assign(strategy=strategy.name, probability=chosen[strategy.probability], ev=ev)
    payout = odds.american_to_decimal(chosen["price"])
    # Rounded, so that offers equal but for the last bit tie and fall to the written order.
    merit = np.round(ev if strategy.shops_lines else payout, 9)
    chosen = chosen.assign(_merit=-merit, _payout=-payout)
    order = [*ONE_BET, "moment", "_merit", "_payout", "bookmaker", "quote_set", "line", "side"]
    best = chosen.sort_values(order, kind="stable", na_position="first").drop_duplicates(ONE_BET)
    return best.drop(columns=["_merit", "_payout"]).sort_values(["game_date", *ONE_BET]).reset_index(drop=True)


def reference_quotes(lines: pd.DataFrame) -> pd.DataFrame:
    """Reference lines as quotes: floor(season average) + .5 at -110 both ways, from the book "reference".

    Args:
        lines: season, game_id, game_date, player_id, stat, season_average, actual, p_over (ours at that line).

    Rows without a season average (a player's first game of a season) have no reference line.
    """
    known = lines[lines["season_average"].notna()]
    never = pd.Series(pd.NaT, index=known.index, dtype="datetime64[ns, UTC]")
    return known.assign(
        line=np.floor(known["season_average"]) + 0.5,
        over_price=REFERENCE_PRICE,
        under_price=REFERENCE_PRICE,
        bookmaker="reference",
        quote_set="reference",
        captured_at=never,
        moment=never,
        no_vig=0.5,
        p_over_final=np.nan,
        p_consensus=np.nan,
        p_closing=np.nan,
    )
