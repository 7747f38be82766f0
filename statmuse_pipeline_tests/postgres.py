"""A real Postgres for the tests: one server a session, a fresh database a test.

Import the fixtures where they are needed: `from statmuse_pipeline_tests.postgres import postgres, postgres_url`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres, NoPostgres

SERVER = pytest.StashKey[LocalPostgres]()
MIGRATED = "migrated"
_numbers = count(1)


def start() -> LocalPostgres:
    """A server in a temporary folder; skips where there are no binaries."""
    try:
        return LocalPostgres()
    except NoPostgres as missing:
        pytest.skip(f"{missing} Until then nothing is tested on Postgres.")


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> LocalPostgres:
    """The session's server, the same one in every module that imports this fixture."""
    if SERVER not in pytestconfig.stash:
        server = start()
        pytestconfig.stash[SERVER] = server
        pytestconfig.add_cleanup(server.stop)
        open_warehouse(server.create_database(MIGRATED)).dispose()
    return pytestconfig.stash[SERVER]


@pytest.fixture
def postgres_url(postgres: LocalPostgres) -> str:
    """An empty database of its own."""
    return postgres.create_database(f"empty_{next(_numbers)}")


@pytest.fixture
def postgres_warehouse_url(postgres: LocalPostgres) -> str:
    """A warehouse of its own, migrated and empty."""
    return postgres.create_database(f"warehouse_{next(_numbers)}", template=MIGRATED)


@pytest.fixture
def private_postgres() -> Iterator[LocalPostgres]:
    """A server that a test may kill."""
    server = start()
    yield server
    server.stop()
