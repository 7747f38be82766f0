"""Shared by all tests: the real archive, where it is configured, and how tests are dealt out to processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deals the tests out to the processes of pytest-xdist: a file to one process, the longest files first.

    Tests that share something made once a session stay together, or it would be made once a process.
    """

    def seconds(item: pytest.Item) -> float:
        own = item.get_closest_marker("timeout")
        return float(own.args[0]) if own else 0.0

    longest: dict[str, float] = {}
    groups: dict[pytest.Item, str] = {}
    for item in items:
        shared = "league" if "finished" in getattr(item, "fixturenames", ()) else str(item.path)
        groups[item] = "features" if item.path.parent.name == "features" else shared
        longest[groups[item]] = max(longest.get(groups[item], 0.0), seconds(item))
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: -longest[groups[item]])
