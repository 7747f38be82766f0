"""Which of a player's served forecasts need a calibrator of his own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.calibration.isotonic import Decision, choose_calibrator
from statmuse_pipeline.domain import EXPECTED_MINUTES, LADDER, LARGEST_COUNT, InformationLevel, Stat, prior_column
from statmuse_pipeline.forecasting import Calibrator, Floats, Width
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.player_model import PlayerModel
from statmuse_pipeline.modeling.residuals import columns_needed
from statmuse_pipeline.modeling.train import TrainConfig, refit_player, train_player

LEVEL = InformationLevel.TIPOFF
"""At which calibrators are chosen; they follow the forecasts of both levels."""

MINUTES = EXPECTED_MINUTES[LEVEL]

COLUMNS = (*columns_needed(), MINUTES)
"""Every column that `train_calibrated` reads."""

CALIBRATOR_BINS = 12
"""Bins of a player's isotonic map: as many pairs in each from 50 to 80 games as it is pulled by."""


@dataclass(frozen=True)
class PlayerCalibration:
    """Chooses calibrators that follow the widths and calibrators of all players.

    Attributes:
        stats: to look at.
        widths: of the predictive distributions at `LEVEL`.
        calibrators: maps of all players at `LEVEL`; not for every stat there is one.
    """

    stats: Sequence[Stat]
    widths: Mapping[Stat, Width]
    calibrators: Mapping[Stat, Calibrator]

    def decide(self, rows: pd.DataFrame, model: PlayerModel | None) -> dict[str, Decision]:
        """Stat -> whether it needs a calibrator.

        Args:
            rows: the player's games of validation: outcomes, priors, `MINUTES` and what his model reads.
            model: his own; without one the prior is served.
        """
        members = model.members(rows) if model else {}
        minutes = rows[MINUTES].to_numpy(dtype=float)
        decisions = {}
        for stat in self.stats:
            mean = rows[prior_column(stat, LEVEL)].to_numpy(dtype=float)
            if model and stat in members:
                mean = model.stats[stat].means_from(members[stat], mean)[:, -1]
            forecast = self.widths[stat].distribution(mean, LARGEST_COUNT[stat], minutes)
            if stat in self.calibrators:
                forecast = forecast.mapped(self.calibrators[stat])
            actual = rows[stat.column].to_numpy(dtype=float)
            pairs = ladder_pairs(forecast, stat, actual, rows["game_date"].to_numpy())
            decisions[stat.value] = choose_calibrator(*pairs, bins=CALIBRATOR_BINS)
        return decisions


def train_calibrated(
    player_id: int, rows: pd.DataFrame, config: TrainConfig, calibration: PlayerCalibration
) -> tuple[PlayerModel, dict[str, Decision]]:
    """One player's models as of `refit_player`, and the decisions on calibrators for what they serve.

    Args:
        player_id: whose.
        rows: his train and validation rows, `COLUMNS`.
        config: how models are trained.
        calibration: how calibrators are chosen.
    """
    chosen = train_player(player_id, rows, config)
    decisions = calibration.decide(rows[(rows["split"] == "validation") & (rows["min"] > 0)], chosen)
    return refit_player(chosen, rows, config), decisions


def ladder_pairs(
    forecast: CountDistribution, stat: Stat, actual: Floats, dates: np.ndarray
) -> tuple[Floats, Floats, np.ndarray]:
    """P(over) on every ladder line, what happened, and the day: arrays of rows x lines."""
    lines = np.asarray(LADDER[stat])
    p = np.column_stack([forecast.over(line) for line in lines])
    return p.ravel(), (actual[:, None] > lines).astype(float).ravel(), np.repeat(dates, len(lines))
