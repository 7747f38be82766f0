"""The `model_metadata` table: what every served model is, where it lies and what it may be trusted with."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import BigInteger, Column, DateTime, Engine, MetaData, String, Table, Text, func, select
from sqlalchemy.dialects import postgresql, sqlite

from statmuse_pipeline.domain import PipelineError

_KEY = ("player_key", "stat", "kind")
_JSON = ("metrics", "features", "libraries")

MODEL_METADATA = Table(
    "model_metadata",
    MetaData(),
    Column("player_key", String, primary_key=True),
    Column("stat", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("player_id", BigInteger),
    Column("artefact", Text),
    Column("sha256", String),
    Column("dataset_version", String),
    Column("fingerprint", String),
    Column("metrics", Text),
    Column("features", Text),
    Column("libraries", Text),
    Column("failure", Text),
    Column("recorded_at", DateTime(timezone=True)),
)
"""One row a player, stat and kind of model (a family, an ensemble, what is served); the last run's only.

`artefact` and `sha256` are empty where nothing was written. `metrics`, `features` and `libraries` are JSON.
`recorded_at` is when the row was written, so that a retraining that silently died is seen.
The table is made by the warehouse's migrations.
"""


def record_models(engine: Engine, rows: pd.DataFrame) -> None:
    """Insert or replace rows of `model_metadata`, all of them or none.

    Args:
        engine: the warehouse, SQLite or Postgres, migrated.
        rows: columns of the table, at least its key; metrics, features and libraries as Python objects; missing
            values as None or NaN, a column that is not there is missing in every row. `recorded_at` is set here.

    Raises:
        PipelineError: when a key column is missing, a column unknown, or a key comes twice.
    """
    columns = list(MODEL_METADATA.columns.keys())
    if odd := sorted((set(_KEY) - set(rows.columns)) | (set(rows.columns) - set(columns))):
        raise PipelineError(f"Rows for model_metadata need {', '.join(_KEY)} and only its columns; wrong: {odd}.")
    if rows.duplicated(list(_KEY)).any():
        twice = rows.loc[rows.duplicated(list(_KEY)), list(_KEY)].iloc[0].tolist()
        raise PipelineError(f"Rows for model_metadata name {twice} twice: one row a player, stat and kind.")
    if rows.empty:
        return
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    statement = insert(MODEL_METADATA)
    replaced = {name: statement.excluded[name] for name in columns if name not in _KEY}
    statement = statement.on_conflict_do_update(index_elements=list(_KEY), set_=replaced)
    written = rows.reindex(columns=columns).assign(recorded_at=None).to_dict("records")
    now = dt.datetime.now(dt.UTC)
    records = [{**_stored(record), "recorded_at": now} for record in written]
    with engine.begin() as connection:
        connection.execute(statement, records)


def read_models(engine: Engine, player_ids: Sequence[int] | None = None, *, with_json: bool = True) -> pd.DataFrame:
    """The recorded models, sorted by player_key, stat, kind.

    Args:
        engine: the warehouse.
        player_ids: only these players; None for all rows, pooled models included.
        with_json: also the columns that hold JSON, which take most of the time.

    Returns:
        The table's columns, JSON parsed, missing values as None; player_id is nullable Int64, recorded_at in UTC.
    """
    columns = [column for column in MODEL_METADATA.columns if with_json or column.name not in _JSON]
    statement = select(*columns).order_by(*(MODEL_METADATA.c[name] for name in _KEY))
    if player_ids is not None:
        statement = statement.where(MODEL_METADATA.c.player_id.in_([int(player) for player in player_ids]))
    with engine.connect() as connection:
        records = [dict(row) for row in connection.execute(statement).mappings()]
    for record in records:
        for name in _JSON if with_json else ():
            record[name] = json.loads(record[name]) if record[name] is not None else None
    table = pd.DataFrame(records, columns=[column.name for column in columns], dtype=object)
    # SQLite drops the zone, in which it was written.
    recorded = pd.to_datetime(table["recorded_at"], utc=True).astype("datetime64[ns, UTC]")
    return table.assign(recorded_at=recorded).astype({"player_id": "Int64"})


def newest_record(engine: Engine) -> tuple[int, pd.Timestamp | None]:
    """How many rows have an artefact, and when the newest of them was recorded, UTC; None where that is not known."""
    newest = select(func.count(), func.max(MODEL_METADATA.c.recorded_at)).where(MODEL_METADATA.c.artefact.is_not(None))
    with engine.connect() as connection:
        count, found = connection.execute(newest).one()
    return int(count), None if found is None else pd.to_datetime(found, utc=True)


def _stored(record: Mapping[Hashable, Any]) -> dict[str, Any]:
    """One row in database types."""
    told = {str(name): None if _is_missing(value) else value for name, value in record.items()}
    for name in _JSON:
        if told[name] is not None:
            told[name] = json.dumps(told[name], sort_keys=True, allow_nan=False)
    if told["player_id"] is not None:
        told["player_id"] = int(told["player_id"])
    return told


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NA
