"""Rest, density of the schedule, home court, phase and stakes of the season, and who the player is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rolling import History
from statmuse_pipeline.features.rows import POSITIONS, Rows

LONGEST_REST = 30.0
"""Days of rest are cut off here: a summer is no rest of 170 days."""

SEASON_GAMES = 82
"""Games of a team in a season."""


def schedule_features(rows: Rows, games: pd.DataFrame, history: History) -> Columns:
    """Rest and density for the player and both teams; hour of the tip-off.

    Args:
        rows: the rows.
        games: contracts.GAMES.
        history: `rolling.player_history(rows)`.
    """
    teams = rows.teams
    team_history = History(teams.team, teams.day)
    rest = _rest(history, rows.player, rows.day)
    own, other = (_rest(team_history, side, rows.day) for side in (rows.team, rows.opponent))
    seasons = int(rows.season.max()) + 1
    season_games = History(teams.team * seasons + teams.season, teams.day)
    tipoff = rows.frame["game_id"].map(games.set_index("game_id")["tipoff_utc"])
    local = pd.to_datetime(tipoff, utc=True).dt.tz_convert("America/New_York")
    return {
        "is_home": rows.frame["is_home"].to_numpy(np.float64),
        "rest_days": rest,
        "back_to_back": _flag(rest, rest == 0),
        "games_in_7_days": _games_within(history, rows.player, rows.day, 7),
        "team_rest_days": own,
        "team_back_to_back": _flag(own, own == 0),
        "opp_rest_days": other,
        "opp_back_to_back": _flag(other, other == 0),
        "team_season_games": season_games.count(season_games.before(rows.team * seasons + rows.season, rows.day)),
        "tipoff_hour": (local.dt.hour + local.dt.minute / 60).to_numpy(np.float64),
        **{
            f"{prefix}_games_in_{nights}_nights": 1 + _games_within(team_history, side, rows.day, nights - 1)
            for prefix, side in (("team", rows.team), ("opp", rows.opponent))
            for nights in (4, 6)
        },
        **_stakes(rows),
    }


def _stakes(rows: Rows) -> Columns:
    """Share of games won this season before the day and games left, both teams."""
    teams = rows.teams
    points = np.bincount(rows.team_game, np.nan_to_num(rows.box["pts"]), len(teams))
    seasons = int(rows.season.max()) + 1
    played = ~teams.upcoming & (teams.other >= 0)
    history = History((teams.team * seasons + teams.season)[played], teams.day[played])
    won = history.expanding(history.sort((points > points[teams.other])[played]))
    columns: Columns = {}
    for prefix, side in (("team", rows.team), ("opp", rows.opponent)):
        at = history.before(side * seasons + rows.season, rows.day)
        columns[f"{prefix}_win_pct"] = history.take(won, at)
        columns[f"{prefix}_games_left"] = np.maximum(SEASON_GAMES - history.count(at), 0)
    return columns


def profile_features(rows: Rows, players: pd.DataFrame) -> Columns:
    """Position letters, height (inches), weight (pounds) and age (years)."""
    profile = players.set_index("player_id").reindex(rows.frame["player_id"])
    position = profile["position"].astype("str").str.upper()
    known = profile["position"].notna().to_numpy()
    birth = profile["birthdate"].to_numpy("datetime64[D]")
    age = (rows.day.astype("datetime64[D]") - birth) / np.timedelta64(1, "D") / 365.25
    return {
        **{
            f"position_{letter.lower()}": _flag_known(known, position.str.contains(rf"(?:^|-){letter}").to_numpy(bool))
            for letter in POSITIONS
        },
        "height_in": profile["height_in"].to_numpy(np.float64),
        "weight_lb": profile["weight_lb"].to_numpy(np.float64),
        "age": age,
    }


def _rest(history: History, entity: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whole days without a game since the entity's last one, at most LONGEST_REST; NaN before the first."""
    return np.minimum(day - history.days(history.before(entity, day)) - 1, LONGEST_REST)


def _games_within(history: History, entity: np.ndarray, day: np.ndarray, days: int) -> np.ndarray:
    """Games of the entity in the given number of days before the day."""
    return history.count(history.before(entity, day)) - history.count(history.before(entity, day - days))


def _flag(source: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(source), np.nan, condition)


def _flag_known(known: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return np.where(known, condition, np.nan)


def catalog() -> list[Feature]:
    """The columns of `schedule_features` and `profile_features`."""
    schedule = [
        ("is_home", "1 at home, 0 away"),
        ("rest_days", "days without a game since the player's last one (0 = back-to-back), at most 30"),
        ("back_to_back", "whether the player played the day before"),
        ("games_in_7_days", "the player's games in the 7 days before"),
        ("team_rest_days", "days without a game since the team's last one, at most 30"),
        ("team_back_to_back", "whether the team played the day before"),
        ("opp_rest_days", "days without a game since the opponent's last one, at most 30"),
        ("opp_back_to_back", "whether the opponent played the day before"),
        ("team_season_games", "games the team has played this season"),
        ("tipoff_hour", "hour of the tip-off, Eastern"),
    ]
    for prefix, who in (("team", "own team"), ("opp", "opponent")):
        schedule += [
            *((f"{prefix}_games_in_{nights}_nights", f"games in {nights} nights, tonight included, {who}")
              for nights in (4, 6)),
            (f"{prefix}_win_pct", f"share of games won this season before the day, {who}"),
            (f"{prefix}_games_left", f"games left of the season's {SEASON_GAMES}, tonight included, {who}"),
        ]  # fmt: skip
    profile = [
        ("position_g", "guard, also as second position"),
        ("position_f", "forward, also as second position"),
        ("position_c", "center, also as second position"),
        ("height_in", "height in inches"),
        ("weight_lb", "weight in pounds"),
        ("age", "age in years on the day"),
    ]
    return [
        *(Feature(name, PREGAME, "schedule", text) for name, text in schedule),
        *(Feature(name, PREGAME, "profile", text) for name, text in profile),
    ]
