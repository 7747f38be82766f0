"""The true probability of every over in the demo league, given all that can be known at tip-off.

Given the minutes, a player's counts are negative binomial and his points are a compound of them, so that their
distributions are exact (Panjer's recursion: H. Panjer, ASTIN Bulletin 12, 1981). They are then mixed over whole
minutes. Only the foul shot that breaks a tie is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import interpolate, special

from statmuse_pipeline.domain import LADDER, Stat
from statmuse_pipeline.sources.demo_games import (
    DISPERSION,
    GAME_MINUTES,
    OUTCOME_POINTS,
    OUTCOMES,
    Expectations,
)

_NODES = np.array([1, 2, 3, 4, 6, 8, 10, 13, 16, 19, 22, 25, 28, 31, 34, 37, 40, 44, 48])
_WHOLE_MINUTES = np.arange(1, GAME_MINUTES + 1)
_SPLINE = interpolate.CubicSpline(_NODES, np.eye(len(_NODES)))(_WHOLE_MINUTES)
"""Probabilities are smooth in the minutes, so a spline through a third of them gives the rest, to 0.0001."""

_CHUNK = 1000
"""Rows at a time, so that the arrays stay in the processor's cache."""

_THREE_MADE = OUTCOMES.index("three_made")


def true_overs(known: Expectations, ladder: Mapping[Stat, tuple[float, ...]] = LADDER) -> dict[Stat, np.ndarray]:
    """P(stat > line) for every entry and line, stat -> [n, lines].

    Args:
        known: what is known at tip-off.
        ladder: stat -> lines.
    """
    found = {stat: np.zeros((len(known), len(lines))) for stat, lines in ladder.items()}
    weight = minutes_distribution(known) @ _SPLINE
    for start in range(0, len(known), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for node, minutes in enumerate(_NODES):
            for stat, pmf in _counts_given(known, rows, float(minutes), ladder).items():
                below = np.cumsum(pmf, axis=0)[np.floor(ladder[stat]).astype(np.int64)]
                found[stat][rows] += weight[rows, node, None] * (1 - below.T)
    return {stat: np.clip(overs, 0.0, 1.0) for stat, overs in found.items()}


def minutes_distribution(known: Expectations) -> np.ndarray:
    """Chances of 1, 2, ... 48 whole minutes, [n, 48]."""
    edges = (_WHOLE_MINUTES[:-1] + 0.5 - known.minutes[:, None]) / known.minutes_sd[:, None]
    below = special.ndtr(edges)
    return np.diff(below, axis=1, prepend=0.0, append=1.0)


def _counts_given(
    known: Expectations, rows: slice, minutes: float, ladder: Mapping[Stat, tuple[float, ...]]
) -> dict[Stat, np.ndarray]:
    """P(stat = k) up to each stat's highest line for these rows in so many minutes, stat -> [k, rows]."""
    top = {stat: int(max(lines)) for stat, lines in ladder.items()}
    for part in Stat.PRA.parts:
        top[part] = max(top.get(part, 0), top.get(Stat.PRA, 0))
    outcomes = known.outcomes[rows]
    points = [outcomes[:, scored == OUTCOME_POINTS].sum(axis=1) for scored in (1, 2, 3)]
    mean = {name: rates[rows] * minutes for name, rates in known.rates.items()}
    found = {
        Stat.PTS: _compound(mean["possessions"], DISPERSION["possessions"], points, top[Stat.PTS]),
        Stat.FG3M: _compound(
            mean["possessions"], DISPERSION["possessions"], [outcomes[:, _THREE_MADE]], top.get(Stat.FG3M, 0)
        ),
    }
    for stat in (Stat.REB, Stat.AST, Stat.STL, Stat.BLK, Stat.TOV):
        found[stat] = _compound(mean[stat.column], DISPERSION[stat.column], [np.ones(1)], top.get(stat, 0))
    if Stat.PRA in ladder:
        found[Stat.PRA] = _sum_of(found[Stat.PTS], _sum_of(found[Stat.REB], found[Stat.AST]))
    return {stat: found[stat] for stat in ladder}


def _compound(mean: np.ndarray, dispersion: float, chances: list[np.ndarray], top: int) -> np.ndarray:
    """P(total = k), [top + 1, n]: a negative binomial number of tries, of which `chances[j]` give j + 1 each."""
    some = np.sum(np.broadcast_arrays(*chances), axis=0)
    size = 1 / dispersion
    a = dispersion * mean * some / (1 + dispersion * mean * some)
    b = (size - 1) * a
    share = [chance / some for chance in chances]
    pmf = np.empty((top + 1, len(mean)))
    pmf[0] = (1 - a) ** size
    for k in range(1, top + 1):
        pmf[k] = 0
        for jump in range(1, min(k, len(share)) + 1):
            pmf[k] += (a + b * (jump / k)) * share[jump - 1] * pmf[k - jump]
    return pmf


def _sum_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """P(sum = k) of two independent counts, cut off where they are, [k, n]."""
    total = np.zeros_like(one)
    for k in range(len(other)):
        total[k:] += one[: len(one) - k] * other[k]
    return total
