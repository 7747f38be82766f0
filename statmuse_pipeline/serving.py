"""From trained models to forecasts of games still to be played: all players of all games in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import InformationLevel, Stat, prior_column
from statmuse_pipeline.features.minutes import MinutesModel, forecast_minutes
from statmuse_pipeline.features.squads import Squads
from statmuse_pipeline.forecasting import Aims, Calibrator, Forecasts, Width, make_forecasts
from statmuse_pipeline.modeling.player_model import PlayerModel
from statmuse_pipeline.modeling.prior import PooledPrior
from statmuse_pipeline.modeling.residuals import add_residual_history, inputs_needed

UPCOMING = "upcoming"
"""The value of `split` in forecasts of games to be played."""


@dataclass(frozen=True)
class ServedModels:
    """Everything that forecasts are made with.

    Attributes:
        minutes: the model of minutes at each level.
        priors: the pooled prior of every level and stat.
        players: player id -> his own models, for those who have some.
        dispersions: widths of the predictive distributions, a level and stat.
        aims: where their intervals end, a level and stat; not for every stat there must be one.
        calibrators: maps of probabilities for all players, a level and stat; not for every stat there is one.
        player_calibrators: maps that follow them, (player id, stat).
    """

    minutes: Mapping[InformationLevel, MinutesModel]
    priors: Mapping[tuple[InformationLevel, Stat], PooledPrior]
    players: Mapping[int, PlayerModel]
    dispersions: Mapping[InformationLevel, Mapping[Stat, Width]]
    aims: Mapping[InformationLevel, Mapping[Stat, Aims]]
    calibrators: Mapping[InformationLevel, Mapping[Stat, Calibrator]]
    player_calibrators: Mapping[tuple[int, Stat], Calibrator]


def add_priors(rows: pd.DataFrame, priors: Mapping[tuple[InformationLevel, Stat], PooledPrior]) -> pd.DataFrame:
    """The rows with the prior mean of every level and stat, columns `prior_column`; what can't be known is NaN."""
    return rows.assign(**{prior_column(stat, level): prior.predict(rows) for (level, stat), prior in priors.items()})


def forecast_upcoming(
    rows: pd.DataFrame,
    earlier: pd.DataFrame,
    models: ServedModels,
    levels: Mapping[str, InformationLevel],
    stats: Sequence[Stat] = tuple(Stat),
    squads: Squads | None = None,
) -> Forecasts:
    """Forecasts of every player and stat, each game at the level at which it may be.

    Args:
        rows: of `features.table.build_features`, all rows of the games to be played: a player's minutes depend on his
            mates'.
        earlier: games of these players before, with the columns of `residuals.add_residual_history`; others may be in.
        models: what to forecast with.
        levels: game_id -> information level.
        stats: which stats.
        squads: that hold the rows; not needed where no network of minutes attends.

    Returns:
        `forecasting.Forecasts`; `model` is "player" where a player's own model of the stat was asked, else "prior".
        Players of whom nothing is known have no forecast.
    """
    slate = add_priors(forecast_minutes(rows, models.minutes, squads), models.priors).assign(split=UPCOMING)
    slate = _with_residuals(slate, earlier)
    at = slate["game_id"].map(levels)
    parts = [
        _at_level(slate[at == level].reset_index(drop=True), models, level, stats)
        for level in InformationLevel
        if (at == level).any()
    ]
    return Forecasts.concat(parts)


def _with_residuals(slate: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The rows of the slate with the running means of each player's past residuals."""
    mine = earlier[earlier["player_id"].isin(slate["player_id"])]
    both = pd.concat([mine, slate], ignore_index=True)
    return add_residual_history(both).tail(len(slate)).reset_index(drop=True)


def _at_level(rows: pd.DataFrame, models: ServedModels, level: InformationLevel, stats: Sequence[Stat]) -> Forecasts:
    means = {stat: rows[prior_column(stat, level)].to_numpy(dtype=float).copy() for stat in stats}
    own = {stat: np.zeros(len(rows), dtype=bool) for stat in stats}
    # One player's row is looked at many times: a narrow table of one type is ten times as fast as the whole one.
    inputs = rows[list(inputs_needed())].astype("float64")
    for place, player in enumerate(rows["player_id"]):
        model = models.players.get(int(player))
        if model is None:
            continue
        fitted = [stat for stat in stats if stat in model.stats]
        for stat in fitted:
            own[stat][place] = True
        # Members whose forecast is not served need not be read: they are most of the work of a night.
        served = [stat for stat in fitted if model.stats[stat].served.ensemble != "prior"]
        for stat, members in model.members(inputs.iloc[[place]], served).items() if served else ():
            means[stat][place] = model.stats[stat].means_from(members, means[stat][[place]])[0, -1]
    made = make_forecasts(
        rows,
        means,
        models.dispersions[level],
        level=level,
        aims=models.aims[level],
        calibrators=models.calibrators[level],
        player_calibrators=models.player_calibrators,
    )
    label = {stat: dict(zip(rows["player_id"], own[stat], strict=True)) for stat in stats}
    names = [
        "player" if label[Stat(stat)][player] else "prior"
        for stat, player in zip(made.frame["stat"], made.frame["player_id"], strict=True)
    ]
    return Forecasts(made.frame.assign(model=pd.Series(names, dtype="str")), made.distributions)
