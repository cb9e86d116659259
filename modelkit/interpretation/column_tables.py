"""Tables that are made column by column: how they are written and read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import TableReader, table_writer

__all__ = ["check_table_path", "column", "list_of", "put_table", "read_table", "table_of",
           "write_table"]  # fmt: skip

SUFFIXES = (".parquet", ".tsv")
ROWS = 1 << 16  # of a row group


def column(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    """A column, by default without nulls."""
    return pa.field(name, kind, nullable=nullable)


def list_of(kind: pa.DataType) -> pa.DataType:
    """Lists without nulls."""
    return pa.list_(pa.field("element", kind, nullable=False))


def table_of(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """Columns by name as a table; a NaN is a null."""
    arrays = []
    for field in schema:
        given = columns[field.name]
        if isinstance(given, pa.ChunkedArray):
            given = given.combine_chunks()
        if not isinstance(given, pa.Array):
            given = pa.array(given, field.type, from_pandas=True)
        arrays.append(given)
    return pa.Table.from_arrays(arrays, schema=schema)


def check_table_path(path: Path, *, force: bool) -> None:
    """InputError when a table cannot be written there."""
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path}: found suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}"
        )
    check_writable(path, force=force)


def write_table(
    path: Path, table: pa.Table, document: dict[str, Any], *, force: bool = False
) -> None:
    """Write a .parquet or .tsv file that says how it was made, whole or not at all.

    The first line of a .tsv is "# " and the document in JSON, the second the names of the columns;
    lists are joined by commas, a null is empty.
    """
    check_table_path(path, force=force)
    with atomic(path, force=force) as temporary:
        put_table(temporary, table, document, suffix=path.suffix)


def put_table(path: Path, table: pa.Table, document: dict[str, Any], *, suffix: str = "") -> None:
    """The same into a folder that is itself whole or not there."""
    document = {**document, "table": path.name} if not suffix else document
    schema = schemas.with_metadata(table.schema, document)
    table = table.combine_chunks()
    if (suffix or path.suffix) == ".parquet":
        with table_writer(path, schema, ".parquet") as writer:
            for batch in table.to_batches(max_chunksize=ROWS) or [
                pa.RecordBatch.from_pylist([], table.schema)
            ]:
                writer.write(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        return
    lines = [f"# {schemas.as_text(document)}", "\t".join(table.column_names)]
    columns = [each.to_pylist() for each in table.columns]
    lines += ["\t".join(map(_text, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def read_table(path: Path, schema: pa.Schema, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    """A Parquet file of one of the formats and its document; InputError if it is none."""
    reader = TableReader(path)
    document = schemas.read_metadata(reader.schema, path, (kind,))
    reader.expect(schema, path)
    table = reader.read(columns=schema.names)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise InputError(f"{path}: column {field.name!r} has nulls; make the file again")
    return table, document
