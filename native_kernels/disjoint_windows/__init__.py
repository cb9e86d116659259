"""Windows of one width that do not overlap, taken in a given order.

    take candidate c = order[0], order[1], ... if free[c], then for every j with
    |position[j] - position[c]| < width: free[j] = False

until `most` are taken or the order ends.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.disjoint_windows import cpu
from native_kernels.disjoint_windows.reference import take_disjoint_reference

__all__ = ["take_disjoint", "take_disjoint_reference"]

Ints = npt.NDArray[np.int64]


def take_disjoint(
    position: Ints, free: npt.NDArray[np.bool_], order: Ints, width: int, most: int
) -> Ints:
    """Take windows that overlap none taken before.

    Parameters
    ----------
    position : int64, shape (n,)
        Starts of all candidates, ascending, bp.
    free : bool, shape (n,)
        Which may still be taken; what is taken, and what overlaps it, is set to False.
    order : int64, shape (m,)
        Candidates in the order in which they are tried.
    width : int
        bp of a window, at least 1.
    most : int
        How many to take.

    Returns
    -------
    taken : int64, shape (at most `most`,)
        Candidates, in the order of taking.
    """
    if position.dtype != np.int64 or position.ndim != 1 or position.shape != free.shape:
        raise ValueError(
            "position and free must be int64 and bool of one shape, "
            f"got {position.dtype} {position.shape} and {free.dtype} {free.shape}"
        )
    if width < 1 or most < 0:
        raise ValueError(f"width must be at least 1 and most at least 0, got {width} and {most}")
    if len(order) and not 0 <= int(order.min()) <= int(order.max()) < len(position):
        raise ValueError(f"order must hold numbers of the {len(position)} candidates")
    taken = np.empty(min(most, len(order)), np.int64)
    n = cpu.take(position, free, order, width, taken)
    return taken[:n]
