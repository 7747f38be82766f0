"""What the market believes, and our forecast blended into it.

**Consensus**: at the moment of a quote, the latest quote of every sound book up to that moment (none older than
`FRESH`; of a ladder the line nearest to the quote's), its no-vig probability moved to the quote's line and all
averaged. Moving is done in
normal-quantile space: a line `d` higher lowers the quantile by d / sd, where sd = sqrt(spread * line) and
`spread` = sum (actual - line)^2 / sum line is learned per stat on earlier dates. For equal lines nothing moves.

**Blend**: how much our forecast counts beside it is learned in `blend.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

from statmuse_pipeline.betting.blend import RELEASED, BlendPrior, fit_weekly, weights_of
from statmuse_pipeline.betting.hygiene import MARKET, known_before, quote_kind, screen

Floats = NDArray[np.float64]

FRESH = pd.Timedelta(hours=12)
"""A book's line older than this says nothing about the market of the moment."""

PRIOR_SPREAD = 1.5
PRIOR_LINES = 2000.0
"""Spread before any outcome is known, worth this sum of lines (about 150 points quotes)."""

EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1 before they go through a logit."""


@dataclass(frozen=True)
class MarketView:
    """The market's and the blended probabilities.

    Attributes:
        quotes: the screened quotes with the columns added `p_consensus` (P(over | no push), NaN where no sound
            book quoted), `books` (how many stand in it) and `p_over_final` (P(over), pushes not counted as overs).
        weights: of `blend.fit_weekly`, one row a fit.
    """

    quotes: pd.DataFrame
    weights: pd.DataFrame


def add_consensus(quotes: pd.DataFrame, leave_one_out: bool = False) -> pd.DataFrame:
    """Screened quotes plus `p_consensus` and `books`.

    Args:
        quotes: `Screened.quotes`.
        leave_one_out: whether a quote's own book is left out of its consensus.
    """
    # Quotes without a capture time are taken as one snapshot.
    table = pd.DataFrame(
        {
            "market": quotes.groupby(MARKET, sort=False).ngroup(),
            "moment": quotes["moment"].astype("int64").where(quotes["moment"].notna(), 0),
            "captured": quotes["captured_at"].astype("int64").where(quotes["captured_at"].notna(), 0),
            "book": pd.factorize(quotes["bookmaker"])[0],
            "line": quotes["line"],
            "spread": _spreads(quotes),
            "no_vig": quotes["no_vig"],
            "row": np.arange(len(quotes)),
        }
    )
    usable = table[table["line"].notna()]
    sound = table[quotes["sound"]]
    # One collection at a time: a market never spans two, and the pairs of all would fill the memory.
    parts = [
        _means(usable[quotes.loc[usable.index, "quote_set"] == name], sound, leave_one_out)
        for name in sorted(quotes["quote_set"].unique())
    ]
    mean = pd.concat(parts) if parts else pd.DataFrame({"mean": [], "size": []}, index=pd.Index([], dtype="int64"))
    p, books = np.full(len(quotes), np.nan), np.zeros(len(quotes), dtype="int64")
    p[mean.index], books[mean.index] = mean["mean"], mean["size"]
    return quotes.assign(p_consensus=p, books=books)


def _means(targets: pd.DataFrame, sound: pd.DataFrame, leave_one_out: bool) -> pd.DataFrame:
    """Per row number the average probability at its line and how many books are in it: columns mean, size."""
    state = _state_of_the_market(targets, sound)
    targets = targets[["market", "moment", "book", "line", "spread", "row"]]
    pairs = targets.merge(state, on=["market", "moment"], suffixes=("", "_source"))
    if leave_one_out:
        pairs = pairs[pairs["book"] != pairs["book_source"]]
    gap = pairs["line_source"] - pairs["line"]
    pairs = pairs.assign(gap=gap, distance=gap.abs()).sort_values(["row", "book_source", "distance", "line_source"])
    pairs = pairs.drop_duplicates(["row", "book_source"])
    middle = np.maximum(pairs["line"] + pairs["gap"] / 2, 0.5)
    shift = pairs["gap"] / np.sqrt(pairs["spread"] * middle)
    moved = ndtr(ndtri(pairs["no_vig"].to_numpy()) + shift.to_numpy())
    return pairs.assign(moved=moved).groupby("row")["moved"].agg(["mean", "size"])


def _state_of_the_market(table: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """For every market and moment each book's latest lines: columns market, moment, book, line, no_vig."""
    keys = ["market", "moment", "book"]
    sources = sources.sort_values(["captured", "row"]).drop_duplicates([*keys, "line"], keep="last")
    moments = table[["market", "moment"]].drop_duplicates()
    known = moments.merge(sources[[*keys, "line", "no_vig"]], on="market", suffixes=("", "_source"))
    age = known["moment"] - known["moment_source"]
    known = known[(age >= 0) & (age <= FRESH.value)]
    latest = known.groupby(keys)["moment_source"].transform("max")
    return known[known["moment_source"] == latest].drop(columns="moment_source")


