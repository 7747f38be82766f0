"""Games that are scheduled, and which of them are still to be played."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from statmuse_pipeline.contracts import SCHEDULED_GAMES, check
from statmuse_pipeline.domain import Season

EASTERN = "America/New_York"

EARLIEST_TIPOFF = pd.Timedelta(hours=12)
"""Eastern time of day taken as tip-off where it is unknown: no game of a regular season begins earlier, so that no
forecast can slip in after the ball went up."""

OFF = ("postponed", "cancelled")
"""Statuses of games that are not played on their day."""


def from_schedule(schedule: pd.DataFrame, season: str) -> pd.DataFrame:
    """`contracts.SCHEDULED_GAMES` from a source's schedule (GAME_ID, GAME_DATE, TIPOFF_UTC, HOME_TEAM_ID, ...).

    A schedule without a column STATUS tells of no postponement: every game counts as scheduled.
    """
    games = pd.DataFrame(
        {
            "season": season,
            "game_id": schedule["GAME_ID"].astype("str"),
            "game_date": pd.to_datetime(schedule["GAME_DATE"]).astype("datetime64[ns]"),
            "tipoff_utc": pd.to_datetime(schedule["TIPOFF_UTC"], utc=True).astype("datetime64[ns, UTC]"),
            "home_team_id": schedule["HOME_TEAM_ID"].astype("int64"),
            "away_team_id": schedule["AWAY_TEAM_ID"].astype("int64"),
            "status": schedule["STATUS"].astype("str") if "STATUS" in schedule else "scheduled",
        }
    ).astype({"season": "str", "status": "str"})
    return check(SCHEDULED_GAMES, games.sort_values(["game_date", "tipoff_utc", "game_id"], ignore_index=True))


def no_games() -> pd.DataFrame:
    """`contracts.SCHEDULED_GAMES` without a row."""
    empty = {name: pd.Series(dtype="str") for name in ("GAME_ID", "GAME_DATE", "TIPOFF_UTC", "STATUS")}
    teams = {name: pd.Series(dtype="int64") for name in ("HOME_TEAM_ID", "AWAY_TEAM_ID")}
    return from_schedule(pd.DataFrame({**empty, **teams}), "")


def games_of(games: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """The games of that Eastern day."""
    return games[games["game_date"] == pd.Timestamp(day)].reset_index(drop=True)


def next_game_day(games: pd.DataFrame, after: dt.date) -> dt.date | None:
    """The first day after `after` on which a game is to be played; None when there is none."""
    later = games.loc[(games["game_date"] > pd.Timestamp(after)) & ~games["status"].isin(OFF), "game_date"]
    return later.min().date() if len(later) else None


def begins(games: pd.DataFrame) -> pd.Series:
    """The moment before which a forecast must be made, UTC: tip-off, or the earliest one of the day where unknown."""
    earliest = (games["game_date"] + EARLIEST_TIPOFF).dt.tz_localize(EASTERN).dt.tz_convert("UTC")
    return games["tipoff_utc"].fillna(earliest.astype("datetime64[ns, UTC]"))


def still_ahead(games: pd.DataFrame, now: dt.datetime) -> pd.Series:
    """Whether a game is still to begin: scheduled, and before `begins`."""
    return (games["status"] == "scheduled") & (begins(games) > pd.Timestamp(now))


def eastern_day(moment: dt.datetime) -> dt.date:
    """The Eastern calendar day of a moment."""
    return pd.Timestamp(moment).tz_convert(EASTERN).date()


def season_of(day: dt.date) -> str:
    """The label of the season that day belongs to."""
    return Season.of_date(day).label
