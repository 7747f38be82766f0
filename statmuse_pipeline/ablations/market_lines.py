"""What do the bookmakers' lines know that our means do not?

Our mean is not allowed to read them: it is what a line is judged by, and what is blended with the market afterwards
(`betting.blend`). Here it is moved towards the line of the consensus, by as much as earlier games say, to see how much
of the error that is left could be known to anybody before the game.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.ablations.families import released
from statmuse_pipeline.ablations.study import QUICK_DRAWS, Study
from statmuse_pipeline.domain import LADDER, InformationLevel
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores
from statmuse_pipeline.evaluation.scores import DRAWS
from statmuse_pipeline.modeling.prior import SMALLEST_MEAN

GROUP = "market lines"
EVERY_GAME = "mean moved to the market's line"
QUOTED = "the same, on quoted games"

LEAST_GAMES = 300
"""Quoted games of a stat in train and in validation, below which nothing is measured."""

_KEY = ["game_id", "player_id"]


def measure_market_lines(study: Study, quotes: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the ablation table, judged on validation.

    Args:
        study: rows and settings.
        quotes: of `consensus.MarketView`: screened, with `p_consensus`.

    Returns:
        For each level and each stat with LEAST_GAMES: all games against what is released, where a game without a quote
        keeps its mean, and the quoted games alone. A forecast of either level is moved by quotes of that level's moment
        or earlier.
    """
    draws, table = QUICK_DRAWS if study.quick else DRAWS, []
    train, judged = study.part("train"), study.part("validation")
    for level in InformationLevel:
        means, _ = study.means(level)
        lines = _last_lines(quotes, level)
        for stat in study.stats:
            games = study.games(stat, means, study.rows, level)
            said = study.rows[_KEY].merge(lines[lines["stat"] == stat.value], on=_KEY, how="left", validate="1:1")
            known = np.isfinite(games.mean)
            quoted = said["line"].notna().to_numpy() & known
            if min((quoted & train).sum(), (quoted & judged).sum()) < LEAST_GAMES:
                continue
            moved = games.mean + _step(games.mean, games.actual, said, quoted, quoted & train)
            forecaster = released(games.take(train & known), stat)
            for name, part in ((EVERY_GAME, judged & known), (QUOTED, judged & quoted)):
                own = games.take(part)
                base = GameScores.of(own.mean, forecaster(own).survival, own.actual, LADDER[stat])
                told = replace(own, mean=np.maximum(moved[part], SMALLEST_MEAN))
                scores = GameScores.of(told.mean, forecaster(told).survival, own.actual, LADDER[stat])
                share = f"{quoted[judged].mean():.0%} of the games are quoted"
                row = {"group": GROUP, "name": name, "changed": share, "level": level.value, "stat": stat.value}
                bootstrap = DateBootstrap(study.rows.loc[part, "game_date"], draws=draws)
                table.append({**row, **scores.summary(), **bootstrap.differences(scores, base)})
    return table


def _last_lines(quotes: pd.DataFrame, level: InformationLevel) -> pd.DataFrame:
    """The last sound main line that a forecast of the level may see: game_id, player_id, stat, line, p_consensus."""
    known = quotes["sound"] & quotes["main_line"] & quotes["p_consensus"].notna()
    known &= ~(quotes["moment"] >= quotes["tipoff_utc"]).fillna(False).astype(bool)
    if level is InformationLevel.PREGAME:
        known &= quotes["level"] == level.value
    lines = quotes[known].sort_values(["moment", "bookmaker"], na_position="first", kind="stable")
    return lines.drop_duplicates([*_KEY, "stat"], keep="last")[[*_KEY, "stat", "line", "p_consensus"]]


def _step(
    mean: npt.NDArray[np.float64],
    actual: npt.NDArray[np.float64],
    said: pd.DataFrame,
    quoted: npt.NDArray[np.bool_],
    learned: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """By how much to move each mean: least squares on the distance to the line and the lean of its probability."""
    away = np.where(quoted, said["line"].to_numpy(np.float64) - mean, 0.0)
    lean = np.where(quoted, (said["p_consensus"].to_numpy(np.float64) - 0.5) * np.sqrt(np.maximum(mean, 0.0)), 0.0)
    columns = np.column_stack([quoted.astype(np.float64), away, lean])
    weights = np.linalg.lstsq(columns[learned], (actual - mean)[learned])[0]
    return columns @ weights
