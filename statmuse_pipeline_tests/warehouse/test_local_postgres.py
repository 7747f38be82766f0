"""A server that starts as root and as anyone, and that never outlives whoever started it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse import local_postgres
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres, NoPostgres, find_binaries

REPOSITORY = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture(autouse=True)
def binaries() -> Path:
    try:
        return find_binaries()
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that Postgres reaches even as `nobody`, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def gone(port: int, scratch: Path) -> bool:
    for _ in range(100):
        if not answers(port) and not scratch.exists():
            return True
        time.sleep(0.1)
    return False


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0]


def test_a_temporary_server_listens_on_this_machine_only_and_goes_with_its_files() -> None:
    server = LocalPostgres()
    scratch = Path(str(value(server.url(), "SHOW data_directory"))).parent
    assert value(server.url(), "SHOW listen_addresses") == "127.0.0.1"
    assert value(server.create_database("fresh"), "SELECT current_database()") == "fresh"
    assert "fresh" in server.databases()
    if AS_ROOT:
        assert pwd.getpwuid(scratch.stat().st_uid).pw_name == "nobody"
    server.stop()
    assert not scratch.exists()
    assert not answers(server.port)


START = """
import sys, time
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres
server = LocalPostgres()
print(server.port, server._data.parent, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda ending: ending.name)
def test_a_server_ends_when_whoever_started_it_is_killed_with_all_its_group(ending: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY,
        start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        port, scratch = process.stdout.readline().split()
        assert answers(int(port))
        os.killpg(process.pid, ending)
    assert process.returncode != 0
    assert gone(int(port), Path(scratch))


def test_it_starts_as_an_ordinary_user() -> None:
    """Where the tests run as root, in a forked process that stops being it: `nobody` may not read every interpreter."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if AS_ROOT:
                nobody = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            server = LocalPostgres()
            status = 0 if answers(server.port) and server._data.stat().st_uid == os.getuid() != 0 else 2
            server.stop()
            status = status or (3 if answers(server.port) else 0)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not AS_ROOT, reason="only root needs someone else to run Postgres")
def test_binaries_out_of_reach_for_nobody_are_copied(
    open_folder: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    package = binaries.parents[1]
    for folder in package.parent.glob(f"{package.name}*"):
        (closed / folder.name).symlink_to(folder)
    monkeypatch.setattr(local_postgres, "find_binaries", lambda: closed / package.name / "pginstall" / "bin")
    server = LocalPostgres()
    assert value(server.url(), "SELECT 1") == 1
    server.stop()


def test_a_taken_port_is_told(open_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PipelineError, match=r"does not start.*could not create any TCP/IP sockets"):
            LocalPostgres(open_folder / "data", taken.getsockname()[1])


def test_make_postgres_serves_a_folder_until_interrupted_and_keeps_its_data(open_folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for first in (True, False):
        command = [sys.executable, "-m", "statmuse_pipeline.warehouse.local_postgres", str(open_folder / "postgres")]
        with subprocess.Popen(
            [*command, "--port", str(port)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        ) as process:
            assert process.stdout is not None
            told = ""
            while "DAGSTER_POSTGRES_URL" not in told:
                told += (line := process.stdout.readline())
                assert line, told
            exported = dict(re.findall(r"export (\w+)=(\S+)", told))
            assert exported["DATABASE_URL"] == f"postgresql://statmuse@127.0.0.1:{port}/statmuse"
            assert exported["DAGSTER_POSTGRES_URL"] == f"postgresql+psycopg2://statmuse@127.0.0.1:{port}/dagster"
            with psycopg.connect(exported["DATABASE_URL"]) as connection:
                if first:
                    connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
                assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
        assert not answers(port)
