"""Forecasts of sums such as points and rebounds, from the served forecasts of their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import Combination, InformationLevel, PipelineError, Stat
from statmuse_pipeline.forecasting import KEY, Forecasts
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.joint import JointModel

Floats = npt.NDArray[np.float64]

NAMES = ["season", "game_id", "game_date", "player_id", "level", "split"]


@dataclass(frozen=True)
class CombinedForecasts:
    """Forecasts of sums of stats.

    Attributes:
        frame: season, game_id, game_date, player_id, level, split, stat (the sum's name), mean, model: "player" where
            a part comes from the player's own model.
        distributions: sum -> one distribution a row of that sum in `frame`, in the same order.
    """

    frame: pd.DataFrame
    distributions: Mapping[Combination, CountDistribution]

    def keys(self, combination: Combination) -> pd.DataFrame:
        """The rows of `frame` about that sum, in the order of its distributions."""
        return self.frame[self.frame["stat"] == combination.value].reset_index(drop=True)

    def over(self, queries: pd.DataFrame) -> Floats:
        """P(sum > line) of every query (game_id, player_id, stat, level, line), [n]; NaN where there is no forecast."""
        return self._ask(queries, CountDistribution.over)

    def push(self, queries: pd.DataFrame) -> Floats:
        """P(sum = line) of every query. As `over`."""
        return self._ask(queries, CountDistribution.push)

    def _ask(self, queries: pd.DataFrame, question: Callable[..., Floats]) -> Floats:
        names = list(KEY)
        answers, lines = np.full(len(queries), np.nan), queries["line"].to_numpy(np.float64)
        asked = pd.MultiIndex.from_frame(queries[names].astype("object"))
        for combination, distribution in self.distributions.items():
            index = pd.MultiIndex.from_frame(self.keys(combination)[names].astype("object"))
            place = index.get_indexer(asked)
            here = np.flatnonzero(place >= 0)
            answers[here] = question(distribution, lines[here], place[here])
        return answers


@dataclass(frozen=True)
class Quotable:
    """Forecasts of stats and of their sums, to ask about quotes of either.

    Attributes:
        stats: forecasts of single stats.
        sums: forecasts of sums.
    """

    stats: Forecasts
    sums: CombinedForecasts

    @cached_property
    def frame(self) -> pd.DataFrame:
        """game_id, player_id, stat, level of everything that is forecast."""
        parts = [self.stats.frame[list(KEY)], self.sums.frame[list(KEY)]]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def over(self, queries: pd.DataFrame) -> Floats:
        """P(over) of every query, [n]; NaN where there is no forecast."""
        return np.where(_of_sums(queries), self.sums.over(queries), self.stats.over(queries))

    def push(self, queries: pd.DataFrame) -> Floats:
        """P(push) of every query. As `over`."""
        return np.where(_of_sums(queries), self.sums.push(queries), self.stats.push(queries))


def _of_sums(queries: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return np.asarray(queries["stat"].isin(list(Combination)))


def combine(
    forecasts: Forecasts,
    joints: Mapping[InformationLevel, JointModel],
    combinations: Iterable[Combination] = tuple(Combination),
) -> CombinedForecasts:
    """Forecasts of sums of all player-games whose parts are forecast; a sum with an unforecast part is left out.

    Args:
        forecasts: as they are served, at any levels.
        joints: how the parts go together at each level that is forecast.
        combinations: which sums.
    """
    frames: list[pd.DataFrame] = []
    distributions: dict[Combination, CountDistribution] = {}
    for combination in combinations:
        totals = []
        for level in InformationLevel:
            keys, parts = marginals(forecasts.select(level=level), combination.parts)
            if len(keys):
                totals.append(joints[level].total(parts, combination.parts))
                frames.append(keys.assign(stat=combination.value))
        if totals:
            distributions[combination] = CountDistribution.concat(totals)
    empty = pd.DataFrame(columns=[*NAMES, "stat", "mean", "model"])
    return CombinedForecasts(pd.concat(frames, ignore_index=True) if frames else empty, distributions)


def marginals(forecasts: Forecasts, parts: tuple[Stat, ...]) -> tuple[pd.DataFrame, dict[Stat, CountDistribution]]:
    """The parts' distributions of the player-games of which every part is forecast.

    Args:
        forecasts: at one level.
        parts: the stats.

    Returns:
        Those player-games (`NAMES`, with mean, the sum of the parts', and model), and stat -> their distributions in
        the same order; nothing where no game has all parts.

    Raises:
        PipelineError: when forecasts are at several levels.
    """
    if len(forecasts.frame["level"].unique()) > 1:
        raise PipelineError("Parts are put together at one information level at a time.")
    own = {stat: forecasts.keys(stat) for stat in parts}
    joined = own[parts[0]][NAMES]
    for stat, keys in own.items():
        told = keys[["game_id", "player_id"]].copy()
        told[f"{stat}_row"] = np.arange(len(keys))
        told[f"{stat}_mean"] = keys["mean"]
        told[f"{stat}_own"] = keys["model"] == "player"
        joined = joined.merge(told, on=["game_id", "player_id"], validate="one_to_one")
    if joined.empty:
        return joined.reindex(columns=[*NAMES, "mean", "model"]), {}
    keys = joined[NAMES].assign(
        mean=joined[[f"{stat}_mean" for stat in parts]].sum(axis=1),
        model=np.where(joined[[f"{stat}_own" for stat in parts]].any(axis=1), "player", "prior"),
    )
    return keys, {stat: forecasts.distributions[stat].take(joined[f"{stat}_row"].to_numpy()) for stat in parts}
