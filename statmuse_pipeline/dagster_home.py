"""The folder in which Dagster finds its configuration: SQLite beside the data, or Postgres."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from statmuse_pipeline.domain import PipelineError

TEMPLATES = Path(__file__).parent / "defs"


class _Storage(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    postgres_url: str | None = Field(default=None, validation_alias="DAGSTER_POSTGRES_URL")


def prepare_home(data: Path, warehouse_url: str) -> Path:
    """Makes DAGSTER_HOME (below `data` unless set) with a `dagster.yaml`; for Postgres if DAGSTER_POSTGRES_URL is set.

    A `dagster.yaml` that was edited stays as it is. The two variables are left in the environment as Dagster wants
    them, for this process and those it starts.

    Args:
        data: the data folder.
        warehouse_url: where the warehouse is; Dagster's tables may not lie in the same database.

    Raises:
        PipelineError: when DAGSTER_POSTGRES_URL is no Postgres URL, names the warehouse's database or can't be
            reached, or when an edited `dagster.yaml` does not use it.
        OSError: when the folder can't be written.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(data.absolute() / "dagster_home")))
    url = _Storage().postgres_url
    if url is not None:
        os.environ["DAGSTER_POSTGRES_URL"] = _postgres_url(url, warehouse_url)
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    on_sqlite = (TEMPLATES / "dagster.yaml").read_text()
    on_postgres = on_sqlite + (TEMPLATES / "dagster_postgres.yaml").read_text()
    present = config.read_text() if config.exists() else None
    if present not in (None, on_sqlite, on_postgres):
        if url is not None and "postgres" not in str(present):
            raise PipelineError(
                f"DAGSTER_POSTGRES_URL is set, but {config} does not use it: remove the file, and it is written anew, "
                f"or add the block of {TEMPLATES / 'dagster_postgres.yaml'}."
            )
        return home
    wanted = on_sqlite if url is None else on_postgres
    if present != wanted:
        written = config.with_suffix(f".{os.getpid()}")
        written.write_text(wanted)
        written.replace(config)
    return home


def _postgres_url(url: str, warehouse_url: str) -> str:
    """The URL with the driver that dagster-postgres is written for, once a server has answered there."""
    import psycopg

    from statmuse_pipeline.warehouse.engine import normalise_url

    parsed = normalise_url(url, variable="DAGSTER_POSTGRES_URL")
    if parsed.get_backend_name() != "postgresql":
        raise PipelineError("DAGSTER_POSTGRES_URL names another database than Postgres: leave it out for SQLite.")
    warehouse = normalise_url(warehouse_url)
    if (parsed.host, parsed.port or 5432, parsed.database) == (
        warehouse.host,
        warehouse.port or 5432,
        warehouse.database,
    ):
        raise PipelineError(
            f"DAGSTER_POSTGRES_URL and DATABASE_URL name the same database {parsed.database!r}: "
            "give each one of its own, on one server if you like (CREATE DATABASE dagster)."
        )
    try:
        psycopg.connect(parsed.set(drivername="postgresql").render_as_string(False), connect_timeout=10).close()
    except psycopg.Error as error:
        told = str(error).strip().splitlines()[0]
        raise PipelineError(
            f"Dagster's database {parsed.render_as_string()} can't be reached: check DAGSTER_POSTGRES_URL and that the "
            f"server is running ({told})."
        ) from error
    return parsed.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
