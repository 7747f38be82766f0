"""A real daemon in a fresh home, set up as `statmuse` does it: writers queue up, failures are tried again and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.defs.pipeline import INGEST_ASSETS, materialize
from statmuse_pipeline.warehouse.read import games
from statmuse_pipeline_tests.defs.nights import (
    SEASON,
    SEASONS,
    Daemon,
    days_of,
    environment,
    league_on_the_wire,
    real_daemon,
    small_league,
    workspace_on,
)
from statmuse_pipeline_tests.local_services import webhook
from statmuse_pipeline_tests.sources.stats_nba_server import Reply, StatsServer

TEAMS, GAMES = 6, 56
DAY = days_of(small_league(TEAMS, GAMES)[-1])[9]
STEPS = ("raw_game_logs", "season_tables")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster_home"))
    monkeypatch.delenv("DAGSTER_POSTGRES_URL", raising=False)
    prepare_home(tmp_path / "data", "sqlite:///elsewhere.db")
    with dg.DagsterInstance.get() as instance:
        yield instance


def writing(daemon: Daemon, run: dg.DagsterRun) -> list[tuple[float, float]]:
    """When each step that writes the season held its slot: from its start to its end."""
    spans = []
    for step in STEPS:
        times = [
            entry.timestamp
            for entry in daemon.instance.all_logs(run.run_id)
            if entry.dagster_event is not None
            and entry.dagster_event.step_key == step
            and entry.dagster_event.event_type_value in ("STEP_START", "STEP_SUCCESS", "STEP_FAILURE")
        ]
        if times:
            spans.append((min(times), max(times)))
    return spans


def check_that_writers_queue(daemon: Daemon, server: StatsServer, tags: dict[str, str]) -> None:
    """Two runs of one season, queued at once: their writing steps never overlap."""
    # The first fetch takes so long that the second run has certainly begun when it ends.
    server.script["leaguegamelog"] = [Reply(server.game_log({"Season": SEASON}), delay=25.0)]
    clients = [daemon.launch("ingest", **tags) for _ in range(2)]
    assert [client.wait(120) for client in clients] == [0, 0]
    runs = daemon.wait(lambda runs: len(runs) == 2 and all(run.is_finished for run in runs) and runs, failing=True)
    started = [daemon.instance.get_run_stats(run.run_id).start_time for run in runs]
    ended = [daemon.instance.get_run_stats(run.run_id).end_time for run in runs]
    assert max(started) < min(ended), "the runs were under way at the same time"
    first, second = (writing(daemon, run) for run in runs)
    assert first
    assert second
    assert all(a_end <= b_start or b_end <= a_start for a_start, a_end in first for b_start, b_end in second)


def check_that_failures_are_told(
    daemon: Daemon, server: StatsServer, tags: dict[str, str], posted: list[dict[str, str]]
) -> None:
    """A run that keeps failing is started twice more by the daemon, and told of once."""
    server.script["leaguegamelog"] = [Reply("no", 403) for _ in range(20)]
    before = len(daemon.runs())
    already = len(posted)
    assert daemon.launch("ingest", **tags).wait(120) == 0
    daemon.wait(
        lambda runs: len(runs) == before + 3 and all(run.is_finished for run in runs), seconds=280, failing=True
    )
    daemon.wait(lambda runs: len(posted) > already, seconds=280, failing=True)
    assert [("HTTP 403" in message["text"], "ingest failed" in message["text"]) for message in posted[already:]] == [
        (True, True)
    ]


@pytest.mark.timeout(400)
def test_writers_of_a_season_queue_up_and_a_run_that_keeps_failing_is_told_of_once(
    home: dg.DagsterInstance, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with league_on_the_wire(DAY, TEAMS, GAMES) as (server, url), webhook() as (hook, posted):
        with dg.DagsterInstance.ephemeral() as elsewhere:
            materialize(INGEST_ASSETS, elsewhere, workspace_on(data, url, DAY), (SEASONS[0], SEASONS[0]))
        settings = environment(data, url, DAY, STATMUSE_WEBHOOK_URL=hook)
        tags = {"dagster/partition": SEASON}
        with real_daemon(home, data, settings) as daemon:
            check_that_writers_queue(daemon, server, tags)
            check_that_failures_are_told(daemon, server, tags, posted)
        server.script.clear()
        workspace = workspace_on(data, url, DAY)
        materialize(INGEST_ASSETS, home, workspace, (SEASON, SEASON))
        assert games(workspace.engine, [SEASON])["game_date"].max().date() == DAY
