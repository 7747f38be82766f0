"""Training of one player's ensembles on the pooled prior, and of all players side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling.ensemble import Evidence, choose_served, expanding_folds, stacking_weights, vote
from statmuse_pipeline.modeling.members import (
    DEFAULT_PARAMS,
    FAMILIES,
    FARTHEST,
    export_boosted,
    export_forest,
    fit_boosted,
    fit_forest,
    fit_linear,
    fit_predict,
)
from statmuse_pipeline.modeling.player_model import MODEL_COLUMNS, PlayerModel, StatModel
from statmuse_pipeline.modeling.residuals import (
    FOREST_INPUTS,
    columns_needed,
    design,
    require,
    scale_of,
    settled_share,
    stat_inputs,
)
from statmuse_pipeline.standardizer import Standardizer

Made = TypeVar("Made")

_STATS = tuple(Stat)


STRENGTH = 0.05
"""How much of a player's members counts in the ensembles, the rest being the prior's vote; also the largest shrinkage
that may be served.

Measured by voting on games before the test split, with members that learned from the games before them: from October
2023 on fitted anew every six weeks, about as live ones are, and from December 2023 on serving for a third of a year, as
those that are judged do.
At .05 the squared error of every stat falls, by .005 to .02% in the one way and by .000 to .02% in the other, together
by .011% (3.3 standard errors over days) and .013% (3.1). At .1 it falls by .016% (2.4) and .017% (2.2), but in
the second way that of blocks rises; at .2 next to nothing is left, and at .5 every stat loses, by .01 to .4%. Strengths
of each stat's own, as chosen on an older prior (.3 for turnovers, .25 for steals, .2 for PRA, .1 for points, .05 for
rebounds, none for assists, threes and blocks), gain .010 and .011% and make PRA worse in the second way.
"""


@dataclass(frozen=True)
class TrainConfig:
    """How players are trained.

    Attributes:
        seed: of every random draw.
        params: parameters of each family in `members.FAMILIES`.
        folds: time-ordered folds of the stacking ensemble's out-of-fold forecasts.
        stacking_ridge: penalty of the meta-learner, a row.
        minimum_train_games: players with fewer games in train are served by the prior.
        minimum_validation_games: with fewer, nothing can be shown to beat the prior, which is then served.
        stats: which to fit; the others are served by the prior.
        shrinkage: grid of lambda in served = prior + lambda * (ensemble - prior).
        strength: of the ensembles of all players and stats; also the largest lambda.
    """

    seed: int = 20211019
    params: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: dict(DEFAULT_PARAMS))
    folds: int = 3
    stacking_ridge: float = 0.02
    minimum_train_games: int = 30
    minimum_validation_games: int = 10
    stats: tuple[Stat, ...] = _STATS
    shrinkage: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3)
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if set(self.params) != set(FAMILIES):
            raise PipelineError(
                f"Training needs parameters of exactly {', '.join(FAMILIES)}; got {sorted(self.params)}."
            )
        if 0.0 not in self.shrinkage or not all(0 <= value <= 1 for value in self.shrinkage):
            raise PipelineError(f"The shrinkage grid must lie in [0, 1] and hold 0, the prior; got {self.shrinkage}.")
        if self.folds < 1 or self.minimum_train_games < 20:
            raise PipelineError("Training needs at least 1 fold and 20 games in train.")
        if not 0 <= self.strength <= 1:
            raise PipelineError(f"The strength of the ensembles must lie in [0, 1]; got {self.strength}.")

    def with_params(self, family: str, params: Mapping[str, float]) -> TrainConfig:
        """A copy with some parameters of one family replaced."""
        if family not in FAMILIES:
            raise PipelineError(f"{family!r} is no model family: use one of {', '.join(FAMILIES)}.")
        return replace(self, params={**self.params, family: {**self.params[family], **params}})


@dataclass(frozen=True)
class _Rows:
    """One player's played games as arrays, sorted by date."""

    frame: pd.DataFrame
    train: slice
    validation: slice
    priors: np.ndarray  # [rows, stats]
    actuals: np.ndarray  # [rows, stats]

    @property
    def targets(self) -> np.ndarray:
        return (self.actuals - self.priors) / scale_of(self.priors)


