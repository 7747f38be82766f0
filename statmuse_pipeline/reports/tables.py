"""Data frames as tables of text: labels, number formats and one-line explanations of every metric."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

MISSING = "n/a"
INTERVAL_ENDS = (("_lo", "_hi"), ("_low", "_high"))


def number(value: Any) -> str:
    """12345 -> 12,345."""
    return f"{value:,.0f}"


def decimals(digits: int) -> Callable[[Any], str]:
    """A formatter with that many decimals."""
    return lambda value: f"{value:,.{digits}f}"


def signed(digits: int) -> Callable[[Any], str]:
    """A formatter with that many decimals and a sign."""
    return lambda value: f"{value:+,.{digits}f}"


def share(value: Any) -> str:
    """0.523 -> 52.3%."""
    return f"{value:.1%}"


def signed_share(value: Any) -> str:
    """0.031 -> +3.1%."""
    return f"{value:+.1%}"


def signed_fine_share(value: Any) -> str:
    """0.00031 -> +0.03%."""
    return f"{value:+.2%}"


@dataclass(frozen=True)
class Column:
    """How a column is shown, and which side of `par` is the good one (None: neither)."""

    label: str
    show: Callable[[Any], str] | None = None
    par: float | None = None
    lower_is_better: bool = True


COLUMNS: dict[str, Column] = {
    "stat": Column("Stat"),
    "model": Column("Model"),
    "player_name": Column("Player"),
    "player_id": Column("NBA id", str),
    "rows": Column("Rows", number),
    "games": Column("Games", number),
    "coverage": Column("Coverage", share),
    "rmse": Column("RMSE", decimals(3)),
    "rmse_ewm": Column("RMSE of baseline", decimals(3)),
    "rmse_ratio": Column("RMSE ratio", decimals(3), par=1.0),
    "bias": Column("Bias", signed(3)),
    "mae": Column("MAE", decimals(3)),
    "mae_ewm": Column("MAE of baseline", decimals(3)),
    "mae_ratio": Column("MAE ratio", decimals(3), par=1.0),
    "median_mae_ratio": Column("Median's MAE ratio", decimals(3), par=1.0),
    "cover50": Column("In 50% interval", share),
    "cover80": Column("In 80% interval", share),
    "cover95": Column("In 95% interval", share),
    "claimed50": Column("Claimed", share),
    "claimed80": Column("Claimed", share),
    "claimed95": Column("Claimed", share),
    "log_score": Column("Log score", decimals(3)),
    "absent": Column("Did not play", share),
    "group": Column("Players"),
    "asked": Column("Players asked about", number),
    "brier_base": Column("Brier of that share itself", decimals(4)),
    "expected": Column("Played", number),
    "limited": Column("Limited", share),
    "limited_said": Column("Said", share),
    "extended": Column("Extended", share),
    "extended_said": Column("Said", share),
    "split": Column("Split"),
    "month": Column("Month"),
    "role": Column("Role"),
    "gain": Column("Squared error gained", signed_fine_share, par=0.0, lower_is_better=False),
    "players": Column("Players", number),
    "better": Column("Better", share),
    "worse": Column("Worse", share),
    "turned_off": Column("Turned off", share),
    "stats_on": Column("Stats turned on", number),
    "gain_voting": Column("Voting", signed_share, par=0.0, lower_is_better=False),
    "gain_stacking": Column("Stacking", signed_share, par=0.0, lower_is_better=False),
    "gain_served": Column("Served", signed_share, par=0.0, lower_is_better=False),
    "crps": Column("CRPS", decimals(3)),
    "crps_diff": Column("CRPS - joint", signed(4)),
    "ladder_brier_diff": Column("Brier - joint", signed(5)),
    "mse": Column("Squared error", decimals(2)),
    "minutes": Column("Minutes", share),
    "noise": Column("Noise of events", share),
    "rest": Column("Efficiency and role", share),
    "line_set": Column("Lines"),
    "brier": Column("Brier", decimals(4)),
    "ladder_brier": Column("Ladder Brier", decimals(4)),
    "season_brier": Column("Season-line Brier", decimals(4)),
    "ece": Column("ECE", decimals(4)),
    "ladder_ece": Column("Ladder ECE", decimals(4)),
    "log_loss": Column("Log loss", decimals(4)),
    "ladder_log_loss": Column("Ladder log loss", decimals(4)),
    "worst_stat": Column("Worst stat"),
    "worst_rmse_ratio": Column("Its RMSE ratio", decimals(3), par=1.0),
    "why": Column("Beyond the limit"),
    "quotes": Column("Quotes", number),
    "overround": Column("Overround", share),
    "brier_market": Column("Market Brier: market", decimals(4)),
    "brier_model": Column("Market Brier: model", decimals(4)),
    "brier_final": Column("Market Brier: model and market", decimals(4)),
    "ece_model": Column("Model's ECE", decimals(4)),
    "model_minus_market": Column("Model - market", signed(4), par=0.0),
    "final_minus_market": Column("Blend - market", signed(4), par=0.0),
    "brier_before": Column("Ladder Brier before", decimals(4)),
    "brier_after": Column("Ladder Brier after", decimals(4)),
    "ece_before": Column("Ladder ECE before", decimals(4)),
    "ece_after": Column("Ladder ECE after", decimals(4)),
    "kept": Column("Kept"),
    "strategy": Column("Strategy"),
    "staking": Column("Staking"),
    "bookmaker": Column("Book"),
    "bets": Column("Bets", number),
    "days": Column("Days", number),
    "staked": Column("Staked", decimals(1)),
    "profit": Column("Profit", signed(1)),
    "roi": Column("ROI", signed_share, par=0.0, lower_is_better=False),
    "verdict": Column("5% target"),
    "hit_rate": Column("Hit rate", share),
    "max_drawdown": Column("Drawdown", decimals(1)),
    "drawdown": Column("Drawdown", decimals(1)),
    "sharpe": Column("Sharpe", decimals(2)),
    "clv": Column("CLV", signed(3)),
    "reason": Column("Reason"),
    "name": Column("Column"),
    "of": Column("Model of"),
    "importance": Column("Share of all weight", share),
    "largest": Column("Most in"),
    "check": Column("Check"),
    "value": Column("Value", decimals(4)),
    "bound": Column("Must be"),
    "limit": Column("Limit", decimals(4)),
    "passed": Column("Passed"),
    "note": Column("Note"),
    "nights": Column("Nights", number),
    "graded": Column("Graded", number),
    "void": Column("Void", number),
    "decided_lines": Column("Lines", number),
    "market_lines": Column("Lines with a market", number),
    "brier_on_market": Column("Brier there: ours", decimals(4)),
    "market_brier": Column("Brier there: market", decimals(4)),
    "final_brier": Column("Brier there: blend", decimals(4)),
    "family": Column("Family"),
    "trials": Column("Trials", number),
    "params": Column("Parameters"),
}

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Rows that count", "Games a player entered, after at least ten earlier games of theirs."),
    ("Baseline", "The exponentially weighted mean of the player's earlier games (alpha 0.1)."),
    ("RMSE ratio", "Root mean squared error of our mean over the baseline's on the same rows; below 1 is better."),
    ("MAE ratio", "The same with mean absolute errors; flattered by forecasts that are too low, so read it with bias."),
    ("Bias", "Average forecast minus what happened, in units of the stat; 0 is fair."),
    ("Coverage", "Share of the rows that count for which there was a forecast."),
    ("In 50/80/95% interval", "How often the result fell into our interval; whole counts make it a little more."),
    ("Claimed", "The probability those intervals have by our own account. One count of steals, blocks or threes often "
     "holds more than half by itself: then no interval of whole counts holds just 50%."),
    ("Did not play", "Of those who belong to a team by their last game: no box-score line, or no whole minute."),
    ("Log score", "Minus the average logarithm of the probability given to the very count that came; lower is better."),
    ("Limited, extended", "Minutes below 60% of the usual (weighted mean of earlier games), and 6 or more above it, of "
     "those who played; beside each the probability that was said."),
    ("Role", "By expected minutes: starters 28 or more, rotation 15 or more, bench fewer."),
    ("Squared error gained", "How much less squared error than the pooled prior's, in units of the latter, all stats "
     "alike; the interval draws dates (of one player: games) with replacement."),
    ("Minutes, noise, efficiency and role", "Shares of the mean squared error: what knowing the minutes played would "
     "remove (a lower bound), what would be left if every event came independently of the others (an estimate), and "
     "the rest, below 0 where results are more even than that."),
    ("Joint, independent, direct", "A sum's distribution from the joint distribution of its parts, from the parts as "
     "if they had nothing to do with one another, and from a forecast of the sum itself."),
    ("Brier score", "Mean squared gap between probability and result: 0 is perfect, a coin scores 0.25. "
     "Scores on different sets of lines do not compare."),
    ("Ladder Brier", "Brier score on a fixed set of lines, many of them easy; far lower than on bookmakers' lines."),
    ("Season-line Brier", "Brier score on the line just above the whole part of the player's season average."),
    ("Market Brier", "Brier score on bookmakers' real lines, next to the bookmakers' own no-vig probabilities."),
    ("ECE", "Expected calibration error: average gap between forecast probability and frequency, in ten bins."),
    ("Log loss", "Minus the average logarithm of the probability given to what happened; punishes false certainty."),
    ("CRPS", "Distance of the whole forecast distribution from the result, in units of the stat; lower is better."),
    ("Overround", "The bookmaker's margin: sum of both implied probabilities minus 1."),
    ("ROI", "Profit over the sum of stakes; the interval comes from drawing game days with replacement."),
    ("Hit rate", "Share of decided bets that won; what it is worth depends on the prices."),
    ("Drawdown", "The deepest fall of the bankroll from an earlier peak."),
    ("Sharpe", "Average daily profit over its standard deviation."),
    ("CLV", "How far the closing line moved our way after the bet."),
    ("Placebo", "A bet without any forecast, such as every over: what luck and prices alone would have given."),
    ("5% target", "Met or not met only if the whole 95% interval of ROI lies on that side of 5%; else undecided."),
)  # fmt: skip
"""Every metric of the page in one line."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a tone (good, bad, best or nothing) and small print below it."""

    text: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class TableView:
    """What the template needs to draw a table."""

    caption: str
    headers: list[tuple[str, bool]]
    """Label and whether the column is right-aligned."""
    rows: list[list[Cell]]
    left_out: int = 0


