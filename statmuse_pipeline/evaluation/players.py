"""Scores of every player, worst first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.scores import counted, on_ladder, probability_bin


def score_players(
    forecasts: pd.DataFrame, ladder: pd.DataFrame | None, outcomes: pd.DataFrame, *, minimum_games: int = 1
) -> pd.DataFrame:
    """Accuracy and calibration by player over all stats, worst RMSE ratio first.

    Args:
        forecasts: game_id, player_id, stat, mean; one row each.
        ladder: game_id, player_id, stat, line, p_over, or None.
        outcomes: of `scores.outcomes()`.
        minimum_games: players with fewer games that count are left out: noise.

    Returns:
        player_id, player_name, games, rmse_ratio, mae_ratio (means of the ratios of the stats that the player made at
        all in these games: to a centre without a three the baseline errs by nothing), worst_stat, worst_rmse_ratio,
        ladder_brier, ladder_ece.

    Raises:
        PipelineError: when a forecast is duplicated.
    """
    rows = counted(forecasts, outcomes)
    if rows.duplicated(["game_id", "player_id", "stat"]).any():
        raise PipelineError("The forecasts have duplicate player-games and stats: score one level at a time.")
    error, base = rows["mean"] - rows["actual"], rows["baseline"] - rows["actual"]
    sums = rows.assign(e2=error**2, b2=base**2, e1=error.abs(), b1=base.abs()).groupby(["player_id", "stat"])
    per_stat = sums[["e2", "b2", "e1", "b1", "actual"]].sum()
    per_stat = per_stat[(per_stat["b2"] > 0) & (per_stat["actual"] > 0)]
    per_stat = per_stat.assign(
        rmse_ratio=np.sqrt(per_stat["e2"] / per_stat["b2"]), mae_ratio=per_stat["e1"] / per_stat["b1"]
    ).reset_index()
    by_player = per_stat.groupby("player_id")
    table = by_player[["rmse_ratio", "mae_ratio"]].mean()
    worst = per_stat.loc[by_player["rmse_ratio"].idxmax()].set_index("player_id")
    table["worst_stat"], table["worst_rmse_ratio"] = worst["stat"], worst["rmse_ratio"]
    people = rows.groupby("player_id").agg(player_name=("player_name", "last"), games=("game_id", "nunique"))
    table = people.join(table)
    if ladder is not None:
        table = table.join(_ladder_scores(ladder, outcomes))
    table = table[table["games"] >= minimum_games].reset_index()
    return table.sort_values(["rmse_ratio", "player_id"], ascending=[False, True]).reset_index(drop=True)


def _ladder_scores(ladder: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Ladder Brier score and ECE of every player in one pass."""
    rows = counted(ladder[on_ladder(ladder)], outcomes)
    gap = rows["p_over"] - (rows["actual"] > rows["line"])
    rows = rows[["player_id"]].assign(gap=gap, squared=gap**2, bin=probability_bin(rows["p_over"]))
    by_player = rows.groupby("player_id")
    off = rows.groupby(["player_id", "bin"])["gap"].sum().abs().groupby("player_id").sum()
    return pd.DataFrame({"ladder_brier": by_player["squared"].mean(), "ladder_ece": off / by_player.size()})
