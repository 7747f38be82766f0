"""Columns that the pooled ridge sees: expected minutes times rates a minute, adjusted for context.

A stat is about minutes times a rate, and opponents, pace and absences act on that product, so the columns are products
and a linear model is enough. Several stats share one design, because assists say something about points.

The columns were chosen walk-forward, by leaving out and putting back groups of them, looking at train from 2022-10
on and at validation: 186 of 255 that were tried stay pregame, and 206 of 314 at tip-off, at no loss in any stat. What
went: fast means and last-20 means beside slow ones, allowances that are not relative to who played, recent shot volume
times slow accuracy, rebounds by kind, fouls, products with pace and back-to-backs, and sums of what absent players
usually make. What came last: the rates of mates and opponents (`features.lineup_rates`) and rates in like games
(`features.lineup`), without which the RMSE of all stats is 0.21% higher on validation at tip-off and 0.15% before the
day; the advanced metrics gain little, but in both periods. No gain
beyond noise, alone and times `usual_pts`: travel, time zones, altitude, density, tip-off hour, winning percentages,
playoff games, age, a team's last six games, nor how pace, the team's and the opponents' strength differ from those of a
player's earlier games.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel, PipelineError, Stat

Column = npt.NDArray[np.floating[Any]]

TIPOFF_PREFIX = "tip_"

_STATS = tuple(stat.column for stat in Stat)
_RATED = (*_STATS, "fga", "fg3a", "fta", "fgm", "ftm")
_ALLOWED = (*_STATS, "fga", "fg3a", "fta")
_SHIFTED = ("pts", "reb", "ast", "fga", "fg3a")
"""Stats that grow when team mates are out, and those whose absence is measured by what they take with them."""

_COMPANY = (
    ("pts", "pts"), ("pts", "pra"), ("pts", "fga"), ("fga", "pts"), ("fga", "pra"), ("fga", "fga"), ("fga", "ast"),
    ("fg3a", "fg3a"), ("fg3a", "fg3m"), ("fg3m", "fg3m"), ("fta", "fta"), ("ast", "ast"), ("ast", "pts"),
    ("reb", "reb"), ("pra", "pra"), ("tov", "tov"),
)  # fmt: skip
"""What team mates make more of than those before, and whose stat it takes or feeds."""

_LIKE = ("pts", "reb", "ast", "fg3m", "tov", "fga", "fg3a", "fta")
"""Stats of which games in like company tell more than others."""

_OPPOSITION = (
    ("pts", "pts"), ("reb", "reb"), ("ast", "ast"), ("blk", "pts"), ("stl", "pts"), ("tov", "pts"), ("fga", "reb"),
    ("fga", "blk"), ("blk", "blk"), ("stl", "tov"), ("tov", "stl"),
)  # fmt: skip
"""What the opponents who play make, and the stat that it changes."""

_CONTEXT = (
    "min_ewm_10", "min_ewm_03", "min_ewm_25", "min_mean_20", "min_std_10", "min_season", "is_home", "back_to_back",
    "games_in_7_days", "position_g", "position_f", "position_c", "height_in", "weight_lb", "age", "opp_pace_20",
    "opp_off_rating_20", "opp_def_rating_20", "team_pace_20", "team_off_rating_20", "team_def_rating_20",
    "net_rating_gap", "blowout_risk", "rotation_rank", "games_with_team", "share_of_games_30d", "season_games_before",
)  # fmt: skip

_TIPOFF_CONTEXT = (
    "tip_back_min", "tip_mates_min", "tip_mates_count", "tip_mates_min_pos", "tip_rotation_rank", "tip_min_share",
)  # fmt: skip

_EFFICIENCY = (
    "usage", "true_shooting", "effective_fg", "ast_pct", "tov_pct", "oreb_pct", "dreb_pct", "stl_pct", "blk_pct", "pie",
    "off_rating", "def_rating",
)  # fmt: skip

_LATE_GAMES = 41
"""From so many games left on, losing teams rest their regulars more and more."""

_LAST_GAMES = 8
"""Of a season, in which regulars of all teams rest, and whoever does play makes more than usual.