def train_player(player_id: int, rows: pd.DataFrame, config: TrainConfig) -> PlayerModel:
    """Fit the members, ensembles and shrinkage of every stat of one player.

    Members are fitted on the rows of `split == "train"`; the stacking weights on time-ordered out-of-fold forecasts
    within them; the served ensemble and its shrinkage are chosen on the rows of `split == "validation"`. So on
    validation no stat is served worse than the prior. What forecasts later games is `refit_player`.

    Args:
        player_id: whose rows they are.
        rows: the player's train and validation rows in any order, columns `residuals.columns_needed()`: `split`,
            walk-forward `prior_{s}` (tip-off) and `prior_{s}_pregame` of every stat, the pregame features and the
            columns of `residuals.add_residual_history`. Rows with min = 0 or without a prior are left out.
        config: how.

    Returns:
        The model; a stat that could not be fitted is in `failures` with the reason and served by the prior.

    Raises:
        PipelineError: when columns are missing or rows of another player are among them.
    """
    require(rows, list(columns_needed()))
    if (rows["player_id"] != player_id).any():
        raise PipelineError(f"The rows of player {player_id} hold games of other players: group them by player_id.")
    data = _prepare(rows)
    games = data.train.stop
    if games < config.minimum_train_games:
        reason = f"{games} games in train, at least {config.minimum_train_games} are needed"
        return PlayerModel(player_id, {}, dict.fromkeys(_STATS, reason))
    try:
        return _fit_all(player_id, data, config)
    except Exception as error:
        return PlayerModel(player_id, {}, dict.fromkeys(_STATS, f"forest: {type(error).__name__}: {error}"))


def _prepare(rows: pd.DataFrame) -> _Rows:
    played = rows[(rows["min"] > 0) & rows["split"].isin(["train", "validation"])]
    names = [stat.column for stat in _STATS]
    priors = played[[f"prior_{name}" for name in names]].to_numpy(dtype=float)
    actuals = played[names].to_numpy(dtype=float)
    known = np.isfinite(priors).all(axis=1) & np.isfinite(actuals).all(axis=1)
    in_validation = (played["split"] == "validation").to_numpy()[known]
    # "train" before "validation" and by date within: the split cuts at a date, so that this is the order of time.
    order = np.lexsort((played["game_date"].to_numpy()[known], in_validation))
    kept = np.flatnonzero(known)[order]
    games = int((~in_validation).sum())
    return _Rows(played.iloc[kept], slice(0, games), slice(games, len(kept)), priors[kept], actuals[kept])


def _fit_all(player_id: int, data: _Rows, config: TrainConfig) -> PlayerModel:
    seed = _seed(player_id, config)
    raw = design(data.frame, FOREST_INPUTS)
    scaler = Standardizer.fit(raw[data.train], FARTHEST)
    inputs, targets = scaler.transform(raw), data.targets
    train_inputs, train_targets = inputs[data.train], targets[data.train]
    folds = expanding_folds(len(train_inputs), config.folds)
    params = config.params["random_forest"]
    out_of_fold = np.concatenate([
        fit_predict("random_forest", train_inputs[fit], train_targets[fit], train_inputs[new], params, seed)
        for fit, new in folds
    ])  # fmt: skip
    forest = export_forest(fit_forest(train_inputs, train_targets, params, seed))
    on_validation = forest.predict(inputs[data.validation])
    stats: dict[Stat, StatModel] = {}
    failures: dict[Stat, str] = {}
    for position, stat in enumerate(_STATS):
        if stat not in config.stats:
            continue
        try:
            stats[stat] = _fit_stat(
                stat, data, config, seed, out_of_fold[:, position], on_validation[:, position], folds
            )
        except Exception as error:
            failures[stat] = f"{type(error).__name__}: {error}"
    return PlayerModel(player_id, stats, failures, forest, scaler)


