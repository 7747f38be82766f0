"""Opening, migrating and failing clearly."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from statmuse_pipeline.warehouse.engine import WarehouseError, migrate, normalise_url, open_warehouse, write_transaction
from statmuse_pipeline.warehouse.tables import METADATA

TABLES = {
    "players", "teams", "games", "player_stats", "ingest_audit", "quarantine", "model_metadata", "warehouse_info",
    "forecast_ledger",
}  # fmt: skip


def test_a_new_warehouse_has_every_table_and_the_view(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert set(inspector.get_table_names()) - {"alembic_version"} == TABLES
    assert inspector.get_view_names() == ["team_games"]


def test_the_migrations_lead_to_exactly_the_tables_the_code_uses(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        options = {"include_object": lambda _thing, name, kind, *_: not (kind == "table" and name == "model_metadata")}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []


def test_model_metadata_has_the_registrys_columns_and_key(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert {column["name"] for column in inspector.get_columns("model_metadata")} == {
        "player_key", "player_id", "stat", "kind", "artefact", "sha256", "dataset_version", "fingerprint",
        "metrics", "features", "libraries", "failure", "recorded_at",
    }  # fmt: skip
    assert inspector.get_pk_constraint("model_metadata")["constrained_columns"] == ["player_key", "stat", "kind"]


def test_migrations_go_down_to_nothing_and_up_again(engine: sa.Engine) -> None:
    before = sa.inspect(engine).get_table_names()
    migrate(engine, "base")
    assert set(sa.inspect(engine).get_table_names()) == {"alembic_version"}
    assert sa.inspect(engine).get_view_names() == []
    migrate(engine)
    assert sa.inspect(engine).get_table_names() == before


def test_the_ledgers_migration_goes_down_and_up_and_leaves_the_models_alone(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO model_metadata (player_key, stat, kind) VALUES ('a-b-1', 'PTS', 'x')"))
    migrate(engine, "0001")
    assert "forecast_ledger" not in sa.inspect(engine).get_table_names()
    assert "recorded_at" not in {column["name"] for column in sa.inspect(engine).get_columns("model_metadata")}
    migrate(engine)
    assert "forecast_ledger" in sa.inspect(engine).get_table_names()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT player_key, recorded_at FROM model_metadata")).all() == [
            ("a-b-1", None)
        ]


def test_migrations_are_found_from_any_working_directory_and_below_odd_folder_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = open_warehouse("sqlite:///50% off/new/warehouse.db")
    assert (tmp_path / "50% off" / "new" / "warehouse.db").is_file()
    assert set(sa.inspect(engine).get_table_names()) >= TABLES


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgres://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgresql+asyncpg://u:p@h:5433/db", "postgresql+psycopg://u:p@h:5433/db"),
        ("postgresql+asyncpg://u:p@h/db?ssl=require", "postgresql+psycopg://u:p@h/db?sslmode=require"),
        ("postgresql+psycopg2://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("sqlite:///data/x.db", "sqlite:///data/x.db"),
        ("sqlite+aiosqlite:///data/x.db", "sqlite:///data/x.db"),
    ],
)
def test_every_usual_spelling_of_a_url_gets_a_driver_that_is_installed(given: str, meant: str) -> None:
    assert normalise_url(given).render_as_string(hide_password=False) == meant


@pytest.mark.parametrize("url", ["mysql://u@h/db", "no url at all", ""])
def test_what_is_no_supported_database_is_refused(url: str) -> None:
    with pytest.raises(WarehouseError, match="DATABASE_URL"):
        open_warehouse(url)


def test_foreign_keys_are_enforced(engine: sa.Engine) -> None:
    orphan = sa.text("INSERT INTO games VALUES ('0022300001', '2023-24', '2023-11-01', NULL, 1, 2)")
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(orphan)


def test_a_corrupt_file_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.db"
    file.write_bytes(b"this is not a database, but it is long enough to look like one. " * 100)
    before = file.read_bytes()
    with pytest.raises(WarehouseError, match="is not a database or is corrupt"):
        open_warehouse(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="can't be opened"):
        open_warehouse(f"sqlite:///{tmp_path}")


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(WarehouseError, match="can't be made"):
        open_warehouse(f"sqlite:///{tmp_path / 'data' / 'x.db'}")


def test_a_read_only_warehouse_is_readable_and_says_so_when_written(sqlite_engine: sa.Engine, tmp_path: Path) -> None:
    with sqlite_engine.connect():  # keeps the write-ahead log's index in place, which a read-only reader can't make
        readonly = open_warehouse(f"sqlite:///file:{tmp_path / 'warehouse.db'}?mode=ro&uri=true")
        assert set(sa.inspect(readonly).get_table_names()) >= TABLES
        with pytest.raises(WarehouseError, match="is read-only"):
            migrate(readonly, "base")


def test_a_locked_warehouse_is_told_after_the_busy_timeout(engine: sa.Engine) -> None:
    began = time.monotonic()
    with write_transaction(engine), pytest.raises(WarehouseError, match="locked by another process"):
        migrate(engine, "base")
    assert 0.25 < time.monotonic() - began < 5


def test_readers_are_not_held_up_by_a_writer(engine: sa.Engine) -> None:
    with write_transaction(engine) as writer:
        writer.execute(sa.text("INSERT INTO warehouse_info VALUES ('source', 'demo')"))
        with engine.connect() as reader:
            assert reader.scalar(sa.text("SELECT COUNT(*) FROM warehouse_info")) == 0


def test_a_warehouse_of_a_newer_version_is_refused(engine: sa.Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WarehouseError, match="another version of this pipeline"):
        open_warehouse(url)


def test_an_unreachable_server_is_told_without_its_password() -> None:
    with pytest.raises(WarehouseError, match="can't be reached") as caught:
        open_warehouse("postgresql://someone:secret@127.0.0.1:9/db")
    assert "secret" not in str(caught.value)


def test_the_file_is_plain_sqlite_for_other_tools(sqlite_engine: sa.Engine, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "warehouse.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM player_stats").fetchone() == (0,)
