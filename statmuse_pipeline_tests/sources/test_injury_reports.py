"""Injury statuses as they were known at a moment: official PDFs over real HTTP, and an archive's transactions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.injury_report_pdf import STATUSES
from statmuse_pipeline.sources.injury_reports import (
    STATUS_TYPES,
    ArchiveInjuries,
    InjuryReportClient,
    InjurySource,
    NbaInjuryReports,
    latest_known,
    report_names,
    start_of,
)
from statmuse_pipeline.sources.raw_store import RawStore
from statmuse_pipeline.sources.service_client import RequestsStopped
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline_tests.sources.injury_report_maker import Layout, Row, injury_report
from statmuse_pipeline_tests.sources.local_http import Reply, Request, listening

DAY = "11/05/2024"
HALF_PAST_FIVE = dt.datetime(2024, 11, 5, 22, 30, tzinfo=dt.UTC)
GAME = (DAY, "07:00 (ET)", "MIL@CLE", "Milwaukee Bucks")


def rows(khris: str = "Out", giannis: str = "Probable") -> list[Row]:
    return [
        (*GAME, "Middleton, Khris", khris, "Injury/Illness - Bilateral Ankle; Surgery Recovery"),
        (*GAME, "Antetokounmpo, Giannis", giannis, "Injury/Illness - Right Adductor; Strain"),
        (DAY, "07:00 (ET)", "MIL@CLE", "Cleveland Cavaliers", "", "", "NOT YET SUBMITTED"),
    ]


def report(title: str = "11/05/24 05:30 PM", **statuses: str) -> bytes:
    return injury_report(rows(**statuses), Layout(title=f"Injury Report: {title}"))


@dataclass
class ReportServer:
    """Serves PDFs by the moment in their names; others are forbidden, as the NBA's server has it."""

    reports: dict[str, bytes] = field(default_factory=dict)
    script: list[Reply] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    missing: int = 403

    def reply(self, request: Request) -> Reply:
        name = request.path.removeprefix("/injury/Injury-Report_").removesuffix(".pdf")
        self.requests.append(name)
        if self.script:
            return self.script.pop(0)
        if name not in self.reports:
            return Reply("<html>Access Denied</html>", self.missing)
        return Reply(self.reports[name], headers={"Content-Type": "application/pdf"})


@pytest.fixture
def server() -> Iterator[tuple[ReportServer, str]]:
    script = ReportServer(
        {"2024-11-05_05PM": report(), "2024-11-05_04PM": report("11/05/24 04:30 PM", khris="Doubtful")}
    )
    with listening(script.reply) as url:
        yield script, f"{url}/injury"


def official(url: str, **options: Any) -> NbaInjuryReports:
    defaults: dict[str, Any] = {
        "base_url": url, "pause": 0.0, "first_wait": 0.01, "timeout": (1.0, 0.4), "attempts": 2,
        "breaker": CircuitBreaker(50),
    }  # fmt: skip
    return NbaInjuryReports(InjuryReportClient(**{**defaults, **options}))


def at(hour: int, minute: int, *, day: int = 5, month: int = 11, year: int = 2024) -> dt.datetime:
    """An Eastern time of day as a moment in UTC."""
    return start_of(dt.date(year, month, day)) + dt.timedelta(hours=hour, minutes=minute)


def test_the_newest_report_gives_its_players_and_who_has_not_reported(server: tuple[ReportServer, str]) -> None:
    script, url = server
    known = official(url).known_at(at(17, 45))
    assert {name: str(known.statuses[name].dtype) for name in STATUS_TYPES} == STATUS_TYPES
    assert known.statuses.iloc[0].to_dict() == {
        "player_name": "Middleton, Khris", "team": "Milwaukee Bucks", "game_date": pd.Timestamp("2024-11-05"),
        "status": "Out", "reason": "Injury/Illness - Bilateral Ankle; Surgery Recovery",
        "reported_at": pd.Timestamp(HALF_PAST_FIVE), "source": "nba injury report", "precision": "minute",
    }  # fmt: skip
    assert known.not_submitted["team"].tolist() == ["Cleveland Cavaliers"]
    assert (known.reported_at, known.age) == (HALF_PAST_FIVE, dt.timedelta(minutes=15))
    assert known.told == "The NBA's injury report of 2024-11-05 17:30 Eastern, 15 minutes old."
    assert script.requests == ["2024-11-05_05PM"]


