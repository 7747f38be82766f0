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


def split_by_player(rows: pd.DataFrame, validation_share: float = 0.15 / 0.85) -> pd.Series:
    """`train` or `validation` for every row: each player's own newest games are his validation.

    For models that go on learning while the cut dates of `split_by_date` stand still. There is no test part: what
    such a model is worth is told by the games that are played after it was made.

    Args:
        rows: player_id, game_date, game_id of games that were played, in any order.
        validation_share: of each player's games, rounded.

    Returns:
        Text, indexed like `rows`.
    """
    ordered = rows.sort_values(ORDER, kind="stable")
    place = ordered.groupby("player_id").cumcount()
    games = ordered.groupby("player_id")["game_id"].transform("size")
    newest = place >= games - (games * validation_share).round()
    return newest.map({True: "validation", False: "train"}).astype("str").reindex(rows.index)
