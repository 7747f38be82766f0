"""Advanced metrics of a player's earlier games: usage, shooting, shares of rebounds and assists, ratings, game score.

The formulas of `advanced.py` and `individual_ratings.py` on exponentially weighted totals, so that a game in which he
hardly shot counts little for his shooting.
"""

from __future__ import annotations

import numpy as np

from statmuse_pipeline.features import advanced, individual_ratings
from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rolling import FAST, SLOW, History
from statmuse_pipeline.features.rows import Rows

_METRICS = {
    "usage": (advanced.usage, "share of the team's plays he ended while on court"),
    "true_shooting": (advanced.true_shooting, "points a shot (true shooting)"),
    "effective_fg": (advanced.effective_field_goals, "effective field-goal percentage"),
    "ast_pct": (advanced.assist_percentage, "share of team mates' field goals he assisted while on court"),
    "tov_pct": (advanced.turnover_percentage, "share of his plays that were turnovers"),
    "oreb_pct": (advanced.offensive_rebound_percentage, "share of offensive rebounds he took while on court"),
    "dreb_pct": (advanced.defensive_rebound_percentage, "share of defensive rebounds he took while on court"),
    "stl_pct": (advanced.steal_percentage, "share of opponent possessions he stole while on court"),
    "blk_pct": (advanced.block_percentage, "share of opponent two-point attempts he blocked while on court"),
    "game_score": (advanced.game_score, "Hollinger's game score"),
    "pie": (advanced.player_impact, "share of the game's events that were his (PIE)"),
    "off_rating": (individual_ratings.offensive_rating, "points produced a 100 possessions used (Oliver)"),
    "def_rating": (individual_ratings.defensive_rating, "points allowed a 100 possessions faced (Oliver)"),
}
_ALPHAS = {"10": FAST, "03": SLOW}


def efficiency_features(rows: Rows, history: History) -> Columns:
    """Every metric before each row, quickly and slowly forgetting.

    Args:
        rows: the rows.
        history: `rolling.player_history(rows)`.
    """
    at = history.before(rows.player, rows.day)
    totals = {name: history.sort(values) for name, values in _totals(rows).items()}
    columns: Columns = {}
    for ending, alpha in _ALPHAS.items():
        weighted = {name: history.ewm(values, alpha) for name, values in totals.items()}
        columns |= {f"{name}_{ending}": history.take(metric(weighted), at) for name, (metric, _) in _METRICS.items()}
    return columns


def _totals(rows: Rows) -> Columns:
    """Box score, team and opponent totals of the rows that were played."""
    played, teams = rows.played, rows.teams
    mine = rows.team_game[played]
    other = teams.other[mine]
    found: Columns = {}
    for name in advanced.SUMMED:
        whole = np.bincount(rows.team_game, np.nan_to_num(rows.box[name]), len(teams))
        found[name] = rows.box[name][played]
        found[f"team_{name}"] = whole[mine]
        found[f"opp_{name}"] = np.where(other >= 0, whole[other], 0.0)
    return found


def catalog() -> list[Feature]:
    """The columns of `efficiency_features`."""
    return [
        Feature(f"{name}_{ending}", PREGAME, "efficiency", f"{text}, exponentially weighted, newest game {alpha}")
        for ending, alpha in _ALPHAS.items()
        for name, (_, text) in _METRICS.items()
    ]