@pytest.mark.parametrize("status", [403, 404])
def test_where_a_report_is_not_there_yet_the_one_before_is_used_and_its_age_told(
    server: tuple[ReportServer, str], status: int
) -> None:
    script, url = server
    script.missing = status
    breaker = CircuitBreaker(1)
    known = official(url, breaker=breaker).known_at(at(18, 40))
    assert script.requests == ["2024-11-05_06PM", "2024-11-05_05PM"], "a missing report is not asked for twice"
    assert known.age == dt.timedelta(minutes=70)
    assert known.told.startswith("The report 2024-11-05_06PM is not there yet. ")
    assert known.told.endswith("70 minutes old.")
    assert breaker.seconds_left() == 0, "nor is it a fault"


def test_the_report_of_the_evening_before_serves_the_morning(server: tuple[ReportServer, str]) -> None:
    script, url = server
    known = official(url).known_at(at(6, 0, day=6))
    assert known.age == dt.timedelta(hours=12, minutes=30)
    assert script.requests[-2:] == ["2024-11-05_06PM", "2024-11-05_05PM"]
    with pytest.raises(
        SourceError, match=r"no report of the 14 hours before 2024-11-06 08:00 Eastern .*2024-11-06_07AM"
    ):
        official(url).known_at(at(8, 0, day=6))


def test_names_with_minutes_are_tried_from_their_introduction_on() -> None:
    def names(moment: dt.datetime) -> list[str]:
        return [name for name, _ in report_names(moment, dt.timedelta(hours=2))]

    assert names(at(17, 45)) == ["2024-11-05_05PM", "2024-11-05_04PM"]
    assert names(at(17, 40, day=6, month=1, year=2026)) == [
        "2026-01-06_05_30PM", "2026-01-06_05PM", "2026-01-06_05_15PM", "2026-01-06_05_00PM", "2026-01-06_04_45PM",
        "2026-01-06_04_30PM", "2026-01-06_04PM",
    ]  # fmt: skip
    assert names(at(0, 30))[:2] == ["2024-11-05_12AM", "2024-11-04_11PM"]
    assert names(at(12, 30))[0] == "2024-11-05_12PM"


def test_a_report_named_with_minutes_is_found(server: tuple[ReportServer, str]) -> None:
    script, url = server
    script.reports = {"2026-01-06_05_15PM": report("01/06/26 05:15 PM")}
    known = official(url).known_at(at(17, 40, day=6, month=1, year=2026))
    assert known.age == dt.timedelta(minutes=25)


def test_a_report_made_after_the_moment_is_not_used(server: tuple[ReportServer, str]) -> None:
    """The leak rule: its name says half past four, its title twenty to five; at 4:35 it was not public."""
    script, url = server
    script.reports["2024-11-05_04PM"] = report("11/05/24 04:40 PM", khris="Available")
    script.reports["2024-11-05_03PM"] = report("11/05/24 03:30 PM", khris="Questionable")
    known = official(url).known_at(at(16, 35))
    assert known.statuses["status"].tolist() == ["Questionable", "Probable"]
    assert known.reported_at == at(15, 30)
    assert official(url).known_at(at(16, 40)).statuses["status"].tolist() == ["Available", "Probable"]


def test_of_several_reports_a_forecast_sees_only_what_was_public(server: tuple[ReportServer, str]) -> None:
    """The leak rule on collected statuses: nothing reported after the moment of a forecast reaches it."""
    script, url = server
    script.reports["2024-11-05_06PM"] = report("11/05/24 06:30 PM", khris="Available", giannis="Out")
    hours = [official(url).known_at(at(hour, 31)).statuses for hour in (18, 16, 17)]
    collected = pd.concat(hours, ignore_index=True)

    def words(moment: dt.datetime) -> dict[str, str]:
        known = latest_known(collected, moment)
        assert (known["reported_at"] <= moment).all()
        return dict(zip(known["player_name"].str.split(",").str[0], known["status"], strict=True))

    assert words(at(16, 29)) == {}
    assert words(at(16, 30)) == {"Middleton": "Doubtful", "Antetokounmpo": "Probable"}
    assert words(at(18, 29)) == {"Middleton": "Out", "Antetokounmpo": "Probable"}
    assert words(at(18, 30)) == {"Middleton": "Available", "Antetokounmpo": "Out"}
    with pytest.raises(SourceError, match="no time zone"):
        latest_known(collected, dt.datetime(2024, 11, 5, 18))


def always(*replies: Reply) -> Callable[[ReportServer], None]:
    def prepare(script: ReportServer) -> None:
        script.script = list(replies) * 10

    return prepare


def changed_columns(script: ReportServer) -> None:
    header = ("Game Date", "Game Time", "Matchup", "Team", "Athlete", "Current Status", "Reason")
    script.reports["2024-11-05_05PM"] = injury_report(rows(), Layout(header=header))


