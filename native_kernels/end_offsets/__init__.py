"""Offsets between the left ends and the right ends of fragments.

    counts[i, reach + d] = #{(l, r) : l - r = d, at least 2^i ends at both l and r}

over distinct positions l of left ends and r of right ends of one contig, so a position with many
copies of one fragment counts once. Row 0 has all positions; the rows below it only busier ones.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.end_offsets import cpu

__all__ = ["end_offsets"]

Ints = npt.NDArray[np.int64]


def end_offsets(
    left: Ints, n_left: Ints, right: Ints, n_right: Ints, *, reach: int, n_levels: int
) -> Ints:
    """Count the offsets of one contig.

    Parameters
    ----------
    left, right : int64, shape (n,), shape (m,)
        Positions of left and right ends, ascending, all different, bp.
    n_left, n_right : int64, shape (n,), shape (m,)
        Ends at each of them.
    reach : int
        The largest offset, bp.
    n_levels : int

    Returns
    -------
    counts : int64, shape (n_levels, 2 reach + 1)
    """
    for what, positions, n in (("left", left, n_left), ("right", right, n_right)):
        if positions.shape != n.shape or positions.ndim != 1:
            raise ValueError(f"{what}: {positions.shape} positions have {n.shape} counts")
        if (np.diff(positions) <= 0).any():
            raise ValueError(f"{what} positions must ascend")
    counts = np.zeros((n_levels, 2 * reach + 1), np.int64)
    cpu.count_offsets(left, n_left, right, n_right, reach, counts)
    return counts
