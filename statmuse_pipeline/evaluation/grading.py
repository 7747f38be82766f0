"""Forecasts made before tip-off against what happened.

A player who did not play makes his forecasts and lines void, as a bet on him would be. Means are judged by error,
intervals by coverage, distributions by CRPS, lines by Brier score and by whether the likelier side came true.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import Combination, Stat
from statmuse_pipeline.evaluation.scores import EVERY_STAT, crps
from statmuse_pipeline.forecasting import Forecasts

KEY = ["game_id", "player_id", "stat"]

SUMS = (
    "forecasts", "void", "graded", "absolute_error", "squared_error", "error", "inside80", "crps", "quoted_lines",
    "void_lines", "pushes", "decided_lines", "hits", "brier", "market_lines", "brier_on_market", "market_brier",
    "final_brier",
)  # fmt: skip
"""Columns of `Grades.sums`: counts, and sums over the graded forecasts or over the decided lines. The three last are
sums over `market_lines`, the decided quotes of which the market's probability is known."""


@dataclass(frozen=True)
class Grades:
    """One night, graded.

    Attributes:
        forecasts: game_id, player_id, stat, level, model, mean, median, lo80, hi80, actual (NaN where void), void,
            error (mean - actual), inside80, crps.
        lines: the lines of the night with actual, `result` ("over", "under", "push", "void"), `hit` (whether the side
            we held for likelier came true) and `brier` (both NaN where there was no decision).
        sums: one row a stat, and one for all: `SUMS`, so that nights add up.
    """

    forecasts: pd.DataFrame
    lines: pd.DataFrame
    sums: pd.DataFrame


def grade(forecasts: Forecasts, lines: pd.DataFrame, player_games: pd.DataFrame) -> Grades:
    """Grade the forecasts and lines of games that are over.

    Args:
        forecasts: made before tip-off, of games that were played and no others.
        lines: contracts.SLATE_LINES of these games.
        player_games: contracts.PLAYER_GAMES with every row of these games.
    """
    actual = _actuals(player_games)
    graded = _graded_forecasts(forecasts, actual)
    settled = _settled(lines, actual)
    stats = [stat.value for stat in Stat if (graded["stat"] == stat.value).any()]
    # Sums are not forecast for themselves: of them there are quoted lines alone.
    stats += [item.value for item in Combination if (settled["stat"] == item.value).any()]
    parts = [(name, graded[graded["stat"] == name], settled[settled["stat"] == name]) for name in stats]
    table = [_sums(name, *rest) for name, *rest in [*parts, (EVERY_STAT, graded, settled)]]
    return Grades(graded, settled, pd.DataFrame(table, columns=["stat", *SUMS]))


def totals(nights: pd.DataFrame) -> pd.DataFrame:
    """Scores over nights: one row a stat of `sums` put together, in the order of the vocabulary.

    Returns:
        stat, nights, forecasts, void, graded, mae, rmse, bias, cover80, crps, quoted_lines, decided_lines, pushes,
        hit_rate, brier, market_lines, brier_on_market, market_brier, final_brier; NaN where nothing was graded.
    """
    names = [*Stat, *Combination, EVERY_STAT]
    table = nights.groupby("stat")[list(SUMS)].sum()
    count = nights.groupby("stat").size()
    table = table.reindex([name for name in names if name in table.index])
    graded, decided, market = (table[name].replace(0, np.nan) for name in ("graded", "decided_lines", "market_lines"))
    counts = ["forecasts", "void", "graded", "quoted_lines", "decided_lines", "pushes", "market_lines"]
    scores = pd.DataFrame(
        {
            "nights": count.reindex(table.index),
            **{name: table[name].astype("int64") for name in counts},
            "mae": table["absolute_error"] / graded,
            "rmse": np.sqrt(table["squared_error"] / graded),
            "bias": table["error"] / graded,
            "cover80": table["inside80"] / graded,
            "crps": table["crps"] / graded,
            "hit_rate": table["hits"] / decided,
            "brier": table["brier"] / decided,
            **{name: table[name] / market for name in ("brier_on_market", "market_brier", "final_brier")},
        }
    )
    return scores.rename_axis("stat").reset_index()


