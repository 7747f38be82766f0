"""The split of a feature table by date: train, then validation, then test."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError

ORDER = ["game_date", "game_id", "player_id"]


@dataclass(frozen=True)
class Split:
    """Three parts of a feature table; every date lies in exactly one of them.

    Attributes:
        train: rows before `validation_from`.
        validation: rows from `validation_from` on, before `test_from`.
        test: rows from `test_from` on.
        validation_from: first day of the validation part.
        test_from: first day of the test part.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    validation_from: dt.date
    test_from: dt.date

    def parts(self) -> dict[str, pd.DataFrame]:
        """Name -> part, in the order of time."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_by_date(features: pd.DataFrame, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)) -> Split:
    """Cut a feature table at two dates, so that the parts hold as nearly those shares of the rows as whole days allow.

    Args:
        features: rows with game_date, game_id, player_id in any order.
        fractions: shares of train, validation and test; positive, summing to 1.

    Raises:
        PipelineError: when the fractions are no split, or the rows span fewer than three dates.
    """
    if min(fractions) <= 0 or not np.isclose(sum(fractions), 1.0):
        raise PipelineError(f"The fractions {fractions} are no split: give three positive shares that sum to 1.")
    rows = features.sort_values(ORDER, kind="stable", ignore_index=True)
    days, counts = np.unique(rows["game_date"].to_numpy(), return_counts=True)
    if len(days) < 3:
        raise PipelineError(f"The feature table holds {len(days)} dates: three are the least that can be split.")
    before = np.r_[0, np.cumsum(counts)]
    wanted = np.cumsum(fractions)[:2] * len(rows)
    first = int(np.clip(np.abs(before - wanted[0]).argmin(), 1, len(days) - 2))
    second = int(np.clip(np.abs(before - wanted[1]).argmin(), first + 1, len(days) - 1))
    a, b = before[first], before[second]
    return Split(
        train=rows.iloc[:a].reset_index(drop=True),
        validation=rows.iloc[a:b].reset_index(drop=True),
        test=rows.iloc[b:].reset_index(drop=True),
        validation_from=pd.Timestamp(days[first]).date(),
        test_from=pd.Timestamp(days[second]).date(),
    )
