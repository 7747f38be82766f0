"""The members of a player's ensemble: small, strongly regularised learners of the prior's scaled residual.

Every member can be written to bytes that load without unpickling: ONNX for forests, XGBoost's own UBJSON for boosted
trees, plain numbers for the elastic net. What is served is what was written: training hands out the loaded form.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import onnxruntime
import xgboost
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

FAMILIES = ("random_forest", "xgboost", "elastic_net")

Params = Mapping[str, float]

DEFAULT_PARAMS: Mapping[str, Params] = {
    "random_forest": {"trees": 20, "depth": 3, "leaf_share": 0.25, "feature_share": 0.3},
    "xgboost": {
        "rounds": 60, "patience": 6, "depth": 2, "eta": 0.06, "child_weight": 25.0, "l2": 50.0, "row_share": 0.8,
        "feature_share": 0.7,
    },
    "elastic_net": {"alpha": 0.8, "l1_share": 0.15},
}  # fmt: skip
"""Parameters of each family where nothing was tuned. Shares are fractions of rows or columns."""

FARTHEST = 6.0
"""Standard deviations at which the members' inputs are cut off."""

WATCHED_SHARE = 0.2
"""The last part, by date, of the training rows that boosting watches to stop early."""


class Member(Protocol):
    """A fitted learner: scaled inputs [rows, columns] float32 -> scaled residual forecasts."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecasts [rows], or [rows, stats] for the forest that a player's stats share."""


@dataclass(frozen=True)
class Linear:
    """A linear forecast: inputs @ coefficients + intercept."""

    coefficients: np.ndarray
    intercept: float

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[rows, columns] -> [rows]."""
        return inputs.astype(float) @ self.coefficients + self.intercept


@dataclass(frozen=True)
class OnnxForest:
    """A random forest as ONNX bytes, one output column a stat."""

    content: bytes

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[rows, columns] -> [rows, stats]."""
        name = self._session.get_inputs()[0].name
        return self._session.run(None, {name: inputs.astype(np.float32, copy=False)})[0].astype(float)

    def __getstate__(self) -> dict[str, Any]:
        """Sessions don't travel between processes; the bytes do."""
        return {"content": self.content}


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient-boosted trees as XGBoost's own UBJSON bytes."""

    content: bytes

    @cached_property
    def _booster(self) -> xgboost.Booster:
        booster = xgboost.Booster(params={"nthread": 1})
        booster.load_model(bytearray(self.content))
        return booster

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[rows, columns] -> [rows]."""
        if not len(inputs):
            return np.empty(0)
        return self._booster.inplace_predict(inputs).astype(float)

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content}


def fit_forest(inputs: np.ndarray, targets: np.ndarray, params: Params, seed: int) -> RandomForestRegressor:
    """A random forest of shallow trees with large leaves (Breiman 2001) for all stats at once.

    Args:
        inputs: [rows, columns] of a `Standardizer`.
        targets: [rows, stats] scaled residuals.
        params: trees, depth, leaf_share (of the rows), feature_share (of the columns tried at a split).
        seed: of the bootstrap and the columns tried.

    Returns:
        The scikit-learn forest; `predict` gives [rows, stats].
    """
    forest = RandomForestRegressor(
        n_estimators=int(params["trees"]),
        max_depth=int(params["depth"]),
        min_samples_leaf=max(5, round(params["leaf_share"] * len(inputs))),
        max_features=float(params["feature_share"]),
        random_state=seed,
    )
    return forest.fit(inputs, targets)


def export_forest(forest: RandomForestRegressor) -> OnnxForest:
    """The same forest as ONNX; forecasts agree to 1e-6."""
    # Imported here: only training needs the converter, and it takes a second to load.
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    inputs = [("inputs", FloatTensorType([None, forest.n_features_in_]))]
    return OnnxForest(convert_sklearn(forest, "forest", inputs, target_opset=17).SerializeToString())


def fit_boosted(inputs: np.ndarray, target: np.ndarray, params: Params, seed: int) -> xgboost.Booster:
    """Gradient-boosted trees (Chen & Guestrin 2016) with early stopping.

    The number of rounds is where the error on the last fifth of the rows, by date, stops falling for `patience`
    rounds; the trees are then grown again on all rows with that number. Validation rows play no part.

    Args:
        inputs: [rows, columns] of a `Standardizer`, sorted by date.
        target: [rows] scaled residuals; the forecast starts from 0, the prior.
        params: rounds, patience, depth, eta, child_weight, l2, row_share, feature_share.
        seed: of the row and column samples.

    Returns:
        The booster.
    """
    watched = max(1, round(WATCHED_SHARE * len(inputs)))
    early = xgboost.DMatrix(inputs[:-watched], label=target[:-watched], nthread=1)
    late = xgboost.DMatrix(inputs[-watched:], label=target[-watched:], nthread=1)
    settings = _booster_settings(params, seed)
    stopped = xgboost.train(
        settings,
        early,
        int(params["rounds"]),
        evals=[(late, "late")],
        early_stopping_rounds=int(params["patience"]),
        verbose_eval=False,
    )
    return xgboost.train(
        settings, xgboost.DMatrix(inputs, label=target, nthread=1), stopped.best_iteration + 1, verbose_eval=False
    )


def _booster_settings(params: Params, seed: int) -> dict[str, Any]:
    return {
        "max_depth": int(params["depth"]),
        "eta": float(params["eta"]),
        "min_child_weight": float(params["child_weight"]),
        "lambda": float(params["l2"]),
        "subsample": float(params["row_share"]),
        "colsample_bytree": float(params["feature_share"]),
        "base_score": 0.0,
        "tree_method": "exact",
        "nthread": 1,
        "seed": seed,
    }


def export_boosted(booster: xgboost.Booster) -> BoostedTrees:
    """The same trees as UBJSON bytes; forecasts are identical."""
    return BoostedTrees(bytes(booster.save_raw("ubj")))


def fit_linear(inputs: np.ndarray, target: np.ndarray, params: Params) -> Linear:
    """The elastic net (Zou & Hastie 2005) on standardized inputs.

    Args:
        inputs: [rows, columns] of a `Standardizer`.
        target: [rows] scaled residuals.
        params: alpha (penalty), l1_share (0 ridge, 1 lasso).
    """
    net = ElasticNet(alpha=float(params["alpha"]), l1_ratio=float(params["l1_share"]), max_iter=500, tol=1e-4)
    with warnings.catch_warnings():
        # A net that has not converged to 1e-4 is as good: it is shrunk and judged on validation.
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(inputs.astype(float), target)
    return Linear(np.asarray(net.coef_, dtype=float), float(net.intercept_))


def fit_predict(
    family: str, inputs: np.ndarray, target: np.ndarray, new_inputs: np.ndarray, params: Params, seed: int
) -> np.ndarray:
    """Fit a family on some rows and forecast others: one fold.

    Args:
        family: one of `FAMILIES`.
        inputs: [rows, columns], sorted by date.
        target: [rows], or [rows, stats] for the forest.
        new_inputs: [new rows, columns].
        params: of the family.
        seed: of the family's random draws.

    Returns:
        [new rows] or [new rows, stats].
    """
    if family == "random_forest":
        return fit_forest(inputs, target, params, seed).predict(new_inputs)
    if family == "xgboost":
        return fit_boosted(inputs, target, params, seed).inplace_predict(new_inputs).astype(float)
    return fit_linear(inputs, target, params).predict(new_inputs)
