"""Shared by all tests: the real archive, where it is configured, and how tests are dealt out to processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


@pytest.fixture(scope="session")
def archive() -> Path:
    """The folder of real data, from STATMUSE_ARCHIVE; tests that need it skip without it."""
    folder = os.environ.get("STATMUSE_ARCHIVE")
    if not folder:
        pytest.skip("STATMUSE_ARCHIVE is not set: tests on real data need the archive")
    path = Path(folder)
    if not (path / "game_logs").is_dir():
        pytest.skip(f"STATMUSE_ARCHIVE={folder} holds no game_logs folder")
    return path


def pytest_configure(config: pytest.Config) -> None:
    """Processes of pytest-xdist ignore Ctrl-C and termination; what tests start from them must not inherit that."""
    if hasattr(config, "workerinput"):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


SHARED = {
    "defs/test_cli.py": "the small league after one main job",
    "defs/test_ui.py": "the small league after one main job",
    "defs/test_slate.py": "the small league after one main job",
    "defs/test_playing.py": "the small league after one main job",
    "features/": "the feature tables",
}
"""Files, or folders of them, whose tests share something that is made once a process and takes long."""


class Together(LoadScopeScheduling):
    """Deals tests out to the processes of pytest-xdist: those of a file, or that share something, to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((what for name, what in SHARED.items() if name in file), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """`Together`, whatever --dist says."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the longest tests first, so that the processes end at about the same time."""
    longest: dict[Path, float] = {}
    for item in items:
        own = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), float(own.args[0]) if own else 0.0)
    items.sort(key=lambda item: -longest[item.path])
