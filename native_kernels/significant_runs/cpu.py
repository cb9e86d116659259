"""Numba loop of `significant_runs`. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit


@jit
def find(
    values: npt.NDArray[np.float32],
    cutoff: float,
    max_gap: int,
    min_significant: int,
    runs: npt.NDArray[np.int64],
) -> int:
    """Write as many runs as `runs` holds; returns how many there are."""
    n = 0
    length = values.shape[1]
    for row in range(values.shape[0]):
        first, last, count, sign, gap = 0, 0, 0, 0, 0
        at = 0
        while at <= length:
            ended = at == length and count > 0
            if at < length:
                value = np.float64(values[row, at])
                if abs(value) > cutoff and (count == 0 or value * sign > 0):
                    if count == 0:
                        first = at
                        sign = 1 if value > 0 else -1
                    last = at
                    count += 1
                    gap = 0
                elif count > 0:
                    low, high = max(0, at - max_gap), min(length, at + max_gap + 1)
                    total = 0.0
                    for i in range(low, high):
                        total += np.float64(values[row, i])
                    if sign * total / (high - low) < cutoff:
                        gap += 1
                        ended = gap > max_gap
            if ended:
                if count >= min_significant:
                    if n < runs.shape[0]:
                        runs[n, 0] = row
                        runs[n, 1] = first
                        runs[n, 2] = last + 1
                        runs[n, 3] = sign
                        runs[n, 4] = count
                    n += 1
                if at < length:
                    at -= max_gap + 1
                count = gap = 0
            at += 1
    return n
