"""Many rows at once into a table and out of it: COPY on Postgres, executemany on SQLite."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement


def upsert(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame) -> None:
    """Inserts rows, or overwrites those that are there by primary key.

    Args:
        connection: inside a transaction.
        table: its primary key must be among the columns of `frame`.
        frame: columns of the table; missing values become NULL. A column that is not there keeps its stored value.

    Raises:
        sqlalchemy.exc.DBAPIError, psycopg.Error: what the database refuses.
    """
    if frame.empty:
        return
    names = list(frame.columns)
    if connection.dialect.name == "postgresql":
        incoming = _copied(connection, table, frame)
        selected = sa.select(*(incoming.c[name] for name in names))
        statement: Any = postgresql.insert(table).from_select(names, selected)
        connection.execute(_overwriting(statement, table, names))
        return
    connection.execute(_overwriting(sqlite.insert(table), table, names), _rows(frame))


def delete(connection: sa.Connection, table: sa.Table, keys: pd.DataFrame) -> None:
    """Deletes the rows with these keys.

    Args:
        connection: inside a transaction.
        table: what to delete from.
        keys: columns of the table that tell a row, one line a row.

    Raises:
        sqlalchemy.exc.DBAPIError, psycopg.Error: what the database refuses.
    """
    if keys.empty:
        return
    if connection.dialect.name == "postgresql":
        incoming = _copied(connection, table, keys)
        connection.execute(table.delete().where(*(table.c[name] == incoming.c[name] for name in keys.columns)))
        return
    wheres = (table.c[name] == sa.bindparam(f"key_{name}") for name in keys.columns)
    connection.execute(table.delete().where(*wheres), _rows(keys.add_prefix("key_")))


def _overwriting(statement: Any, table: sa.Table, names: list[str]) -> Any:
    key = [column.name for column in table.primary_key]
    others: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=others)


def _copied(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame) -> sa.Table:
    """A temporary table of the frame's rows, gone with the transaction."""
    name = f"incoming_{table.name}"
    columns = (sa.Column(column, table.c[column].type) for column in frame.columns)
    incoming = sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    # A transaction may write to one table twice, with other columns.
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{name}")
    connection.execute(sa.schema.CreateTable(incoming))
    listed = ", ".join(connection.dialect.identifier_preparer.format_column(column) for column in incoming.c)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {name} ({listed}) FROM STDIN") as copy:
        for row in _plain(frame).itertuples(index=False, name=None):
            copy.write_row(row)
    return incoming


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Python values, None where one is missing."""
    plain = frame.copy()
    for name in plain.columns[plain.dtypes.map(lambda dtype: dtype.kind == "M")]:
        plain[name] = plain[name].dt.to_pydatetime() if name == "tipoff_utc" else plain[name].dt.date
    return plain.astype("object").where(frame.notna(), None)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], _plain(frame).to_dict("records"))
