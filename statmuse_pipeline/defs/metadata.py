"""Tables and their columns in the form that the Dagster UI shows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd


def markdown_table(frame: "pd.DataFrame") -> str:
    """A frame as a Markdown table, numbers with four digits."""
    head = [f"| {' | '.join(map(str, frame.columns))} |", f"|{'---|' * len(frame.columns)}"]
    body = [
        f"| {' | '.join(f'{cell:.4g}' if isinstance(cell, float) else str(cell) for cell in row)} |"
        for row in frame.itertuples(index=False)
    ]
    return "\n".join(head + body)


def column_schema(
    frame: "pd.DataFrame", told: Mapping[str, str] | None = None
) -> dict[str, dg.TableSchemaMetadataValue]:
    """The columns of a table as metadata, with what is told of each, such as when it is known."""
    told = told or {}
    columns = [
        dg.TableColumn(str(name), str(dtype), description=told.get(str(name))) for name, dtype in frame.dtypes.items()
    ]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))}
