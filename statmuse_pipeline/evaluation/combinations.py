"""Forecasts of sums of stats against what came: the joint distribution next to its rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import LADDER, MINIMUM_HISTORY, Stat
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores

JOINT, INDEPENDENT, DIRECT = "joint", "independent", "direct"
"""From the joint distribution; as if the parts had nothing to do with one another; forecast as a stat of its own."""

_FEW = tuple(np.arange(1.5, 24.5, 2.0).tolist())


def sum_lines(parts: Sequence[Stat]) -> tuple[float, ...]:
    """The fixed lines on which a sum is scored: those of PRA where points are among the parts."""
    return LADDER[Stat.PRA] if Stat.PTS in parts else _FEW


def sum_outcomes(outcomes: pd.DataFrame, name: str, parts: Sequence[Stat]) -> pd.DataFrame:
    """What came of a sum, as `scores.outcomes` tells it of a stat.

    Args:
        outcomes: of `scores.outcomes`, all parts among them.
        name: what the sum is called in `stat`.
        parts: the stats that are added.

    Returns:
        game_id, game_date, season, player_id, player_name, stat, actual, games_before, min.
    """
    keys = ["game_id", "player_id"]
    first = outcomes[outcomes["stat"] == parts[0].value]
    told = first[["game_id", "game_date", "season", "player_id", "player_name", "games_before", "min"]]
    actual = outcomes[outcomes["stat"].isin([part.value for part in parts])].groupby(keys)["actual"].sum()
    return told.assign(stat=name).merge(actual.reset_index(), on=keys, validate="one_to_one")


def score_sum(
    keys: pd.DataFrame,
    ways: Mapping[str, npt.NDArray[np.floating[Any]]],
    outcomes: pd.DataFrame,
    parts: Sequence[Stat],
) -> list[dict[str, Any]]:
    """Scores of a sum's distributions from several ways of making them, on the same games.

    Args:
        keys: game_id, player_id of n forecasts.
        ways: name -> [n, K + 1] P(sum > k), JOINT among them.
        outcomes: of `sum_outcomes`.
        parts: the stats that are added.

    Returns:
        One row a way: model, rows, ladder_brier and crps, and of each `_diff`, `_diff_lo`, `_diff_hi`: minus the joint
        distribution's, with its 95% interval (dates drawn with replacement). Nothing where no game counts.
    """
    counted = outcomes[(outcomes["min"] > 0) & (outcomes["games_before"] >= MINIMUM_HISTORY)]
    rows = keys[["game_id", "player_id"]].assign(place=np.arange(len(keys)))
    rows = rows.merge(counted, on=["game_id", "player_id"])
    if rows.empty:
        return []
    place, actual = rows["place"].to_numpy(), rows["actual"].to_numpy()
    scores = {}
    for name, survival in ways.items():
        own = np.asarray(survival[place], dtype=np.float64)
        scores[name] = GameScores.of(own.sum(axis=1), own, actual, sum_lines(parts))
    bootstrap = DateBootstrap(rows["game_date"])
    table = []
    for name, score in scores.items():
        told, differences = score.summary(), bootstrap.differences(score, scores[JOINT])
        row: dict[str, Any] = {"model": name, "rows": told["rows"]}
        for metric in ("ladder_brier", "crps"):
            row[metric] = told[metric]
            row |= {f"{metric}_diff{end}": differences[f"{metric}_diff{end}"] for end in ("", "_lo", "_hi")}
        table.append(row)
    return table
