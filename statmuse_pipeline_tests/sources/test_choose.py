"""Which source a run gets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from statmuse_pipeline.settings import SOURCES
from statmuse_pipeline.sources.choose import NAMES, Choice, choose_source
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline_tests.sources.conftest import Reply, StatsServer


def choose(name: str, archive: Path | None = None, **options: Any) -> Choice:
    return choose_source(name, archive, ["2023-24"], 1, **{"teams": 4, "games_per_team": 10, **options})


def test_the_settings_allow_exactly_these_names() -> None:
    assert set(NAMES) == set(SOURCES)


@pytest.mark.parametrize("name", ["auto", "archive"])
def test_a_configured_archive_is_taken_without_asking_the_network(
    small_archive: Path, stats_server: StatsServer, name: str
) -> None:
    choice = choose(name, small_archive)
    assert choice.source.name == "archive"
    assert choice.source.seasons() == ("2022-23", "2023-24")
    assert choice.demo_banner is None
    assert str(small_archive) in choice.reason
    assert not stats_server.requests


def test_auto_does_not_pass_over_a_broken_archive(tmp_path: Path, stats_server: StatsServer) -> None:
    with pytest.raises(SourceError, match="STATMUSE_ARCHIVE"):
        choose("auto", tmp_path / "gone")


def test_auto_without_an_archive_takes_stats_nba_com_when_it_answers(stats_server: StatsServer) -> None:
    choice = choose("auto")
    assert choice.source.name == "nba_api"
    assert choice.demo_banner is None
    assert "answers" in choice.reason


def test_auto_without_an_archive_or_an_answer_in_time_plays_the_demo_league(stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply(delay=5)]
    started = time.monotonic()
    choice = choose("auto", probe_seconds=0.3)
    assert time.monotonic() - started < 5
    assert choice.source.name == "demo"
    assert choice.demo_banner is not None
    assert choice.demo_banner.startswith("DEMO LEAGUE - SIMULATED DATA")
    assert "did not answer within 0.3 s" in choice.demo_banner


def test_an_explicit_demo_league_has_the_banner_too_and_asks_nobody(
    small_archive: Path, stats_server: StatsServer
) -> None:
    choice = choose("demo", small_archive)
    assert choice.source.name == "demo"
    assert choice.source.seasons() == ("2023-24",)
    assert choice.demo_banner is not None
    assert "SIMULATED DATA" in choice.demo_banner
    assert "STATMUSE_SOURCE names demo" in choice.reason
    assert not stats_server.requests


def test_an_explicit_stats_nba_com_that_blocks_says_so(small_archive: Path, stats_server: StatsServer) -> None:
    stats_server.script["leaguegamelog"] = [Reply("<html>Access Denied</html>", 403)]
    choice = choose("nba_api", small_archive)
    assert choice.source.name == "nba_api"
    assert choice.demo_banner is None
    with pytest.raises(SourceError, match=r"stats.nba.com refused .*HTTP 403.*set STATMUSE_SOURCE=archive"):
        choice.source.fetch("2023-24")


def test_an_explicit_archive_needs_its_folder() -> None:
    with pytest.raises(SourceError, match="STATMUSE_SOURCE=archive needs STATMUSE_ARCHIVE"):
        choose("archive")


@pytest.mark.parametrize(("name", "hint"), [("nba-api", "Did you mean nba_api?"), ("espn", "")])
def test_an_unknown_name_lists_what_is_allowed(name: str, hint: str) -> None:
    with pytest.raises(SourceError, match=f"'{name}' is not a source: .* auto, archive, nba_api, demo") as caught:
        choose(name)
    assert str(caught.value).endswith(hint)
