"""Numba loop of `end_offsets`. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

Ints = npt.NDArray[np.int64]


@jit
def count_offsets(
    left: Ints, n_left: Ints, right: Ints, n_right: Ints, reach: int, counts: Ints
) -> None:
    """Add the pairs of one contig to `counts`.

    Parameters
    ----------
    left, right : int64, shape (n,), shape (m,)
        Ascending, all different.
    n_left, n_right : int64, shape (n,), shape (m,)
        Ends at each of them.
    reach : int
        The largest offset, bp.
    counts : int64, shape (n_levels, 2 reach + 1)
        Element (i, reach + d): pairs with left - right = d, with 2^i ends or more at both.
    """
    n_levels = counts.shape[0]
    first = 0
    for j in range(right.size):
        low = right[j] - reach
        high = right[j] + reach
        while first < left.size and left[first] < low:
            first += 1
        i = first
        while i < left.size and left[i] <= high:
            fewest = min(n_left[i], n_right[j])
            level = 0
            while level < n_levels and fewest >= 1 << level:
                counts[level, left[i] - low] += 1
                level += 1
            i += 1
