"""Numba loop of `gc_windows`. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@jit
def count_windows(codes: U8, start: I64, width: int, gc: I32, known: I32) -> None:
    """Overwrite `gc` and `known`: differences of sums that run over all bases."""
    gc_before = np.empty(codes.size + 1, np.int32)
    known_before = np.empty(codes.size + 1, np.int32)
    n_gc = np.int32(0)
    n_known = np.int32(0)
    for j in range(codes.size):
        gc_before[j] = n_gc
        known_before[j] = n_known
        code = codes[j]
        n_gc += np.int32(code == 1 or code == 2)
        n_known += np.int32(code < 4)
    gc_before[codes.size] = n_gc
    known_before[codes.size] = n_known
    for w in range(start.size):
        first = start[w]
        gc[w] = gc_before[first + width] - gc_before[first]
        known[w] = known_before[first + width] - known_before[first]
