"""Numba loops of `cut_profile`. Each is self-contained; one thread runs one call."""

from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
Counts = npt.NDArray[Any]  # an integer type


@jit
def first_misplaced(position: I64, strand: U8) -> int:
    """First cut that is not on strand 0 or 1, or lies before the cut in front of it; else -1."""
    for i in range(position.shape[0]):
        if strand[i] > 1 or (i > 0 and position[i] < position[i - 1]):
            return i
        if i > 0 and position[i] == position[i - 1] and strand[i] < strand[i - 1]:
            return i
    return -1


@jit
def fill_windows(
    position: I64,
    strand: U8,
    count: U32,
    start: I64,
    split: bool,
    limit: int,
    out: Counts,
) -> int:
    """Overwrite `out` (windows, 1 or 2 strands, bp) with the cuts of each window.

    Finds a window's first cut by halving and walks to its last. Returns the first window with a
    count above `limit`, where it stops; else -1.
    """
    width = out.shape[2]
    for window in range(start.shape[0]):
        for side in range(out.shape[1]):
            for base in range(width):
                out[window, side, base] = 0
        first = start[window]
        last = first + width
        low, high = 0, position.shape[0]
        while low < high:
            middle = (low + high) // 2
            if position[middle] < first:
                low = middle + 1
            else:
                high = middle
        while low < position.shape[0] and position[low] < last:
            channel = np.int64(strand[low]) if split else np.int64(0)
            at = position[low] - first
            found = np.int64(out[window, channel, at])
            more = np.int64(count[low])
            if more > limit - found:
                return window
            out[window, channel, at] = found + more
            low += 1
    return -1