def cut(script: ReportServer) -> None:
    script.reports["2024-11-05_05PM"] = report()[:-400]


def hollow(script: ReportServer) -> None:
    script.reports["2024-11-05_05PM"] = b"%PDF-1.4\nnothing\n%%EOF"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (always(Reply(delay=0.8)), r"did not answer the report 2024-11-05_05PM in time \(2 attempts\)"),
        (always(Reply("busy", 429, {"Retry-After": "3600"})), "HTTP 429, Retry-After 3600 s"),
        (always(Reply("busy", 429, {"Retry-After": "0"})), "HTTP 429"),
        (always(Reply("broken", 500), Reply("broken", 503)), "HTTP 50"),
        (always(Reply("\n<html>robot?</html>")), "sent a web page instead of a PDF"),
        (always(Reply("{}")), "cut off or empty"),
        (always(Reply("")), "cut off or empty"),
        (always(Reply(report(), announced=1_000_000)), "cannot be reached|cut off"),
        (cut, "cut off or empty"),
        (hollow, "no readable PDF|no title"),
        (changed_columns, "layout of the NBA's injury report has changed .*Athlete"),
    ],
    ids=["slow", "429 an hour", "429", "500s", "page", "json", "nothing", "connection cut", "cut", "hollow", "columns"],
)
def test_a_report_that_does_not_come_is_one_clear_error(
    server: tuple[ReportServer, str], trouble: Callable[[ReportServer], None], told: str
) -> None:
    script, url = server
    trouble(script)
    with pytest.raises(SourceError, match=told):
        official(url).known_at(at(17, 45))


@pytest.mark.parametrize(
    "stumble",
    [Reply("busy", 429, {"Retry-After": "1"}), Reply("broken", 500), Reply(report()[:-400]), Reply(delay=0.8)],
    ids=["429", "500", "cut", "slow"],
)
def test_a_stumble_costs_a_second_request_and_no_row(server: tuple[ReportServer, str], stumble: Reply) -> None:
    script, url = server
    script.script = [stumble]
    assert len(official(url).known_at(at(17, 45)).statuses) == 2
    assert script.requests == ["2024-11-05_05PM"] * 2


def test_nobody_there_is_one_clear_error() -> None:
    with pytest.raises(SourceError, match=r"cannot be reached for the report 2024-11-05_05PM .*refused"):
        official("http://127.0.0.1:9").known_at(at(17, 45))


def test_a_server_that_keeps_failing_is_left_alone(server: tuple[ReportServer, str]) -> None:
    script, url = server
    script.script = [Reply("broken", 500)] * 9
    source = official(url, breaker=CircuitBreaker(2))
    with pytest.raises(SourceError, match="HTTP 500"):
        source.known_at(at(17, 45))
    with pytest.raises(RequestsStopped):
        source.known_at(at(17, 45))
    assert len(script.requests) == 2


def test_a_report_is_fetched_once_and_kept_as_it_came(server: tuple[ReportServer, str], tmp_path: Path) -> None:
    script, url = server
    store = RawStore(tmp_path)
    first = official(url, store=store).known_at(at(17, 45))
    again = official(url, store=store).known_at(at(17, 50))
    assert script.requests == ["2024-11-05_05PM"]
    pd.testing.assert_frame_equal(again.statuses, first.statuses)
    stored = store.latest("injury_report", "2024-25", {"report": "2024-11-05_05PM"}, kind="pdf")
    assert stored is not None
    assert stored.content == script.reports["2024-11-05_05PM"]
    replayed = official("http://127.0.0.1:9", store=store, replay=True).known_at(at(18, 40))
    pd.testing.assert_frame_equal(replayed.statuses, first.statuses)
    assert replayed.age == dt.timedelta(minutes=70)


def transactions(*written: tuple[str, str, str | None, str | None, str]) -> pd.DataFrame:
    frame = pd.DataFrame(written, columns=["date", "team", "acquired", "relinquished", "notes"])
    return frame.assign(date=pd.to_datetime(frame["date"]))


