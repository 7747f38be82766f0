"""One player's ensembles as they are served, and the files they are kept in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling.ensemble import ENSEMBLES, Served, vote
from statmuse_pipeline.modeling.members import FAMILIES, FARTHEST, BoostedTrees, Linear, OnnxForest
from statmuse_pipeline.modeling.residuals import FOREST_INPUTS, design, scale_of, settled_share, stat_inputs
from statmuse_pipeline.standardizer import Standardizer

MODEL_COLUMNS = ("prior", *FAMILIES, *ENSEMBLES, "served")
"""Columns of `PlayerModel.means`: the prior, each member by itself, the ensembles, and what is served.

The prior votes in the ensembles too: they stand at prior + strength * (combined members - prior), with one strength for
all players and stats (`train.STRENGTH`).
"""

_FORMAT = 2
_DESCRIPTION, _FOREST = "model.json", "forest.onnx"


@dataclass(frozen=True)
class StatModel:
    """The members and ensembles of one stat of one player; the forest is the player's.

    Attributes:
        stat: which.
        scaler: of `residuals.stat_inputs(stat)`.
        boosted: XGBoost member.
        linear: ElasticNet member.
        weights: [members] of the stacking ensemble, in the order of `members.FAMILIES`.
        strength: how much of the combined members counts in an ensemble, the rest being the prior's.
        served: ensemble and shrinkage chosen on validation.
        metrics: games in train and validation; RMSE and MAE on validation of each of `MODEL_COLUMNS`.
    """

    stat: Stat
    scaler: Standardizer
    boosted: BoostedTrees
    linear: Linear
    weights: np.ndarray
    strength: float
    served: Served
    metrics: Mapping[str, Any]

    def means_from(self, members: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Scaled member forecasts [rows, members] and prior means [rows] -> [rows, MODEL_COLUMNS], never negative."""
        scale = scale_of(prior)
        combined = np.column_stack([vote(members), members @ self.weights])
        residuals = np.column_stack([members, self.strength * combined])
        means = np.maximum(prior[:, None] + scale[:, None] * residuals, 0.0)
        if self.served.ensemble == "prior":
            return np.column_stack([prior, means, prior])
        chosen = combined[:, ENSEMBLES.index(self.served.ensemble)]
        served = np.maximum(prior + self.served.shrinkage * scale * chosen, 0.0)
        return np.column_stack([prior, means, served])


