"""The backtest: strategies on real quotes that passed hygiene, graded, with honest intervals.

Nothing here promises profit: an interval that holds zero shows no edge, and past prices can't be bet on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.betting import odds, staking
from statmuse_pipeline.betting.consensus import add_consensus, market_view
from statmuse_pipeline.betting.hygiene import screen
from statmuse_pipeline.betting.strategies import (
    ONE_BET,
    REFERENCE_PREFIX,
    STRATEGIES,
    Strategy,
    choose_bets,
    offers,
    reference_quotes,
)
from statmuse_pipeline.contracts import BETS, QUOTES, check
from statmuse_pipeline.domain import PipelineError

TARGET_ROI = 0.05
MINIMUM_DAYS = 20
"""With fewer betting days a bootstrap over dates means nothing and the verdict stays open."""

DRAWS = 2000

BET_COLUMNS = [*BETS.columns, "staking", "quote_set", "actual", "closing_probability", "clv"]


@dataclass(frozen=True)
class Backtest:
    """What the strategies would have made.

    Attributes:
        bets: contracts.BETS of real quotes, plus staking ("flat" or "kelly"), quote_set, actual, closing_probability
            and clv (see `closing_probabilities`; NaN where the line was not quoted again).
        reference_bets: the same on reference lines, which nobody offered; never to be exported as bets.
        summary: one row a strategy and staking: see `summarize`.
        bankroll: DataFrame[strategy, staking, game_date, bets, staked, profit, bankroll].
        exclusions: DataFrame[reason, quote_set, quotes] of the quotes in the window that could not be bet on.
        by_book, by_stat: DataFrame[strategy, staking, bookmaker | stat, bets, days, staked, profit, roi, roi_low,
            roi_high, hit_rate].
        model_mae, line_mae: mean absolute error of our median and of the main line over the window's sound main
            lines (None when the quotes have no column `median`), over `mae_quotes` player-game-stats.
        blend_weights: the weekly weights behind `p_over_final`; empty when the caller brought that column.
    """

    bets: pd.DataFrame
    reference_bets: pd.DataFrame
    summary: pd.DataFrame
    bankroll: pd.DataFrame
    exclusions: pd.DataFrame
    by_book: pd.DataFrame
    by_stat: pd.DataFrame
    model_mae: float | None
    line_mae: float | None
    mae_quotes: int
    blend_weights: pd.DataFrame


def run_backtest(
    quotes: pd.DataFrame,
    reference_lines: pd.DataFrame | None = None,
    *,
    start: dt.date,
    end: dt.date,
    seed: int,
) -> Backtest:
    """Bet on every game date from start to end (both included).

    Args:
        quotes: contracts.QUOTES plus `p_over` (ours at the quote's level), `actual`, `season_average`, and optionally
            `p_push` (0 when absent), `median` (ours) and `p_over_final` (computed when absent). Quotes before
            `start` are the history on which books and blends are judged: pass them too.
        reference_lines: see `strategies.reference_quotes`; lines of player-game-stats with a quote are left out.
        seed: of the bootstrap over dates.

    Raises:
        PipelineError: when a column is missing, a contract is broken or start is after end.
    """
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if first > last:
        raise PipelineError(f"The backtest's start {start} is after its end {end}: swap them.")
    _require(quotes, ("p_over", "actual", "season_average"), "quotes")
    check(QUOTES, quotes)
    view, weights = _view(quotes)
    view = view.assign(p_closing=closing_probabilities(view))
    window = view[view["game_date"].between(first, last)]
    for column, name in (("actual", "no outcome yet"), ("p_over", "no forecast of ours")):
        unknown = (window["reason"] == "") & window[column].isna()
        window = window.assign(reason=window["reason"].mask(unknown, name))
    excluded = window[window["reason"] != ""].groupby(["reason", "quote_set"], as_index=False).size()
    real = _place(offers(window[window["reason"] == ""]), STRATEGIES)
    reference = real.iloc[:0]
    if reference_lines is not None:
        reference = _reference_bets(reference_lines, quotes, first, last)
    everything = pd.concat([real, reference], ignore_index=True)
    model_mae, line_mae, counted = _absolute_errors(window)
    return Backtest(
        bets=real,
        reference_bets=reference,
        summary=summarize(everything, ["strategy", "staking"], seed),
        bankroll=_curves(everything),
        exclusions=excluded.rename(columns={"size": "quotes"}),
        by_book=summarize(real, ["strategy", "staking", "bookmaker"], seed),
        by_stat=summarize(everything, ["strategy", "staking", "stat"], seed),
        model_mae=model_mae,
        line_mae=line_mae,
        mae_quotes=counted,
        blend_weights=weights,
    )


def _require(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise PipelineError(f"The {name} of the backtest lack the columns {', '.join(missing)}.")


def _view(quotes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Screened quotes with consensus and p_over_final, which is computed unless the caller brought it."""
    quotes = quotes.reset_index(drop=True)
    if "p_over_final" in quotes:
        return add_consensus(screen(quotes).quotes), pd.DataFrame()
    view = market_view(quotes)
    return view.quotes, view.weights


def _place(table: pd.DataFrame, strategies: tuple[Strategy, ...], prefix: str = "") -> pd.DataFrame:
    """Choose, stake and grade; contracts.BETS plus the columns of BET_COLUMNS."""
    placed = []
    for strategy in strategies:
        bets = choose_bets(table, strategy)
        per_unit = odds.profit(bets["side"], bets["line"], bets["actual"], bets["price"])
        share = staking.kelly_share(bets["probability"], bets["price"], bets["push"])
        bets = bets.assign(profit_per_unit=per_unit, kelly_share=share, strategy=prefix + strategy.name)
        placed.append(staking.stake_flat(bets).assign(staking="flat"))
        if strategy.kelly:
            name = f"{prefix}{strategy.name}, quarter Kelly"
            placed.append(staking.stake_kelly(bets).assign(staking="kelly", strategy=name))
    every = pd.concat(placed, ignore_index=True).astype({"strategy": "str", "staking": "str", "side": "str"})
    return check(BETS, every.reindex(columns=BET_COLUMNS).astype({"closing_probability": float, "clv": float}))


def _reference_bets(lines: pd.DataFrame, quotes: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Bets on the reference line of player-game-stats that nobody quoted."""
    _require(lines, ("season", "game_date", *ONE_BET, "season_average", "actual", "p_over"), "reference lines")
    quoted = pd.MultiIndex.from_frame(quotes[ONE_BET].drop_duplicates())
    keep = ~pd.MultiIndex.from_frame(lines[ONE_BET]).isin(quoted)
    keep &= lines["game_date"].between(first, last) & lines["actual"].notna()
    known = reference_quotes(lines[keep].reset_index(drop=True))
    own = tuple(strategy for strategy in STRATEGIES if strategy.probability != "p_final")
    return _place(offers(known), own, REFERENCE_PREFIX)


def closing_probabilities(view: pd.DataFrame) -> pd.Series:
    """P(over | no push) in the last consensus before tip-off at a quote's own line, over all collections.

    NaN where that line was not quoted again after the quote's moment: a line that moved away for good gives no
    value here, so the mean closing value of bets understates big moves.
    """
    keys = [*ONE_BET, "line"]
    open_for_bets = view["sound"] & (view["moment"] < view["tipoff_utc"]).fillna(False) & view["p_consensus"].notna()
    known = view.loc[open_for_bets, [*keys, "moment", "p_consensus"]]
    last = known[known["moment"] == known.groupby(keys)["moment"].transform("max")]
    closing = last.groupby(keys, as_index=False).agg(closed=("moment", "first"), p_closing=("p_consensus", "mean"))
    found = view[[*keys, "moment"]].merge(closing, on=keys, how="left").set_axis(view.index)
    return found["p_closing"].where((found["closed"] > found["moment"]).fillna(False))


def _absolute_errors(window: pd.DataFrame) -> tuple[float | None, float | None, int]:
    """MAE of our median, of the line, and the number of player-game-stats; one mean line each."""
    if "median" not in window:
        return None, None, 0
    seen = window[window["sound"] & window["main_line"] & window["median"].notna() & window["actual"].notna()]
    if seen.empty:
        return None, None, 0
    one = seen.groupby(ONE_BET)[["median", "line", "actual"]].mean()
    ours, line = (one["median"] - one["actual"]).abs().mean(), (one["line"] - one["actual"]).abs().mean()
    return float(ours), float(line), len(one)


def summarize(bets: pd.DataFrame, by: list[str], seed: int) -> pd.DataFrame:
    """One row a group: bets, days, staked, profit, roi, roi_low, roi_high (95%, dates drawn with replacement),
    hit_rate (wins over wins and losses), wins, decided, max_drawdown (units, from a peak that starts at 0),
    sharpe (mean over standard deviation of the daily profit on betting days, not annualised), clv (mean), verdict
    on a ROI of 5% ("met", "not met", "undecided").
    """
    rows = []
    for name, group in bets.groupby(by, sort=True):
        daily = group.groupby("game_date")[["profit", "stake"]].sum().sort_index()
        low, high = roi_interval(daily, seed)
        wins, decided = int((group["profit"] > 0).sum()), int((group["profit"] != 0).sum())
        account = np.concatenate([[0.0], daily["profit"].cumsum()])
        spread = daily["profit"].std(ddof=1)
        rows.append(
            {
                **dict(zip(by, name, strict=True)),
                "bets": len(group),
                "days": len(daily),
                "staked": daily["stake"].sum(),
                "profit": daily["profit"].sum(),
                "roi": daily["profit"].sum() / daily["stake"].sum(),
                "roi_low": low,
                "roi_high": high,
                "verdict": verdict(low, high, len(daily)),
                "hit_rate": wins / decided if decided else np.nan,
                "wins": wins,
                "decided": decided,
                "max_drawdown": float((np.maximum.accumulate(account) - account).max()),
                "sharpe": daily["profit"].mean() / spread if spread > 0 else np.nan,
                "clv": group["clv"].mean(),
            }
        )
    return pd.DataFrame(rows, columns=[*by, *SUMMARY_COLUMNS])


SUMMARY_COLUMNS = [
    "bets", "days", "staked", "profit", "roi", "roi_low", "roi_high", "verdict", "hit_rate", "wins", "decided",
    "max_drawdown", "sharpe", "clv",
]  # fmt: skip


def roi_interval(daily: pd.DataFrame, seed: int) -> tuple[float, float]:
    """95% interval of sum(profit) / sum(stake) over days drawn with replacement (percentile bootstrap)."""
    sums = daily[["profit", "stake"]].to_numpy(dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (DRAWS, len(sums)))
    totals = sums[drawn].sum(axis=1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return float(low), float(high)


def verdict(low: float, high: float, days: int) -> str:
    """Whether the ROI target is "met" (interval above it), "not met" (below) or "undecided"."""
    if days < MINIMUM_DAYS:
        return "undecided"
    return "met" if low > TARGET_ROI else "not met" if high < TARGET_ROI else "undecided"


def _curves(bets: pd.DataFrame) -> pd.DataFrame:
    """The bankroll of every strategy and staking, one row a day."""
    columns = ["strategy", "staking", "game_date", "bets", "staked", "profit", "bankroll"]
    parts = [
        staking.bankroll_curve(group).assign(strategy=group["strategy"].iloc[0], staking=group["staking"].iloc[0])
        for _, group in bets.groupby(["strategy", "staking"], sort=True)
    ]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
