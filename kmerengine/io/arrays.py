"""Arrays on disk: written by rows in any order, memory-mapped to be read.

A file is uncompressed Arrow IPC: one record batch, whose one column has the canonical type
`arrow.fixed_shape_tensor`, so that other tools see the shape of a row. Where its values lie is
written down beside it, in a document with a seal, together with a digest of all other bytes of the
file: opening reads these few hundred bytes, trusts no number in them, and maps the values.
"""

import hashlib
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError

__all__ = ["COUNT_TYPES", "ArrayWriter", "map_array", "write_array"]

COUNT_TYPES = tuple(np.dtype(name) for name in ("<i2", "<i4", "<i8"))
DTYPES = {each.str: each for each in (*COUNT_TYPES, np.dtype("|u1"), np.dtype("<f4"))}

COPY_BYTES = 1 << 26

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Description = dict[str, Any]  # dtype, shape, where the values lie, and a digest of the rest


class ArrayWriter:
    """An array while it is written: rows in any order, in a type that grows with the values.

    Rows wait in a plain file beside the one that is asked for, and are copied once at the end.
    They are written, not mapped: a full disk is then an error and not a signal, and the pages are
    not ours.

    Parameters
    ----------
    path : Path
        The file to write.
    shape : tuple of int
        Rows, and the shape of one.
    dtypes : sequence of dtype
        Types of the values, from narrow to wide, of one kind.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtypes: Sequence[np.dtype[Any]] = COUNT_TYPES
    ) -> None:
        self._path = path
        self._waiting = path.with_suffix(".rows")
        self._shape = shape
        self._dtypes = tuple(dtypes)
        self._written = np.zeros(shape[0], np.bool_)
        self.dtype = self._dtypes[0]
        self._create(self._waiting)

    def put(self, rows: Rows, values: Array) -> None:
        """Write the values of `rows`, which ascend."""
        kinds = "iu" if self.dtype.kind in "iu" else self.dtype.kind
        if values.shape != (len(rows), *self._shape[1:]) or values.dtype.kind not in kinds:
            raise InputError(
                f"{self._path.name}: found a block of {values.dtype} {values.shape}, expected "
                f"{'integers' if kinds == 'iu' else self.dtype} of {(len(rows), *self._shape[1:])}"
            )
        if not len(rows):
            return
        if np.any(np.diff(rows) <= 0) or rows[0] < 0 or rows[-1] >= self._shape[0]:
            raise InputError(
                f"{self._path.name}: found a block of rows {rows[0]} to {rows[-1]}, expected "
                f"ascending rows of {self._shape[0]}"
            )
        if self._written[rows].any():
            twice = rows[self._written[rows]][0]
            raise InputError(f"{self._path.name}: found row {twice} twice, expected it once")
        if kinds == "iu":
            self._fit(int(values.min()), int(values.max()))
        with self._waiting.open("r+b") as file:
            self._write(file, rows, values)
        self._written[rows] = True

    def finish(self) -> Description:
        """Write the file; InputError unless every row was put. Says what `map_array` needs."""
        if not self._written.all():
            row = int(np.argmin(self._written))
            raise InputError(f"{self._path.name}: found nothing for row {row}, expected every row")
        values = _map(self._waiting, self.dtype, self._shape, 0)
        _write_ipc(self._path, values)
        self._waiting.unlink()
        return _description(self._path, values)

    def _create(self, path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(_n_bytes(self.dtype, self._shape))

    def _write(self, file: BinaryIO, rows: Rows, values: Array) -> None:
        row_bytes = _n_bytes(self.dtype, self._shape[1:])
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, stop in pairwise(edges):
            file.seek(int(rows[first]) * row_bytes)
            file.write(np.ascontiguousarray(values[first:stop], self.dtype).data.cast("B"))

    def _fit(self, least: int, most: int) -> None:
        """Move to a type that holds values up to `most`."""
        limit = int(np.iinfo(self._dtypes[-1]).max)
        if least < 0 or most > limit:
            raise InputError(
                f"{self._path.name}: found a value of {least if least < 0 else most}, "
                f"expected 0 to {limit}"
            )
        if most <= np.iinfo(self.dtype).max:
            return
        narrow = _map(self._waiting, self.dtype, self._shape, 0)
        self.dtype = next(each for each in self._dtypes if most <= np.iinfo(each).max)
        wider = self._waiting.with_suffix(".wider")
        self._create(wider)
        done = np.flatnonzero(self._written)
        step = max(1, COPY_BYTES // narrow[:1].nbytes)
        with wider.open("r+b") as file:
            for first in range(0, len(done), step):
                rows = done[first : first + step]
                self._write(file, rows, narrow[rows])
        wider.replace(self._waiting)


def write_array(path: Path, values: Array) -> Description:
    """Write an array that is in memory; says what `map_array` needs."""
    values = np.ascontiguousarray(values)
    _write_ipc(path, values)
    return _description(path, values)


def map_array(path: Path, description: Any) -> Array:
    """The array in a file, memory-mapped and read-only.

    Parameters
    ----------
    path : Path
    description : dict
        What `ArrayWriter.finish` or `write_array` said of it, from a document that was checked.

    Raises
    ------
    InputError
        The file is missing, truncated or damaged, or is not the one that was described.
    """
    advice = "make the folder again"
    try:
        dtype, shape = DTYPES[description["dtype"]], tuple(map(int, description["shape"]))
        offset, size = int(description["offset"]), int(description["bytes"])
        stated = str(description["frame"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is described without what an array needs ({error}); {advice}"
        ) from error
    n_bytes = _n_bytes(dtype, shape)
    if not shape or min(shape) < 0 or offset < 0 or offset + n_bytes > size:
        raise InputError(f"{path}: is described as {description}, which no array is; {advice}")
    try:
        found = path.stat().st_size
        if found != size:
            raise InputError(
                f"{path}: holds {found} bytes, expected {size}; it is truncated or damaged, "
                f"{advice}"
            )
        if _frame(path, offset, n_bytes) != stated:
            raise InputError(
                f"{path}: is not the {dtype} array of {shape} that was described, or is damaged; "
                f"{advice}"
            )
        return _map(path, dtype, shape, offset)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected an array, {advice}") from error


def _write_ipc(path: Path, values: Array) -> None:
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), values.shape[1:])
    rows = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), type=kind.storage_type)
    column = pa.ExtensionArray.from_storage(kind, rows)
    schema = pa.schema([pa.field(path.stem, kind, nullable=False)])
    with pa.OSFile(os.fsencode(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))


def _description(path: Path, values: Array) -> Description:
    size = path.stat().st_size
    with pa.memory_map(os.fsencode(path)) as file:
        whole = file.read_buffer(size)
        column = pa.ipc.open_file(whole).get_batch(0).column(0)
        held = column.storage.flatten().buffers()[1]
        offset = held.address - whole.address if values.size else 0
    return {
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "offset": offset,
        "bytes": size,
        "frame": _frame(path, offset, values.nbytes),
    }


def _frame(path: Path, offset: int, n_bytes: int) -> str:
    """SHA-256 of a file without its values."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(offset))
        file.seek(offset + n_bytes)
        digest.update(file.read())
    return digest.hexdigest()


def _n_bytes(dtype: np.dtype[Any], shape: Sequence[int]) -> int:
    return int(dtype.itemsize * np.prod([1, *shape], dtype=object))


def _map(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> Array:
    if not _n_bytes(dtype, shape):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape).view(np.ndarray)
