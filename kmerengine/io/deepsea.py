"""DeepSEA's data: sequences of 1,000 bp, one-hot, and 919 labels of their central 200 bp.

``train.mat`` is MATLAB 7.3, which is HDF5, with its axes in MATLAB's order; ``valid.mat`` and
``test.mat`` are of an older format, which holds each array whole. ``.npz`` is read too. In each
file one array ends in ``xdata`` (or is x) and one in ``data`` (or is y). The channels are A G C T
(the order of the public files; Koo and Eddy's notebook permutes 0 2 1 3).
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.mat import read_mat
from kmerengine.io.npz import read_arrays
from kmerengine.io.one_hot import codes_of_one_hot

__all__ = ["ALPHABET", "COLUMN_SETS", "N_LABELS", "DeepSEA", "open_deepsea"]

ALPHABET = "AGCT"
N_LABELS = 919  # of the public files

# 0-based columns of the public files, by the name that they have here
COLUMN_SETS = {
    # Koo and Eddy's twelve factors in their order, as their notebook picks them
    "koo": {
        "Arid3a": 592, "CEBPB": 602, "FOSL1": 344, "Gabpa": 345, "MAFK": 635, "MAX": 636,
        "MEF2A": 349, "NFYB": 642, "SP1": 359, "SRF": 361, "STAT1": 661, "YY1": 369,
    },
}  # fmt: skip
HDF5 = b"\x89HDF\r\n\x1a\n"
BLOCK_ROWS = 4096
INPUTS, LABELS = ("xdata", "x"), ("data", "y")


class DeepSEA(NamedTuple):
    """An open file: arrays that give rows by slices, first axis rows."""

    path: Path
    one_hot: Any  # (n, 4, bp)
    labels: Any  # (n, labels)
    is_turned: bool  # as HDF5 of MATLAB has them: (bp, 4, n) and (labels, n)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, bp and labels."""
        n, bp = self.one_hot.shape[0], self.one_hot.shape[2]
        if self.is_turned:
            n, bp = bp, n
        return n, bp, self.labels.shape[0 if self.is_turned else 1]

    def blocks(
        self, columns: npt.NDArray[np.int64], width: int, alphabet: str = ALPHABET
    ) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
        """Codes of the central `width` bp and labels: uint8, (rows, width) and (rows, columns)."""
        n, bp, _ = self.shape
        low = bp // 2 - width // 2
        for first in range(0, n, BLOCK_ROWS):
            part = slice(first, min(first + BLOCK_ROWS, n))
            with _damage_is_an_input_error(self.path):
                if self.is_turned:
                    inputs = np.moveaxis(self.one_hot[low : low + width, :, part], -1, 0)
                    inputs, labels = inputs.transpose(0, 2, 1), self.labels[:, part].T
                else:
                    inputs, labels = self.one_hot[part, :, low : low + width], self.labels[part]
            chosen = labels[:, columns]
            if not np.isin(chosen, (0, 1)).all():
                row, column = np.argwhere(~np.isin(chosen, (0, 1)))[0]
                raise InputError(
                    f"{self.path}: row {first + row}: found label {chosen[row, column]} in column "
                    f"{columns[column]}, expected 0 or 1"
                )
            codes = codes_of_one_hot(inputs, alphabet, self.path, first_row=first)
            yield codes, chosen.astype(np.uint8)


@contextmanager
def open_deepsea(path: Path) -> Iterator[DeepSEA]:
    """Open a .mat of either format or a .npz; InputError if it has not the two arrays."""
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(520)[:8] == HDF5 or _mat_is_hdf5(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected DeepSEA's .mat or .npz") from error
    if is_hdf5:
        h5py = _need_h5py()
        with _damage_is_an_input_error(path):
            opened = h5py.File(path, "r")
        with opened:
            yield _found(path, {name: opened[name] for name in opened}, is_turned=True)
        return
    with _damage_is_an_input_error(path):
        arrays = read_arrays(path) if zipfile.is_zipfile(path) else read_mat(path)
    yield _found(path, arrays, is_turned=False)


def _mat_is_hdf5(path: Path) -> bool:
    """MATLAB puts 512 bytes of its own in front of HDF5."""
    with path.open("rb") as file:
        file.seek(512)
        return file.read(8) == HDF5


def _found(path: Path, arrays: dict[str, Any], *, is_turned: bool) -> DeepSEA:
    inputs = [name for name in arrays if name.lower().endswith(INPUTS)]
    labels = [name for name in arrays if name.lower().endswith(LABELS) and name not in inputs]
    if len(inputs) != 1 or len(labels) != 1:
        raise InputError(
            f"{path}: holds {', '.join(arrays) or 'nothing'}; expected one array whose name ends "
            "in xdata and one in data, as DeepSEA's files have"
        )
    made = DeepSEA(path, arrays[inputs[0]], arrays[labels[0]], is_turned)
    rows_of_labels = -1 if is_turned else 0
    if (
        getattr(made.one_hot, "ndim", 0) != 3
        or getattr(made.labels, "ndim", 0) != 2
        or made.one_hot.shape[1] != 4
        or made.labels.shape[rows_of_labels] != made.shape[0]
    ):
        raise InputError(
            f"{path}: {inputs[0]} is {getattr(made.one_hot, 'shape', '?')} and {labels[0]} "
            f"{getattr(made.labels, 'shape', '?')}; expected rows x 4 x bp and rows x labels"
            f"{', turned around' if is_turned else ''}"
        )
    return made


def _need_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "mat: found no module h5py, expected it for MATLAB 7.3; pip install h5py"
        ) from error
    return h5py


@contextmanager
def _damage_is_an_input_error(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each reader has its own errors for each kind of damage
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: cannot be read ({reason}); expected DeepSEA's .mat or .npz, it is damaged or "
            "of another kind"
        ) from error