def table_view(
    frame: pd.DataFrame | None,
    columns: Sequence[str] | None = None,
    *,
    caption: str = "",
    limit: int | None = None,
    tones: bool = True,
) -> TableView | None:
    """A frame as text; columns `x_lo` and `x_hi` (or `x_low`, `x_high`) become one interval column beside `x`.

    Args:
        frame: any frame; None or empty gives None.
        columns: which, in this order; names that the frame lacks are passed over. All, if None.
        caption: said above the table.
        limit: at most so many rows; the rest is counted in `left_out`.
        tones: mark good and bad values; a value with an interval only where the interval leaves no doubt.
    """
    if frame is None or frame.empty:
        return None
    top = frame if limit is None else frame.head(limit)
    names = [name for name in (columns or list(frame.columns)) if name in frame]
    shown = [name for name in names if not _end_of_interval(name, frame)]
    headers: list[tuple[str, bool]] = []
    drawn: list[list[Cell]] = []
    for name in shown:
        column = COLUMNS.get(name, Column(name.replace("_", " ").capitalize()))
        headers.append((column.label, _is_number(frame[name])))
        drawn.append([_cell(value, column) for value in top[name]])
        for low, high in INTERVAL_ENDS:
            if f"{name}{low}" in frame and f"{name}{high}" in frame:
                ends = list(zip(top[f"{name}{low}"], top[f"{name}{high}"], strict=True))
                drawn[-1] = [_undoubted(cell, *pair, column) for cell, pair in zip(drawn[-1], ends, strict=True)]
                headers.append(("95% interval", True))
                drawn.append([_interval(*pair, column) for pair in ends])
    if not tones:
        drawn = [[Cell(cell.text) for cell in cells] for cells in drawn]
    rows = [list(row) for row in zip(*drawn, strict=True)]
    return TableView(caption, headers, rows, len(frame) - len(rows))


