"""Bounded, resumable Optuna studies of the members' parameters."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling.members import FAMILIES, FARTHEST, fit_predict
from statmuse_pipeline.modeling.residuals import FOREST_INPUTS, columns_needed, design, require, scale_of, stat_inputs
from statmuse_pipeline.modeling.train import TrainConfig
from statmuse_pipeline.standardizer import Standardizer

SAMPLED_PLAYERS = 40
"""Players in a pooled study: enough that a parameter's effect stands out of their noise."""

CHUNK = 8
"""Players between two reports to the pruner."""

HELD_SHARE = 0.25
"""Last part, by date, of each player's training rows on which a trial is judged."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Tuned:
    """What a study found.

    Attributes:
        params: the best parameters of the family, complete.
        value: their objective: squared error relative to the prior's, at the best shrinkage of the grid; 1 when the
            family never beat the prior.
        trials: finished trials in the study, those of earlier calls included.
    """

    params: Mapping[str, float]
    value: float
    trials: int


@dataclass(frozen=True)
class _Fold:
    """One player's inner, time-ordered split for every stat."""

    inputs: list[np.ndarray]
    targets: np.ndarray
    cut: int
    seed: int


def suggest(family: str, trial: optuna.Trial) -> dict[str, float]:
    """Parameters of a trial.

    Search spaces:
        random_forest: trees 10 to 30 (more cost time and size and change little), depth 2 to 5, leaf_share 0.05 to
            0.4 of the rows (log), feature_share 0.2 to 1.
        xgboost: rounds 20 to 80, depth 1 to 3, eta 0.02 to 0.15 (log), child_weight 5 to 60 (log), l2 1 to 200
            (log), row_share 0.6 to 1, feature_share 0.4 to 1; patience stays as configured.
        elastic_net: alpha 0.1 to 3 (log; at 3 nearly every coefficient is 0), l1_share 0.05 to 0.95.
    """
    if family == "random_forest":
        return {
            "trees": trial.suggest_int("trees", 10, 30, step=5),
            "depth": trial.suggest_int("depth", 2, 5),
            "leaf_share": trial.suggest_float("leaf_share", 0.05, 0.4, log=True),
            "feature_share": trial.suggest_float("feature_share", 0.2, 1.0),
        }
    if family == "xgboost":
        return {
            "rounds": trial.suggest_int("rounds", 20, 80, step=10),
            "depth": trial.suggest_int("depth", 1, 3),
            "eta": trial.suggest_float("eta", 0.02, 0.15, log=True),
            "child_weight": trial.suggest_float("child_weight", 5.0, 60.0, log=True),
            "l2": trial.suggest_float("l2", 1.0, 200.0, log=True),
            "row_share": trial.suggest_float("row_share", 0.6, 1.0),
            "feature_share": trial.suggest_float("feature_share", 0.4, 1.0),
        }
    return {
        "alpha": trial.suggest_float("alpha", 0.1, 3.0, log=True),
        "l1_share": trial.suggest_float("l1_share", 0.05, 0.95),
    }


def tune_family(
    family: str,
    rows: pd.DataFrame,
    config: TrainConfig,
    trials: int,
    seconds: float,
    storage_url: str,
) -> Tuned:
    """Tune one family over a sample of players, or over one player when `rows` are one player's.

    A trial fits each sampled player's first three quarters of the training rows, forecasts the last quarter, and is
    worth sum (z - lambda f)^2 / sum z^2 over all players and stats, at the best lambda of the shrinkage grid.
    Validation rows are not touched: they choose the shrinkage later. The configured parameters are the first trial,
    so that tuning never ends worse than where it began.

    The study is stored under a name made of the family, the rows' hash and the configuration, so that a second call
    goes on where the first stopped and other data start anew. Each trial draws from its own seed: an interrupted
    study that goes on ends like one that ran through. The result is deterministic unless `seconds` runs out first.

    Args:
        family: one of `members.FAMILIES`.
        rows: train and validation rows as for `train.train_player`, of any number of players.
        config: seed, starting parameters, shrinkage grid, smallest number of training games.
        trials: upper bound on the finished trials of the study, earlier calls included; 0 gives the configured ones.
        seconds: no trial starts after so many seconds.
        storage_url: of Optuna's RDB storage, such as sqlite:///data/optuna.db.

    Raises:
        PipelineError: for an unknown family, missing columns, no player with enough games, or a storage that cannot
            be opened.
    """
    if family not in FAMILIES:
        raise PipelineError(f"{family!r} is no model family: use one of {', '.join(FAMILIES)}.")
    start = dict(config.params[family])
    if trials <= 0:
        return Tuned(start, 1.0, 0)
    require(rows, list(columns_needed()))
    folds = _folds(family, rows, config)
    study = _open_study(family, folds, config, storage_url)
    deadline = time.monotonic() + seconds
    while (finished := _settle(study)) < trials and time.monotonic() < deadline:
        _run_trial(study, family, folds, config, start, finished)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return Tuned(start, 1.0, 0)
    best = min(complete, key=lambda trial: (trial.value, trial.number))
    return Tuned({**start, **best.params}, float(best.value or 0.0), _settle(study))


