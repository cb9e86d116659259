"""Folders of a table, a figure, and a document of how they were made."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from modelkit.figures import Format, encoded
from modelkit.interpretation.column_tables import put_table, read_table

__all__ = ["open_folder", "write_folder"]


def write_folder(
    path: Path,
    table: tuple[str, pa.Table],
    about: tuple[str, dict[str, Any]],
    drawn: tuple[str, Any] | None,
    *,
    names: tuple[str, ...],
    figure: Format,
    force: bool,
) -> None:
    """Write a folder, whole or not at all: a table, a document, and a figure if there is one.

    Parameters
    ----------
    path : Path
    table, about, drawn
        Name of the file and what is in it; that of the figure without its suffix.
    names : tuple of str
        Patterns of the names in such a folder.
    """
    with atomic(path, force=force, folder=names) as folder:
        put_table(folder / table[0], table[1], about[1])
        (folder / about[0]).write_text(schemas.as_text(about[1]) + "\n")
        if drawn is not None:
            (folder / f"{drawn[0]}.{figure}").write_bytes(encoded(drawn[1], figure))


def open_folder(
    path: Path, table: tuple[str, pa.Schema], about: tuple[str, str], made_by: str
) -> tuple[pa.Table, dict[str, Any]]:
    """Table and document of a folder; InputError if it is missing, damaged, newer or another."""
    document = schemas.read_document(path / about[0], about[1], made_by)
    found, of_table = read_table(path / table[0], table[1], about[1])
    if {name: value for name, value in of_table.items() if name != "table"} != document:
        raise InputError(
            f"{path / table[0]}: is not of the same folder as {about[0]}; make the folder again"
        )
    return found, document
