"""Scoreboard, schedule and rosters over real HTTP."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.schedule_nba import (
    GAME_TYPES,
    ROSTER_TYPES,
    STATUSES,
    rosters,
    season_schedule,
    todays_games,
)
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.sources.stats_nba_client import StatsNbaClient
from statmuse_pipeline_tests.sources.stats_nba_server import (
    BULLS,
    HAWKS,
    Reply,
    StatsServer,
    official_game,
    result_set,
    served,
)

DAY = dt.date(2023, 10, 24)


def client(**options: Any) -> StatsNbaClient:
    return StatsNbaClient(pause=0.0, first_wait=0.01, attempts=1, breaker=CircuitBreaker(99), **options)


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(kind) for name, kind in frame.dtypes.items()}


def test_the_scoreboard_tells_what_is_final_live_scheduled_postponed_and_cancelled(stats_server: StatsServer) -> None:
    texts = {1: "Final/OT", 2: "Q3 5:12", 3: "7:30 pm ET      ", 4: "PPD", 5: "Cancelled"}
    for number, text in texts.items():
        game = official_game(f"002230000{number}", HAWKS, BULLS, f"2023-10-24T23:0{number}:00Z", text=text)
        game["gameStatus"] = {1: 3, 2: 2}.get(number, 1)
        game["homeTeam"]["score"] = 100
        stats_server.schedule.append(game)
    stats_server.schedule.append(official_game("0012300009", HAWKS, BULLS, "2023-10-24T23:00:00Z"))
    stats_server.schedule.append(official_game("0022300009", HAWKS, BULLS, "2023-10-26T00:00:00Z", "2023-10-25"))
    games = todays_games(client(), DAY)
    assert types(games) == GAME_TYPES
    assert list(games["STATUS"]) == ["final", "live", "scheduled", "postponed", "cancelled"]
    assert set(games["STATUS"]) == set(STATUSES)
    assert games["STATUS_TEXT"].iloc[2] == "7:30 pm ET"
    assert games["TIPOFF_UTC"].iloc[0] == pd.Timestamp("2023-10-24 23:01", tz="UTC")
    assert games["HOME_PTS"].tolist()[:2] == [100, 100]
    assert games["HOME_PTS"].iloc[2:].isna().all()
    assert list(games["HOME_TEAM_ABBREVIATION"]) == ["ATL"] * 5
    assert stats_server.asked("scoreboardv3") == [{"GameDate": "2023-10-24", "LeagueID": "00"}]


def test_a_day_without_games_is_an_empty_table_of_the_same_columns(stats_server: StatsServer) -> None:
    assert types(todays_games(client(), dt.date(2024, 2, 17))) == GAME_TYPES
    assert todays_games(client(), dt.date(2024, 2, 17)).empty


def test_the_schedule_has_games_to_come_and_a_postponed_game_once_under_its_new_day(stats_server: StatsServer) -> None:
    stats_server.schedule = [
        official_game("0022300001", HAWKS, BULLS, "2023-10-24T23:30:00Z", text="PPD"),
        official_game("0022300002", BULLS, HAWKS, "2024-01-11T19:00:00Z", "2024-01-11"),
        official_game("0022300001", HAWKS, BULLS, "2024-02-20T00:30:00Z", "2024-02-19"),
        official_game("0022300900", BULLS, HAWKS, "1900-01-01T00:00:00Z", "2024-04-11", text="TBD"),
        official_game("0022301201", 0, 0, "1900-01-01T00:00:00Z", "2023-12-06"),
    ]
    games = season_schedule(client(), "2023-24")
    assert types(games) == GAME_TYPES
    assert list(games["GAME_ID"]) == ["0022300002", "0022300001", "0022300900"]
    assert set(games["STATUS"]) == {"scheduled"}
    assert games["TIPOFF_UTC"].iloc[1] == pd.Timestamp("2024-02-20 00:30", tz="UTC")
    assert pd.isna(games["TIPOFF_UTC"].iloc[2])


def test_a_real_season_on_one_of_its_days(archive: Path) -> None:
    payload = ArchiveSource(archive).fetch("2023-24")
    with served(StatsServer.of(payload)) as (server, url):
        server.until = dt.date(2024, 1, 26)
        asked = client(base_url=url)
        games = season_schedule(asked, "2023-24")
        assert len(games) == 1230
        final = games[games["STATUS"] == "final"]
        assert final["GAME_DATE"].max() == "2024-01-26"
        assert games.loc[games["STATUS"] == "scheduled", "GAME_DATE"].min() > "2024-01-26"
        dallas = todays_games(asked, server.until).set_index("AWAY_TEAM_ABBREVIATION").loc["DAL"]
        assert (dallas["HOME_TEAM_ABBREVIATION"], dallas["HOME_PTS"], dallas["AWAY_PTS"]) == ("ATL", 143, 148)
        assert set(todays_games(asked, dt.date(2024, 1, 27))["STATUS"]) == {"scheduled"}
        players = rosters(asked, "2023-24")
        assert types(players) == ROSTER_TYPES
        luka = players.set_index("PLAYER_ID").loc[1629029]
        assert (luka["PLAYER_NAME"], luka["TEAM_ABBREVIATION"]) == ("Luka Dončić", "DAL")


@pytest.mark.parametrize(
    ("endpoint", "ask"),
    [
        ("scoreboardv3", lambda: todays_games(client(), DAY)),
        ("scheduleleaguev2", lambda: season_schedule(client(), "2023-24")),
        ("commonallplayers", lambda: rosters(client(), "2023-24")),
    ],
)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html>", "web page instead of data"),
        ("{", "cut off or empty"),
        ("{}", "format has changed"),
        (json.dumps({"scoreboard": {"gameDate": "2023-10-24", "games": [{"gameId": "0022300001"}]}}), "has changed"),
        (json.dumps({"leagueSchedule": {"gameDates": [{"games": [{}]}]}}), "format has changed"),
        (result_set("CommonAllPlayers", ["PERSON_ID"], [[1]]), "format has changed"),
    ],
)
def test_other_answers_are_clear_errors(
    stats_server: StatsServer, endpoint: str, ask: Callable[[], pd.DataFrame], body: str, told: str
) -> None:
    stats_server.script[endpoint] = [Reply(body)]
    with pytest.raises(SourceError, match=told):
        ask()
