"""The Dagster instance on a real Postgres, as `statmuse` sets it up."""

# ruff: noqa: F811 (fixtures are imported and then named as parameters)
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)

from statmuse_pipeline.dagster_home import TEMPLATES, prepare_home
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.local_postgres import LocalPostgres
from statmuse_pipeline_tests.defs.conftest import project_in
from statmuse_pipeline_tests.postgres import postgres, postgres_url  # noqa: F401

SQLITE = "sqlite:///warehouse.db"
PARTITIONS = dg.DynamicPartitionsDefinition(name="days")


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "")  # so that it is taken away again where a test leaves it set
    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    monkeypatch.chdir(tmp_path)  # away from any .env


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres_url: str) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    prepare_home(tmp_path, SQLITE)
    with dg.DagsterInstance.get() as made:
        yield made


@dg.asset(partitions_def=PARTITIONS)
def games(context: dg.AssetExecutionContext) -> int:
    context.add_output_metadata({"day": context.partition_key})
    return 12


@dg.asset(partitions_def=PARTITIONS)
def slate(games: int) -> int:
    return games * 2


def test_assets_events_runs_and_dynamic_partitions_are_kept_in_postgres(
    instance: dg.DagsterInstance,
    postgres_url: str,
    tmp_path: Path,
) -> None:
    instance.add_dynamic_partitions("days", ["2024-01-01", "2024-01-02"])
    done = dg.materialize([games, slate], instance=instance, partition_key="2024-01-02")
    assert done.success
    # Another process, that is: another instance on the same home.
    with dg.DagsterInstance.get() as other:
        assert other.get_dynamic_partitions("days") == ["2024-01-01", "2024-01-02"]
        assert [run.status for run in other.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
        assert other.get_materialized_partitions(dg.AssetKey("slate")) == {"2024-01-02"}
        event = other.get_latest_materialization_event(dg.AssetKey("games"))
        assert event is not None
        assert event.asset_materialization.metadata["day"].value == "2024-01-02"  # type: ignore[union-attr]
        other.delete_dynamic_partition("days", "2024-01-01")
        assert instance.get_dynamic_partitions("days") == ["2024-01-02"]
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert not list((tmp_path / "home").rglob("*.db")), "nothing went to SQLite"


def test_schedules_and_their_ticks_are_kept_in_postgres(instance: dg.DagsterInstance) -> None:
    location = RegisteredCodeLocationOrigin("statmuse")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "nightly")
    state = InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 6 * * *", 1_700_000_000.0)
    )
    instance.add_instigator_state(state)
    tick = instance.create_tick(
        TickData(origin.get_id(), "nightly", InstigatorType.SCHEDULE, TickStatus.STARTED, 1_700_000_000.0)
    )
    instance.update_tick(tick.with_status(TickStatus.SUCCESS))
    with dg.DagsterInstance.get() as other:
        kept = other.get_instigator_state(origin.get_id(), state.selector_id)
        assert kept is not None
        assert (kept.name, kept.status) == ("nightly", InstigatorStatus.RUNNING)
        assert [one.status for one in other.get_ticks(origin.get_id(), state.selector_id)] == [TickStatus.SUCCESS]


def test_the_home_follows_the_variable_and_keeps_what_was_edited(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres_url: str,
) -> None:
    config = tmp_path / "home" / "dagster.yaml"
    assert prepare_home(tmp_path, SQLITE) == tmp_path / "home"
    on_sqlite = config.read_text()
    assert on_sqlite == (TEMPLATES / "dagster.yaml").read_text()
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    prepare_home(tmp_path, SQLITE)
    assert config.read_text() == on_sqlite + (TEMPLATES / "dagster_postgres.yaml").read_text()
    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    prepare_home(tmp_path, SQLITE)
    assert config.read_text() == on_sqlite
    assert [file.name for file in config.parent.iterdir()] == ["dagster.yaml"]
    config.write_text("telemetry:\n  enabled: true\n")
    prepare_home(tmp_path, SQLITE)
    assert config.read_text() == "telemetry:\n  enabled: true\n"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    with pytest.raises(PipelineError, match=r"dagster\.yaml does not use it"):
        prepare_home(tmp_path, SQLITE)


def test_the_variable_may_stand_in_the_env_file(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / ".env").write_text(f"DAGSTER_POSTGRES_URL={postgres_url}\n")
    home = prepare_home(tmp_path, SQLITE)
    assert "DAGSTER_POSTGRES_URL" in (home / "dagster.yaml").read_text()
    with dg.DagsterInstance.get() as instance:
        assert "postgres" in type(instance.run_storage).__module__


@pytest.mark.parametrize("driver", ["", "+asyncpg", "+psycopg", "+psycopg2"])
def test_every_spelling_of_the_url_reaches_dagster_with_the_driver_it_can_use(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres_url: str,
    driver: str,
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url.replace("postgresql", f"postgresql{driver}"))
    prepare_home(tmp_path, SQLITE)
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []
        assert instance.run_storage._engine.dialect.driver == "psycopg2"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "warehouse", "told"),
    [
        ("sqlite:///dagster.db", SQLITE, "another database than Postgres"),
        ("no url", SQLITE, "DAGSTER_POSTGRES_URL is not a database URL"),
        ("postgresql://me@h/db", "postgresql+psycopg://you@h:5432/db", "name the same database 'db'"),
        ("postgresql://me:secret@127.0.0.1:9/db", SQLITE, r"127\.0\.0\.1:9/db can't be reached.*refused"),
    ],
)
def test_a_variable_that_cannot_serve_is_told_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, warehouse: str, told: str
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    with pytest.raises(PipelineError, match=told) as caught:
        prepare_home(tmp_path, warehouse)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_statmuse_sync_fills_a_warehouse_and_a_dagster_home_on_postgres(
    tmp_path: Path,
    postgres: LocalPostgres,
) -> None:
    urls = {
        "DATABASE_URL": postgres.create_database("sync_warehouse"),
        "DAGSTER_POSTGRES_URL": postgres.create_database("sync_dagster"),
    }
    league = project_in(tmp_path, SEASONS="2021-22", **urls)
    done = league.statmuse("sync")
    assert done.returncode in (0, 3), done.stderr  # 3: a short season has too few players with 50 games
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT count(*) FROM player_stats").fetchone()
    with psycopg.connect(urls["DAGSTER_POSTGRES_URL"]) as connection:
        statuses = connection.execute("SELECT DISTINCT status FROM runs").fetchall()
    assert rows is not None
    assert rows[0] > 1000
    assert statuses == [("SUCCESS",)]
    assert not list(league.data.rglob("*.db"))
