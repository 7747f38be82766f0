"""stats.nba.com over real HTTP, played by a local server."""

from __future__ import annotations

import datetime as dt
import time
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nba_api.stats.endpoints.leaguegamelog import NBAStatsHTTP

from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.sources.stats_nba import StatsNbaSource
from statmuse_pipeline.sources.stats_nba_client import StatsNbaClient
from statmuse_pipeline_tests.sources.stats_nba_server import (
    BULLS,
    HAWKS,
    Reply,
    StatsServer,
    official_game,
    result_set,
    written_season,
)

NOW = dt.datetime(2024, 11, 1, 12, tzinfo=dt.UTC)


def source(**options: Any) -> StatsNbaSource:
    defaults: dict[str, Any] = {"pause": 0.0, "first_wait": 0.01, "timeout": (2.0, 2.0), "now": lambda: NOW}
    return StatsNbaSource(StatsNbaClient(**{**defaults, **options}))


def test_a_season_is_one_request_for_all_players(stats_server: StatsServer) -> None:
    payload = source().fetch("2023-24")
    pd.testing.assert_frame_equal(payload.game_logs, written_season())
    (query,) = stats_server.asked("leaguegamelog")
    assert query["Season"] == "2023-24"
    assert query["SeasonType"] == "Regular Season"
    assert query["PlayerOrTeam"] == "P"
    assert "DateFrom" not in query
    assert payload.fetched_at == NOW
    assert "/stats/leaguegamelog?" in payload.origin


def test_only_encodings_that_can_be_read_are_offered(stats_server: StatsServer) -> None:
    source().fetch("2023-24")
    assert {headers["Accept-Encoding"] for headers in stats_server.headers} == {"gzip, deflate"}
    assert all("Mozilla" in headers["User-Agent"] for headers in stats_server.headers)


def test_an_increment_asks_only_for_its_dates(stats_server: StatsServer) -> None:
    payload = source().fetch("2023-24", since=dt.date(2024, 1, 11))
    assert set(payload.game_logs["GAME_DATE"]) == {"2024-01-11"}
    assert stats_server.asked("leaguegamelog")[0]["DateFrom"] == "01/11/2024"


def test_an_increment_without_games_is_empty_and_no_error(stats_server: StatsServer) -> None:
    payload = source().fetch("2023-24", since=dt.date(2024, 4, 30))
    assert payload.game_logs.empty
    assert "PLUS_MINUS" in payload.game_logs
    assert payload.schedule.empty
    assert payload.players.empty


def test_the_official_schedule_is_taken_with_games_to_come_and_without_open_pairings(stats_server: StatsServer) -> None:
    stats_server.schedule = [
        official_game("0012300001", BULLS, HAWKS, "2023-10-10T23:30:00Z"),
        official_game("0022300001", HAWKS, BULLS, "2023-10-24T23:30:00Z"),
        official_game("0022300002", BULLS, HAWKS, "2024-01-11T19:00:00Z", "2024-01-11"),
        official_game("0022300900", BULLS, HAWKS, "1900-01-01T00:00:00Z", "2024-04-11"),
        official_game("0022301201", 0, 0, "1900-01-01T00:00:00Z", "2023-12-06"),
    ]
    schedule = source().fetch("2023-24").schedule.set_index("GAME_ID")
    assert list(schedule.index) == ["0022300001", "0022300002", "0022300900"]
    assert schedule.loc["0022300002", "HOME_TEAM_ID"] == BULLS
    assert schedule.loc["0022300001", "TIPOFF_UTC"] == pd.Timestamp("2023-10-24 23:30", tz="UTC")
    assert pd.isna(schedule.loc["0022300900", "TIPOFF_UTC"])
    later = source().fetch("2023-24", since=dt.date(2024, 1, 11)).schedule
    assert list(later["GAME_ID"]) == ["0022300002", "0022300900"]


def test_without_a_schedule_matchup_tells_home_and_away_except_on_neutral_ground(stats_server: StatsServer) -> None:
    schedule = source().fetch("2023-24").schedule
    assert schedule[["GAME_ID", "GAME_DATE", "HOME_TEAM_ID", "AWAY_TEAM_ID"]].to_numpy().tolist() == [
        ["0022300001", "2023-10-24", HAWKS, BULLS]
    ]
    assert schedule["TIPOFF_UTC"].isna().all()
    assert len(stats_server.asked("scheduleleaguev2")) == 1


@pytest.mark.parametrize(
    "odd", [{"gameId": None}, {"homeTeam": None}, {"gameDateEst": "soon"}, {"homeTeam": {"teamId": "x"}}]
)
def test_a_schedule_in_another_format_does_not_cost_the_game_logs(
    stats_server: StatsServer, odd: dict[str, Any]
) -> None:
    stats_server.schedule = [official_game("0022300001", HAWKS, BULLS, "2023-10-24T23:30:00Z") | odd]
    payload = source().fetch("2023-24")
    assert len(payload.game_logs) == 8
    assert list(payload.schedule["GAME_ID"]) == ["0022300001"]
    assert payload.schedule["TIPOFF_UTC"].isna().all()


