"""Offsets between left and right ends, slow and obvious."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def count_offsets(
    left: Ints, n_left: Ints, right: Ints, n_right: Ints, reach: int, counts: Ints
) -> None:
    """Add to `counts`; the meaning is written at `cpu.count_offsets`."""
    for level in range(len(counts)):
        ends = right[n_right >= 1 << level]
        starts = left[n_left >= 1 << level]
        for offset in range(-reach, reach + 1):
            counts[level, offset + reach] += np.isin(ends + offset, starts).sum()
