"""Forecasts that need no model: what a player did lately. Every model is compared with them."""

from __future__ import annotations

import pandas as pd

from statmuse_pipeline.domain import PipelineError, Stat

BASELINES = {
    "ewm": "{s}_ewm_10",
    "season_average": "{s}_season",
    "mean_3": "{s}_mean_3",
    "mean_5": "{s}_mean_5",
    "mean_10": "{s}_mean_10",
    "mean_20": "{s}_mean_20",
    "wma_10": "{s}_wma_10",
    "median_10": "{s}_median_10",
}
"""Baseline -> column of the feature table. `ewm` (weight 0.1 on the newest game) is the one ratios divide by."""


def baselines(features: pd.DataFrame, stat: Stat) -> pd.DataFrame:
    """The baseline forecasts of one stat, a column each of BASELINES, indexed like `features`; NaN without history.

    Raises:
        PipelineError: when the feature table lacks a column.
    """
    columns = {name: pattern.format(s=stat.column) for name, pattern in BASELINES.items()}
    missing = sorted(set(columns.values()) - set(features.columns))
    if missing:
        raise PipelineError(f"The feature table lacks {', '.join(missing)}: build it with features.table.")
    return pd.DataFrame({name: features[column].astype("float64") for name, column in columns.items()})
