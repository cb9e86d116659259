"""List columns of a table that all have one length: matrices, as they lie in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader


def list_column(matrix: npt.NDArray[Any], field: pa.Field) -> pa.Array:
    """A matrix as a list column, one row to a list."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.ravel()), type=field.type)


def read_matrix(table: TableReader, name: str, n_columns: int, where: Path) -> npt.NDArray[Any]:
    """A list column as a matrix; InputError unless every list has `n_columns` values."""
    column = table.read(columns=[name])[name].combine_chunks()
    if not np.all(column.value_lengths().to_numpy() == n_columns):
        raise InputError(
            f"{where}: column {name!r} has lists of another length, expected {n_columns}; "
            "make the folder again"
        )
    matrix: npt.NDArray[Any] = column.flatten().to_numpy()
    return matrix.reshape(table.n_rows, n_columns)
