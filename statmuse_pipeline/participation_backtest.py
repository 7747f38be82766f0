"""What the models of playing time, refitted as in production, would have said of games already played.

A fit serves from its day to the next fit's and knows earlier days only, so that what is scored on validation and test
comes from models that knew what was known then, and nothing of what they are scored on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import EXPECTED_MINUTES, MINIMUM_HISTORY, InformationLevel
from statmuse_pipeline.features.roster import LISTED, ROSTER_COLUMNS
from statmuse_pipeline.kept_fits import Files, Remember, fit_anew
from statmuse_pipeline.modeling.absence import AbsenceModel
from statmuse_pipeline.modeling.playing_time import UNSETTLED, USUAL, MinutesShape, class_of, minutes_forecasts

_KEYS = ("game_id", "player_id", "game_date", "split")

Period = tuple[pd.Timestamp, pd.Timestamp]

EVERY_MONTH = tuple(range(1, 13))

CHANCES_MONTHS = (1, 10)
"""Months in which a fit begins that tells features who is likely to play. Every month is better by .2 to 1.4% of the
Brier score of the rotation from October 2022 to December 2024, in four times the time."""

CHANCES_ROWS = 15_000
"""Members of teams in games that the first of those learns from: some six weeks of a season."""


def refit_periods(days: pd.Series, first: pd.Timestamp, months: Collection[int] = EVERY_MONTH) -> list[Period]:
    """[start, end) of each fit's service: from `first`, then from the first of every month in which there are games.

    Args:
        days: of games, in any order.
        first: the first day that is asked about.
        months: in which fits begin.
    """
    later = days[days >= first]
    if later.empty:
        return []
    begun = later.dt.to_period("M").drop_duplicates().sort_values().dt.start_time
    starts = [max(month, first) for n, month in enumerate(begun) if n == 0 or month.month in months]
    return list(pairwise([*starts, later.max() + pd.Timedelta(days=1)]))


def backtest_absences(
    members: pd.DataFrame, first: pd.Timestamp, seed: int, remember: Remember = fit_anew
) -> pd.DataFrame:
    """P(plays) of every member from `first` on, each from a fit on the days before the month's first.

    Args:
        members: of `features.roster.roster_features`, in any order, with LISTED where that is known.
        first: the first day that is asked about; earlier ones get NaN.
        seed: of the fits.
        remember: keeps fits: from one week to the next, those of past months are made from the same games.

    Returns:
        p_plays, and p_plays_listed where LISTED is there, aligned with `members`; NaN for who has no earlier game.

    Raises:
        PipelineError: when there are too few days before `first` to learn from.
    """
    names = ("p_plays", "p_plays_listed") if LISTED in members else ("p_plays",)
    return _absences(members, first, names, seed, remember, EVERY_MONTH)


def _absences(
    members: pd.DataFrame,
    first: pd.Timestamp,
    names: Sequence[str],
    seed: int,
    remember: Remember,
    months: Collection[int],
) -> pd.DataFrame:
    day = members["game_date"]
    kinds = {name: (*ROSTER_COLUMNS, *([LISTED] if name == "p_plays_listed" else [])) for name in names}

    def say(period: Period, name: str) -> pd.DataFrame:
        start, end = period
        now, before = members[(day >= start) & (day < end)], members[day < start]

        def fit() -> Files:
            return AbsenceModel.fit(before, kinds[name], seed).to_bytes()

        made_from = _made_from(before, ("played", *kinds[name]), name, seed)
        model = AbsenceModel.from_bytes(remember(_name_of(name, start, first), made_from, fit))
        return pd.DataFrame({name: model.p_plays(now)}, index=now.index)

    said = _side_by_side(say, refit_periods(day, first, months), list(kinds))
    nothing = pd.DataFrame(index=members.index[:0])
    return pd.concat([pd.concat([nothing, *parts]) for parts in said], axis=1).reindex(members.index)


def known_chances(members: pd.DataFrame, seed: int, remember: Remember = fit_anew) -> pd.DataFrame:
    """How likely every member was to play as it was known before the day, for `features.table.build_features`.

    Args:
        members: of `features.roster.roster_features`, in any order; with LISTED where that is known, which is then
            read.
        seed: of the fits.
        remember: keeps fits: from one night to the next hardly one is made from other games.

    Returns:
        game_id, player_id, p_plays of those from the first fit on; no rows where there are too few to learn from.
    """
    ordered = members["game_date"].sort_values(kind="stable")
    if len(ordered) <= CHANCES_ROWS:
        return pd.DataFrame({"game_id": pd.Series(dtype="str"), "player_id": pd.Series(dtype="int64"),
                             "p_plays": pd.Series(dtype="float64")})  # fmt: skip
    name = "p_plays_listed" if LISTED in members else "p_plays"
    # The first fit knows whole days: those before the day of that row.
    first = ordered.iloc[CHANCES_ROWS] + pd.Timedelta(days=1)
    said = _absences(members, first, (name,), seed, remember, CHANCES_MONTHS)
    told = members[["game_id", "player_id"]].assign(p_plays=said[name])
    return told[told["p_plays"].notna()].reset_index(drop=True)


def backtest_minutes(
    features: pd.DataFrame, first: pd.Timestamp, seed: int, remember: Remember = fit_anew
) -> pd.DataFrame:
    """What was said of the minutes of the rows that count from `first` on, and what came of it.

    Args:
        features: game_id, player_id, game_date, split, min, games_before, the expected minutes of both levels and
            `modeling.playing_time.UNSETTLED`, in any order.
        first: the first day that is asked about.
        seed: of the fits.
        remember: as for `backtest_absences`.

    Returns:
        One row a player-game and level, in the order of level and time: game_id, player_id, split, min, what
        `minutes_forecasts` tells given that he plays, crps (minutes), log_score (nats), night (which of CLASSES came),
        level and expected (minutes).

    Raises:
        PipelineError: when there are too few days before `first` to learn from.
    """

    # A copy of some hundred columns for every fit would take longer than the fit.
    inputs = tuple(dict.fromkeys(("min", *EXPECTED_MINUTES.values(), USUAL, *UNSETTLED)))
    rows = features[list(dict.fromkeys((*_KEYS, "games_before", *inputs)))]
    day, counts = rows["game_date"], (rows["min"] > 0) & (rows["games_before"] >= MINIMUM_HISTORY)

    def say(period: Period, level: InformationLevel) -> pd.DataFrame:
        start, end = period
        now = rows[(day >= start) & (day < end) & counts & rows[EXPECTED_MINUTES[level]].notna()]
        before = rows[day < start]

        def fit() -> Files:
            return MinutesShape.fit(before, level, seed).to_bytes()

        made_from = _made_from(before, inputs, level.value, seed)
        shape = MinutesShape.from_bytes(remember(_name_of(level.value, start, first), made_from, fit))
        return _minutes_said(shape, now.reset_index(drop=True))

    said = _side_by_side(say, refit_periods(day, first), list(InformationLevel))
    return pd.concat([part for parts in said for part in parts], ignore_index=True)


def _made_from(rows: pd.DataFrame, columns: Sequence[str], kind: str, seed: int) -> str:
    """Fingerprint of everything that goes into a fit on these rows."""
    digest = hashlib.sha256(f"{kind} {seed} {','.join(columns)}".encode())
    digest.update(rows[list(columns)].to_numpy(np.float64).tobytes())
    return digest.hexdigest()


def _name_of(kind: str, start: pd.Timestamp, first: pd.Timestamp) -> str:
    """The first fit begins on another day whenever the split moves: it takes the place of the one before."""
    return f"{kind}-first" if start == first else f"{kind}-{start:%Y-%m}"


def _side_by_side(
    say: Callable[[Period, Any], pd.DataFrame], periods: Sequence[Period], kinds: Sequence[Any]
) -> list[list[pd.DataFrame]]:
    """What is said of every kind, by period; each fit runs on one thread, so that its bytes are the same anywhere."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # The latest know most and take longest: they begin first.
        begun = {(i, p): pool.submit(say, p, kind) for p in reversed(periods) for i, kind in enumerate(kinds)}
        return [[begun[i, p].result() for p in periods] for i in range(len(kinds))]


def _minutes_said(shape: MinutesShape, rows: pd.DataFrame) -> pd.DataFrame:
    minutes, actual = shape.distribution(rows), rows["min"].to_numpy(dtype=float)
    told = minutes_forecasts(minutes, rows[USUAL], np.ones(len(rows)))
    return pd.concat([rows[["game_id", "player_id", "split", "min"]], told], axis=1).assign(
        crps=minutes.crps(actual),
        log_score=minutes.log_score(actual),
        night=class_of(actual, rows[USUAL]),
        level=shape.level.value,
        expected=rows[EXPECTED_MINUTES[shape.level]],
    )
