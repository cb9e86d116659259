"""Small tables that are made row by row."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from kmerengine import schemas
from kmerengine.io.tables import table_writer

__all__ = ["as_batch", "as_table", "write_rows"]


def as_batch(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Rows as columns; a NaN is a null."""
    columns = [
        pa.array([row[field.name] for row in rows], field.type, from_pandas=True)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """The same, as a table."""
    return pa.Table.from_batches([as_batch(schema, rows)])


def write_rows(
    path: Path, schema: pa.Schema, rows: list[dict[str, Any]], document: dict[str, Any]
) -> None:
    """Write a Parquet file that carries `document`."""
    full = schemas.with_metadata(schema, document | {"table": path.name})
    with table_writer(path, full, ".parquet") as writer:
        writer.write(as_batch(full, rows))
