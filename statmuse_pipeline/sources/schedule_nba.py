"""Games of a day and of a season, and who is on which team, from stats.nba.com."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd
from nba_api.stats.endpoints import CommonAllPlayers, ScheduleLeagueV2, ScoreboardV3

from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.stats_nba_answers import REGULAR_SEASON, changed_format, document, table
from statmuse_pipeline.sources.stats_nba_client import StatsNbaClient

GAME_TYPES = {
    "GAME_ID": "str",
    "GAME_DATE": "str",
    "TIPOFF_UTC": "datetime64[ns, UTC]",
    "STATUS": "str",
    "STATUS_TEXT": "str",
    "HOME_TEAM_ID": "int64",
    "HOME_TEAM_ABBREVIATION": "str",
    "AWAY_TEAM_ID": "int64",
    "AWAY_TEAM_ABBREVIATION": "str",
    "HOME_PTS": "float64",
    "AWAY_PTS": "float64",
}
"""Columns of `todays_games` and `season_schedule`, one row a game, sorted by GAME_DATE, TIPOFF_UTC, GAME_ID.

GAME_DATE is the Eastern day as text, `2023-10-24`. TIPOFF_UTC is missing while it is to be determined. STATUS is one
of `STATUSES`, STATUS_TEXT what the NBA shows (`7:30 pm ET`, `Q3 5:12`, `Final/OT`, `PPD`). Points are missing before
the game.
"""

STATUSES = ("scheduled", "live", "final", "postponed", "cancelled")

ROSTER_TYPES = {
    "PLAYER_ID": "int64",
    "PLAYER_NAME": "str",
    "TEAM_ID": "int64",
    "TEAM_ABBREVIATION": "str",
    "ON_ROSTER": "bool",
}
"""Columns of `rosters`, one row a player of the season, sorted by PLAYER_ID; TEAM_ID 0 without a team."""

_BY_NUMBER = {1: "scheduled", 2: "live", 3: "final"}


def todays_games(client: StatsNbaClient, day: date) -> pd.DataFrame:
    """The regular season's games of that Eastern day, as `GAME_TYPES`; empty on a day without any.

    Raises:
        SourceError: when the scoreboard does not come or has another format.
    """

    def read(response: Any) -> pd.DataFrame:
        board = document(response)["scoreboard"]
        return _games((board["gameDate"][:10], game) for game in board["games"])

    request = ScoreboardV3(game_date=day.isoformat(), get_request=False)
    return client.ask(request, _guarded("ScoreboardV3", read), season=Season.of_date(day).label).content


def season_schedule(client: StatsNbaClient, season: str) -> pd.DataFrame:
    """Every game of a regular season with both teams known, played or to come, as `GAME_TYPES`.

    A game listed twice, as after it was postponed, is given once, under its new day.

    Raises:
        SourceError: when the schedule does not come or has another format.
    """

    def read(response: Any) -> pd.DataFrame:
        days = document(response)["leagueSchedule"]["gameDates"]
        return _games((game["gameDateEst"][:10], game) for each in days for game in each["games"])

    request = ScheduleLeagueV2(season=season, get_request=False)
    return client.ask(request, _guarded("ScheduleLeagueV2", read), season=season).content


def rosters(client: StatsNbaClient, season: str) -> pd.DataFrame:
    """Players of that season and their teams, as `ROSTER_TYPES`.

    Raises:
        SourceError: when the list does not come or has another format.
    """

    def read(response: Any) -> pd.DataFrame:
        players = table(response, "CommonAllPlayers")
        found = pd.DataFrame(
            {
                "PLAYER_ID": players["PERSON_ID"],
                "PLAYER_NAME": players["DISPLAY_FIRST_LAST"],
                "TEAM_ID": players["TEAM_ID"],
                "TEAM_ABBREVIATION": players["TEAM_ABBREVIATION"],
                "ON_ROSTER": players["ROSTERSTATUS"].astype("int64") == 1,
            }
        ).astype(ROSTER_TYPES)
        return found.sort_values("PLAYER_ID", ignore_index=True)

    request = CommonAllPlayers(is_only_current_season=1, season=season, get_request=False)
    return client.ask(request, _guarded("CommonAllPlayers", read), season=season).content


def _guarded(what: str, read: Callable[[Any], pd.DataFrame]) -> Callable[[Any], pd.DataFrame]:
    def reader(response: Any) -> pd.DataFrame:
        try:
            return read(response)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise changed_format(f"{what}: {error!r}") from error

    return reader


def _games(listed: Iterable[tuple[str, Mapping[str, Any]]]) -> pd.DataFrame:
    rows = [_game(day, game) for day, game in listed if game["gameId"].startswith(REGULAR_SEASON)]
    games = pd.DataFrame(rows, columns=list(GAME_TYPES))
    tipoff = pd.to_datetime(games["TIPOFF_UTC"], utc=True, errors="coerce", format="ISO8601")
    midnight = pd.to_datetime(games["GAME_DATE"], utc=True, format="ISO8601")
    # Games whose time is still to be determined carry a made-up year.
    games["TIPOFF_UTC"] = tipoff.where((tipoff - midnight).abs() < pd.Timedelta(days=2))
    games = games[(games["HOME_TEAM_ID"] != 0) & (games["AWAY_TEAM_ID"] != 0)].astype(GAME_TYPES)
    off = games["STATUS"].isin(["postponed", "cancelled"])
    once = games.assign(off=off).sort_values(["off", "GAME_DATE"], ascending=[False, True], kind="stable")
    once = once.drop_duplicates("GAME_ID", keep="last").drop(columns="off")
    return once.sort_values(["GAME_DATE", "TIPOFF_UTC", "GAME_ID"], ignore_index=True)


def _game(day: str, game: Mapping[str, Any]) -> dict[str, Any]:
    home, away, status = game["homeTeam"], game["awayTeam"], _status(game)
    played = status in ("live", "final")
    return {
        "GAME_ID": game["gameId"],
        "GAME_DATE": day,
        # The schedule gives day and time together; the scoreboard calls the same moment gameTimeUTC.
        "TIPOFF_UTC": game["gameDateTimeUTC"] if "gameDateTimeUTC" in game else game["gameTimeUTC"],
        "STATUS": status,
        "STATUS_TEXT": str(game["gameStatusText"]).strip(),
        "HOME_TEAM_ID": home["teamId"] or 0,
        "HOME_TEAM_ABBREVIATION": home["teamTricode"],
        "AWAY_TEAM_ID": away["teamId"] or 0,
        "AWAY_TEAM_ABBREVIATION": away["teamTricode"],
        "HOME_PTS": home["score"] if played else None,
        "AWAY_PTS": away["score"] if played else None,
    }


def _status(game: Mapping[str, Any]) -> str:
    """A postponed game keeps the number of a scheduled one; only its text tells."""
    text = str(game["gameStatusText"]).strip().lower()
    if text.startswith(("ppd", "postponed")):
        return "postponed"
    if text.startswith("cancel"):
        return "cancelled"
    return _BY_NUMBER[game["gameStatus"]]