def _fit_stat(
    stat: Stat,
    data: _Rows,
    config: TrainConfig,
    seed: int,
    forest_out_of_fold: np.ndarray,
    forest_on_validation: np.ndarray,
    folds: list[tuple[slice, slice]],
) -> StatModel:
    position = _STATS.index(stat)
    raw = design(data.frame, stat_inputs(stat))
    scaler = Standardizer.fit(raw[data.train], FARTHEST)
    inputs = scaler.transform(raw)
    train_inputs, target = inputs[data.train], data.targets[data.train, position]
    if not np.ptp(target) > 0:
        raise ValueError("every residual in train is the same: there is nothing to learn")
    boosting, net = config.params["xgboost"], config.params["elastic_net"]
    out_of_fold = [forest_out_of_fold]
    for family, params in (("xgboost", boosting), ("elastic_net", net)):
        parts = [
            fit_predict(family, train_inputs[fit], target[fit], train_inputs[new], params, seed) for fit, new in folds
        ]
        out_of_fold.append(np.concatenate(parts))
    earlier = slice(folds[0][1].start, data.train.stop)
    settled = settled_share(data.frame)[:, None]
    blocks = settled[earlier] * np.column_stack(out_of_fold)
    weights = stacking_weights(blocks, data.targets[earlier, position], config.stacking_ridge)
    boosted = export_boosted(fit_boosted(train_inputs, target, boosting, seed))
    linear = fit_linear(train_inputs, target, net)
    new_inputs = inputs[data.validation]
    members = np.column_stack([forest_on_validation, boosted.predict(new_inputs), linear.predict(new_inputs)])
    members *= settled[data.validation]
    evidence = _evidence(data, data.validation, position, members, weights)
    games = len(evidence.actual)
    grid = config.shrinkage if games >= config.minimum_validation_games else (0.0,)
    served = choose_served(evidence, _evidence(data, earlier, position, blocks, weights), grid, config.strength)
    model = StatModel(stat, scaler, boosted, linear, weights, config.strength, served, {})
    errors = _errors(model.means_from(members, evidence.prior), evidence.actual)
    return replace(model, metrics={"train_games": data.train.stop, **errors})


def refit_player(model: PlayerModel, rows: pd.DataFrame, config: TrainConfig) -> PlayerModel:
    """The same choices with members that learned from train and validation: what forecasts the games after both.

    Stacking weights, strength, the served ensembles and the metrics stay those of `train_player`, for nothing is left
    to judge new ones by. Members that are a year old harm: see `residuals.SETTLING_GAMES`.

    Args:
        model: of `train_player` on the same rows.
        rows: as there.
        config: as there.

    Returns:
        The model; a stat that could not be fitted again is in `failures` and served by the prior.

    Raises:
        PipelineError: when columns are missing.
    """
    if not model.stats:
        return model
    require(rows, list(columns_needed()))
    data = _prepare(rows)
    seed = _seed(model.player_id, config)
    try:
        raw = design(data.frame, FOREST_INPUTS)
        scaler = Standardizer.fit(raw, FARTHEST)
        forest = export_forest(fit_forest(scaler.transform(raw), data.targets, config.params["random_forest"], seed))
    except Exception as error:
        return PlayerModel(model.player_id, {}, dict.fromkeys(_STATS, f"forest: {type(error).__name__}: {error}"))
    stats: dict[Stat, StatModel] = {}
    failures = dict(model.failures)
    for stat, chosen in model.stats.items():
        try:
            stats[stat] = _refit_stat(chosen, data, config, seed)
        except Exception as error:
            failures[stat] = f"{type(error).__name__}: {error}"
    return PlayerModel(model.player_id, stats, failures, forest, scaler)


