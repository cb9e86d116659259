"""Draw the second cut of each fragment, given its first.

    P(second[i] = first[i] + d) = weight[first[i] + d] * law[d] / total[i]

by inversion: second[i] is the first position at which the running sum over d exceeds
``uniform[i] * total[i]``.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.second_cut import cpu
from native_kernels.second_cut.reference import second_cut_reference

__all__ = ["second_cut", "second_cut_reference"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def second_cut(weight: Floats, law: Floats, first: Ints, total: Floats, uniform: Floats) -> Ints:
    """Second cuts.

    Parameters
    ----------
    weight : float64, shape (n_bases,)
        Not negative.
    law : float64, shape (n_distances,)
        Not negative; element d is the distance d, bp.
    first : int64, shape (n,)
        0-based, bp.
    total : float64, shape (n,)
        The sum over d; a few units in the last place too much or too little do no harm: where the
        sum stays below its mark, the last position with any weight is taken.
    uniform : float64, shape (n,)
        Draws from [0, 1).

    Returns
    -------
    second : int64, shape (n,)
        -1 where no position has any weight.
    """
    if not len(first) == len(total) == len(uniform):
        raise ValueError(
            f"first, total and uniform must be of one length, got {len(first)}, {len(total)} "
            f"and {len(uniform)}"
        )
    if len(first) and (first.min() < 0 or first.max() >= len(weight)):
        raise ValueError(f"first cuts must lie within the {len(weight)} bases")
    second = np.empty(len(first), np.int64)
    cpu.draw(weight, law, first, total, uniform, second)
    return second
