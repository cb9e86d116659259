"""Numeric arrays of MATLAB's files before 7.3: Level 5 MAT-files, as MathWorks describes them.

Own code, since SciPy 1.17's reader ends the process on some damaged files. Every length is checked
against what is there before it is used.
"""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.npz import RATIO, UNPACKED

__all__ = ["read_mat"]

HEADER = 128  # bytes: text, version, and the letters that say the order of bytes
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
          13: "u8"}  # fmt: skip
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
           15: "u8"}  # fmt: skip
COMPLEX = 0x0800


def read_mat(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The real numeric arrays of a file by name; what else it holds is passed over.

    Raises
    ------
    InputError
        It is no such file, is damaged, or unpacks to far more than its size.
    """
    content = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:HEADER]))
    if order is None or len(content) < HEADER:
        raise InputError(f"{path}: cannot be read: expected a MATLAB file of before 7.3")
    most = max(UNPACKED, RATIO * len(content))
    found: dict[str, npt.NDArray[Any]] = {}
    at = HEADER
    try:
        while at < len(content):
            kind, data, at = _element(content, at, order)
            if kind == COMPRESSED:
                text = zlib.decompressobj().decompress(data, most + 1)
                if len(text) > most:
                    raise ValueError(f"an array of more than {most:,} bytes")
                most -= len(text)
                kind, data, _ = _element(memoryview(text), 0, order)
            if kind == MATRIX:
                found |= _matrix(data, order)
    except (ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read: found {error} near byte {at}; it is damaged, copy or make "
            "it again"
        ) from error
    return found


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Type and content of the element at a place, and where the next one is."""
    if at + 8 > len(data):
        raise ValueError("no whole element")
    first, size = np.frombuffer(data[at : at + 8], f"{order}u4").tolist()
    if first >> 16:  # a small one: its size is in the upper half, its content in the next 4 bytes
        kind, size, start, after = first & 0xFFFF, first >> 16, at + 4, at + 8
        if size > 4:
            raise ValueError(f"a small element of {size} bytes")
    else:
        kind, start = first, at + 8
        after = start + size + (0 if kind == COMPRESSED else -size % 8)
    if start + size > len(data):
        raise ValueError(f"an element of {size:,} bytes where {len(data) - start:,} are left")
    return kind, data[start : start + size], after


def _numbers(data: memoryview, at: int, order: str) -> tuple[npt.NDArray[Any], int]:
    kind, content, after = _element(data, at, order)
    if kind not in STORED:
        raise ValueError(f"type {kind} where numbers should be")
    values: npt.NDArray[Any] = np.frombuffer(content, f"{order}{STORED[kind]}")
    return values, after


def _matrix(data: memoryview, order: str) -> dict[str, npt.NDArray[Any]]:
    """Name and values of an array; nothing of one that is not of real numbers."""
    flags, at = _numbers(data, 0, order)
    if not len(flags):
        raise ValueError("an array without a class")
    kind = int(flags[0]) & 0xFF
    if kind not in CLASSES or int(flags[0]) & COMPLEX:
        return {}
    axes, at = _numbers(data, at, order)
    _, name, at = _element(data, at, order)
    values, at = _numbers(data, at, order)
    shape = [int(n) for n in axes]
    if min(shape, default=-1) < 0 or math.prod(shape) != len(values):
        raise ValueError(f"{len(values):,} values of an array of {str(shape)[:60]}")
    made = values.astype(CLASSES[kind], copy=False).reshape(shape, order="F")
    return {bytes(name).decode("latin-1"): made}
