"""Reading what stats.nba.com answers: tables, schedules and rosters, or a clear word on what came instead."""

from __future__ import annotations

from typing import Any

import pandas as pd

from statmuse_pipeline.sources.service_client import Blocked, CutOff
from statmuse_pipeline.sources.source import SCHEDULE_COLUMNS, SourceError, schedule_frame

REGULAR_SEASON = "002"
"""What game ids of the regular season begin with."""

WAY_OUT = "set STATMUSE_SOURCE=archive with STATMUSE_ARCHIVE, or STATMUSE_SOURCE=demo"
"""What a user can do when stats.nba.com will not deliver."""


def document(response: Any) -> dict[str, Any]:
    """The answer's JSON object.

    Raises:
        Blocked: when it is a web page.
        CutOff: when it is no whole JSON.
        SourceError: when it is JSON but no object.
    """
    text = response.get_response()
    if text.lstrip().startswith("<"):
        raise Blocked(f"stats.nba.com sent a web page instead of data: it blocks this address; {WAY_OUT}.")
    try:
        document = response.get_dict()
    except ValueError as error:
        raise CutOff from error
    if not isinstance(document, dict):
        raise changed_format("no JSON object")
    return document


def table(response: Any, name: str) -> pd.DataFrame:
    """One result set of a stats.nba.com answer."""
    answer = document(response)
    try:
        sets = answer["resultSets"] if "resultSets" in answer else answer["resultSet"]
        found = next(each for each in (sets if isinstance(sets, list) else [sets]) if each["name"] == name)
        return pd.DataFrame(found["rowSet"], columns=found["headers"])
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise changed_format(f"no table {name}") from error


def official_schedule(response: Any) -> pd.DataFrame:
    """The regular season's games from ScheduleLeagueV2, also those to come, once both teams are known.

    nba_api's own flattening of this answer takes seconds and makes 200 columns.
    """
    try:
        days = document(response)["leagueSchedule"]["gameDates"]
        games = pd.DataFrame(
            [
                {
                    "GAME_ID": game["gameId"],
                    "GAME_DATE": game["gameDateEst"][:10],
                    "TIPOFF_UTC": game["gameDateTimeUTC"],
                    "HOME_TEAM_ID": game["homeTeam"]["teamId"] or 0,
                    "AWAY_TEAM_ID": game["awayTeam"]["teamId"] or 0,
                    "POSTPONED": str(game.get("gameStatusText", "")).strip().upper() == "PPD",
                }
                for day in days
                for game in day["games"]
                if game["gameId"].startswith(REGULAR_SEASON)
            ],
            columns=[*SCHEDULE_COLUMNS, "POSTPONED"],
        )
        tipoff = pd.to_datetime(games["TIPOFF_UTC"], utc=True, errors="coerce", format="ISO8601")
        day = pd.to_datetime(games["GAME_DATE"], utc=True, format="ISO8601")
        # Games whose time is still to be determined carry a made-up year.
        games["TIPOFF_UTC"] = tipoff.where((tipoff - day).abs() < pd.Timedelta(days=2))
        known = (games["HOME_TEAM_ID"] != 0) & (games["AWAY_TEAM_ID"] != 0)
        # A postponed game may be listed under its old day and its new one.
        once = (
            games[known]
            .sort_values("POSTPONED", ascending=False, kind="stable")
            .drop_duplicates("GAME_ID", keep="last")
        )
        return schedule_frame(once.sort_index())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise changed_format(f"ScheduleLeagueV2: {error!r}") from error


def rosters(response: Any) -> pd.DataFrame:
    """Position, height (`6-6` to inches) and weight of a season's players from PlayerIndex; no birth dates there."""
    index = table(response, "PlayerIndex")
    try:
        height = index["HEIGHT"].astype("str").str.extract(r"^(\d+)-(\d+)$").astype("float64")
        return pd.DataFrame(
            {
                "PLAYER_ID": index["PERSON_ID"].astype("int64"),
                "POSITION": index["POSITION"].replace("", None),
                "HEIGHT_IN": 12 * height[0] + height[1],
                "WEIGHT_LB": pd.to_numeric(index["WEIGHT"], errors="coerce"),
                "BIRTHDATE": pd.NaT,
            }
        )
    except (KeyError, ValueError, TypeError) as error:
        raise changed_format(f"PlayerIndex: {error}") from error


def changed_format(told: str) -> SourceError:
    """The error for an answer in another shape than this program knows."""
    return SourceError(f"stats.nba.com's format has changed ({told}): {WAY_OUT} until this program follows.")


def schedule_from_matchups(logs: pd.DataFrame) -> pd.DataFrame:
    """Home and away from `DEN vs. LAL` and `LAL @ DEN`, without tip-off times.

    Games on neutral ground, where both teams' rows read `@`, tell neither and are left out.
    """
    teams = logs.drop_duplicates(["GAME_ID", "TEAM_ID"])[["GAME_ID", "GAME_DATE", "TEAM_ID", "MATCHUP"]]
    at_home = teams["MATCHUP"].str.contains(" vs. ", regex=False)
    games = teams[at_home].merge(teams[~at_home], on="GAME_ID", suffixes=("", "_AWAY"))
    games = games.drop_duplicates("GAME_ID", keep=False).sort_values("GAME_ID")
    games["TIPOFF_UTC"] = pd.NaT
    return schedule_frame(games.rename(columns={"TEAM_ID": "HOME_TEAM_ID", "TEAM_ID_AWAY": "AWAY_TEAM_ID"}))
