"""How far both teams came, across how many time zones, and how high the arena lies.

A team travels from the arena of its last game of the season; its first game begins at home, and so does one after
HOME_AFTER days without a game.
"""

from __future__ import annotations

import numpy as np

from statmuse_pipeline.features.arenas import Places, distance_miles, places
from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rolling import History
from statmuse_pipeline.features.rows import Rows

HOME_AFTER = 4
"""Days without a game after which a team is taken to have slept at home."""

_WEEK = 7


def travel_features(rows: Rows, tipoff_hour: np.ndarray) -> Columns:
    """Miles, time zones and altitude of each row's team and opponent.

    Args:
        rows: the rows.
        tipoff_hour: of each row, Eastern; NaN where unknown.
    """
    teams = rows.teams
    by_team = _by_team(rows)
    other = teams.other[rows.team_game]
    columns: Columns = {}
    for prefix, entry in (("team", rows.team_game), ("opp", other)):
        for name, values in by_team.items():
            columns[f"{prefix}_{name}"] = np.where(entry >= 0, values[entry], np.nan)
    columns["arena_altitude_ft"] = _arena(rows).altitude_ft[rows.team_game]
    home_clock = _homes(rows).clock[rows.team_game]
    columns["tipoff_hour_at_home"] = tipoff_hour + home_clock
    return columns


def _by_team(rows: Rows) -> Columns:
    """One value a team game."""
    teams = rows.teams
    arena, home = _arena(rows), _homes(rows)
    key = teams.team * (int(teams.season.max()) + 1) + teams.season
    history = History(key, teams.day)
    last = history.before(key, teams.day)
    stayed = teams.day - history.days(last) - 1 < HOME_AFTER
    came_from = Places(
        *(
            np.where((last >= 0) & stayed, history.take(history.sort(there), last), own)
            for there, own in zip(arena, home, strict=True)
        )
    )
    miles = distance_miles(came_from, arena)
    trips = history.sort(np.nan_to_num(miles))
    gone = np.cumsum(trips)
    now, before = history.until(key, teams.day), history.before(key, teams.day - _WEEK + 1)
    start = np.where(before >= 0, gone[before], (gone - trips)[now - history.number[now]])
    return {
        "travel_miles": miles,
        "travel_miles_7_days": np.where(np.isfinite(miles), gone[now] - start, np.nan),
        "zones_crossed": arena.clock - came_from.clock,
        "altitude_gain_ft": arena.altitude_ft - home.altitude_ft,
    }


def _arena(rows: Rows) -> Places:
    """Where each team game is played: at the home team's."""
    teams = rows.teams
    names = _team_ids(rows)
    host = np.where(teams.is_home, names, _opponent_ids(rows))
    return places(host, teams.day)


def _homes(rows: Rows) -> Places:
    return places(_team_ids(rows), rows.teams.day)


def _team_ids(rows: Rows) -> np.ndarray:
    return _first_of_team_game(rows, "team_id")


def _opponent_ids(rows: Rows) -> np.ndarray:
    return _first_of_team_game(rows, "opponent_team_id")


def _first_of_team_game(rows: Rows, name: str) -> np.ndarray:
    found = np.zeros(len(rows.teams), dtype=np.int64)
    found[rows.team_game] = rows.frame[name].to_numpy(np.int64)
    return found


def catalog() -> list[Feature]:
    """The columns of `travel_features`."""
    found: list[tuple[str, str]] = []
    for prefix, who in (("team", "own team"), ("opp", "opponent")):
        found += [
            (f"{prefix}_travel_miles", f"miles from the arena of the last game to this one, {who}"),
            (f"{prefix}_travel_miles_7_days", f"miles of the last {_WEEK} days, this trip included, {who}"),
            (f"{prefix}_zones_crossed", f"hours the clock was set forward (east) since the last game, {who}"),
            (f"{prefix}_altitude_gain_ft", f"feet the arena lies above the home arena, {who}"),
        ]
    found += [
        ("arena_altitude_ft", "feet of the arena above the sea"),
        ("tipoff_hour_at_home", "hour of the tip-off on the clock of the own team's home"),
    ]
    return [Feature(name, PREGAME, "travel", text) for name, text in found]
