"""Writers and servers that are killed, and many writers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres
from statmuse_pipeline_tests.warehouse.little_league import contents, count, load


def workers(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "statmuse_pipeline_tests.warehouse.workers", url, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_load_killed_midway_leaves_the_last_complete_season(engine: sa.Engine, url: str) -> None:
    load(engine, "2023-24")
    before = contents(engine)
    with workers(url, "1", "hang") as process:
        assert heard(process) == "midway 384", "it has written the second season but not committed it"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    after = open_warehouse(url)
    assert contents(after) == before
    assert load(after, "2024-25").inserted == 192, "its lock went with it"
    after.dispose()


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_ten_processes_making_a_warehouse_and_loading_one_season_leave_exactly_one_copy(
    database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(database)
    with workers(url, "10") as process:
        answers = process.communicate(timeout=150)[0].splitlines()
        assert process.returncode == 0, answers
    assert sorted(answers) == ["0 192"] * 9 + ["192 0"]
    engine = open_warehouse(url)
    tables = ("player_stats", "games", "players", "ingest_audit")
    assert [count(engine, table) for table in tables] == [192, 12, 32, 10]
    engine.dispose()


@pytest.mark.parametrize("how", ["stopped at once", "SIGKILL"])
def test_a_server_killed_in_the_middle_of_a_write_loses_nothing_committed(
    private_postgres: LocalPostgres, how: str
) -> None:
    url = private_postgres.url()
    engine = open_warehouse(url)
    load(engine, "2023-24")
    before = contents(engine)
    with workers(url, "1", "hang") as process:
        assert heard(process) == "midway 384"
        if how == "SIGKILL":
            os.kill(private_postgres.pid, signal.SIGKILL)
        else:
            private_postgres.crash()
        assert "can't be reached" in process.communicate("go on\n", timeout=30)[0]
        assert process.returncode == 1
    restarted(private_postgres)
    assert contents(engine) == before, "the engine finds the restarted server, with the first season and no other"
    assert load(engine, "2023-24").unchanged == 192
    assert load(engine, "2024-25").inserted == 192
    engine.dispose()


def restarted(server: LocalPostgres) -> None:
    """Processes of a killed server need a moment to notice, and a new one does not start beside them."""
    for _ in range(50):
        try:
            return server.restart()
        except PipelineError:
            time.sleep(0.1)
    server.restart()
