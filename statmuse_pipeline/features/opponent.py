"""What the opponent allows, how fast and how well both teams play, and the player against such defences.

Possessions are FGA + 0.44 FTA - OREB + TOV, the mean of both teams (Oliver, Basketball on Paper, 2004, with the usual
free-throw factor); ratings are points a 100 possessions, pace is possessions a 48 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rolling import SLOW, History
from statmuse_pipeline.features.rows import GROUPS, Rows

ALLOWED = (*(stat.column for stat in Stat), "fga", "fg3a", "fta")
"""Stats that a defence is rated on."""

WINDOW = 20
"""Team games that a running figure looks back on."""

KNOWN_AFTER = 5
"""A player's usual rates, and a team's rating, count from this many games on."""

_TEAM_TOTALS = ("pts", "reb", "ast", "fga", "fg3a", "fta", "tov", "oreb")


@dataclass(frozen=True)
class _TeamForm:
    """Running figures of teams over their games played, in the order of `history`."""

    history: History
    played: np.ndarray
    columns: Columns


def opponent_features(rows: Rows, history: History) -> Columns:
    """Opponent's allowance, pace and ratings of both teams, and the player against kinds of defences.

    Args:
        rows: the rows.
        history: `rolling.player_history(rows)`.
    """
    totals = _team_totals(rows)
    form = _team_form(rows, totals)
    own = form.history.before(rows.team, rows.day)
    against = form.history.before(rows.opponent, rows.day)
    columns = {f"opp_{name}": form.history.take(form.columns[name], against) for name in _OPPONENT_NAMES}
    columns |= {f"team_{name}": form.history.take(form.columns[name], own) for name in _TEAM_NAMES}
    columns["net_rating_gap"] = columns["team_net_rating_20"] - columns["opp_net_rating_20"]
    columns["blowout_risk"] = np.abs(columns["net_rating_gap"])
    columns |= _allowance(rows, history, form, against)
    rank, ranked = _defence_ranks(rows, form)
    columns["opp_def_rank_20"] = rank
    columns |= _against_defences(rows, rank, ranked)
    return columns


def _team_totals(rows: Rows) -> Columns:
    """Box-score sums of every team game."""
    names = ("min", *_TEAM_TOTALS)
    weights = {name: np.nan_to_num(rows.box[name]) for name in names}
    return {name: np.bincount(rows.team_game, weights[name], len(rows.teams)) for name in names}


def _team_form(rows: Rows, totals: Columns) -> _TeamForm:
    teams = rows.teams
    played = np.flatnonzero(~teams.upcoming & (teams.other >= 0))
    other = teams.other[played]
    history = History(teams.team[played], teams.day[played])
    mine = {name: history.sort(values[played]) for name, values in totals.items()}
    theirs = {name: history.sort(values[other]) for name, values in totals.items()}
    possessions = (_possessions(mine) + _possessions(theirs)) / 2
    minutes = (mine["min"] + theirs["min"]) / 10

    def mean(values: np.ndarray) -> np.ndarray:
        return history.mean(values, WINDOW)

    usual = mean(possessions)
    attack, defence = 100 * mean(mine["pts"]) / usual, 100 * mean(theirs["pts"]) / usual
    columns = {
        "pace_20": 48 * usual / mean(minutes),
        "off_rating_20": attack,
        "def_rating_20": defence,
        "net_rating_20": attack - defence,
        **{f"{name}_20": mean(mine[name]) for name in _TEAM_TOTALS},
        "games": history.number + 1.0,
    }
    return _TeamForm(history, played, columns)


def _possessions(team: Columns) -> np.ndarray:
    return team["fga"] + 0.44 * team["fta"] - team["oreb"] + team["tov"]


def _allowance(rows: Rows, history: History, form: _TeamForm, against: np.ndarray) -> Columns:
    """What teams allowed, in all, by position, and relative to what those players usually make.

    The relative allowance is (made - expected) / expected, summed over the last games, where expected is the player's
    own slow rate a minute times the minutes he got: it is the defence's part, not that of who came to play.
    """
    teams, defence = rows.teams, form.history
    at = history.before(rows.player, rows.day)
    known = rows.played & (history.count(at) >= KNOWN_AFTER)
    cell = rows.team_game * GROUPS + rows.group
    own_group = np.where(against >= 0, against, 0), rows.group

    def allowed(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """Sums by (team game, position) of the players who faced the team, in the order of its history."""
        made = np.bincount(cell[keep], values[keep], len(teams) * GROUPS).reshape(-1, GROUPS)
        return made[teams.other[form.played]]

    def running(values: np.ndarray, alpha: float | None) -> np.ndarray:
        """Running mean of each position's column over the team's games."""
        by_group = [defence.sort(values[:, group]) for group in range(values.shape[1])]
        return np.column_stack([defence.mean(x, WINDOW) if alpha is None else defence.ewm(x, alpha) for x in by_group])

    def here(values: np.ndarray) -> np.ndarray:
        """The figure for the row's own position, NaN where the opponent has no game yet."""
        return np.where(against >= 0, values[own_group], np.nan) if len(values) else np.full(len(rows), np.nan)

    real_games = ~rows.upcoming
    minutes = running(allowed(rows.box["min"], real_games), None)
    weights = History(rows.player[rows.played], rows.day[rows.played])
    slow_minutes = weights.ewm(weights.sort(rows.box["min"][rows.played]), SLOW)
    columns: Columns = {}
    for s in ALLOWED:
        made = allowed(rows.box[s], real_games)
        columns[f"opp_{s}_allowed_20"] = defence.take(running(made.sum(axis=1, keepdims=True), None)[:, 0], against)
        columns[f"opp_{s}_allowed_pos_20"] = here(36 * _ratio(running(made, None), minutes))
        rate = weights.take(weights.ewm(weights.sort(rows.box[s][rows.played]), SLOW) / slow_minutes, at)
        usual, real = allowed(rate * rows.box["min"], known), allowed(rows.box[s], known)
        totals = [x.sum(axis=1, keepdims=True) for x in (real, usual)]
        for name, alpha in (("20", None), ("03", SLOW)):
            whole = _ratio(running(totals[0], alpha), running(totals[1], alpha)) - 1
            columns[f"opp_{s}_resid_{name}"] = defence.take(whole[:, 0], against)
            columns[f"opp_{s}_resid_pos_{name}"] = here(_ratio(running(real, alpha), running(usual, alpha)) - 1)
    return columns


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is not positive."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _defence_ranks(rows: Rows, form: _TeamForm) -> tuple[np.ndarray, np.ndarray]:
    """Rank (1 = best) of the opponent's defensive rating among all teams that morning, and how many were ranked."""
    days, day = np.unique(rows.day, return_inverse=True)
    teams = int(max(rows.team.max(), rows.opponent.max())) + 1
    at = form.history.before(np.tile(np.arange(teams), len(days)), np.repeat(days, teams))
    rated = form.history.take(form.columns["games"], at) >= KNOWN_AFTER
    rating = np.where(rated, form.history.take(form.columns["def_rating_20"], at), np.nan).reshape(-1, teams)
    rank = scipy_stats.rankdata(rating, axis=1, nan_policy="omit")
    return rank[day, rows.opponent], np.isfinite(rating).sum(axis=1)[day]


