"""Minutes and rates in earlier games with like team mates: to whom the minutes and shots of those who are out went.

For a player's game t and each of his earlier games s, the distance d(t, s) is the minutes that his rotation mates of
one game and not of the other usually play (the weighted symmetric difference of the two sets). His minutes in the
earlier games are averaged with the weights exp(-d / reach) * (1 - forget)^(games ago): a kernel regression on who
takes part (Nadaraya 1964, Watson 1964). Games with another team have no mates in common, and so next to no weight.

Measured on validation with trees fitted on train: the RMSE of the minutes at tip-off falls from 5.82 to 5.77. What he
makes a minute in like games, farther reaching and drawn towards his rate in all of them, lowers the RMSE of points and
rebounds by 0.06% and that of assists by 0.03 to 0.1%.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from statmuse_pipeline.features.catalog import PREGAME, TIPOFF, Columns, Feature
from statmuse_pipeline.features.rolling import History
from statmuse_pipeline.features.rotation import Members, TakePart, expected_minutes
from statmuse_pipeline.features.rows import Rows

_DIGITS = 6


class Mates(NamedTuple):
    """Rotation players of team games, both [team games, players].

    `roots` are square roots of usual minutes times chances, so that products of two games are the minutes they share;
    `minutes` the minutes times chances themselves.
    """

    roots: sparse.csr_array
    minutes: sparse.csr_array

    def of(self, team_games: np.ndarray) -> Mates:
        """Those of the team games, in that order."""
        return Mates(self.roots[team_games], self.minutes[team_games])


class _Kernel(NamedTuple):
    reach: float
    """Minutes of other mates that make an earlier game count exp(-1) as much."""
    forget: float
    """How much less each game counts than the one after it."""


_KERNELS = {"tip_like": _Kernel(20.0, 0.04), "tip_alike": _Kernel(60.0, 0.10), "like": _Kernel(20.0, 0.04)}
"""Column prefix -> kernel. `like` sets the mates, as likely as they play, against earlier games: pregame."""

RATED = ("pts", "reb", "ast", "fg3m", "tov", "fga", "fg3a", "fta")

_RATE_KERNEL = _Kernel(150.0, 0.05)

_RATE_MINUTES = 60.0
"""Minutes at his rate in all earlier games that are added to those of like games: two games decide nothing."""

_ENOUGH = 1e-9
"""Weight of the mean over all earlier games, which serves where none of them was alike."""


def lineup_features(rows: Rows, history: History, members: Members, tonight: TakePart, wanted: np.ndarray) -> Columns:
    """Minutes in like earlier games, how far they lie from the usual ones, and how many there were; gains of rates.

    Args:
        rows: the rows.
        history: `rolling.player_history(rows)`.
        members: `rotation.team_members(rows, history)`.
        tonight: `rotation.take_part(rows, history, members)`.
        wanted: mask of the rows to compute; the others are NaN. Most of a table's time goes here.
    """
    present = mates_in(rows, tonight.team_game, tonight.player, tonight.minutes)
    likely = expected_minutes(members) > 0
    at, usual, p = members.team_game[likely], members.expected["min"][likely], members.p_plays[likely]
    expected = mates_in(rows, at, members.player[likely], usual, p)
    whole = np.bincount(rows.team_game, np.nan_to_num(rows.box["min"]), len(rows.teams))[rows.team_game]
    # Overtime is scaled away: nobody can know of it before.
    minutes = np.nan_to_num(rows.box["min"] * 240 / np.maximum(whole, 240))
    made = np.column_stack([np.nan_to_num(rows.box[s]) for s in ("min", *RATED)])
    at_tipoff = [name for name in _KERNELS if name.startswith("tip_")]
    before = [name for name in _KERNELS if not name.startswith("tip_")]
    columns = _smoothed(rows, present, present, minutes, made, at_tipoff, wanted)
    if not rows.out_is_known:
        columns = {name: np.where(rows.upcoming, np.nan, values) for name, values in columns.items()}
    return columns | _smoothed(rows, expected, present, minutes, made, before, wanted)


def mates_in(
    rows: Rows, team_game: np.ndarray, player: np.ndarray, minutes: np.ndarray, p_plays: np.ndarray | None = None
) -> Mates:
    """Rotation players of team games with their usual minutes; who plays for certain when no chances are given."""
    shape, p = (len(rows.teams), int(rows.player.max()) + 1), 1.0 if p_plays is None else p_plays
    return Mates(
        sparse.csr_array((p * np.sqrt(minutes), (team_game, player)), shape=shape),
        sparse.csr_array((p * minutes, (team_game, player)), shape=shape),
    )


def _smoothed(
    rows: Rows,
    asked: Mates,
    seen: Mates,
    minutes: np.ndarray,
    made: np.ndarray,
    names: list[str],
    wanted: np.ndarray,
) -> Columns:
    """Kernel means of a player's earlier minutes, given whom he is to play with and whom he played with then.

    Rates of `made` (minutes and RATED, [rows, 1 + stats]) are told under the first of the names.
    """
    found = {f"{name}_{what}": np.full(len(rows), np.nan) for name in names for what in ("min", "gain", "games")}
    gains = {f"{names[0]}_{s}_gain": np.full(len(rows), np.nan) for s in RATED}
    order = np.lexsort((rows.day, rows.player))
    starts = np.flatnonzero(np.r_[True, np.diff(rows.player[order]) != 0])
    for block in np.split(order, starts[1:]):
        here = wanted[block]
        if not here.any():
            continue
        played, day, target = rows.played[block], rows.day[block], block[here]
        tonight, then = asked.of(rows.team_game[target]), seen.of(rows.team_game[block])
        distance = _distances(tonight, then, int(rows.player[block[0]]))
        # Whether the row itself was played must not matter: it is an outcome.
        number = np.cumsum(played) - played
        ago = number[here, None] - number[None, :]
        earlier = (day[None, :] < day[here, None]) & played[None, :]
        for name in names:
            kernel = _KERNELS[name]
            recent = np.where(earlier, (1 - kernel.forget) ** np.maximum(ago, 0), 0.0)
            weight = recent * np.exp(-distance / kernel.reach)
            games = weight.sum(axis=1)
            weight += _ENOUGH * recent
            whole, total = recent.sum(axis=1), weight.sum(axis=1)
            known = whole > 0
            like = np.divide(weight @ minutes[block], total, out=np.full(len(target), np.nan), where=known)
            usual = np.divide(recent @ minutes[block], whole, out=np.full(len(target), np.nan), where=known)
            # The last bits of matrix products depend on how many later games there are: they are rounded away.
            found[f"{name}_min"][target] = like.round(_DIGITS)
            found[f"{name}_gain"][target] = (like - usual).round(_DIGITS)
            found[f"{name}_games"][target] = np.where(known, games.round(_DIGITS), np.nan)
        for column, gain in zip(gains.values(), _rate_gains(earlier, ago, distance, made[block]).T, strict=True):
            column[target] = gain.round(_DIGITS)
    return found | gains


def _rate_gains(earlier: np.ndarray, ago: np.ndarray, distance: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Rates a minute in like games minus those in all earlier games, [games, stats]; NaN where there is no minute."""
    recent = np.where(earlier, (1 - _RATE_KERNEL.forget) ** np.maximum(ago, 0), 0.0)
    whole, like = recent @ made, (recent * np.exp(-distance / _RATE_KERNEL.reach)) @ made
    usual = np.divide(whole[:, 1:], whole[:, :1], out=np.full_like(whole[:, 1:], np.nan), where=whole[:, :1] > 0)
    return (like[:, 1:] - usual * like[:, :1]) / (like[:, :1] + _RATE_MINUTES)


