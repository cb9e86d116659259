"""Arrays of .npz files, looked at before they are unpacked."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from kmerengine.errors import InputError

__all__ = ["RATIO", "UNPACKED", "check_unpacked", "read_arrays"]

UNPACKED = 1 << 30  # bytes that any file may unpack to
RATIO = (
    250  # times its size: what a larger one may; one-hot sequences and rare labels are 20 to 100
)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a .npz file by name; nothing is unpickled.

    Raises
    ------
    InputError
        An array says that it has more values than its member of the archive, or all of them unpack
        to far more than the file's size.
    Exception
        Nearly any, where the archive is damaged or an array is of objects.
    """
    check_unpacked(path)
    with path.open("rb") as raw:
        with zipfile.ZipFile(raw) as file:
            for member in file.infolist():
                _check_header(path, file, member)
        raw.seek(0)
        with np.load(raw, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files}


def check_unpacked(path: Path) -> None:
    """InputError if a zip file says that it unpacks to far more than its size."""
    with zipfile.ZipFile(path) as file:
        unpacked = sum(member.file_size for member in file.infolist())
    if unpacked > max(UNPACKED, RATIO * path.stat().st_size):
        raise InputError(
            f"{path}: unpacks to {unpacked:,} bytes, expected at most {RATIO} times its size; it "
            "may be made to fill the memory, and is not read"
        )


def _check_header(path: Path, file: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with file.open(member) as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise InputError(
            f"{path}: {member.filename[:80]}: found an array of {dtype} {str(shape)[:60]} in "
            f"{member.file_size:,} bytes, expected as many as it says"
        )
