"""Would the bookmakers' spread of the game tell more about minutes than what the forecasts already know?

The forecasts of minutes read the risk of a blow-out from the teams' ratings. A spread knows more: injuries of the
day, and the books' own ratings. Here trees correct the released forecast of minutes, once without and once with the
spread, on the games of which there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb

from statmuse_pipeline.ablations.playing_time import MINUTE_LINES, MINUTES
from statmuse_pipeline.domain import EXPECTED_MINUTES, MINIMUM_HISTORY, InformationLevel
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores
from statmuse_pipeline.modeling.playing_time import MinutesShape

GROUP = "game spreads"

LEAST_ROWS = 2000
"""Player-games with a spread, in train and in validation, below which nothing is measured."""

_WITHOUT = ("blowout_risk", "net_rating_gap", "min_ewm_03", "starter_ewm_25", "rotation_rank", "mates_out_last_min")
_SPREAD = ("expected_margin", "lopsided")
_PARAMETERS = {
    "objective": "reg:squarederror", "tree_method": "hist", "max_bin": 48, "max_depth": 4, "eta": 0.05,
    "min_child_weight": 200, "subsample": 0.7, "colsample_bytree": 0.7, "lambda": 5.0, "nthread": 1, "verbosity": 0,
}  # fmt: skip
_ROUNDS = 100


def measure_spreads(rows: pd.DataFrame, spreads: pd.DataFrame, seed: int, draws: int) -> list[dict[str, Any]]:
    """Rows of the ablation table, stat MINUTES, judged on validation games of which there is a spread.

    Args:
        rows: feature table of train and validation with expected minutes and `split`, in the order of time.
        spreads: of `warehouse.spreads.spreads_of_games`.
        seed: of the fits.
        draws: of dates.

    Returns:
        For each level: released, corrected without the spread, and with it; none where fewer than LEAST_ROWS of
        train or of validation have one.
    """
    table: list[dict[str, Any]] = []
    for level in InformationLevel:
        known = _with_spread(rows, spreads, level)
        counted = known[(known["min"] > 0) & (known["games_before"] >= MINIMUM_HISTORY)]
        train, judged = (counted[counted["split"] == split] for split in ("train", "validation"))
        if min(len(train), len(judged)) < LEAST_ROWS:
            continue
        shape = MinutesShape.fit(train, level, seed)
        bootstrap = DateBootstrap(judged["game_date"], draws=draws)
        actual = judged["min"].to_numpy(np.float64)
        expected = EXPECTED_MINUTES[level]
        ways = {
            "released": ("nothing, on games with a spread", judged[expected].to_numpy(np.float64)),
            "corrected": ("trees on the residual, without the spread", _corrected(train, judged, level, (), seed)),
            "corrected with the spread": ("the same with it", _corrected(train, judged, level, _SPREAD, seed)),
        }
        scores: dict[str, GameScores] = {}
        for name, (changed, minutes) in ways.items():
            told = shape.distribution(judged.assign(**{expected: minutes}))
            scores[name] = GameScores.of(minutes, told.survival, actual, MINUTE_LINES)
            row = {"group": GROUP, "name": name, "changed": changed, "level": level.value, "stat": MINUTES}
            differences = bootstrap.differences(scores[name], scores["released"])
            table.append({**row, **scores[name].summary(), **differences})
    return table


def _with_spread(rows: pd.DataFrame, spreads: pd.DataFrame, level: InformationLevel) -> pd.DataFrame:
    """The rows of games with a spread at that level, with by how much the own team is expected to win."""
    quoted = spreads[["game_id", "home_team_id", level.value]].dropna()
    joined = rows.merge(quoted, on="game_id", how="inner", validate="many_to_one")
    at_home = joined["team_id"] == joined["home_team_id"]
    margin = np.where(at_home, -joined[level.value], joined[level.value])
    return joined.assign(expected_margin=margin, lopsided=np.abs(margin))


def _corrected(
    train: pd.DataFrame, judged: pd.DataFrame, level: InformationLevel, more: tuple[str, ...], seed: int
) -> npt.NDArray[np.float64]:
    expected = EXPECTED_MINUTES[level]
    names = [expected, *_WITHOUT, *more]
    residual = (train["min"] - train[expected]).to_numpy(np.float32)
    data = xgb.QuantileDMatrix(train[names].to_numpy(np.float32), label=residual, max_bin=48, nthread=1)
    booster = xgb.train({**_PARAMETERS, "seed": seed}, data, _ROUNDS)
    step = booster.inplace_predict(judged[names].to_numpy(np.float32)).astype(np.float64)
    return np.asarray(np.clip(judged[expected].to_numpy(np.float64) + step, 0.0, 53.0))
