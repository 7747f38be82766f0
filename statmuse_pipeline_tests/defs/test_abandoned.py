"""A process that is killed in the middle of a step holds up nobody after it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import dagster as dg
import pytest

from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.defs.abandoned import end_abandoned, process_tag
from statmuse_pipeline.defs.pipeline import sync
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings

KILLED = """
    import os, signal, sys
    import dagster as dg
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.resources import Workspace
    from statmuse_pipeline.sources.demo_league import DemoLeague

    DemoLeague.fetch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    pipeline.sync(dg.DagsterInstance.get(), Workspace())
"""


@pytest.mark.timeout(90)
def test_after_a_kill_in_the_middle_of_a_fetch_the_next_sync_goes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "STATMUSE_SOURCE": "demo", "STATMUSE_DATA": str(tmp_path), "SEASONS": "2021-22",
        "STATMUSE_DEMO_TEAMS": "4", "STATMUSE_DEMO_GAMES": "10", "DATABASE_URL": "",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_POSTGRES_URL", raising=False)
    prepare_home(tmp_path, f"sqlite:///{tmp_path / 'statmuse.db'}")
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED)], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    with dg.DagsterInstance.get() as instance:
        (left,) = instance.get_runs()
        assert left.status == dg.DagsterRunStatus.STARTED
        sync(instance, Workspace(settings=load_settings(**settings)))
        assert instance.get_run_by_id(left.run_id).status == dg.DagsterRunStatus.FAILURE
    assert (tmp_path / "raw" / "2021-22" / "receipt.json").exists()


def test_runs_of_processes_that_live_or_of_other_machines_are_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        mine, elsewhere = process_tag(), {"statmuse/process": "another-machine 4711 123"}
        for number, tags in enumerate([mine, elsewhere, {}]):
            instance.add_run(dg.DagsterRun("job", f"run{number}", status=dg.DagsterRunStatus.STARTED, tags=tags))
        assert end_abandoned(instance) == []