def pivot_view(frame: pd.DataFrame, rows: str, columns: str, values: str, *, caption: str = "") -> TableView:
    """One value by two names, the lowest of every column marked as best."""
    table = frame.pivot_table(index=rows, columns=columns, values=values, sort=False)
    column, best = COLUMNS[values], table.min().to_numpy()
    drawn = []
    for name, numbers in zip(table.index, table.to_numpy(), strict=True):
        tones = ["best" if x == low else _tone(x, column) for x, low in zip(numbers, best, strict=True)]
        cells = [Cell(_text(x, column), tone) for x, tone in zip(numbers, tones, strict=True)]
        drawn.append([Cell(str(name).replace("_", " ")), *cells])
    headers = [(COLUMNS.get(rows, Column(rows)).label, False), *((str(key), True) for key in table.columns)]
    return TableView(caption, headers, drawn)


def _end_of_interval(name: str, frame: pd.DataFrame) -> bool:
    stems = [name.removesuffix(end) for pair in INTERVAL_ENDS for end in pair if name.endswith(end)]
    return any(stem in frame for stem in stems)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _text(value: Any, column: Column) -> str:
    if value is None or (not isinstance(value, (list, dict, tuple)) and pd.isna(value)):
        return MISSING
    if column.show is not None and not isinstance(value, str):
        return column.show(value)
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, (dt.date, dt.datetime)):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int) or pd.api.types.is_integer(value):
        return f"{value:,}"
    return str(value)


def _tone(value: Any, column: Column) -> str:
    if column.par is None or isinstance(value, str) or pd.isna(value) or value == column.par:
        return ""
    return "good" if (value < column.par) == column.lower_is_better else "bad"


def _cell(value: Any, column: Column) -> Cell:
    text = _text(value, column)
    tones = {"met": "good", "not met": "bad"} if column.label == "5% target" else {}
    if column.label == "Passed":
        tones = {"yes": "good", "no": "bad"}
    return Cell(text, tones.get(text) or _tone(value, column))


def _undoubted(cell: Cell, low: Any, high: Any, column: Column) -> Cell:
    """The cell without its tone, unless both ends of the interval deserve the same."""
    return cell if _tone(low, column) == _tone(high, column) == cell.tone else Cell(cell.text)


def _interval(low: Any, high: Any, column: Column) -> Cell:
    if pd.isna(low) or pd.isna(high):
        return Cell(MISSING)
    return Cell(f"{_text(low, column)} to {_text(high, column)}")
