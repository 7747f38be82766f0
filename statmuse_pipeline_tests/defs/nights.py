"""A season that is being played, served over HTTP day by day, and workspaces that live through it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from statmuse_pipeline.definitions import definitions
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.sources.demo_league import DemoLeague
from statmuse_pipeline.sources.injury_reports import InjuryReportClient
from statmuse_pipeline.sources.source import SeasonPayload
from statmuse_pipeline.sources.stats_nba import StatsNbaSource
from statmuse_pipeline_tests.sources.stats_nba_server import StatsServer, served

SEASONS = ("2021-22", "2022-23")
SEASON = SEASONS[-1]
WORKSPACE = str(Path(__file__).parents[2] / "workspace.yaml")
BIN = Path(sys.executable).parent


@cache
def small_league(teams: int = 4, games: int = 20) -> tuple[SeasonPayload, ...]:
    """Two simulated seasons of a few teams, each as a source gives it."""
    league = DemoLeague(SEASONS, 7, teams=teams, games_per_team=games)
    return tuple(_as_regular_season(league.fetch(season)) for season in SEASONS)


def _as_regular_season(payload: SeasonPayload) -> SeasonPayload:
    """The demo league marks its game ids; the real client only takes those of the regular season."""
    ids = {name: getattr(payload, name).assign(GAME_ID=getattr(payload, name)["GAME_ID"].str.replace("009", "002", n=1))
           for name in ("game_logs", "schedule")}  # fmt: skip
    return dataclasses.replace(payload, **ids)


def server_of(payloads: Sequence[SeasonPayload]) -> StatsServer:
    """stats.nba.com with those seasons; `until` reveals them day by day."""
    parts = [StatsServer.of(payload) for payload in payloads]
    logs = pd.concat([part.logs for part in parts], ignore_index=True)
    return StatsServer(
        logs,
        [game for part in parts for game in part.schedule],
        [row for part in parts for row in part.rosters],
    )


def days_of(payload: SeasonPayload) -> list[dt.date]:
    """The days on which there were games."""
    return [dt.date.fromisoformat(day) for day in sorted(payload.game_logs["GAME_DATE"].unique())]


def morning_after(day: dt.date) -> str:
    """Five in the morning after that day's games, Eastern time or nearly so, as STATMUSE_NOW wants it."""
    return f"{day + dt.timedelta(days=1)}T10:00:00Z"


def environment(data: Path, url: str, day: dt.date, **changes: str) -> dict[str, str]:
    """The variables of a small live project on the morning after `day`."""
    return {
        "STATMUSE_SOURCE": "nba_api",
        "STATMUSE_STATS_NBA_URL": url,
        "INJURY_REPORT_URL": url.split("/stats/")[0] + "/injury",
        "STATMUSE_DATA": str(data),
        "STATMUSE_MODELS": str(data / "models_store"),
        "STATMUSE_NOW": morning_after(day),
        "SEASONS": ",".join(SEASONS),
        "STATMUSE_TUNING_TRIALS": "0",
        "STATMUSE_WORKERS": "1",
        "DATABASE_URL": "",
        **changes,
    }


def workspace_on(data: Path, url: str, day: dt.date, **changes: str) -> Workspace:
    """A workspace on the morning after `day`, whose requests need not be polite."""
    workspace = Workspace(settings=load_settings(**environment(data, url, day, **changes)))
    source = workspace.choice.source
    if isinstance(source, StatsNbaSource):
        source.client.pause = 0.0
    return workspace


@contextmanager
def league_on_the_wire(
    until: dt.date | None = None, teams: int = 4, games: int = 20
) -> Iterator[tuple[StatsServer, str]]:
    """The small league behind a local stats.nba.com, up to a day, and no archive of real seasons beside it.

    It has no injury reports, and none is waited for.
    """
    os.environ.pop("NBA_API_REQUIRE_PROXY", None)
    with pytest.MonkeyPatch.context() as patch, served(server_of(small_league(teams, games))) as (server, url):
        patch.delenv("STATMUSE_ARCHIVE", raising=False)
        patch.setattr(InjuryReportClient, "take_turn", lambda self: None)
        server.until = until
        yield server, url


class Ticks:
    """Sensors evaluated in this process, and the runs they request, as the daemon does it: a run key is run once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursors: dict[str, str | None] = {}
        self.keys: set[str | None] = set()

    def look(self, sensor: Any, workspace: Workspace) -> list[dg.RunRequest]:
        """What the sensor requests now, run keys that were run already left out."""
        name = sensor.name
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(name), resources={"workspace": workspace}
        )
        told = sensor(context)
        if isinstance(told, dg.SensorResult):
            self.cursors[name] = told.cursor
            requests = list(told.run_requests or ())
        else:
            requests = [each for each in told if isinstance(each, dg.RunRequest)]
        fresh = [request for request in requests if request.run_key not in self.keys]
        self.keys |= {request.run_key for request in fresh}
        return fresh

    def run(self, request: dg.RunRequest, workspace: Workspace, job: str | None = None) -> dg.ExecuteInProcessResult:
        """The requested run, in this process."""
        return run_job(
            self.instance,
            str(request.job_name or job),
            workspace,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=request.tags,
        )


@cache
def repository() -> dg.RepositoryDefinition:
    """All definitions, loaded once."""
    return definitions().get_repository_def()


def run_job(instance: dg.DagsterInstance, name: str, workspace: Workspace, **how: Any) -> dg.ExecuteInProcessResult:
    """A job by name, on that workspace."""
    job = repository().get_job(name)
    how["run_config"] = {**(how.get("run_config") or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(instance=instance, resources={"workspace": workspace}, **how)


@dataclasses.dataclass
class Daemon:
    """A `dagster-daemon` of a project, started now."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    instance: dg.DagsterInstance
    started: float
    log: Path

    def runs(self) -> list[dg.DagsterRun]:
        """The runs since it was started, newest first."""
        created = dg.RunsFilter(created_after=dt.datetime.fromtimestamp(self.started, dt.UTC))
        return list(self.instance.get_runs(created))

    def launch(self, job: str, **tags: str) -> subprocess.Popen[bytes]:
        """Put a run of the job into the queue, from a process of its own."""
        command = ["dagster", "job", "launch", "-w", WORKSPACE, "-j", job, "--tags", json.dumps(tags)]
        return subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], env=self.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self, until: Callable[[list[dg.DagsterRun]], Any], seconds: float = 200, failing: bool = False) -> Any:
        """What `until` makes of the runs, once that is something."""
        while time.time() < self.started + seconds:
            runs = self.runs()
            if found := until(runs):
                return found
            bad = [run.job_name for run in runs if run.is_failure_or_canceled]
            assert failing or not bad, f"{bad} failed: {self.told()}"
            assert self.process.poll() is None, self.told()
            time.sleep(1)
        raise AssertionError(f"Not in {seconds} s: {self.told()}")

    def told(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:]


@contextmanager
def real_daemon(instance: dg.DagsterInstance, data: Path, settings: dict[str, str]) -> Iterator[Daemon]:
    """A daemon and code server in processes of their own, which end with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STATMUSE")}
    variables = {**kept, **settings, "PYTHONPATH": str(Path(__file__).parents[2])}
    log, started = data / "daemon.log", time.time()
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "dagster-daemon"), "run", "-w", WORKSPACE],
            env=variables, cwd=data, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Daemon(process, variables, instance, started, log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
