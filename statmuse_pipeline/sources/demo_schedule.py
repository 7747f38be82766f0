"""Schedules of the demo league: rounds in which every team plays once, spread over an NBA calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.demo_names import CLUBS

DAYS_PER_ROUND = 2.05
"""82 rounds and the break fill an NBA season, mid October to mid April."""

LATE_SHARE = 0.3
"""Share of a round's games played a day later: about 15 games of 82 are second nights of a back-to-back."""

BREAK_AFTER, BREAK_DAYS = 57, 6
"""The pause of February."""

_LOCAL_TIPOFFS = (19.0, 19.0, 19.0, 19.5, 20.0)
_SUNDAY_TIPOFFS = (15.5, 18.0)
_SUNDAY = 6


@dataclass(frozen=True)
class Schedule:
    """Arrays over [rounds, teams], but for `tipoff`, in UTC, over [games], and `game` numbers, in order of dates.

    `opponent` is a team's index, `date` datetime64[D], `rest_days` counts from the team's game before (10 at first).
    """

    opponent: np.ndarray
    is_home: np.ndarray
    date: np.ndarray
    rest_days: np.ndarray
    game: np.ndarray
    tipoff: pd.DatetimeIndex


def make_schedule(season: Season, teams: int, rounds: int, rng: np.random.Generator) -> Schedule:
    """A schedule in which each team plays every round once, never twice a day nor on three days in a row.

    Args:
        season: decides the calendar.
        teams: even number of teams.
        rounds: games a team.
        rng: who meets when, who is at home, which games are a day late.
    """
    opponent, is_home = _pairings(teams, rounds, rng)
    first_day = np.datetime64(f"{season.start_year}-10-18")
    first_day = np.busday_offset(first_day, 0, roll="forward", weekmask="Tue")
    number = np.arange(rounds)
    day = np.floor(DAYS_PER_ROUND * number).astype(np.int64) + np.where(number >= BREAK_AFTER, BREAK_DAYS, 0)
    late = rng.random((rounds, teams)) < LATE_SHARE
    late[0] = False
    late = np.where(is_home, late, np.take_along_axis(late, opponent, axis=1))
    date = first_day + day[:, None] + late
    rest = np.full((rounds, teams), 10)
    rest[1:] = np.diff(date.astype(np.int64), axis=0)
    game, tipoff = _games(opponent, is_home, date, rng)
    return Schedule(opponent, is_home, date, rest, game, tipoff)


def _pairings(teams: int, rounds: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Opponent and whether at home, [rounds, teams]: round-robin tournaments in random order, homes evened out."""
    opponent = np.empty((rounds, teams), dtype=np.int64)
    is_home = np.zeros((rounds, teams), dtype=bool)
    homes = np.zeros(teams, dtype=np.int64)
    order: list[np.ndarray] = []
    for number in range(rounds):
        if not order:
            label = rng.permutation(teams)
            order = [label[_circle(teams, turn)] for turn in rng.permutation(teams - 1)]
        pairs = order.pop()
        swap = homes[pairs[:, 0]] + rng.random(len(pairs)) > homes[pairs[:, 1]] + 0.5
        home, away = np.where(swap, pairs[:, 1], pairs[:, 0]), np.where(swap, pairs[:, 0], pairs[:, 1])
        opponent[number, home], opponent[number, away] = away, home
        is_home[number, home] = True
        homes[home] += 1
    return opponent, is_home


def _circle(teams: int, turn: int) -> np.ndarray:
    """Pairs [teams / 2, 2] of one turn of the circle method: the last stays, the others move on by one."""
    seats = np.r_[teams - 1, np.roll(np.arange(teams - 1), turn)]
    return np.column_stack([seats[: teams // 2], seats[: teams // 2 - 1 : -1]])


def _games(
    opponent: np.ndarray, is_home: np.ndarray, date: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """Number of the game [rounds, teams] in the order of dates, and its tip-off in UTC, [games]."""
    rounds, teams = np.nonzero(is_home)
    order = np.lexsort((teams, rounds, date[rounds, teams].astype(np.int64)))
    rounds, teams = rounds[order], teams[order]
    game = np.empty(is_home.shape, dtype=np.int64)
    game[rounds, teams] = game[rounds, opponent[rounds, teams]] = np.arange(len(rounds))
    day = pd.DatetimeIndex(date[rounds, teams]).as_unit("ns")
    local = np.where(
        day.dayofweek == _SUNDAY, rng.choice(_SUNDAY_TIPOFFS, len(day)), rng.choice(_LOCAL_TIPOFFS, len(day))
    )
    eastern = local + np.array([club.hours_behind for club in CLUBS])[teams]
    moment = (day + pd.to_timedelta((eastern * 60).astype(np.int64), unit="min")).tz_localize("America/New_York")
    return game, moment.tz_convert("UTC").as_unit("ns")