def test_rosters_give_position_height_and_weight(stats_server: StatsServer) -> None:
    stats_server.rosters = [[7371, "G-F", "6-6", "220"], [7372, "", None, ""], [5, "C", "7-0", "250"]]
    players = source().fetch("2023-24").players.set_index("PLAYER_ID")
    assert players.loc[7371, ["PLAYER_NAME", "POSITION", "HEIGHT_IN", "WEIGHT_LB"]].tolist() == [
        "Ünï ATL 1",
        "G-F",
        78,
        220,
    ]
    assert players.loc[7372, ["POSITION", "HEIGHT_IN", "WEIGHT_LB"]].isna().all()
    assert 5 not in players.index


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(stats_server: StatsServer, status: int) -> None:
    stats_server.script["leaguegamelog"] = [Reply("busy", status), Reply("busy", status)]
    assert len(source().fetch("2023-24").game_logs) == 8
    assert len(stats_server.asked("leaguegamelog")) == 3


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_retry_after_is_waited_for(stats_server: StatsServer, kind: str) -> None:
    # A date has whole seconds only, so that the wait until two seconds from now is more than one.
    header = (
        "1" if kind == "seconds" else format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2), usegmt=True)
    )
    stats_server.script["leaguegamelog"] = [Reply("slow down", 429, {"Retry-After": header})]
    assert len(source().fetch("2023-24").game_logs) == 8
    first, second = (moment for name, _, moment in stats_server.requests if name == "leaguegamelog")
    assert 0.85 <= second - first <= 3.0


def test_a_server_that_wants_an_hour_is_not_waited_for(stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply("slow down", 429, {"Retry-After": "3600"})]
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"refused leaguegamelog of 2023-24 \(HTTP 429, Retry-After 3600 s\)"):
        source().fetch("2023-24")
    assert time.monotonic() - started < 2
    assert len(stats_server.asked("leaguegamelog")) == 1


def test_a_server_that_stays_broken_is_given_up_after_the_last_attempt(stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply("broken", 500)] * 9
    with pytest.raises(
        SourceError, match=r"refused leaguegamelog of 2023-24 \(HTTP 500\): set STATMUSE_SOURCE=archive"
    ):
        source(attempts=3).fetch("2023-24")
    assert len(stats_server.asked("leaguegamelog")) == 3


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_believed_at_once(stats_server: StatsServer, status: int) -> None:
    stats_server.script["leaguegamelog"] = [Reply("<html>Access Denied</html>", status)] * 2
    with pytest.raises(SourceError, match=rf"refused leaguegamelog of 2023-24 \(HTTP {status}\)"):
        source().fetch("2023-24")
    assert len(stats_server.asked("leaguegamelog")) == 1


def test_a_web_page_instead_of_data_means_blocked(stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply("\n<!DOCTYPE html><html>robot?</html>")]
    with pytest.raises(SourceError, match="sent a web page instead of data: it blocks this address"):
        source().fetch("2023-24")


@pytest.mark.parametrize("announced", [None, 1_000_000], ids=["body cut", "connection cut"])
def test_a_cut_off_answer_is_asked_for_again(stats_server: StatsServer, announced: int | None) -> None:
    cut = stats_server.game_log({"Season": "2023-24"})[:700]
    stats_server.script["leaguegamelog"] = [Reply(cut, announced=announced)]
    assert len(source().fetch("2023-24").game_logs) == 8
    assert len(stats_server.asked("leaguegamelog")) == 2


@pytest.mark.parametrize("length", [0, 700])
def test_answers_that_stay_cut_off_are_an_error(stats_server: StatsServer, length: int) -> None:
    cut = stats_server.game_log({"Season": "2023-24"})[:length]
    stats_server.script["leaguegamelog"] = [Reply(cut)] * 4
    with pytest.raises(SourceError, match="answer to leaguegamelog of 2023-24 is cut off or empty"):
        source().fetch("2023-24")


def test_changed_columns_are_named(stats_server: StatsServer) -> None:
    stats_server.logs = written_season().rename(columns={"PLUS_MINUS": "PLUSMINUS", "TOV": "TO"})
    with pytest.raises(SourceError, match="lacks the columns TOV, PLUS_MINUS: its format has changed"):
        source().fetch("2023-24")


@pytest.mark.parametrize(
    "body",
    ['{"resultSets": []}', '{"message": "moved"}', "[1, 2]", result_set("LeagueGameLog", ["A", "B"], [[1, 2, 3]])],
)
def test_another_json_format_is_reported(stats_server: StatsServer, body: str) -> None:
    stats_server.script["leaguegamelog"] = [Reply(body)]
    with pytest.raises(SourceError, match="format has changed"):
        source().fetch("2023-24")


