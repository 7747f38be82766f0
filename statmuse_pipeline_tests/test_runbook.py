"""The runbook's commands, every one, in their order: a small league behind a local stats.nba.com, a real Postgres."""

# ruff: noqa: F811 (fixtures are imported and then named as parameters)
from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres
from statmuse_pipeline.warehouse.read import player_games
from statmuse_pipeline_tests.defs.nights import days_of, environment, league_on_the_wire, small_league
from statmuse_pipeline_tests.postgres import postgres  # noqa: F401
from statmuse_pipeline_tests.sources.stats_nba_server import StatsServer

RUNBOOK = Path(__file__).parents[1] / "docs" / "runbook.md"
TEAMS, GAMES = 6, 56
PORT = 3000
DATABASES = "postgresql://statmuse@127.0.0.1:54329"


def blocks() -> list[str]:
    """The fenced blocks in their order."""
    return re.findall(r"^```bash\n(.*?)^```$", RUNBOOK.read_text(), flags=re.MULTILINE | re.DOTALL)


@dataclass
class Project:
    """A folder, the variables in which the commands run, the league's server, and where the databases are."""

    folder: Path
    variables: dict[str, str]
    server: StatsServer
    databases: str


@pytest.fixture
def project(tmp_path: Path, postgres: LocalPostgres) -> Iterator[Project]:
    day = days_of(small_league(TEAMS, GAMES)[-1])[-2]
    with league_on_the_wire(day, TEAMS, GAMES) as (server, url):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATMUSE", "DAGSTER"))}
        local = environment(tmp_path / "data", url, day)
        for name in ("DATABASE_URL", "SEASONS", "STATMUSE_SOURCE", "STATMUSE_DATA", "STATMUSE_MODELS"):
            local.pop(name)
            kept.pop(name, None)
        (tmp_path / "workspace.yaml").write_text((RUNBOOK.parents[1] / "workspace.yaml").read_text())
        variables = {
            **kept, **local, "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(RUNBOOK.parents[1]), "STATMUSE_WORKERS": "2",
        }  # fmt: skip
        urls = [
            postgres.create_database(f"{name}{more}") for name in ("statmuse", "dagster") for more in ("", "_restored")
        ]
        yield Project(tmp_path, variables, server, urls[0].rsplit("/", 1)[0])


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(command: str, project: Project) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=project.folder, env=project.variables, capture_output=True,
        text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def run_until_it_answers(command: str, port: int, project: Project) -> None:
    """A server: it must come up, and is then stopped with all its processes."""
    server = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=project.folder, env=project.variables, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.time() + 120
        while True:
            assert server.poll() is None, command
            assert time.time() < deadline, command
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
                    assert answer.status == 200
                return
            except OSError:
                time.sleep(0.5)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


@pytest.mark.timeout(900)
def test_every_command_of_the_runbook_works_in_its_order(project: Project, free_port: int) -> None:
    asked = 0
    for block in blocks():
        text = block.replace(f"--port {PORT}", f"--port {free_port}").replace(DATABASES, project.databases)
        text = text.replace("SEASONS=2022-23,2023-24,2024-25,2025-26", "SEASONS=2022-23")
        if "tar -xzf" in text:
            asked = len(project.server.requests)
        if text.startswith("statmuse dev"):
            run_until_it_answers(text.strip(), free_port, project)
        else:
            run(text, project)
    assert len(project.server.requests) == asked > 0, "the restored seasons came without a request"
    before, restored = (
        player_games(open_warehouse(f"{project.databases}/{name}")) for name in ("statmuse", "statmuse_restored")
    )
    assert len(restored) > 0
    pd.testing.assert_frame_equal(restored, before)
    assert sorted(file.stem for file in (project.folder / "archive" / "game_logs").iterdir()) == ["2021-22", "2022-23"]