def _refit_stat(chosen: StatModel, data: _Rows, config: TrainConfig, seed: int) -> StatModel:
    raw = design(data.frame, stat_inputs(chosen.stat))
    scaler = Standardizer.fit(raw, FARTHEST)
    inputs, target = scaler.transform(raw), data.targets[:, _STATS.index(chosen.stat)]
    boosted = export_boosted(fit_boosted(inputs, target, config.params["xgboost"], seed))
    return replace(
        chosen, scaler=scaler, boosted=boosted, linear=fit_linear(inputs, target, config.params["elastic_net"])
    )


def _seed(player_id: int, config: TrainConfig) -> int:
    return config.seed + player_id % 1_000_003


def _evidence(data: _Rows, part: slice, position: int, members: np.ndarray, weights: np.ndarray) -> Evidence:
    prior = data.priors[part, position]
    scale = scale_of(prior)
    ensembles = {"voting": prior + scale * vote(members), "stacking": prior + scale * (members @ weights)}
    return Evidence(prior, data.actuals[part, position], ensembles)


def _errors(means: np.ndarray, actual: np.ndarray) -> dict[str, Any]:
    """Validation RMSE and MAE of every column of `MODEL_COLUMNS`."""
    if not len(actual):
        return {"validation_games": 0, "rmse": {}, "mae": {}}
    errors = means - actual[:, None]
    return {
        "validation_games": len(actual),
        "rmse": dict(zip(MODEL_COLUMNS, np.sqrt((errors**2).mean(axis=0)).round(6).tolist(), strict=True)),
        "mae": dict(zip(MODEL_COLUMNS, np.abs(errors).mean(axis=0).round(6).tolist(), strict=True)),
    }


@dataclass(frozen=True)
class Trained:
    """A player's models before and after validation was learned from.

    Attributes:
        chosen: of `train_player`, which forecasts validation.
        refitted: of `refit_player`, which forecasts what comes after.
    """

    chosen: PlayerModel
    refitted: PlayerModel


def train_and_refit(player_id: int, rows: pd.DataFrame, config: TrainConfig) -> Trained:
    """`train_player`, and `refit_player` of what it chose."""
    chosen = train_player(player_id, rows, config)
    return Trained(chosen, refit_player(chosen, rows, config))


def train_players(
    groups: Iterable[tuple[int, pd.DataFrame]], config: TrainConfig, workers: int = 2
) -> Iterator[tuple[int, Trained | str]]:
    """`train_and_refit` for many, `side_by_side`; columns that training does not need do not travel to a worker."""
    needed = list(columns_needed())
    slim = [(player, rows[[name for name in needed if name in rows]]) for player, rows in groups]
    return side_by_side(slim, partial(train_and_refit, config=config), workers)


def side_by_side(
    groups: Sequence[tuple[int, pd.DataFrame]], work: Callable[[int, pd.DataFrame], Made], workers: int = 2
) -> Iterator[tuple[int, Made | str]]:
    """Work on players side by side in processes, or wherever a surrounding `joblib.parallel_config` says.

    Args:
        groups: (player_id, rows), which travel to a worker.
        work: what to do with them; it travels too, and may be done twice.
        workers: processes; 1 works in this one.

    Yields:
        (player_id, what `work` made), or (player_id, reason) for a player for whom it failed, in the order of
        `groups` and as they get done.
    """
    done = 0
    for _ in range(2):
        try:
            pool = Parallel(n_jobs=workers, return_as="generator", pre_dispatch="4*n_jobs", batch_size=4)
            for result in pool(delayed(_one)(work, player, rows) for player, rows in groups[done:]):
                done += 1
                yield result
        except TerminatedWorkerError:
            # A worker was killed (memory, a signal). Training is repeatable, so the rest gets one new pool.
            continue
        return
    for player, _rows in groups[done:]:
        yield player, "the training process was killed twice: give it more memory or fewer workers"


def _one(work: Callable[[int, pd.DataFrame], Made], player_id: int, rows: pd.DataFrame) -> tuple[int, Made | str]:
    try:
        with threadpool_limits(1):
            return player_id, work(player_id, rows)
    except Exception as error:
        return player_id, str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