def test_a_season_without_games_is_an_error(stats_server: StatsServer) -> None:
    with pytest.raises(SourceError, match=r"has no regular-season games of 2024-25: take it out of SEASONS"):
        source().fetch("2024-25")


def test_a_slow_server_is_asked_again_and_then_given_up(stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply(delay=1.0)] * 2
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"did not answer leaguegamelog of 2023-24 in time \(2 attempts\)"):
        source(timeout=(0.2, 0.2), attempts=2).fetch("2023-24")
    assert time.monotonic() - started < 1.5
    assert len(stats_server.asked("leaguegamelog")) == 2


def test_a_server_that_is_not_there_is_an_error(stats_server: StatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NBAStatsHTTP, "base_url", "http://127.0.0.1:9/stats/{endpoint}")
    with pytest.raises(SourceError, match=r"cannot be reached for leaguegamelog of 2023-24 .*refused"):
        source().fetch("2023-24")


def test_a_forbidden_network_is_an_error_before_any_request(
    stats_server: StatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_API_REQUIRE_PROXY", "1")
    with pytest.raises(SourceError, match="may not be reached: NBA_API_REQUIRE_PROXY"):
        source().fetch("2023-24")
    assert not source().probe(1.0)
    assert not stats_server.requests


def test_requests_keep_their_distance(stats_server: StatsServer) -> None:
    moments: list[float] = []
    present = [100.0]

    def sleep(seconds: float) -> None:
        moments.append(seconds)
        present[0] += seconds

    polite = source(pause=0.6, clock=lambda: present[0], sleep=sleep)
    polite.fetch("2023-24")
    assert len(stats_server.requests) == 3
    assert moments == pytest.approx([0.6, 0.6])
    present[0] += 0.25
    polite.fetch("2023-24")
    assert moments[2] == pytest.approx(0.35)


def test_seasons_before_plus_minus_and_after_today_are_refused_without_a_request(stats_server: StatsServer) -> None:
    assert source().seasons()[0] == "1996-97"
    assert source().seasons()[-1] == "2024-25"
    for season in ("1995-96", "2025-26"):
        with pytest.raises(SourceError, match=rf"no usable season {season}: choose SEASONS from 1996-97 to 2024-25"):
            source().fetch(season)
        with pytest.raises(SourceError, match="no usable season"):
            source().fingerprint(season)
    assert not stats_server.requests


def test_seasons_that_are_over_have_a_fingerprint_without_a_request(stats_server: StatsServer) -> None:
    assert source().fingerprint("2023-24") == source().fingerprint("2023-24") != source().fingerprint("2022-23")
    assert not stats_server.requests


def test_the_present_season_is_downloaded_once_for_fingerprint_and_fetch(stats_server: StatsServer) -> None:
    in_season = source(now=lambda: dt.datetime(2024, 1, 12, tzinfo=dt.UTC))
    before = in_season.fingerprint("2023-24")
    assert in_season.fetch("2023-24").sha256 == before
    assert len(stats_server.asked("leaguegamelog")) == 1
    assert in_season.fingerprint("2023-24") == before
    stats_server.logs.loc[0, "AST"] += 1
    assert in_season.fingerprint("2023-24") != before


def test_probe_tells_whether_the_server_answers_in_time(stats_server: StatsServer) -> None:
    assert source().probe(2.0)
    query = stats_server.asked("leaguegamelog")[0]
    assert query["DateFrom"] == query["DateTo"]


@pytest.mark.parametrize(
    "reply",
    [Reply(delay=3.0), Reply("{" * 30, drip=0.1), Reply("no", 403), Reply("<html>"), Reply("{"), Reply("no", 500)],
    ids=["slow", "dripping", "refused", "page", "cut", "broken"],
)
def test_probe_is_false_in_time_when_the_server_fails(stats_server: StatsServer, reply: Reply) -> None:
    stats_server.script["leaguegamelog"] = [reply]
    started = time.monotonic()
    assert not source().probe(0.5)
    assert time.monotonic() - started < 0.9


def test_a_real_season_survives_the_journey_unchanged(stats_server: StatsServer, archive: Path) -> None:
    files = ArchiveSource(archive)
    season = files.seasons()[-1]
    expected = files.fetch(season)
    stats_server.logs = expected.game_logs
    received = source(timeout=(2.0, 20.0)).fetch(season)
    pd.testing.assert_frame_equal(received.game_logs, expected.game_logs)
    official = expected.schedule.set_index("GAME_ID")["HOME_TEAM_ID"]
    derived = received.schedule.set_index("GAME_ID")["HOME_TEAM_ID"]
    assert len(derived) >= 0.99 * len(official)
    assert (derived == official.reindex(derived.index)).all()
