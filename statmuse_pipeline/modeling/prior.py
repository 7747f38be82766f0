"""The pooled prior: one ridge a stat on all players, on expected minutes times rates (`design.py`).

Refits are cheap: a ridge needs no rows, only sums (`ridge.py`), which grow by a week's games and are solved again.
They begin with those of earlier seasons, where there are some.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel, PipelineError, Stat
from statmuse_pipeline.modeling.design import design_columns
from statmuse_pipeline.modeling.ridge import FARTHEST, RidgeSums, design_rows
from statmuse_pipeline.standardizer import Standardizer

Floats = npt.NDArray[np.float64]

PENALTY = 250.0
"""Ridge penalty on standardised columns. Walk-forward on 2022-10 to 2024-12, with six seasons before: 100 to 250 are
alike, and 500, 1000 and 4000 cost 0.0001, 0.0002 and 0.0008 of the RMSE ratios on average. Without them 150 to 1500
stay within 0.0005."""

HALF_LIFE_DAYS = 500.0
"""A game counts half after so many days, because the league drifts (more threes, more steals). Measured as above: with
six seasons before the first, 500 to 900 days are alike in PTS and PRA; REB, AST and threes would gain 0.0002 to 0.0003
at 900, but the bias of PTS would be 0.024 instead of 0.006. Without earlier seasons, no forgetting costs 0.0003 to
0.0007 and twice the bias of REB."""

LEARN_FROM = 5
"""Games before; rates of players with fewer are noise (1 costs 0.0003, 10 and 20 gain nothing). Rows of MIN 0 are not
learned from either: including them changes no ratio by more than 0.0001 and pulls PRA down by 0.02, and a player who
does not play is no bet."""

MINIMUM_ROWS = 100
"""Fewer rows than this are no ground for 300 coefficients, penalised or not."""

FIRST_FIT_ROWS = 8000
REFIT_DAYS = 7

SMALLEST_MEAN = 0.01

LEAGUE_MEANS = {
    Stat.PTS: 10.5, Stat.REB: 4.1, Stat.AST: 2.4, Stat.FG3M: 1.15, Stat.STL: 0.7, Stat.BLK: 0.45, Stat.TOV: 1.25,
    Stat.PRA: 17.0,
}  # fmt: skip
"""Means of a player-game, for a league of which nothing was seen yet."""

_DEBUT_WEIGHT = 0.01
"""Weight of the newest first game in the mean of first games."""


@dataclass(frozen=True)
class RidgeSettings:
    """What was chosen about the ridge; the defaults are what is released, others serve to measure a choice.

    Attributes:
        penalty: on standardised columns.
        half_life_days: a game counts half after so many days; infinite for no forgetting.
        without: patterns (`fnmatch`) of design columns to leave out.
    """

    penalty: float = PENALTY
    half_life_days: float = HALF_LIFE_DAYS
    without: tuple[str, ...] = ()


RELEASED = RidgeSettings()


@dataclass(frozen=True)
class PooledPrior:
    """Expected value of one stat in any player-game, at one information level.

    Attributes:
        stat: the stat.
        level: what the forecast may know.
        columns: names of the design's columns.
        location: of the columns, [columns].
        scale: of the columns, [columns].
        coefficients: intercept, then one a column, [1 + columns].
        debut: mean of players without an earlier game.
    """

    stat: Stat
    level: InformationLevel
    columns: tuple[str, ...]
    location: Floats
    scale: Floats
    coefficients: Floats
    debut: float

    @classmethod
    def fit(cls, features: pd.DataFrame, stat: Stat, level: InformationLevel) -> PooledPrior:
        """Fit on all rows that were played.

        Raises:
            PipelineError: when a column is missing or fewer than 100 rows can be learned from.
        """
        return cls.fit_all(features, (stat,), level)[stat]

    @classmethod
    def fit_all(
        cls,
        features: pd.DataFrame,
        stats: Sequence[Stat],
        level: InformationLevel,
        earlier: RidgeSums | None = None,
    ) -> dict[Stat, PooledPrior]:
        """One prior a stat, for little more than the work of one; `earlier` as in `learn_sums`. Raises like `fit`."""
        sums = learn_sums(features, level, stats, earlier)
        coefficients, debuts = sums.solve(PENALTY), _debuts(features, stats)[1][-1]
        standard = sums.standard
        return {
            stat: cls(
                stat, level, sums.columns, standard.location, standard.scale, coefficients[:, n], float(debuts[n])
            )
            for n, stat in enumerate(stats)
        }

    def predict(self, features: pd.DataFrame) -> Floats:
        """Expected values [n], never below SMALLEST_MEAN; targets are not looked at.

        NaN where the minutes expected of a player with a history are missing: who takes part is then not known yet.
        """
        names, columns = _design(features, self.level)
        if names != self.columns:
            raise PipelineError("This prior was fitted by another version, on other columns: fit it again.")
        standard = Standardizer(self.location, self.scale, FARTHEST)
        linear = design_rows(standard, columns) @ self.coefficients
        means = np.where(_is_new(features), self.debut, np.maximum(linear, SMALLEST_MEAN))
        return np.where(_is_known(features, self.level), means, np.nan)

    def to_bytes(self) -> bytes:
        """JSON that `from_bytes` reads."""
        content: dict[str, Any] = {
            "kind": "pooled ridge", "stat": self.stat.value, "level": self.level.value, "columns": list(self.columns),
            "location": self.location.tolist(), "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(), "debut": self.debut,
        }  # fmt: skip
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> PooledPrior:
        """The prior that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is no prior.
        """
        try:
            told = json.loads(content)
            if told["kind"] != "pooled ridge":
                raise KeyError(told["kind"])
            numbers = {name: np.asarray(told[name], dtype=np.float64) for name in ("location", "scale", "coefficients")}
            stat, level = Stat(told["stat"]), InformationLevel(told["level"])
            return cls(stat, level, tuple(told["columns"]), **numbers, debut=float(told["debut"]))
        except (KeyError, TypeError, ValueError) as error:
            raise PipelineError(f"These bytes are no pooled prior: {error}.") from error


def learn_sums(
    features: pd.DataFrame,
    level: InformationLevel,
    stats: Sequence[Stat] = tuple(Stat),
    earlier: RidgeSums | None = None,
) -> RidgeSums:
    """What all rows that were played teach, as of the last day.

    Args:
        features: the feature table with the forecasts of minutes, in any order.
        level: what a forecast may know.
        stats: which stats.
        earlier: of seasons that had ended before, which count as older games do.

    Raises:
        PipelineError: when a column is missing or fewer than 100 rows can be learned from.
    """
    learned = _learned_from(features)
    if learned.sum() < MINIMUM_ROWS:
        raise PipelineError(f"Only {learned.sum()} player-games to learn a prior from: load at least {MINIMUM_ROWS}.")
    names, columns = _design(features, level)
    days, seen = _days(features)[learned], columns[learned]
    as_of = int(days.max())
    sums = earlier.take(names, stats) if earlier else RidgeSums.empty(names, stats, seen, as_of)
    with threadpool_limits(1, user_api="blas"):
        return sums.grown(sums.rows(seen), _targets(features, stats)[learned], days, as_of, HALF_LIFE_DAYS)


def walk_forward(
    features: pd.DataFrame,
    stat: Stat,
    level: InformationLevel,
    refit_days: int = REFIT_DAYS,
    first_fit_rows: int = FIRST_FIT_ROWS,
) -> pd.Series:
    """`walk_forward_all` for one stat: means indexed like `features`."""
    return walk_forward_all(features, level, (stat,), refit_days, first_fit_rows)[stat].rename(None)


def walk_forward_all(
    features: pd.DataFrame,
    level: InformationLevel,
    stats: Sequence[Stat] = tuple(Stat),
    refit_days: int = REFIT_DAYS,
    first_fit_rows: int = FIRST_FIT_ROWS,
    settings: RidgeSettings = RELEASED,
    earlier: RidgeSums | None = None,
) -> pd.DataFrame:
    """Forecast means, each row by a fit on earlier dates only, one column a stat, indexed like `features`.

    Before the first fit the exponentially weighted mean of the player's games serves; for a player's first game, the
    mean of the first games before it. With earlier seasons there is a fit from the first day on.

    Args:
        features: the feature table with the forecasts of minutes, in any order.
        level: what the forecasts may know.
        stats: which stats; they share all the work but the last step.
        refit_days: between two fits; counted from the day of the first.
        first_fit_rows: rows on earlier days that the first fit needs.
        settings: of the ridge.
        earlier: of `learn_sums` on seasons that had ended before the first row.

    Raises:
        PipelineError: when a column is missing, or the earlier seasons had not ended.
    """
    order = np.lexsort([features[name].to_numpy() for name in ("player_id", "game_id", "game_date")])
    rows = features.iloc[order]
    means = rows[[f"{stat.column}_ewm_10" for stat in stats]].to_numpy(np.float64, copy=True)
    first = 0 if earlier else first_fit_rows
    if len(rows) > first:
        # On one thread the sums have the same bits on any machine; on a busy one it is many times faster, too.
        with threadpool_limits(1, user_api="blas"):
            _fill_weekly(means, rows, level, stats, refit_days, first, settings, earlier)
    new = _is_new(rows)
    means[new] = _debuts_before(rows, stats, _days(rows)[new])
    ordered = np.empty_like(means)
    ordered[order] = np.maximum(means, SMALLEST_MEAN)
    return pd.DataFrame(ordered, index=features.index, columns=[stat.value for stat in stats])


def _fill_weekly(
    means: Floats,
    rows: pd.DataFrame,
    level: InformationLevel,
    stats: Sequence[Stat],
    refit_days: int,
    first: int,
    settings: RidgeSettings,
    earlier: RidgeSums | None,
) -> None:
    """Put forecasts into `means` from the day of row number `first` on; `rows` are in the order of time."""
    days, learned, targets = _days(rows), _learned_from(rows), _targets(rows, stats)
    begin = int(np.searchsorted(days, days[first]))
    names, columns = _design(rows, level, settings.without)
    if earlier:
        sums = earlier.take(names, stats)
        if sums.as_of >= days[0]:
            raise PipelineError("Earlier seasons must have ended before the first game that is forecast.")
    elif learned[:begin].sum() < MINIMUM_ROWS:
        return
    else:
        sums = RidgeSums.empty(names, stats, columns[:begin][learned[:begin]], int(days[begin]))
    x, known, done = sums.rows(columns), _is_known(rows, level), 0
    for start in range(int(days[begin]), int(days[-1]) + 1, refit_days):
        now, then = np.searchsorted(days, [start, start + refit_days])
        if now == then:
            continue
        fresh = np.arange(done, now)[learned[done:now]]
        sums = sums.grown(x[fresh], targets[fresh], days[fresh], start, settings.half_life_days)
        forecast = x[now:then] @ sums.solve(settings.penalty)
        means[now:then] = np.where(known[now:then, None], np.maximum(forecast, SMALLEST_MEAN), np.nan)
        done = now


def _design(
    features: pd.DataFrame, level: InformationLevel, without: Sequence[str] = ()
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    columns = design_columns(features, level)
    for pattern in without:
        if not any(fnmatchcase(name, pattern) for name in columns):
            raise PipelineError(f"No column of the {level} design is called {pattern}: there is nothing to leave out.")
    kept = tuple(name for name in columns if not any(fnmatchcase(name, pattern) for pattern in without))
    if not kept:
        raise PipelineError(f"Without {', '.join(without)} the design has no column left.")
    return kept, np.column_stack([columns[name] for name in kept])


def _days(features: pd.DataFrame) -> npt.NDArray[np.int64]:
    return features["game_date"].to_numpy("datetime64[D]").astype(np.int64)


def _targets(features: pd.DataFrame, stats: Sequence[Stat]) -> Floats:
    return features[[stat.column for stat in stats]].to_numpy(np.float64)


def _learned_from(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    played = features["min"].to_numpy(np.float64) > 0
    return played & (features["games_before"].to_numpy() >= LEARN_FROM)


def _is_new(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return features["games_before"].to_numpy() == 0


def _is_known(features: pd.DataFrame, level: InformationLevel) -> npt.NDArray[np.bool_]:
    return np.isfinite(features[EXPECTED_MINUTES[level]].to_numpy(np.float64)) | _is_new(features)


def _debuts(features: pd.DataFrame, stats: Sequence[Stat]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Days of first games in the order of time, and the weighted mean after each; before them the league's mean."""
    new = features[_is_new(features) & (features["min"].to_numpy(np.float64) > 0)].sort_values(
        "game_date", kind="stable"
    )
    made = np.vstack([[LEAGUE_MEANS[stat] for stat in stats], _targets(new, stats)])
    return _days(new), pd.DataFrame(made).ewm(alpha=_DEBUT_WEIGHT, adjust=False).mean().to_numpy()


def _debuts_before(features: pd.DataFrame, stats: Sequence[Stat], days: npt.NDArray[np.int64]) -> Floats:
    debuts, means = _debuts(features, stats)
    return means[np.searchsorted(debuts, days, side="left")]
