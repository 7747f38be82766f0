"""A small demo league, run once through the command line for all tests of the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Project:
    """A data folder with its environment, and how to call `statmuse` in it."""

    folder: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def statmuse(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the console script in a process of its own, as a user would."""
        return subprocess.run(
            [str(Path(sys.executable).parent / "statmuse"), *arguments],
            env={**self.environment, **changes},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=280,
        )


def project_in(folder: Path, **changes: str) -> Project:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATMUSE", "DAGSTER"))}
    for name in ("SEASONS", "DATABASE_URL", "DRY_RUN"):
        kept.pop(name, None)
    environment = {
        **kept,
        "STATMUSE_SOURCE": "demo",
        "STATMUSE_DATA": str(folder / "data"),
        "STATMUSE_DEMO_TEAMS": "8",
        "STATMUSE_DEMO_GAMES": "60",
        "SEASONS": "2021-22,2022-23",
        "STATMUSE_TUNING_TRIALS": "2",
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
        **changes,
    }
    return Project(folder, environment)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, subprocess.CompletedProcess[str]]:
    """A project after one main job of 12 players, and what the job printed."""
    project = project_in(tmp_path_factory.mktemp("league"))
    return project, project.statmuse("run", "--max-players", "12")
