"""The table of models: upserts, JSON in and out, all or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, create_engine, func, inspect, select

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.registry.metadata import MODEL_METADATA, read_models, record_models


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://")
    MODEL_METADATA.create(engine)
    return engine


def model_rows(**changes: object) -> pd.DataFrame:
    row = {
        "player_key": "luka-doncic-1629029",
        "player_id": 1629029,
        "stat": "PTS",
        "kind": "served",
        "artefact": "luka-doncic-1629029/0123456789abcdef.zip",
        "sha256": "ab" * 32,
        "dataset_version": "v1",
        "fingerprint": "f1",
        "metrics": {"rmse": 7.5, "mae": None},
        "features": ["resid_pts_fast", "is_home"],
        "libraries": {"xgboost": "3.2.0"},
        "failure": None,
        **changes,
    }
    return pd.DataFrame([row])


def test_recorded_models_are_read_back_with_their_json(engine: Engine) -> None:
    record_models(engine, model_rows())
    row = read_models(engine).iloc[0]
    assert row["metrics"] == {"rmse": 7.5, "mae": None}
    assert row["features"] == ["resid_pts_fast", "is_home"]
    assert row["libraries"] == {"xgboost": "3.2.0"}
    assert row["failure"] is None
    assert row["player_id"] == 1629029


def test_recording_again_replaces_the_row_of_that_player_stat_and_kind(engine: Engine) -> None:
    record_models(engine, model_rows())
    record_models(engine, pd.concat([model_rows(sha256="cd" * 32), model_rows(kind="xgboost")]))
    table = read_models(engine)
    assert table["kind"].tolist() == ["served", "xgboost"]
    assert table["sha256"].tolist() == ["cd" * 32, "ab" * 32]


def test_a_failure_needs_no_artefact_and_nan_means_missing(engine: Engine) -> None:
    record_models(engine, model_rows(artefact=np.nan, sha256=None, failure="17 games in train"))
    record_models(engine, model_rows(stat="REB").drop(columns=["artefact", "sha256", "features"]))
    assert read_models(engine)["artefact"].tolist() == [None, None]
    row = read_models(engine).iloc[0]
    assert row["failure"] == "17 games in train"


def test_pooled_models_have_no_player(engine: Engine) -> None:
    record_models(engine, pd.concat([model_rows(), model_rows(player_key="pooled", player_id=None, kind="prior")]))
    people = read_models(engine)["player_id"]
    assert people.iloc[0] == 1629029
    assert people.isna().tolist() == [False, True]
    assert read_models(engine, [1629029])["player_key"].tolist() == ["luka-doncic-1629029"]


def test_an_empty_list_of_players_reads_nothing_and_keeps_the_columns(engine: Engine) -> None:
    record_models(engine, model_rows())
    nothing = read_models(engine, [])
    assert nothing.empty
    assert list(nothing.columns) == list(MODEL_METADATA.columns.keys())
    record_models(engine, nothing)


def test_metrics_that_are_not_numbers_leave_the_table_as_it_was(engine: Engine) -> None:
    record_models(engine, model_rows())
    bad = pd.concat([model_rows(stat="REB"), model_rows(stat="AST", metrics={"rmse": float("nan")})])
    with pytest.raises(ValueError, match="JSON compliant"):
        record_models(engine, bad)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(MODEL_METADATA)).scalar() == 1


def test_a_missing_an_unknown_and_a_doubled_row_are_refused(engine: Engine) -> None:
    with pytest.raises(PipelineError, match="kind"):
        record_models(engine, model_rows().drop(columns="kind"))
    with pytest.raises(PipelineError, match="colour"):
        record_models(engine, model_rows(colour="red"))
    with pytest.raises(PipelineError, match="twice"):
        record_models(engine, pd.concat([model_rows(), model_rows()]))


def test_the_table_of_the_migrations_has_the_same_columns_and_key(tmp_path: object) -> None:
    open_warehouse = pytest.importorskip("statmuse_pipeline.warehouse.engine").open_warehouse
    migrated = inspect(open_warehouse(f"sqlite:///{tmp_path}/warehouse.db"))
    columns = {column["name"] for column in migrated.get_columns("model_metadata")}
    assert columns == set(MODEL_METADATA.columns.keys())
    key = migrated.get_pk_constraint("model_metadata")["constrained_columns"]
    assert set(key) == {column.name for column in MODEL_METADATA.primary_key}


def test_thousands_of_models_are_recorded_at_once(engine: Engine) -> None:
    rows = pd.concat([model_rows()] * 3000).assign(player_key=[f"p-{number}" for number in range(3000)])
    record_models(engine, rows)
    record_models(engine, rows)
    assert len(read_models(engine)) == 3000