def _against_defences(rows: Rows, rank: np.ndarray, ranked: np.ndarray) -> Columns:
    """The player's mean in earlier games against the best and worst ten defences and against this opponent."""
    opponents = int(rows.opponent.max()) + 1
    with np.errstate(invalid="ignore"):
        kinds = {
            "vs_top10_def": (rows.played & (rank <= 10), rows.player),
            "vs_bottom10_def": (rows.played & (rank > ranked - 10), rows.player),
            "vs_opponent": (rows.played, rows.player * opponents + rows.opponent),
        }
    columns: Columns = {}
    for kind, (counts, entity) in kinds.items():
        history = History(entity[counts], rows.day[counts])
        at = history.before(entity, rows.day)
        for stat in Stat:
            means = history.expanding(history.sort(rows.box[stat.column][counts]))
            columns[f"{kind}_{stat.column}"] = history.take(means, at)
    return columns


_RATINGS = ("pace_20", "off_rating_20", "def_rating_20", "net_rating_20")
_OPPONENT_NAMES = (*_RATINGS, "pts_20", "fga_20")
_TEAM_NAMES = (*_RATINGS, *(f"{name}_20" for name in _TEAM_TOTALS))

_MEANINGS = {
    "pace_20": "possessions a 48 minutes",
    "off_rating_20": "points scored a 100 possessions",
    "def_rating_20": "points allowed a 100 possessions",
    "net_rating_20": "points scored minus allowed a 100 possessions",
}


def catalog() -> list[Feature]:
    """The columns of `opponent_features`."""
    found: list[tuple[str, str, str]] = []
    for prefix, who, names in (("opp", "opponent", _OPPONENT_NAMES), ("team", "own team", _TEAM_NAMES)):
        for name in names:
            meaning = _MEANINGS.get(name, f"mean {name.removesuffix('_20').upper()} of its players")
            found.append((f"{prefix}_{name}", who, f"{meaning}, {who}'s last {WINDOW} games"))
    found += [
        ("net_rating_gap", "own team", "own net rating minus the opponent's"),
        ("blowout_risk", "own team", "distance between the two net ratings"),
        ("opp_def_rank_20", "opponent", "rank of the opponent's defensive rating that morning, 1 is the best"),
    ]
    for s in ALLOWED:
        label, group = s.upper(), "opponent's allowance"
        found += [
            (f"opp_{s}_allowed_20", group, f"{label} the opponent allowed a game, its last {WINDOW}"),
            (f"opp_{s}_allowed_pos_20", group, f"{label} it allowed a 36 minutes to the player's position group"),
            (f"opp_{s}_resid_20", group, f"{label} it allowed relative to what those players usually make, minus 1"),
            (f"opp_{s}_resid_03", group, f"the same, exponentially weighted, newest game {SLOW} ({label})"),
            (f"opp_{s}_resid_pos_20", group, f"opp_{s}_resid_20 for the player's position group ({label})"),
            (f"opp_{s}_resid_pos_03", group, f"that, exponentially weighted, newest game {SLOW} ({label})"),
        ]
    for stat in Stat:
        label, group, s = stat.value, "against defences", stat.column
        found += [
            (f"vs_top10_def_{s}", group, f"mean {label} in earlier games against top-10 defences"),
            (f"vs_bottom10_def_{s}", group, f"mean {label} in earlier games against bottom-10 defences"),
            (f"vs_opponent_{s}", group, f"mean {label} in earlier games against this opponent"),
        ]
    return [Feature(name, PREGAME, group, text) for name, group, text in found]
