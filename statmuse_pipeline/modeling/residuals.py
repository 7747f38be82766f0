"""What the per-player members learn: the scaled residual of the pooled prior, and the pregame columns they see.

The target of every member is z = (y - prior) / sqrt(prior + 1), with the walk-forward tip-off prior of that game.
A count's variance grows with its mean, so that this brings a player's good and bad nights to one scale.
All inputs are known before the day of the game, and so a learned residual may be added on the prior of either level.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError, Stat

FAST, SLOW = 0.15, 0.03
"""Weights of the newest game in the two running means of a player's own past residuals."""

PSEUDO_GAMES = 4.0
"""Games with residual 0 that every running mean starts with, so that a few games say little."""

LONGEST_REST = 10.0
"""Days of rest beyond which more rest says nothing (the summer is no rest of 170 days)."""

SETTLING_GAMES = 20
"""Games of a season until what was learned of a player's residuals counts in full.

Over a summer teams, roles and shapes change: members that learned before it made the forecasts of the first eight weeks
of 2023-24 and the first four of 2024-25 worse (squared error of points +.07% and +.12%, with a fifth of the members
counting). Counting in part there, they gain .03% over all games from October 2023 to the test split, else .01%.
"""

_SERIES = (*(stat.column for stat in Stat), "min")

HISTORY_COLUMNS = tuple(f"resid_{series}_{speed}" for series in _SERIES for speed in ("fast", "slow"))
"""Columns of `add_residual_history`, all pregame: the running mean of the player's earlier scaled residuals of each
stat against `prior_{s}` (and of minutes against `exp_min_pregame`), `fast` with weight 0.15 on the newest game and
`slow` with 0.03."""

_CONTEXT = (
    "resid_min_fast", "exp_min_pregame", "min_momentum_5", "opp_pace_20", "rest_days", "is_home",
    "season_games_before",
)  # fmt: skip

FOREST_INPUTS = (
    *(f"resid_{stat.column}_fast" for stat in Stat), "resid_pts_slow", "resid_reb_slow", "resid_ast_slow",
    "resid_min_slow", "opp_def_rating_20", *_CONTEXT,
)  # fmt: skip
"""Inputs of the forest, which a player's eight stats share: what all of them did lately, and the game's setting."""


def scale_of(prior: np.ndarray) -> np.ndarray:
    """sqrt(prior + 1): the unit in which residuals are learned."""
    return np.sqrt(np.maximum(prior, 0.0) + 1.0)


def settled_share(features: pd.DataFrame) -> np.ndarray:
    """How much of a learned residual counts, [rows]: from 0 in a season's first game to 1 after SETTLING_GAMES."""
    games = features["season_games_before"].to_numpy(dtype=float)
    return np.clip(np.nan_to_num(games) / SETTLING_GAMES, 0.0, 1.0)


def stat_inputs(stat: Stat) -> tuple[str, ...]:
    """Names of the columns of `residual_features(_, stat)`."""
    s = stat.column
    return (
        f"resid_{s}_fast", f"resid_{s}_slow", f"prior_{s}_pregame", f"{s}_mean_5_vs_prior", f"{s}_ewm_03_vs_prior",
        f"opp_{s}_resid_pos_20", *_CONTEXT,
    )  # fmt: skip


def columns_needed() -> tuple[str, ...]:
    """Every column that training reads from a player's rows."""
    per_stat = (
        name
        for stat in Stat
        for s in [stat.column]
        for name in (
            s, f"prior_{s}", f"prior_{s}_pregame", f"{s}_mean_5", f"{s}_ewm_03", f"opp_{s}_resid_pos_20",
        )
    )  # fmt: skip
    keys = ("player_id", "game_id", "game_date", "split", "min")
    return tuple(dict.fromkeys((*keys, *per_stat, *FOREST_INPUTS, *HISTORY_COLUMNS)))


def inputs_needed() -> tuple[str, ...]:
    """Every column that the members of all stats read from a row they forecast."""
    names = (*FOREST_INPUTS, *(name for stat in Stat for name in stat_inputs(stat)))
    return tuple(dict.fromkeys(source for name in names for source in _sources(name)))


def history_inputs() -> tuple[str, ...]:
    """Every column that `add_residual_history` reads."""
    outcomes = tuple(s for s in _SERIES if s != "min")
    return ("player_id", "game_date", "min", *outcomes, *(f"prior_{s}" for s in outcomes), "exp_min_pregame")


def residual_features(features: pd.DataFrame, stat: Stat) -> pd.DataFrame:
    """The pregame inputs of the boosted trees and the linear member of one stat.

    Args:
        features: feature table rows of any players, with `prior_{s}_pregame` and the columns of
            `add_residual_history`.
        stat: which stat.

    Returns:
        One float column for each of `stat_inputs(stat)`, indexed like `features`. `_vs_prior` columns are a recent
        mean minus the pregame prior in units of `scale_of(prior)`.

    Raises:
        PipelineError: naming the columns that are missing.
    """
    return pd.DataFrame(design(features, stat_inputs(stat)), columns=list(stat_inputs(stat)), index=features.index)


def forest_features(features: pd.DataFrame) -> pd.DataFrame:
    """The pregame inputs of the forest of all stats, `FOREST_INPUTS`; as `residual_features`."""
    return pd.DataFrame(design(features, FOREST_INPUTS), columns=list(FOREST_INPUTS), index=features.index)


