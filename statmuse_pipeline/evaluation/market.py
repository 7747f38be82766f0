"""The model next to the market: paired Brier scores on real quotes, and the accuracy of the lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.evaluation.scores import EVERY_STAT, KEY, LineSet, brier, counted, ece, interval_by_date

LEAST_PRICE = 100.0
"""American prices lie outside (-100, 100)."""


SCORES = (
    "quotes", "overround", "brier_market", "ece_model", "brier_model", "model_minus_market", "model_minus_market_lo",
    "model_minus_market_hi",
)  # fmt: skip
"""What `score_market` tells of every group."""


def _implied(price: pd.Series) -> npt.NDArray[np.float64]:
    american = price.to_numpy(dtype="float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(american > 0, 100 / (american + 100), -american / (100 - american))


def _two_sided(quotes: pd.DataFrame) -> pd.DataFrame:
    """Quotes with two possible prices, with their no-vig probability and overround."""
    good = quotes[(quotes["over_price"].abs() >= LEAST_PRICE) & (quotes["under_price"].abs() >= LEAST_PRICE)]
    over, under = _implied(good["over_price"]), _implied(good["under_price"])
    return good.assign(no_vig=over / (over + under), overround=over + under - 1)


def score_market(quotes: pd.DataFrame, outcomes: pd.DataFrame, *, by: Sequence[str] = ("stat",)) -> pd.DataFrame:
    """Brier scores of model and market on the same real two-sided quotes, pushes left out.

    Args:
        quotes: game_id, player_id, stat, line, over_price, under_price (American), p_over [p_over_final]
            and the columns of `by`; rows without p_over are left out.
        outcomes: of `scores.outcomes()`.
        by: the grouping; with "stat" in it, rows with stat "all" pool the stats.

    Returns:
        by..., line_set, quotes, overround, brier_market, brier_model, ece_model, model_minus_market,
        model_minus_market_lo, model_minus_market_hi (95%, dates drawn with replacement) [brier_final,
        final_minus_market, final_minus_market_lo, final_minus_market_hi]. Empty without quotes.
    """
    rows = counted(_two_sided(quotes[quotes["p_over"].notna()]), outcomes)
    rows = rows[rows["actual"] != rows["line"]]
    rows = rows.assign(over=(rows["actual"] > rows["line"]).astype("float64"))
    parts = [rows.assign(stat=EVERY_STAT), rows] if "stat" in by else [rows]
    table = []
    for part in parts:
        for names, group in part.groupby(list(by), sort=True, observed=True):
            table.append({**dict(zip(by, names, strict=True)), "line_set": LineSet.MARKET.value, **_paired(group)})
    return pd.DataFrame(table) if table else pd.DataFrame(columns=[*by, "line_set", *SCORES])


def _paired(group: pd.DataFrame) -> dict[str, Any]:
    over = group["over"].to_numpy()
    market = (group["no_vig"].to_numpy() - over) ** 2
    scores: dict[str, Any] = {
        "quotes": len(group), "overround": float(group["overround"].mean()), "brier_market": float(market.mean()),
        "ece_model": ece(group["p_over"], over),
    }  # fmt: skip
    for column, label in (("p_over", "model"), ("p_over_final", "final")):
        if column not in group or group[column].isna().any():
            continue
        gain = (group[column].to_numpy(dtype="float64") - over) ** 2 - market
        low, high = interval_by_date(gain, np.ones(len(gain)), group["game_date"])
        scores |= {
            f"brier_{label}": brier(group[column], over), f"{label}_minus_market": float(gain.mean()),
            f"{label}_minus_market_lo": low, f"{label}_minus_market_hi": high,
        }  # fmt: skip
    return scores


def line_accuracy(quotes: pd.DataFrame, forecasts: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """How near the forecasts and the market's own lines come to what happened, in MAE.

    Some books quote ladders, so a book's line is the one with the most even prices, and a player-game's
    line the median over books and moments: a far rung would make the market look bad and ring no bell or
    a false one.

    Args:
        quotes: game_id, player_id, stat, bookmaker, captured_at, line, over_price, under_price [level].
        forecasts: game_id, player_id, stat, mean, median [level]; joined on level where both have it.
        outcomes: of `scores.outcomes()`.

    Returns:
        stat ("all" first), rows (player-games), line_mae, mean_mae, median_mae, mae_ratio: the better of the
        two forecast MAEs over the line's. Empty without quotes.
    """
    keys = [*KEY, "level"] if "level" in quotes and "level" in forecasts else list(KEY)
    two = _two_sided(quotes)
    two = two.assign(uneven=(two["no_vig"] - 0.5).abs())
    moment = [*keys, "bookmaker", "captured_at"]
    main = two.sort_values([*moment, "uneven", "line"]).drop_duplicates(moment)
    line = main.groupby(keys, as_index=False, observed=True)["line"].median()
    rows = counted(line.merge(forecasts[[*keys, "mean", "median"]], on=keys, validate="one_to_one"), outcomes)
    table = []
    for name in [EVERY_STAT, *(stat.value for stat in Stat)]:
        part = rows if name == EVERY_STAT else rows[rows["stat"] == name]
        if part.empty:
            continue
        mae = {column: float((part[column] - part["actual"]).abs().mean()) for column in ("line", "mean", "median")}
        ratio = min(mae["mean"], mae["median"]) / mae["line"] if mae["line"] else float("nan")
        table.append(
            {"stat": name, "rows": len(part), "line_mae": mae["line"], "mean_mae": mae["mean"],
             "median_mae": mae["median"], "mae_ratio": ratio}
        )  # fmt: skip
    return pd.DataFrame(table, columns=["stat", "rows", "line_mae", "mean_mae", "median_mae", "mae_ratio"])
