"""From means, widths and calibrators to forecasts: predictive distributions that answer any line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from statmuse_pipeline.contracts import FORECASTS, check
from statmuse_pipeline.domain import (
    COVERAGES,
    EXPECTED_MINUTES,
    LADDER,
    LARGEST_COUNT,
    InformationLevel,
    PipelineError,
    Stat,
)
from statmuse_pipeline.modeling.distribution import CountDistribution

Floats = npt.NDArray[np.float64]
Calibrator = Callable[[npt.ArrayLike], Floats]

KEY = ("game_id", "player_id", "stat", "level")

_NEGLIGIBLE = 1e-6
"""Survival probabilities below this are stored as 0."""


class Width(Protocol):
    """How wide the distribution around a mean is, such as `modeling.dispersion.DispersionModel`."""

    def distribution(
        self, mean: npt.ArrayLike, largest: int, minutes: npt.ArrayLike | None = None
    ) -> CountDistribution:
        """Distributions on 0..largest round the means [n], given the expected minutes [n]."""
        ...


class Aims(Protocol):
    """Where a stat's intervals end, such as `modeling.interval_aims.IntervalAims`."""

    def intervals(self, forecast: CountDistribution, minutes: npt.ArrayLike) -> list[tuple[Floats, Floats]]:
        """(first, last) counts for each of `domain.COVERAGES`, given the expected minutes [n]."""
        ...


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of many player-games, stats and levels.

    Attributes:
        frame: contracts.FORECASTS. `mean` is the model's; the other numbers are of the calibrated distribution.
        distributions: stat -> one distribution a row of that stat in `frame`, in the same order; float32.
    """

    frame: pd.DataFrame
    distributions: Mapping[Stat, CountDistribution]

    def __post_init__(self) -> None:
        counts = self.frame["stat"].value_counts()
        if {stat.value: len(found) for stat, found in self.distributions.items() if len(found)} != counts.to_dict():
            raise PipelineError("Every forecast needs its distribution, and every distribution its forecast.")

    def keys(self, stat: Stat) -> pd.DataFrame:
        """The rows of `frame` about that stat, in the order of its distributions."""
        return self.frame[self.frame["stat"] == stat.value].reset_index(drop=True)

    def select(
        self,
        *,
        level: InformationLevel | None = None,
        split: str | None = None,
        stats: Sequence[Stat] | None = None,
        games: Sequence[str] | None = None,
        players: Sequence[int] | None = None,
    ) -> Forecasts:
        """The forecasts of one level or split, of some stats, games or players."""
        wanted = np.ones(len(self.frame), dtype=bool)
        if level is not None:
            wanted &= (self.frame["level"] == level.value).to_numpy()
        if split is not None:
            wanted &= (self.frame["split"] == split).to_numpy()
        if stats is not None:
            wanted &= self.frame["stat"].isin([stat.value for stat in stats]).to_numpy()
        if games is not None:
            wanted &= self.frame["game_id"].isin(list(games)).to_numpy()
        if players is not None:
            wanted &= self.frame["player_id"].isin(list(players)).to_numpy()
        distributions = {}
        for stat, distribution in self.distributions.items():
            own = wanted[(self.frame["stat"] == stat.value).to_numpy()]
            if own.any():
                distributions[stat] = distribution.take(own)
        return Forecasts(self.frame[wanted].reset_index(drop=True), distributions)

    @classmethod
    def concat(cls, parts: Sequence[Forecasts]) -> Forecasts:
        """All forecasts of the parts, in their order.

        Raises:
            PipelineError: when there is no part, or a player-game, stat and level stands in two of them.
        """
        if not parts:
            raise PipelineError("There are no forecasts to put together.")
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        present = [stat for stat in Stat if any(stat in part.distributions for part in parts)]
        return cls(
            check(FORECASTS, frame),
            {
                stat: CountDistribution.concat(
                    [part.distributions[stat] for part in parts if stat in part.distributions]
                )
                for stat in present
            },
        )

    def ladder(self) -> pd.DataFrame:
        """P(over) on the fixed lines: season, game_id, game_date, player_id, stat, level, split, line, p_over."""
        parts = []
        names = ["season", "game_id", "game_date", "player_id", "stat", "level", "split"]
        for stat, distribution in self.distributions.items():
            keys, lines = self.keys(stat)[names], np.asarray(LADDER[stat])
            part = keys.loc[keys.index.repeat(len(lines))].reset_index(drop=True)
            p_over = np.column_stack([distribution.over(line) for line in lines]).ravel()
            parts.append(part.assign(line=np.tile(lines, len(keys)), p_over=p_over))
        if not parts:
            return pd.DataFrame({**{name: self.frame[name] for name in names}, "line": [], "p_over": []})
        return pd.concat(parts, ignore_index=True)

    def over(self, queries: pd.DataFrame) -> Floats:
        """P(stat > line) of every query, [n]; NaN where there is no forecast or no line.

        Args:
            queries: game_id, player_id, stat, level, line.

        Raises:
            PipelineError: when a column is missing.
        """
        return self._ask(queries, CountDistribution.over)

    def push(self, queries: pd.DataFrame) -> Floats:
        """P(stat = line) of every query, 0 for half lines. As `over`."""
        return self._ask(queries, CountDistribution.push)

    def medians(self, queries: pd.DataFrame) -> Floats:
        """Median forecast for every query (game_id, player_id, stat, level), [n]; NaN where there is none."""
        place = self._locate(queries)
        return np.where(place >= 0, self.frame["median"].to_numpy(np.float64)[place], np.nan)

    def _ask(self, queries: pd.DataFrame, question: Callable[..., Floats]) -> Floats:
        if "line" not in queries:
            raise PipelineError("Queries need a line.")
        place, lines = self._locate(queries), queries["line"].to_numpy(np.float64)
        answers = np.full(len(queries), np.nan)
        asked = queries["stat"].to_numpy()
        for stat, distribution in self.distributions.items():
            here = np.flatnonzero((place >= 0) & (asked == stat.value))
            answers[here] = question(distribution, lines[here], self._within_stat[place[here]])
        return answers

    @cached_property
    def _within_stat(self) -> npt.NDArray[np.int64]:
        """Row of `frame` -> row of its stat's distributions."""
        return self.frame.groupby("stat", sort=False).cumcount().to_numpy().astype(np.int64)

    @cached_property
    def _index(self) -> tuple[list[pd.Index], pd.Index]:
        """The distinct values of each key column, and the rows' keys as one number each."""
        values = [pd.Index(self.frame[name].unique()) for name in KEY]
        return values, pd.Index(_one_number(self.frame, values))

    def _locate(self, queries: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Row of `frame` that each query is about, -1 where there is none."""
        missing = [name for name in KEY if name not in queries]
        if missing:
            raise PipelineError(f"Queries need {', '.join(KEY)}; {', '.join(missing)} is missing.")
        if self.frame.empty:
            return np.full(len(queries), -1)
        values, index = self._index
        wanted = _one_number(queries, values)
        return np.where(wanted >= 0, index.get_indexer(pd.Index(wanted)).astype(np.int64), -1)

    def save(self, path: Path) -> Path:
        """Write one Parquet file, complete or not at all: `frame` and a list of survival probabilities a row.

        Raises:
            PipelineError: when it cannot be written.
        """
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        column: list[Any] = []
        order = []
        for stat, distribution in self.distributions.items():
            order.append(np.flatnonzero((self.frame["stat"] == stat.value).to_numpy()))
            column.append(_as_lists(distribution.survival))
        lists = pa.chunked_array(column, type=pa.list_(pa.float32()))
        if order:
            lists = lists.take(pa.array(np.argsort(np.concatenate(order))))
        table = table.append_column("survival", lists)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        plain = ["survival.list.element"]
        dictionary = [name for name in table.column_names if name in _REPEATING]
        try:
            pq.write_table(table, temporary, compression="zstd", use_dictionary=dictionary, use_byte_stream_split=plain)
            temporary.replace(path)
        except OSError as error:
            raise PipelineError(
                f"Could not write {path}: {error.strerror or error}. Free space or fix its rights."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return path

    @classmethod
    def load(cls, path: Path) -> Forecasts:
        """The forecasts of `save`.

        Raises:
            PipelineError: when the file is missing or no forecasts file.
        """
        try:
            table = pq.read_table(path)
            lists = table["survival"].combine_chunks()
        except (OSError, KeyError, pa.ArrowException) as error:
            raise PipelineError(f"{path} holds no forecasts ({error}): run `statmuse evaluate` again.") from error
        frame = table.drop_columns(["survival"]).to_pandas()
        starts, flat = lists.offsets.to_numpy().astype(np.int64) - lists.offsets[0].as_py(), lists.flatten().to_numpy()
        distributions = {}
        for stat in Stat:
            rows = np.flatnonzero((frame["stat"] == stat.value).to_numpy())
            if len(rows):
                distributions[stat] = CountDistribution(_as_matrix(flat, starts, rows, LARGEST_COUNT[stat]))
        return cls(check(FORECASTS, frame), distributions)


_REPEATING = ("season", "game_id", "game_date", "player_id", "stat", "level", "split", "model")


def make_forecasts(
    rows: pd.DataFrame,
    means: Mapping[Stat, npt.ArrayLike] | pd.DataFrame,
    dispersions: Mapping[Stat, Width],
    *,
    level: InformationLevel,
    aims: Mapping[Stat, Aims] | None = None,
    calibrators: Mapping[Stat, Calibrator] | None = None,
    player_calibrators: Mapping[tuple[int, Stat], Calibrator] | None = None,
    model: str | pd.Series | npt.ArrayLike = "prior",
    split: str | None = None,
) -> Forecasts:
    """Forecasts of all player-games in `rows` and all stats in `means`.

    Args:
        rows: season, game_id, game_date, player_id of n player-games, `split` unless it is given, and the minutes
            expected at the level (`domain.EXPECTED_MINUTES`) where a width or an interval depends on them.
        means: stat -> expected counts [n], in the order of `rows`. A missing mean gives no forecast.
        dispersions: stat -> how wide the distributions are.
        level: what the means were allowed to know.
        aims: stat -> where intervals end; without one, at the run of counts nearest to what they say.
        calibrators: stat -> monotone map of probabilities for all players.
        player_calibrators: (player id, stat) -> monotone map that follows it, for the players that have one.
        model: what made the means, one name or one a row.
        split: name of the part of the data, for all rows.

    Raises:
        PipelineError: when a stat has no dispersion, or means and rows differ in number.
    """
    names = ["season", "game_id", "game_date", "player_id"]
    keys = rows[names].reset_index(drop=True)
    keys = keys.assign(
        level=level.value,
        split=rows["split"].to_numpy() if split is None else split,
        model=model if isinstance(model, str) else np.asarray(model),
    )
    expected = EXPECTED_MINUTES[level]
    minutes = rows[expected].to_numpy(dtype=np.float64) if expected in rows else None
    frames, distributions = [], {}
    for stat in Stat:
        if stat not in means:
            continue
        mean = np.asarray(means[stat], dtype=np.float64)
        if mean.shape != (len(keys),):
            raise PipelineError(
                f"There are {len(keys)} player-games, but the {stat} means have the shape {mean.shape}."
            )
        if stat not in dispersions:
            raise PipelineError(f"There is no dispersion for {stat}: fit one on earlier forecasts.")
        known = np.isfinite(mean)
        part = keys[known].reset_index(drop=True)
        own_minutes = None if minutes is None else minutes[known]
        distribution = dispersions[stat].distribution(mean[known], LARGEST_COUNT[stat], own_minutes)
        if calibrators and stat in calibrators:
            distribution = distribution.mapped(calibrators[stat])
        distribution = _per_player(distribution, part["player_id"], stat, player_calibrators or {})
        distributions[stat] = _compact(distribution)
        if aims and stat in aims and own_minutes is not None:
            ends = aims[stat].intervals(distributions[stat], own_minutes)
        else:
            ends = distributions[stat].intervals([share / 100 for share in COVERAGES])
        frames.append(_numbers(part, stat, mean[known], distributions[stat].median(), ends))
    if not frames:
        raise PipelineError("There are no means to make forecasts of: name at least one stat.")
    frame = pd.concat(frames, ignore_index=True)[list(FORECASTS.columns)]
    return Forecasts(check(FORECASTS, frame), {stat: found for stat, found in distributions.items() if len(found)})


def _numbers(
    keys: pd.DataFrame, stat: Stat, mean: Floats, median: Floats, ends: Sequence[tuple[Floats, Floats]]
) -> pd.DataFrame:
    columns: dict[str, Any] = {"stat": stat.value, "mean": mean, "median": median}
    for share, (low, high) in zip(COVERAGES, ends, strict=True):
        columns |= {f"lo{share}": low, f"hi{share}": high}
    return keys.assign(**columns)


def _per_player(
    distribution: CountDistribution,
    players: pd.Series,
    stat: Stat,
    calibrators: Mapping[tuple[int, Stat], Calibrator],
) -> CountDistribution:
    survival = distribution.survival.astype(np.float64)
    rows_of = players.groupby(players).indices
    for player in players.unique() if calibrators else ():
        calibrator = calibrators.get((int(player), stat))
        if calibrator is not None:
            rows = rows_of[player]
            survival[rows] = distribution.take(rows).mapped(calibrator).survival
    return CountDistribution(survival)


def _compact(distribution: CountDistribution) -> CountDistribution:
    """As it is stored, so that saved and loaded forecasts give the same answers as fresh ones."""
    survival = distribution.survival.astype(np.float32)
    return CountDistribution(np.where(survival < _NEGLIGIBLE, np.float32(0), survival))


def _as_lists(survival: npt.NDArray[np.floating[Any]]) -> pa.ListArray:
    """One list a row, without the zeros at its end."""
    lengths = (survival > 0).sum(axis=1)
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int32)
    inside = np.arange(survival.shape[1]) < lengths[:, None]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(survival[inside].astype(np.float32)))


def _as_matrix(
    flat: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], largest: int
) -> npt.NDArray[np.float32]:
    lengths = starts[rows + 1] - starts[rows]
    if lengths.max() > largest + 1:
        raise PipelineError(
            f"A stored distribution is longer than {largest + 1} counts: the file is not of this version."
        )
    survival = np.zeros((len(rows), largest + 1), dtype=np.float32)
    owner = np.repeat(np.arange(len(rows)), lengths)
    count = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    survival[owner, count] = flat[starts[rows][owner] + count]
    return survival


def _one_number(frame: pd.DataFrame, values: Sequence[pd.Index]) -> npt.NDArray[np.int64]:
    """The key columns of every row as one number; -1 where a value is not among those known."""
    number = np.zeros(len(frame), dtype=np.int64)
    unknown = np.zeros(len(frame), dtype=bool)
    for name, known in zip(KEY, values, strict=True):
        code = known.get_indexer(pd.Index(frame[name].to_numpy()))
        number = number * len(known) + code
        unknown |= code < 0
    return np.where(unknown, -1, number)