def design(features: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """The named inputs as a float array [rows, names]."""
    sources = list(dict.fromkeys(source for name in names for source in _sources(name)))
    require(features, sources)
    known = dict(zip(sources, features[sources].to_numpy(dtype=float).T, strict=True))
    matrix = np.empty((len(features), len(names)))
    for position, name in enumerate(names):
        values = [known[source] for source in _sources(name)]
        matrix[:, position] = _TRANSFORMS.get(name, _relative if len(values) == 2 else _same)(*values)
    return matrix


def _sources(name: str) -> tuple[str, ...]:
    if not name.endswith("_vs_prior"):
        return (name,)
    recent = name.removesuffix("_vs_prior")
    return recent, f"prior_{recent.split('_', 1)[0]}_pregame"


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _relative(recent: np.ndarray, prior: np.ndarray) -> np.ndarray:
    return (recent - prior) / scale_of(prior)


def _bounded_rest(days: np.ndarray) -> np.ndarray:
    return np.minimum(days, LONGEST_REST)


_TRANSFORMS: dict[str, Callable[..., np.ndarray]] = {"rest_days": _bounded_rest}


def require(features: pd.DataFrame, columns: list[str]) -> None:
    """Raise a `PipelineError` that names the columns which `features` lacks."""
    missing = sorted({name for name in columns if name not in features.columns})
    if missing:
        mend = (
            "call add_residual_history on the rows of all seasons first"
            if missing[0].startswith("resid_")
            else ("build the feature table and join the walk-forward priors first")
        )
        raise PipelineError(f"The rows of the player models lack {', '.join(missing[:5])}: {mend}.")


def add_residual_history(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the running means of every player's own past residuals, all pregame.

    For each player and series, over the earlier games i = 1..m with min > 0 (the newest last) and scaled residuals
    z_i = (y_i - prior_i) / sqrt(prior_i + 1), the value is
    sum((1 - a)^(m - i) z_i) / (sum((1 - a)^(m - i)) + PSEUDO_GAMES): an exponentially weighted mean that starts
    from 0, the prior being right. A game on the row's own day or later never enters. Games without an outcome (to be
    played) or without a prior leave the mean as it is.

    Args:
        rows: all players and all their games in any order: player_id, game_date, min, `{s}` and `prior_{s}` of
            every stat, exp_min_pregame.

    Returns:
        A copy with `HISTORY_COLUMNS` added; index and order as they were.

    Raises:
        PipelineError: when a column is missing or a player has two games on a day.
    """
    require(rows, ["player_id", "game_date", "min", "exp_min_pregame", *(s for s in _SERIES if s != "min")])
    require(rows, [f"prior_{stat.column}" for stat in Stat])
    if rows.duplicated(["player_id", "game_date"]).any():
        twice = rows[rows.duplicated(["player_id", "game_date"])].iloc[0]
        raise PipelineError(
            f"Player {twice['player_id']} has two games on {twice['game_date']:%Y-%m-%d}: deduplicate the rows."
        )
    residuals = _scaled_residuals(rows)
    order = np.lexsort((rows["game_date"].to_numpy(), rows["player_id"].to_numpy()))
    history = np.empty((len(rows), residuals.shape[1], 2))
    history[order] = _running_means(residuals[order], rows["player_id"].to_numpy()[order])
    added = pd.DataFrame(history.reshape(len(rows), -1), columns=list(HISTORY_COLUMNS), index=rows.index)
    return pd.concat([rows.drop(columns=[name for name in HISTORY_COLUMNS if name in rows]), added], axis=1)


def _scaled_residuals(rows: pd.DataFrame) -> np.ndarray:
    """[rows, series] of (y - forecast) / scale, NaN where the game does not count."""
    priors = [rows["exp_min_pregame" if s == "min" else f"prior_{s}"].to_numpy(dtype=float) for s in _SERIES]
    prior = np.column_stack(priors)
    actual = rows[list(_SERIES)].to_numpy(dtype=float)
    played = rows["min"].to_numpy(dtype=float) > 0
    return np.where(played[:, None], (actual - prior) / scale_of(prior), np.nan)


def _running_means(residuals: np.ndarray, players: np.ndarray) -> np.ndarray:
    """[rows, series, speed] of means before each row; rows sorted by player, then date.

    Goes through all players' first games at once, then their second ones and so on.
    """
    starts = np.flatnonzero(np.r_[True, players[1:] != players[:-1]]) if len(players) else np.empty(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(players)])
    keep = 1.0 - np.array([FAST, SLOW])
    total = np.zeros((len(starts), residuals.shape[1], 2))
    weight = np.zeros_like(total)
    means = np.empty((*residuals.shape, 2))
    for game in range(int(lengths.max(initial=0))):
        alive = np.flatnonzero(lengths > game)
        row = starts[alive] + game
        means[row] = total[alive] / (weight[alive] + PSEUDO_GAMES)
        newest = residuals[row][:, :, None]
        counts = np.isfinite(newest)
        total[alive] = np.where(counts, keep * total[alive] + np.where(counts, newest, 0.0), total[alive])
        weight[alive] = np.where(counts, keep * weight[alive] + 1.0, weight[alive])
    return means
