"""The local stats.nba.com, and a small archive written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nba_api.stats.endpoints.leaguegamelog import NBAStatsHTTP

from statmuse_pipeline_tests.sources.stats_nba_server import (
    BULLS,
    HAWKS,
    Reply,
    StatsServer,
    result_set,
    served,
    written_season,
)

__all__ = ["BULLS", "HAWKS", "Reply", "StatsServer", "result_set", "written_season"]


@pytest.fixture
def stats_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsServer]:
    """A server on this machine in place of stats.nba.com."""
    with served(StatsServer()) as (server, base_url):
        monkeypatch.setattr(NBAStatsHTTP, "base_url", base_url)
        monkeypatch.setattr(NBAStatsHTTP, "_session", None)
        proxies = ("NBA_API_PROXY", "NBA_API_REQUIRE_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        for variable in proxies:
            monkeypatch.delenv(variable, raising=False)
        yield server


@pytest.fixture
def small_archive(tmp_path: Path) -> Path:
    """An archive with two hand-written seasons and nothing else."""
    folder = tmp_path / "archive" / "game_logs"
    folder.mkdir(parents=True)
    written_season("22022").to_parquet(folder / "2022-23.parquet")
    written_season().to_parquet(folder / "2023-24.parquet")
    return folder.parent
