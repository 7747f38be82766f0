"""The same forecasts by month and by role: where a single number over a whole split could hide something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import COVERAGES, ROLES, Stat, role_of
from statmuse_pipeline.evaluation.scores import (
    EVERY_STAT,
    LineSet,
    counted,
    score_means,
    score_probabilities,
)

EVERY_ROLE = "everyone"


def by_month(means: pd.DataFrame, ladder: pd.DataFrame | None, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Scores of every month, stat and split.

    Args:
        means: game_id, game_date, player_id, stat, split, mean; each made from games before its own week.
        ladder: game_id, game_date, player_id, stat, split, line, p_over; None for none.
        outcomes: of `scores.outcomes()`.

    Returns:
        split, month (2024-11), stat, rows, rmse_ratio, bias, ladder_brier (NaN where there is no ladder), in the order
        of time.
    """
    keys = ["split", "month", "stat"]
    table = score_means(_with_month(means), outcomes, by=keys, intervals=False)[[*keys, "rows", "rmse_ratio", "bias"]]
    if ladder is None:
        return _in_time(table.assign(ladder_brier=np.nan))
    scores = score_probabilities(_with_month(ladder), outcomes, line_set=LineSet.LADDER, by=keys)
    brier = scores.loc[scores["stat"] != EVERY_STAT, [*keys, "brier"]].rename(columns={"brier": "ladder_brier"})
    return _in_time(table.merge(brier, on=keys, how="left"))


def _with_month(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(month=frame["game_date"].dt.strftime("%Y-%m"))


def _in_time(table: pd.DataFrame) -> pd.DataFrame:
    order = {stat.value: place for place, stat in enumerate(Stat)}
    places = table["stat"].map(order)
    return table.assign(_p=places).sort_values(["month", "split", "_p"]).drop(columns="_p").reset_index(drop=True)


def coverage_by_role(
    forecasts: pd.DataFrame,
    survival: Mapping[Stat, npt.NDArray[np.floating[Any]]],
    minutes: pd.DataFrame,
    outcomes: pd.DataFrame,
) -> pd.DataFrame:
    """How often the result fell into the intervals, and how often it should have.

    Whole counts cannot hold exactly 50%: one value of BLK or STL often holds more. `claimed` is the probability that
    the intervals have by the forecasts' own account, and calibration shows in the distance of `cover` to it; where
    `claimed` lies above the level, single counts hold too much, which is no fault of the forecast.

    Args:
        forecasts: game_id, player_id, stat and lo50, hi50 ... hi95, one row each.
        survival: stat -> P(Y > k) of the rows of that stat in `forecasts`, in the same order.
        minutes: game_id, player_id, minutes: those expected at the forecast's level.
        outcomes: of `scores.outcomes()`.

    Returns:
        role ("everyone" and `ROLES`), stat ("all" and each), rows, and cover and claimed of 50, 80 and 95%.
    """
    claimed = [_claimed(forecasts[forecasts["stat"] == stat.value], held) for stat, held in survival.items()]
    rows = counted(pd.concat(claimed, ignore_index=True), outcomes)
    rows = rows.merge(minutes[["game_id", "player_id", "minutes"]], on=["game_id", "player_id"], how="left")
    rows["role"] = role_of(rows["minutes"])
    for share in COVERAGES:
        rows[f"cover{share}"] = (rows["actual"] >= rows[f"lo{share}"]) & (rows["actual"] <= rows[f"hi{share}"])
    table = []
    for role in (EVERY_ROLE, *ROLES):
        own = rows if role == EVERY_ROLE else rows[rows["role"] == role]
        for stat in (EVERY_STAT, *(stat.value for stat in survival)):
            part = own if stat == EVERY_STAT else own[own["stat"] == stat]
            if part.empty:
                continue
            numbers = {f"{what}{share}": part[f"{what}{share}"].mean() for share in COVERAGES for what in _COLUMNS}
            table.append({"role": role, "stat": stat, "rows": len(part), **numbers})
    return pd.DataFrame(table)


_COLUMNS = ("cover", "claimed")


def _claimed(rows: pd.DataFrame, survival: npt.NDArray[np.floating[Any]]) -> pd.DataFrame:
    """The rows with the probability of each interval."""
    padded = np.hstack([np.ones((len(rows), 1)), np.asarray(survival, dtype=np.float64), np.zeros((len(rows), 1))])
    at, last = np.arange(len(rows)), padded.shape[1] - 1
    found = {}
    for share in COVERAGES:
        low, high = (rows[f"{end}{share}"].to_numpy().astype(np.int64) for end in ("lo", "hi"))
        found[f"claimed{share}"] = padded[at, np.clip(low, 0, last)] - padded[at, np.clip(high + 1, 0, last)]
    return rows.assign(**found)
