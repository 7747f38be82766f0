"""Warehouses for tests, on SQLite and on Postgres: an empty one, and one that holds the four real seasons."""

# ruff: noqa: F401, F811 (fixtures are imported and then named as parameters)
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.source import SeasonPayload
from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.load import LoadReport, load_season
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres
from statmuse_pipeline_tests.postgres import (
    postgres,
    postgres_url,
    postgres_warehouse_url,
    private_postgres,
)

REAL_SEASONS = ("2021-22", "2022-23", "2023-24", "2024-25")


class RealWarehouse(NamedTuple):
    """Four seasons from the archive, the reports of their loads, and the seconds these took."""

    engine: sa.Engine
    reports: dict[str, LoadReport]
    seconds: float


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'warehouse.db'}"


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> sa.Engine:
    return open_warehouse(sqlite_url, busy_seconds=0.3)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A warehouse of its own on either database."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_warehouse_url"))


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_warehouse(url, busy_seconds=0.3)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def real_payloads(archive: Path) -> list[SeasonPayload]:
    source = ArchiveSource(archive)
    return [source.fetch(season) for season in REAL_SEASONS]


@pytest.fixture(scope="session")
def real_warehouse(real_payloads: list[SeasonPayload], tmp_path_factory: pytest.TempPathFactory) -> RealWarehouse:
    return loaded(f"sqlite:///{tmp_path_factory.mktemp('real') / 'warehouse.db'}", real_payloads)


@pytest.fixture(scope="session")
def real_warehouse_on_postgres(real_payloads: list[SeasonPayload], postgres: LocalPostgres) -> Iterator[RealWarehouse]:
    warehouse = loaded(postgres.create_database("real"), real_payloads)
    yield warehouse
    warehouse.engine.dispose()


def loaded(url: str, payloads: list[SeasonPayload]) -> RealWarehouse:
    engine = open_warehouse(url)
    began = time.monotonic()
    reports = {
        payload.season: load_season(
            engine,
            source="archive",
            season=payload.season,
            game_logs=payload.game_logs,
            schedule=payload.schedule,
            players=payload.players,
            origin=payload.origin,
            fetched_at=payload.fetched_at,
            sha256=payload.sha256,
        )
        for payload in payloads
    }
    return RealWarehouse(engine, reports, time.monotonic() - began)