At tip-off it is known who rests. Before the day, since it is told who is likely to play, little is left of it: in the
Aprils of 2022 to 2024 PRA are forecast .76 and 1.23 too low and .03 too high without this, .57 and .87 too low and .48
too high with it, and the RMSE of all stats is .04% lower in those Aprils, .01% in 2022-23, the same in 2023-24 and .01%
higher on validation. Before there were chances, the last 5 or 16 games were no better."""


class FeatureView:
    """Feature columns as float32, only those that a forecast at this level may touch.

    Raises:
        PipelineError: on a column that is missing, or not yet known at this level.
    """

    def __init__(self, features: pd.DataFrame, level: InformationLevel) -> None:
        self._features, self._level = features, level

    def __getitem__(self, name: str) -> Column:
        if name.startswith(TIPOFF_PREFIX) and not self._level.may_use(InformationLevel.TIPOFF):
            raise PipelineError(f"A {self._level} forecast may not use {name}: it is known at tip-off only.")
        if name not in self._features:
            raise PipelineError(f"The feature table lacks {name}: build it with features.table and features.minutes.")
        return self._features[name].to_numpy(np.float32)


def design_columns(features: pd.DataFrame, level: InformationLevel) -> dict[str, Column]:
    """Name -> one value a row of `features` (NaN where unknown), every column of the ridge at that level.

    Raises:
        PipelineError: when the feature table lacks a column.
    """
    view = FeatureView(features, level)
    minutes = view[EXPECTED_MINUTES[level]]
    # What the player makes in the minutes expected of him, by his slow rates: the backbone of every product below.
    usual: dict[str, Column] = {s: minutes * view[f"{s}_per_min_03"] for s in _RATED}
    columns: dict[str, Column] = {f"usual_{s}": usual[s] for s in _RATED}
    columns |= {f"lately_{s}": minutes * view[f"{s}_per_min_10"] for s in _RATED}
    columns |= _levels(view)
    columns |= {
        f"usual_{s}*opp_{kind}": usual[s] * view[f"opp_{s}_{kind}"]
        for s in _ALLOWED
        for kind in ("resid_pos_03", "resid_20")
    }
    columns |= _circumstances(view, minutes, usual) | _company(view, level, minutes, usual)
    columns |= {f"minutes*{name}_{a}": minutes * view[f"{name}_{a}"] for name in _EFFICIENCY for a in ("10", "03")}
    late = _LATE_GAMES - np.minimum(view["team_games_left"], _LATE_GAMES)
    # Scaled here: the first weeks, by which columns are standardised, hold no late game.
    columns["minutes*late_losses"] = minutes * late * (0.5 - view["team_win_pct"]) / 10
    if level.may_use(InformationLevel.TIPOFF):
        columns |= _absences(view, usual)
    else:
        last = _LAST_GAMES + 1 - np.clip(view["team_games_left"], 1, _LAST_GAMES + 1)
        columns["minutes*last_games"] = minutes * last / (5 * _LAST_GAMES)
    columns |= {name: view[name] for name in _CONTEXT}
    return columns


def _levels(view: FeatureView) -> dict[str, Column]:
    names = [*(f"{s}_ewm_03" for s in _RATED), *(f"{s}_season" for s in _ALLOWED)]
    return {name: view[name] for name in names}


def _circumstances(view: FeatureView, minutes: Column, usual: dict[str, Column]) -> dict[str, Column]:
    factors: dict[str, Column] = {
        "home": view["is_home"] - 0.5,
        "opp_def_rating": view["opp_def_rating_20"] / 110 - 1,
        "minutes": minutes / 30,
    }
    columns: dict[str, Column] = {
        f"usual_{s}*{name}": usual[s] * factor for s in _STATS for name, factor in factors.items()
    }
    return columns | {
        "minutes": minutes,
        "log_games": np.log1p(view["games_before"]),
    }


def _company(
    view: FeatureView, level: InformationLevel, minutes: Column, usual: dict[str, Column]
) -> dict[str, Column]:
    """Rates that came about in other company change with it."""
    prefix = TIPOFF_PREFIX if level.may_use(InformationLevel.TIPOFF) else ""
    mates: dict[str, Column] = {
        f"usual_{s}*mates_{c}_new": usual[s] * view[f"{prefix}mates_{c}_per_min_new"] for c, s in _COMPANY
    }
    mates |= {f"minutes*like_{s}_gain": minutes * view[f"{prefix}like_{s}_gain"] for s in _LIKE}
    return mates | {f"usual_{s}*opponents_{c}": usual[s] * view[f"{prefix}opp_{c}_per_min"] for c, s in _OPPOSITION}


def _absences(view: FeatureView, usual: dict[str, Column]) -> dict[str, Column]:
    """What absent team mates leave behind goes to those who take part in proportion to what they usually make."""
    columns = {name: view[name] for name in _TIPOFF_CONTEXT}
    for s in _SHIFTED:
        shares = {
            f"tip_out_{s}": 100, "tip_out_min": 240, "tip_opp_out_min": 240,
        }  # fmt: skip
        columns |= {f"usual_{s}*{name}": usual[s] * view[name] / unit for name, unit in shares.items()}
    return columns