def _run_trial(
    study: optuna.Study, family: str, folds: list[_Fold], config: TrainConfig, start: dict[str, float], finished: int
) -> None:
    if finished == 0:
        study.enqueue_trial(start, skip_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + finished, n_startup_trials=5)
    trial = study.ask()
    params = {**start, **suggest(family, trial)}
    sums = np.zeros(3)
    for position, fold in enumerate(folds):
        sums += _squares(family, fold, params)
        if (position + 1) % CHUNK == 0 and position + 1 < len(folds):
            trial.report(_loss(sums, config.shrinkage), position + 1)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return
    study.tell(trial, _loss(sums, config.shrinkage))


def _squares(family: str, fold: _Fold, params: Mapping[str, float]) -> np.ndarray:
    """Sums of z^2, z f and f^2 over one player's held rows and all stats."""
    cut, sums = fold.cut, np.zeros(3)
    held = fold.targets[cut:]
    if family == "random_forest":
        inputs = fold.inputs[0]
        forecast = fit_predict(family, inputs[:cut], fold.targets[:cut], inputs[cut:], params, fold.seed)
        return np.array([(held**2).sum(), (held * forecast).sum(), (forecast**2).sum()])
    for stat, inputs in enumerate(fold.inputs):
        forecast = fit_predict(family, inputs[:cut], fold.targets[:cut, stat], inputs[cut:], params, fold.seed)
        sums += [(held[:, stat] ** 2).sum(), (held[:, stat] * forecast).sum(), (forecast**2).sum()]
    return sums


def _loss(sums: np.ndarray, grid: tuple[float, ...]) -> float:
    own, cross, forecast = sums
    return float(min((own - 2 * value * cross + value**2 * forecast) / own for value in grid))


def _folds(family: str, rows: pd.DataFrame, config: TrainConfig) -> list[_Fold]:
    names = [stat.column for stat in Stat]
    priors = [f"prior_{name}" for name in names]
    usable = rows[(rows["split"] == "train") & (rows["min"] > 0)].dropna(subset=[*names, *priors])
    counts = usable.groupby("player_id").size()
    eligible = np.sort(counts[counts >= config.minimum_train_games].index.to_numpy())
    if not len(eligible):
        raise PipelineError(f"No player has {config.minimum_train_games} games in train: nothing can be tuned.")
    size = min(SAMPLED_PLAYERS, len(eligible))
    sample = np.random.default_rng(config.seed).choice(eligible, size=size, replace=False)
    chosen = dict(tuple(usable[usable["player_id"].isin(sample)].groupby("player_id")))
    return [_fold(family, chosen[player].sort_values("game_date"), config.seed) for player in sample]


def _fold(family: str, games: pd.DataFrame, seed: int) -> _Fold:
    names = [stat.column for stat in Stat]
    prior = games[[f"prior_{name}" for name in names]].to_numpy(dtype=float)
    cut = round((1 - HELD_SHARE) * len(games))
    wanted = [FOREST_INPUTS] if family == "random_forest" else [stat_inputs(stat) for stat in Stat]
    raw = [design(games, inputs) for inputs in wanted]
    scaled = [Standardizer.fit(matrix[:cut], FARTHEST).transform(matrix) for matrix in raw]
    return _Fold(scaled, (games[names].to_numpy(dtype=float) - prior) / scale_of(prior), cut, seed)


def _open_study(family: str, folds: list[_Fold], config: TrainConfig, storage_url: str) -> optuna.Study:
    digest = hashlib.sha256(json.dumps([dict(config.params[family]), config.shrinkage], sort_keys=True).encode())
    digest.update(str(config.seed).encode())
    for fold in folds:
        digest.update(fold.targets.tobytes())
        for matrix in fold.inputs:
            digest.update(matrix.tobytes())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            study_name=f"{family}-{digest.hexdigest()[:16]}",
            storage=storage_url,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=CHUNK),
            load_if_exists=True,
        )
    except Exception as error:
        raise PipelineError(f"The tuning storage {storage_url} cannot be opened ({error}): fix its path.") from error


def _settle(study: optuna.Study) -> int:
    """How many trials finished; those that a killed process left running are marked as failed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return len(study.get_trials(deepcopy=False, states=_FINISHED))
