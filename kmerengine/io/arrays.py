"""Arrays on disk: written by rows in any order, memory-mapped to be read.

A file is uncompressed Arrow IPC: one record batch, whose one column has the canonical type
`arrow.fixed_shape_tensor`, so that other tools see the shape of a row. Where its values lie is
written down beside it, in a document with a seal, together with a digest of all other bytes of the
file: opening reads these few hundred bytes, trusts no number in them, and maps the values.
"""

import hashlib
import mmap
import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError

__all__ = ["COUNT_TYPES", "ArrayWriter", "let_go", "map_array", "write_array"]

COUNT_TYPES = tuple(np.dtype(name) for name in ("<i2", "<i4", "<i8"))
FURTHER_TYPES = tuple(np.dtype(name) for name in ("|u1", "<f4", "<f8"))
DTYPES = {each.str: each for each in (*COUNT_TYPES, *FURTHER_TYPES)}

COPY_BYTES = 1 << 26

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Description = dict[str, Any]  # dtype, shape, where the values lie, and a digest of the rest


class ArrayWriter:
    """An array while it is written: rows in any order, in a type that grows with the values.

    The file is made with a hole where its values go, and rows are written into it. They are
    written, not mapped: a full disk is then an error and not a signal, and the pages are not ours.

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
        self._shape = shape
        self._dtypes = tuple(dtypes)
        self._written = np.zeros(shape[0], np.bool_)
        self.dtype = self._dtypes[0]
        self._offset = _write_frame(path, self.dtype, shape)

    @classmethod
    def reopen(
        cls, path: Path, description: Description, written: npt.NDArray[np.bool_]
    ) -> "ArrayWriter":
        """Go on with an array that another process has begun, in the type that it has.

        Parameters
        ----------
        path : Path
        description : dict
            What `describe` said of it.
        written : bool, shape (rows,)
            The rows that are there; of a row that is not, any part may be.

        Raises
        ------
        InputError
            As of `map_array`.
        """
        found = map_array(path, description)
        writer = cls.__new__(cls)
        writer._path, writer._shape = path, found.shape
        writer._dtypes, writer.dtype = (found.dtype,), found.dtype
        writer._written = written.copy()
        writer._offset = int(description["offset"])
        return writer

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
        with self._path.open("r+b") as file:
            self._write(file, rows, values)
        self._written[rows] = True

    def finish(self) -> Description:
        """InputError unless every row was put. Says what `map_array` needs."""
        if not self._written.all():
            row = int(np.argmin(self._written))
            raise InputError(f"{self._path.name}: found nothing for row {row}, expected every row")
        return self.describe()

    def describe(self) -> Description:
        """What `finish` will say of it, if its type does not grow."""
        return _description(self._path, self.dtype, self._shape)

    def _write(self, file: BinaryIO, rows: Rows, values: Array) -> None:
        row_bytes = _n_bytes(self.dtype, self._shape[1:])
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, stop in pairwise(edges):
            file.seek(self._offset + int(rows[first]) * row_bytes)
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
        narrow = _map(self._path, self.dtype, self._shape, self._offset)
        self.dtype = next(each for each in self._dtypes if most <= np.iinfo(each).max)
        wider = self._path.with_suffix(".wider.arrow")
        self._offset = _write_frame(wider, self.dtype, self._shape, self._path.stem)
        done = np.flatnonzero(self._written)
        step = max(1, COPY_BYTES // narrow[:1].nbytes)
        with wider.open("r+b") as file:
            for first in range(0, len(done), step):
                rows = done[first : first + step]
                self._write(file, rows, narrow[rows])
        wider.replace(self._path)


def write_array(path: Path, values: Array) -> Description:
    """Write an array that is in memory; says what `map_array` needs."""
    values = np.ascontiguousarray(values)
    offset = _write_frame(path, values.dtype, values.shape)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(values.data.cast("B") if values.size else b"")
    return _description(path, values.dtype, values.shape)


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
    except (KeyError, TypeError, ValueError, OverflowError) as error:
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


def let_go(values: Array) -> None:
    """Take the pages of a mapped array out of this process's memory: those that it has seen count
    as its own. They stay in the system's cache, and are read again when they are asked for.
    """
    base: Any = values
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


class _WithHole:
    """A file for PyArrow to write to that leaves a hole where the values would go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False

    def write(self, data: "bytes | pa.Buffer") -> None:
        """The values come as a buffer of Arrow's, all else as bytes."""
        if isinstance(data, pa.Buffer):
            self._file.seek(data.size, os.SEEK_CUR)
        else:
            self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True


def _write_frame(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], name: str | None = None
) -> int:
    """Write a file whose values are a hole; returns where they start."""
    n_bytes = _n_bytes(dtype, shape)
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(dtype), shape[1:])
    schema = pa.schema([pa.field(name or path.stem, kind, nullable=False)])
    with tempfile.TemporaryFile(dir=path.parent) as empty:
        empty.truncate(max(1, n_bytes))  # a hole, too: none of it is read
        hole = mmap.mmap(empty.fileno(), 0, access=mmap.ACCESS_READ)
        buffer = pa.py_buffer(hole).slice(0, n_bytes)
        values = pa.Array.from_buffers(kind.value_type, n_bytes // dtype.itemsize, [None, buffer])
        rows = pa.FixedSizeListArray.from_arrays(values, type=kind.storage_type)
        column = pa.ExtensionArray.from_storage(kind, rows)
        with path.open("wb") as file:
            sink = pa.PythonFile(_WithHole(file), "w")
            with pa.ipc.new_file(sink, schema) as writer:
                writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    return _offset(path, n_bytes)


def _offset(path: Path, n_bytes: int) -> int:
    """Where the values lie in a file, as PyArrow reads it."""
    if not n_bytes:
        return 0
    with pa.memory_map(os.fsencode(path)) as file:
        whole = file.read_buffer(path.stat().st_size)
        column = pa.ipc.open_file(whole).get_batch(0).column(0)
        return int(column.storage.flatten().buffers()[1].address - whole.address)


def _description(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Description:
    n_bytes = _n_bytes(dtype, shape)
    offset = _offset(path, n_bytes)
    return {
        "dtype": dtype.str,
        "shape": list(shape),
        "offset": offset,
        "bytes": path.stat().st_size,
        "frame": _frame(path, offset, n_bytes),
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