@pytest.fixture
def small(tmp_path: Path) -> ArchiveInjuries:
    transactions(
        ("2023-03-01", "Bulls", None, "Lonzo Ball", "surgery on left knee (out for season)"),
        ("2024-01-02", "Bulls", None, "Alex Caruso", "sprained ankle (DTD)"),
        ("2024-01-03", "Bulls", None, "Zach LaVine", "placed on IL with sore right foot"),
        ("2024-01-05", "Bulls", "Alex Caruso", None, "activated from IL"),
        ("2024-01-06", "Bulls", None, "Zach LaVine", "surgery on right foot (out indefinitely)"),
        ("2024-01-06", "Bulls", None, "Coby White", "illness (DTD)"),
        ("2024-01-06", "Bulls", "Coby White", None, "returned to lineup"),
        ("2024-01-06", "Bulls", None, "sore calf (DTD)", "placed on IL with sore calf"),
        ("2024-01-06", "Bulls", None, None, ""),
    ).to_parquet(tmp_path / "injuries.parquet")
    return ArchiveInjuries(tmp_path)


@pytest.mark.parametrize(
    ("day", "out"),
    [
        ("2024-01-03", {"Alex Caruso": "Doubtful"}),
        ("2024-01-04", {"Alex Caruso": "Doubtful", "Zach LaVine": "Questionable"}),
        ("2024-01-06", {"Zach LaVine": "Questionable"}),
        ("2024-01-07", {"Zach LaVine": "Out", "Coby White": "Doubtful"}),
    ],
)
def test_transactions_tell_who_had_left_and_not_come_back_before_the_day(
    small: ArchiveInjuries, day: str, out: dict[str, str]
) -> None:
    known = small.known_at(start_of(dt.date.fromisoformat(day)))
    assert dict(zip(known.statuses["player_name"], known.statuses["status"], strict=True)) == out
    assert (known.statuses["game_date"] == pd.Timestamp(day)).all()


def test_a_team_without_injuries_has_reported_where_its_game_is_listed(server: tuple[ReportServer, str]) -> None:
    script, url = server
    denver = (DAY, "09:00 (ET)", "DEN@OKC", "Denver Nuggets", "Murray, Jamal", "Out", "Concussion Protocol")
    script.reports["2024-11-05_05PM"] = injury_report([*rows(), denver])
    submitted = official(url).known_at(at(17, 45)).submitted
    assert submitted is not None
    assert submitted["team"].tolist() == ["Milwaukee Bucks", "Denver Nuggets", "DEN", "OKC"]


def test_a_day_is_known_from_its_end_on(small: ArchiveInjuries) -> None:
    """The leak rule: a transaction of 6 January may have come after that day's games."""
    evening, midnight = (small.known_at(at(hour, minute, day=6, month=1)) for hour, minute in ((23, 59), (24, 0)))
    assert evening.statuses["player_name"].tolist() == ["Zach LaVine"]
    assert evening.statuses["status"].tolist() == ["Questionable"]
    assert set(midnight.statuses["player_name"]) == {"Zach LaVine", "Coby White"}
    for known, moment in ((evening, at(23, 59, day=6, month=1)), (midnight, at(24, 0, day=6, month=1))):
        assert (known.statuses["reported_at"] <= moment).all()
        assert set(known.statuses["precision"]) == {"day"}
        assert {name: str(known.statuses[name].dtype) for name in STATUS_TYPES} == STATUS_TYPES


def test_both_sources_stand_behind_one_interface(small: ArchiveInjuries) -> None:
    sources: list[InjurySource] = [small, NbaInjuryReports()]
    assert all(callable(source.known_at) for source in sources)


def test_rows_without_a_player_are_listed(small: ArchiveInjuries) -> None:
    problems = small.known_at(start_of(dt.date(2024, 1, 7))).problems
    assert problems["reason"].tolist() == ["no player's name", "no player"]


def test_what_is_missing_is_told(small: ArchiveInjuries, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no transaction of that season before 2021-01-01"):
        small.known_at(start_of(dt.date(2021, 1, 1)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"has no .*injuries\.parquet"):
        ArchiveInjuries(tmp_path / "empty")
    transactions().drop(columns="notes").to_parquet(tmp_path / "empty" / "injuries.parquet")
    with pytest.raises(SourceError, match="lacks the columns notes"):
        ArchiveInjuries(tmp_path / "empty")


def test_the_real_transactions_give_statuses_on_every_day_of_four_seasons(archive: Path) -> None:
    real = ArchiveInjuries(archive)
    for day in pd.date_range("2021-11-01", "2025-04-13", freq="17D"):
        if 5 <= day.month <= 10:
            continue
        moment = start_of(day.date())
        known = real.known_at(moment)
        assert 15 < len(known.statuses) < 250
        assert set(known.statuses["status"]) <= set(STATUSES)
        assert (known.statuses["reported_at"] <= moment).all()
        assert known.statuses["player_name"].is_unique
        assert dt.timedelta(0) <= known.age <= dt.timedelta(days=8)
    assert len(known.problems) < 40
