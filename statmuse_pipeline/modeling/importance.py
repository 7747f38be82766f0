"""Which columns the pooled models lean on: sizes of standardised ridge coefficients, gains of the minutes trees.

Columns that tell nearly the same share their weight, so a small share does not mean that a column says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xgboost as xgb

from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.modeling.prior import PooledPrior

COLUMNS = ["name", "level", "stat", "importance"]


def prior_importance(priors: Iterable[PooledPrior]) -> pd.DataFrame:
    """Name, level, stat, importance: |coefficient| of the standardised column, as a share of the prior's sum."""
    found = []
    for prior in priors:
        size = np.abs(prior.coefficients[1:])
        found.append(_table(prior.columns, prior.level, prior.stat.value, size))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def tree_importance(
    booster: xgb.Booster, inputs: Sequence[str], level: InformationLevel, target: str = "MIN"
) -> pd.DataFrame:
    """The same of boosted trees: what the splits on each input gained, as a share of all gain.

    Args:
        booster: fitted on inputs without names.
        inputs: their names, in order.
        level: what the trees may know.
        target: goes into the column `stat`.
    """
    gains = booster.get_score(importance_type="total_gain")
    return _table(inputs, level, target, np.array([gains.get(f"f{place}", 0.0) for place in range(len(inputs))]))


def top_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Mean share over the stats by level and column, largest first, and the stat in which it is largest.

    Args:
        table: of `prior_importance` and `tree_importance`.
    """
    ordered = table.sort_values(["importance", "name", "stat"], ascending=[False, True, True])
    trees = ordered["stat"].eq("MIN").map({True: "minutes", False: "stats"}).rename("of")
    by = ordered.groupby([trees, ordered["level"], ordered["name"]], sort=True)
    found = by.agg(importance=("importance", "mean"), largest=("stat", "first")).reset_index()
    return found.sort_values(["importance", "name"], ascending=[False, True], ignore_index=True)[
        ["name", "of", "level", "importance", "largest"]
    ]


def _table(names: Sequence[str], level: InformationLevel, stat: str, size: np.ndarray) -> pd.DataFrame:
    share = size / max(float(size.sum()), 1e-12)
    return pd.DataFrame({"name": list(names), "level": level.value, "stat": stat, "importance": share})