def _actuals(player_games: pd.DataFrame) -> pd.DataFrame:
    """game_id, player_id, stat, actual of everyone who played."""
    played, keys = player_games[player_games["min"] > 0], ["game_id", "player_id"]
    made = {item.value: played[[part.column for part in item.parts]].sum(axis=1) for item in (*Stat, *Combination)}
    long = played[keys].assign(**made).melt(keys, list(made), var_name="stat", value_name="actual")
    return long.astype({"actual": "float64"})


def _graded_forecasts(forecasts: Forecasts, actual: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for stat, distribution in forecasts.distributions.items():
        rows = forecasts.keys(stat).merge(actual, on=KEY, how="left", validate="one_to_one")
        played = rows["actual"].notna().to_numpy()
        score = np.full(len(rows), np.nan)
        score[played] = crps(distribution.survival[played], rows["actual"].to_numpy()[played])
        parts.append(rows.assign(crps=score))
    table = pd.concat(parts, ignore_index=True)
    inside = ((table["actual"] >= table["lo80"]) & (table["actual"] <= table["hi80"])).astype("float64")
    void = table["actual"].isna()
    names = [*KEY, "level", "model", "mean", "median", "lo80", "hi80", "actual", "void", "error", "inside80", "crps"]
    return table.assign(void=void, error=table["mean"] - table["actual"], inside80=inside.mask(void))[names]


def _settled(lines: pd.DataFrame, actual: pd.DataFrame) -> pd.DataFrame:
    table = lines.merge(actual, on=KEY, how="left")
    beyond = np.sign(table["actual"] - table["line"])
    result = np.select([table["actual"].isna(), beyond > 0, beyond < 0], ["void", "over", "under"], default="push")
    decided = pd.Series(np.isin(result, ["over", "under"]), index=table.index)
    went_over = pd.Series(result == "over", index=table.index).astype("float64")
    ours = table["p_over"] / (1 - table["p_push"]).clip(lower=1e-9)
    final = table["p_over_final"] / (1 - table["p_push"]).clip(lower=1e-9)
    # Neither side was held for likelier at exactly one half: half a hit.
    hit = np.where(ours == 0.5, 0.5, ((ours > 0.5) == (went_over == 1.0)).astype("float64"))
    return table.assign(
        result=pd.Series(result, index=table.index, dtype="str"),
        hit=pd.Series(hit, index=table.index).where(decided),
        brier=((ours - went_over) ** 2).where(decided),
        market_brier=((table["p_consensus"] - went_over) ** 2).where(decided),
        final_brier=((final - went_over) ** 2).where(decided),
    )


def _sums(name: str, forecasts: pd.DataFrame, lines: pd.DataFrame) -> dict[str, object]:
    quoted = lines[lines["bookmaker"].notna()]
    market = quoted[quoted["market_brier"].notna() & quoted["final_brier"].notna()]
    return {
        "stat": name,
        "forecasts": len(forecasts),
        "void": int(forecasts["void"].sum()),
        "graded": int((~forecasts["void"]).sum()),
        "absolute_error": float(forecasts["error"].abs().sum()),
        "squared_error": float((forecasts["error"] ** 2).sum()),
        "error": float(forecasts["error"].sum()),
        "inside80": float(forecasts["inside80"].sum()),
        "crps": float(forecasts["crps"].sum()),
        "quoted_lines": len(quoted),
        "void_lines": int((lines["result"] == "void").sum()),
        "pushes": int((lines["result"] == "push").sum()),
        "decided_lines": int(lines["brier"].notna().sum()),
        "hits": float(lines["hit"].sum()),
        "brier": float(lines["brier"].sum()),
        "market_lines": len(market),
        "brier_on_market": float(market["brier"].sum()),
        "market_brier": float(market["market_brier"].sum()),
        "final_brier": float(market["final_brier"].sum()),
    }