@dataclass(frozen=True)
class PlayerModel:
    """A player's models of every stat.

    Attributes:
        player_id: whose.
        stats: the stats that were fitted.
        failures: stat -> why it was not; such a stat is served by the prior.
        forest: the random forest of all stats, in the order of `Stat`; None when nothing was fitted.
        forest_scaler: of `residuals.FOREST_INPUTS`.
    """

    player_id: int
    stats: Mapping[Stat, StatModel]
    failures: Mapping[Stat, str]
    forest: OnnxForest | None = None
    forest_scaler: Standardizer | None = None

    def members(self, rows: pd.DataFrame, stats: Sequence[Stat] = tuple(Stat)) -> dict[Stat, np.ndarray]:
        """Scaled residual forecasts [rows, members] of the stats that were fitted, in the order of `members.FAMILIES`.

        Early in a season they count in part (`residuals.settled_share`). They depend on pregame inputs alone, so one
        call serves the priors of both levels.

        Args:
            rows: [rows] of this player with the pregame inputs (`residuals.columns_needed()` without outcomes).

            stats: which stats are wanted.

        Raises:
            PipelineError: when inputs are missing.
        """
        if self.forest is None or self.forest_scaler is None or not len(rows):
            return {}
        settled = settled_share(rows)[:, None]
        forest = self.forest.predict(self.forest_scaler.transform(design(rows, FOREST_INPUTS)))
        found = {}
        for stat, model in self.stats.items():
            if stat not in stats:
                continue
            inputs = model.scaler.transform(design(rows, stat_inputs(stat)))
            own = forest[:, list(Stat).index(stat)]
            members = np.column_stack([own, model.boosted.predict(inputs), model.linear.predict(inputs)])
            found[stat] = settled * members
        return found

    def means(self, rows: pd.DataFrame, stat: Stat, prior: np.ndarray) -> pd.DataFrame:
        """Forecast means of every member and ensemble.

        Args:
            rows: as for `members`.
            stat: which.
            prior: [rows] prior means at the level wanted; residuals are added on it.

        Returns:
            Columns `MODEL_COLUMNS`, indexed like `rows`. A stat without a model is the prior in every column.

        Raises:
            PipelineError: when inputs are missing or `prior` has another length.
        """
        prior = np.asarray(prior, dtype=float)
        if prior.shape != (len(rows),):
            raise PipelineError(f"The prior of {stat} has shape {prior.shape}, but there are {len(rows)} rows.")
        found = self.members(rows, (stat,))
        values = (
            self.stats[stat].means_from(found[stat], prior)
            if stat in found
            else np.repeat(prior[:, None], len(MODEL_COLUMNS), axis=1)
        )
        return pd.DataFrame(values, columns=list(MODEL_COLUMNS), index=rows.index)

    def metrics(self) -> dict[str, Any]:
        """Stat name -> games, validation RMSE and MAE, what is served; or `{"failure": reason}`."""
        told: dict[str, Any] = {}
        for stat in Stat:
            if stat in self.stats:
                model = self.stats[stat]
                told[stat.value] = {
                    **model.metrics, "served": model.served.ensemble, "shrinkage": model.served.shrinkage,
                }  # fmt: skip
            else:
                told[stat.value] = {"failure": self.failures.get(stat, "not trained")}
        return told

    def records(self) -> list[dict[str, Any]]:
        """One record a stat asked for and kind, for the registry: stat, kind, metrics, features, failure."""
        records: list[dict[str, Any]] = []
        for stat in Stat:
            model = self.stats.get(stat)
            if model is None and stat not in self.failures:
                continue
            for kind in (*FAMILIES, *ENSEMBLES, "served"):
                records.append({
                    "stat": stat.value,
                    "kind": kind,
                    "metrics": _metrics_of(model, kind) if model else {},
                    "features": list(_inputs_of(stat, kind)),
                    "failure": None if model else self.failures[stat],
                })  # fmt: skip
        return records

    def to_files(self) -> dict[str, bytes]:
        """`model.json`, `forest.onnx` and one `xgboost_{s}.ubj` a stat; the same model gives the same bytes."""
        files = {_DESCRIPTION: json.dumps(self._described(), sort_keys=True, allow_nan=False).encode()}
        if self.forest is not None:
            files[_FOREST] = self.forest.content
        for stat, model in self.stats.items():
            files[f"xgboost_{stat.column}.ubj"] = model.boosted.content
        return dict(sorted(files.items()))

    def _described(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "player_id": self.player_id,
            "forest_inputs": list(FOREST_INPUTS),
            "forest_scaler": _scaler_numbers(self.forest_scaler) if self.forest_scaler else None,
            "failures": {stat.value: reason for stat, reason in self.failures.items()},
            "stats": {
                stat.value: {
                    "inputs": list(stat_inputs(stat)),
                    "scaler": _scaler_numbers(model.scaler),
                    "elastic_net": {
                        "coefficients": model.linear.coefficients.tolist(), "intercept": model.linear.intercept,
                    },
                    "stacking_weights": model.weights.tolist(),
                    "strength": model.strength,
                    "served": {"ensemble": model.served.ensemble, "shrinkage": model.served.shrinkage},
                    "metrics": dict(model.metrics),
                }
                for stat, model in self.stats.items()
            },
        }  # fmt: skip

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> PlayerModel:
        """The model that `to_files` wrote; nothing is unpickled.

        Raises:
            PipelineError: when a file is missing, broken, or of another version of the code's inputs.
        """
        try:
            told = json.loads(files[_DESCRIPTION])
            if told["format"] != _FORMAT or tuple(told["forest_inputs"]) != FOREST_INPUTS:
                raise PipelineError(
                    "A player model was written by another version of the code: train the player again."
                )
            stats = {Stat(name): _stat_model(Stat(name), part, files) for name, part in told["stats"].items()}
            scaler = told["forest_scaler"]
            return cls(
                int(told["player_id"]),
                stats,
                {Stat(name): str(reason) for name, reason in told["failures"].items()},
                OnnxForest(files[_FOREST]) if scaler else None,
                _scaler_from(scaler) if scaler else None,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise PipelineError(f"A player model cannot be read ({error!r}): train the player again.") from error


def _stat_model(stat: Stat, told: Mapping[str, Any], files: Mapping[str, bytes]) -> StatModel:
    if tuple(told["inputs"]) != stat_inputs(stat):
        raise PipelineError("A player model was written by another version of the code: train the player again.")
    return StatModel(
        stat,
        _scaler_from(told["scaler"]),
        BoostedTrees(files[f"xgboost_{stat.column}.ubj"]),
        Linear(np.array(told["elastic_net"]["coefficients"]), float(told["elastic_net"]["intercept"])),
        np.array(told["stacking_weights"]),
        float(told["strength"]),
        Served(str(told["served"]["ensemble"]), float(told["served"]["shrinkage"])),
        told["metrics"],
    )


def _scaler_numbers(scaler: Standardizer) -> dict[str, list[float]]:
    return {"center": scaler.location.tolist(), "scale": scaler.scale.tolist()}


def _scaler_from(told: Mapping[str, list[float]]) -> Standardizer:
    return Standardizer(np.array(told["center"]), np.array(told["scale"]), FARTHEST)


def _inputs_of(stat: Stat, kind: str) -> tuple[str, ...]:
    if kind == "random_forest":
        return FOREST_INPUTS
    if kind in FAMILIES:
        return stat_inputs(stat)
    return tuple(dict.fromkeys((*stat_inputs(stat), *FOREST_INPUTS)))


def _metrics_of(model: StatModel, kind: str) -> dict[str, Any]:
    metrics = {
        "train_games": model.metrics["train_games"],
        "validation_games": model.metrics["validation_games"],
        "rmse": model.metrics["rmse"].get(kind),
        "mae": model.metrics["mae"].get(kind),
        "prior_rmse": model.metrics["rmse"].get("prior"),
    }
    if kind == "served":
        metrics |= {"ensemble": model.served.ensemble, "shrinkage": model.served.shrinkage}
    if kind == "stacking":
        metrics["weights"] = dict(zip(FAMILIES, model.weights.tolist(), strict=True))
    return metrics
