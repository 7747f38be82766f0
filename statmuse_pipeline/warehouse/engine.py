"""Opens the warehouse: one URL in, a migrated SQLAlchemy engine out, and database errors told in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url

from statmuse_pipeline.domain import PipelineError

WRITER_LOCK = 0x5741_5245
"""Key of the Postgres advisory lock under which a warehouse is written."""

_WRITER = "statmuse_writer"
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite"}


class WarehouseError(PipelineError):
    """The database refused: locked, full, read-only, corrupt, unreachable or of another version."""


def normalise_url(url: str, variable: str = "DATABASE_URL") -> URL:
    """The URL with a driver that this project ships (psycopg 3 for Postgres, the standard library for SQLite).

    Args:
        url: a SQLAlchemy URL with any driver or none.
        variable: what the user set it by, for the message.

    Raises:
        WarehouseError: when it is no database URL, or names another kind of database.
    """
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        # Not shown: what can't be parsed may hold a password anywhere.
        like = "sqlite:///data/x.db or postgresql://user@host/name"
        raise WarehouseError(f"{variable} is not a database URL: write it like {like}.") from error
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.get_backend_name(), parsed.drivername))
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise WarehouseError(f"{variable} names {parsed.drivername!r}: only sqlite and postgresql are supported.")
    if "ssl" in parsed.query:  # asyncpg's spelling of libpq's sslmode
        parsed = parsed.update_query_dict({"sslmode": parsed.query["ssl"]}).difference_update_query(["ssl"])
    return parsed


def open_warehouse(url: str, *, busy_seconds: float = 60.0) -> sa.Engine:
    """An engine on the warehouse at `url`, created and migrated to the newest version where needed.

    Args:
        url: a SQLAlchemy URL; `postgresql://`, whatever driver it names, is taken to mean psycopg 3.
        busy_seconds: how long to wait for another writer before giving up.

    Raises:
        WarehouseError: when it can't be opened, is corrupt, locked, or made by a newer version of the pipeline.
    """
    parsed = normalise_url(url)
    with clear_errors(parsed):
        engine = (
            _sqlite(parsed, busy_seconds) if parsed.get_backend_name() == "sqlite" else _postgres(parsed, busy_seconds)
        )
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        if present != ScriptDirectory.from_config(_alembic_config()).get_current_head():
            migrate(engine)
    return engine


def is_there(url: str) -> bool:
    """Whether there is a database to read; opening one that is not would create it. A server counts as there."""
    parsed = normalise_url(url)
    return parsed.get_backend_name() != "sqlite" or (bool(parsed.database) and Path(str(parsed.database)).exists())


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Takes the schema up or down to a revision ("head", "base" or a number), in one transaction.

    Raises:
        WarehouseError: when the database stands at a revision that this version of the pipeline does not know.
    """
    with clear_errors(engine.url), write_transaction(engine) as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        try:
            present = MigrationContext.configure(connection).get_current_revision() or ""
            # Revisions are numbered, and so are in the order of their names.
            down = revision == "base" or (revision != "head" and revision < present)
            (command.downgrade if down else command.upgrade)(config, revision)
        except CommandError as error:
            raise WarehouseError(
                f"The warehouse {_shown(engine.url)} was made by another version of this pipeline ({error}): "
                "update the pipeline or use another DATABASE_URL."
            ) from error


@contextmanager
def write_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that takes the warehouse's write lock at once, so that two writers follow one another."""
    with engine.connect().execution_options(**{_WRITER: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
        yield connection


@contextmanager
def clear_errors(url: URL) -> Iterator[None]:
    """Turns what the database driver raises inside the block into a WarehouseError that says what to do."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise WarehouseError(_told(error.orig, url)) from error
    except (
        sqlite3.Error,
        psycopg.Error,
    ) as error:  # while connecting, and by COPY
        raise WarehouseError(_told(error, url)) from error


def _sqlite(url: URL, busy_seconds: float) -> sa.Engine:
    in_file = bool(url.database) and url.database != ":memory:"
    if in_file and not str(url.database).startswith("file:"):
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"The folder of the warehouse {_shown(url)} can't be made: {error}.") from error
    pool: dict[str, Any] = {"poolclass": sa.NullPool} if in_file else {}
    engine = sa.create_engine(url, connect_args={"timeout": busy_seconds}, **pool)

    @sa.event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _record: object) -> None:
        # The driver must leave BEGIN to us: its own comes late and is never IMMEDIATE.
        dbapi_connection.isolation_level = None
        for pragma in ("foreign_keys=ON", "journal_mode=WAL"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads first and writes later fails at once when another wrote in between.
        immediate = connection.get_execution_options().get(_WRITER, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgres(url: URL, busy_seconds: float) -> sa.Engine:
    options = f"-c lock_timeout={int(busy_seconds * 1000)} -c timezone=UTC"
    return sa.create_engine(url, connect_args={"options": options, "connect_timeout": 10}, pool_pre_ping=True)


def _alembic_config() -> Config:
    config = Config()
    # Alembic reads options through ConfigParser, to which a percent sign means interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _told(error: BaseException | None, url: URL) -> str:
    """One sentence: what the database complained of, where, and what to do."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    low = text.lower()
    advice = {
        "locked": "is locked by another process: wait for it to end, then run this again",
        "lock timeout": "is locked by another process: wait for it to end, then run this again",
        "full": "could not be written because the disk is full: free some space, then run this again",
        "no space": "could not be written because the disk is full: free some space, then run this again",
        "readonly": "is read-only: make the file and its folder writable, or point DATABASE_URL elsewhere",
        "read-only": "is read-only: make the file and its folder writable, or point DATABASE_URL elsewhere",
        "not a database": "is not a database or is corrupt: restore or delete it, then run `statmuse sync`",
        "malformed": "is corrupt: restore or delete it, then run `statmuse sync`",
        "unable to open": "can't be opened: check that its folder exists and may be written",
        "connection": "can't be reached: check DATABASE_URL and that the server is running",
    }
    meaning = next((told for sign, told in advice.items() if sign in low), "refused")
    return f"The warehouse {_shown(url)} {meaning} ({text})."
