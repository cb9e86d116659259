"""Numba loop of `second_cut`; one thread runs one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@jit
def draw(weight: F64, law: F64, first: I64, total: F64, uniform: F64, second: I64) -> None:
    """Overwrite `second`; walks from each first cut until the running sum passes its mark."""
    for i in range(first.shape[0]):
        mark = uniform[i] * total[i]
        distances = min(law.shape[0], weight.shape[0] - first[i])
        found = -1
        running = 0.0
        for d in range(distances):
            term = weight[first[i] + d] * law[d]
            running += term
            if term > 0.0:
                found = first[i] + d
                if running > mark:
                    break
        second[i] = found
