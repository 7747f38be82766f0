"""What the market believes, and our forecast blended into it.

**Consensus**: at the moment of a quote, the latest quote of every sound book up to that moment (none older than
`FRESH`; of a ladder the line nearest to the quote's), its no-vig probability moved to the quote's line and all
averaged. Moving is done in
normal-quantile space: a line `d` higher lowers the quantile by d / sd, where sd = sqrt(spread * line) and
`spread` = sum (actual - line)^2 / sum line is learned per stat on earlier dates. For equal lines nothing moves.

**Blend**: logit p_final = a + b * logit consensus + c * logit ours, per kind of collection, stat and side of the
tip-off, fitted weekly on earlier dates by logistic regression with a normal prior at consensus alone
(a = 0, b = 1, c = 0). Logit pooling: Satopaa et al., "Combining multiple probability predictions using a simple
logit model", International Journal of Forecasting 30 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

from statmuse_pipeline.betting.hygiene import MARKET, known_before, quote_kind, screen

Floats = NDArray[np.float64]

FRESH = pd.Timedelta(hours=12)
"""A book's line older than this says nothing about the market of the moment."""

PRIOR_SPREAD = 1.5
PRIOR_LINES = 2000.0
"""Spread before any outcome is known, worth this sum of lines (about 150 points quotes)."""

MINIMUM_MARKETS = 1000
"""Resolved player-game-stats of earlier dates below which the consensus is served alone."""

PRIOR_SD = (0.02, 0.10, 0.15)
"""Prior standard deviations of a, b, c around (0, 1, 0): a market is rarely wrong by more.

Chosen on quotes before the test window among tighter and wider ones: over 13 markets it gains .00066 of Brier on the
quotes themselves, as the best do, and more steadily (2.5 standard errors in the mean; .00065 and 2.0 with .05, .1, .2).
"""

EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1 before they go through a logit."""


@dataclass(frozen=True)
class MarketView:
    """The market's and the blended probabilities.

    Attributes:
        quotes: the screened quotes with the columns added `p_consensus` (P(over | no push), NaN where no sound
            book quoted), `books` (how many stand in it) and `p_over_final` (P(over), pushes not counted as overs).
        weights: DataFrame[kind, stat, late, week, markets, intercept, consensus, ours], one row a fit.
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
) -> MarketView:
    """Screen the quotes, form the consensus and blend our forecast into it, all walk-forward.

    Args:
        quotes: contracts.QUOTES plus `p_over` (our P(actual > line) at the quote's level, NaN where none) and,
            where lines are whole numbers, `p_push` (our P(actual = line), 0 when absent).
        outcomes: as for `hygiene.screen`.
        leave_one_out: as for `add_consensus`.
        weights: of an earlier view: the newest fit of a pool up to a quote's week serves it. None fits them anew.

    Where no sound book quotes, the quote's own no-vig probability stands for the market (a pick'em line is even
    money, whatever its margin), unless its book is worse than a coin: then our own forecast is served. Where
    we have no forecast, the market is. `p_over_final` is NaN only where all are missing.
    """
    table = add_consensus(screen(quotes, outcomes).quotes, leave_one_out)
    push = table["p_push"].fillna(0.0) if "p_push" in table else pd.Series(0.0, index=table.index)
    ours = table["p_over"] / (1 - push).clip(lower=EDGE)
    own = table["no_vig"].where(table["reason"] != "book worse than a coin")
    market = table["p_consensus"].fillna(own)
    features = pd.DataFrame({"market": _logit(market), "ours": _logit(ours)})
    if weights is None:
        weights = _fit_weekly(table, features)
    a, b, c = (table_of.reindex(table.index) for table_of in _weights_of_rows(table, weights))
    blended = expit(a + b * features["market"] + c * features["ours"])
    conditional = blended.fillna(market).fillna(ours)
    return MarketView(table.assign(p_over_final=conditional * (1 - push)), weights)


def _logit(p: pd.Series) -> pd.Series:
    return pd.Series(logit(p.clip(EDGE, 1 - EDGE)), index=p.index)


def _pools(table: pd.DataFrame) -> pd.DataFrame:
    """What a blend is fitted for: the kind of collection, the stat, and whether the ball was already up."""
    kinds = {name: quote_kind(name) for name in table["quote_set"].unique()}
    late = (table["moment"] >= table["tipoff_utc"]).fillna(False).astype(bool)
    return pd.DataFrame({"kind": table["quote_set"].map(kinds), "stat": table["stat"], "late": late})


def _weeks(days: pd.Series) -> pd.Series:
    """The Monday of each day."""
    return days - pd.to_timedelta(days.dt.dayofweek, unit="D")


def _fit_weekly(table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """One fit a pool and week, on the main lines of all game dates before that week's Monday."""
    keys = _pools(table)
    known = table["sound"] & table["main_line"] & table["actual"].notna() & (table["actual"] != table["line"])
    known &= features.notna().all(axis=1)
    rows = keys.assign(date=table["game_date"], y=(table["actual"] > table["line"]).astype(float), **features)
    rows["unit"] = table.groupby(["game_id", "player_id", "stat"], sort=False).ngroup()
    weeks = (
        keys.assign(week=_weeks(table["decided_on"])).drop_duplicates().sort_values(["kind", "stat", "late", "week"])
    )
    by_pool = dict(tuple(rows[known].sort_values("date", kind="stable").groupby(["kind", "stat", "late"])))
    fits = []
    for name, asked in weeks.groupby(["kind", "stat", "late"]):
        start = np.array([0.0, 1.0, 0.0])
        pool = by_pool.get(name, rows.iloc[:0])
        for week in asked["week"]:
            past = pool[pool["date"] < week]
            markets = past["unit"].nunique()
            if markets >= MINIMUM_MARKETS:
                start = _fit_blend(past, start)
                fits.append((*name, week, markets, *start))
    return pd.DataFrame(fits, columns=["kind", "stat", "late", "week", "markets", "intercept", "consensus", "ours"])


def _fit_blend(past: pd.DataFrame, start: Floats) -> Floats:
    """Maximum a posteriori weights (a, b, c) by Newton's method; each player-game-stat counts once."""
    x = np.column_stack([np.ones(len(past)), past["market"], past["ours"]])
    y = past["y"].to_numpy()
    weight = 1 / past.groupby("unit")["unit"].transform("size").to_numpy()
    prior, precision = np.array([0.0, 1.0, 0.0]), 1 / np.square(PRIOR_SD)
    theta = start.copy()
    for _ in range(25):
        p = expit(x @ theta)
        gradient = x.T @ (weight * (y - p)) - precision * (theta - prior)
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        theta += step
        if np.abs(step).max() < 1e-9:
            break
    return theta


def _weights_of_rows(table: pd.DataFrame, weights: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """The newest weights that were known in each row's week; consensus alone where no fit was."""
    pool = ["kind", "stat", "late"]
    keys = _pools(table).assign(week=_weeks(table["decided_on"]), row=np.arange(len(table)))
    if weights.empty:
        found = keys.assign(intercept=np.nan, consensus=np.nan, ours=np.nan)
    else:
        fits = weights.astype({name: keys[name].dtype for name in [*pool, "week"]}).sort_values("week", kind="stable")
        found = pd.merge_asof(keys.sort_values("week", kind="stable"), fits, on="week", by=pool)
        found = found.sort_values("row").set_axis(table.index)
    fitted = found["consensus"].notna()
    return tuple(  # type: ignore[return-value]
        found[name].where(fitted, default) for name, default in (("intercept", 0.0), ("consensus", 1.0), ("ours", 0.0))
    )
