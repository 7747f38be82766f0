"""Fixtures shared by all tests: the real archive, where it is configured."""

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
