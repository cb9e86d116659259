"""Numba loop of `take_disjoint`. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

I64 = npt.NDArray[np.int64]


@jit
def take(position: I64, free: npt.NDArray[np.bool_], order: I64, width: int, taken: I64) -> int:
    """Fill `taken` and clear `free`; returns how many were taken."""
    n = 0
    for i in range(order.size):
        if n == taken.size:
            break
        c = order[i]
        if not free[c]:
            continue
        taken[n] = c
        n += 1
        j = c
        while j >= 0 and position[c] - position[j] < width:
            free[j] = False
            j -= 1
        j = c + 1
        while j < position.size and position[j] - position[c] < width:
            free[j] = False
            j += 1
    return n
