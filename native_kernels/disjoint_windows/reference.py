"""The slow twin of `take_disjoint`: every candidate is compared with everything taken."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def take_disjoint_reference(
    position: Ints, free: npt.NDArray[np.bool_], order: Ints, width: int, most: int
) -> Ints:
    """`take_disjoint`, slowly."""
    taken: list[int] = []
    for c in order.tolist():
        if len(taken) < most and free[c]:
            taken.append(c)
            free[np.abs(position - position[c]) < width] = False
    return np.array(taken, np.int64)