def _distances(one: Mates, other: Mates, player: int) -> np.ndarray:
    """[games, games] minutes of rotation mates who are to play in the one and did not in the other, or reverse."""
    mates = np.unique(np.r_[one.roots.indices, other.roots.indices])
    mates = mates[mates != player]
    a, b = one.roots[:, mates].toarray(), other.roots[:, mates].toarray()
    whole, other_whole = (side.minutes[:, mates].sum(axis=1) for side in (one, other))
    return np.maximum(whole[:, None] + other_whole[None, :] - 2 * a @ b.T, 0.0)


def catalog() -> list[Feature]:
    """The columns of `lineup_features`."""
    found = []
    for name, kernel in _KERNELS.items():
        level = TIPOFF if name.startswith("tip_") else PREGAME
        who = "the mates who take part" if level is TIPOFF else "the mates, as likely as they play"
        like = f"with {who} (reach {kernel.reach:g} minutes)"
        found += [
            Feature(f"{name}_min", level, "like lineups", f"mean minutes in earlier games {like}"),
            Feature(f"{name}_gain", level, "like lineups", f"{name}_min minus the mean over all earlier games"),
            Feature(f"{name}_games", level, "like lineups", f"weight of the earlier games {like}"),
        ]
    for name, level in (("tip_like", TIPOFF), ("like", PREGAME)):
        found += [
            Feature(f"{name}_{s}_gain", level, "lineup rates", f"{s.upper()} a minute in like games minus the usual")
            for s in RATED
        ]
    return found