def _spreads(quotes: pd.DataFrame) -> pd.Series:
    """Walk-forward variance of (actual - line) per unit of line, per stat."""
    seen = quotes[quotes["sound"] & quotes["main_line"] & quotes["actual"].notna()]
    sums = seen[["stat", "game_date"]].assign(
        squares=(seen["actual"] - seen["line"]) ** 2, lines=np.maximum(seen["line"], 0.5)
    )
    running = sums.groupby(["stat", "game_date"]).sum().groupby(level="stat").cumsum().reset_index()
    found = known_before(quotes["decided_on"], quotes[["stat"]], running)[["squares", "lines"]].fillna(0.0)
    return (found["squares"] + PRIOR_SPREAD * PRIOR_LINES) / (found["lines"] + PRIOR_LINES)


def market_view(
    quotes: pd.DataFrame,
    outcomes: pd.DataFrame | None = None,
    leave_one_out: bool = False,
    weights: pd.DataFrame | None = None,
    prior: BlendPrior = RELEASED,
) -> MarketView:
    """Screen the quotes, form the consensus and blend our forecast into it, all walk-forward.

    Args:
        quotes: contracts.QUOTES plus `p_over` (our P(actual > line) at the quote's level, NaN where none) and,
            where lines are whole numbers, `p_push` (our P(actual = line), 0 when absent).
        outcomes: as for `hygiene.screen`.
        leave_one_out: as for `add_consensus`.
        weights: of an earlier view: the newest fit of a pool up to a quote's week serves it. None fits them anew.
        prior: of weights that are fitted.

    Where no sound book quotes, the quote's own no-vig probability stands for the market (a pick'em line is even
    money, whatever its margin), unless its book is worse than a coin: then our own forecast is served. Where
    we have no forecast, the market is. `p_over_final` is NaN only where all are missing.
    """
    table = add_consensus(screen(quotes, outcomes).quotes, leave_one_out)
    push = table["p_push"].fillna(0.0) if "p_push" in table else pd.Series(0.0, index=table.index)
    ours = table["p_over"] / (1 - push).clip(lower=EDGE)
    own = table["no_vig"].where(table["reason"] != "book worse than a coin")
    market = table["p_consensus"].fillna(own)
    odds = pd.DataFrame({"market": _logit(market), "ours": _logit(ours)})
    pools = _pools(table)
    if weights is None:
        weights = fit_weekly(pd.concat([pools, _lessons(table, odds)], axis=1), prior)
    own_weights = weights_of(pools, weights)
    blended = expit(
        own_weights["intercept"] + own_weights["consensus"] * odds["market"] + own_weights["ours"] * odds["ours"]
    )
    conditional = blended.fillna(market).fillna(ours)
    return MarketView(table.assign(p_over_final=conditional * (1 - push)), weights)


def _logit(p: pd.Series) -> pd.Series:
    return pd.Series(logit(p.clip(EDGE, 1 - EDGE)), index=p.index)


def _pools(table: pd.DataFrame) -> pd.DataFrame:
    """What weights are for: the kind of collection, the stat, whether the ball was already up, and the Monday."""
    kinds = {name: quote_kind(name) for name in table["quote_set"].unique()}
    late = (table["moment"] >= table["tipoff_utc"]).fillna(False).astype(bool)
    day = table["decided_on"]
    week = day - pd.to_timedelta(day.dt.dayofweek, unit="D")
    return pd.DataFrame({"kind": table["quote_set"].map(kinds), "stat": table["stat"], "late": late, "week": week})


def _lessons(table: pd.DataFrame, odds: pd.DataFrame) -> pd.DataFrame:
    """What weights are learned from: the main lines that came to a decision; `date` is missing in the others."""
    known = table["sound"] & table["main_line"] & table["actual"].notna() & (table["actual"] != table["line"])
    known &= odds.notna().all(axis=1)
    over = (table["actual"] > table["line"]).astype("float64")
    unit = table.groupby(["game_id", "player_id", "stat"], sort=False).ngroup()
    return odds.assign(date=table["game_date"].where(known), y=over, unit=unit)
