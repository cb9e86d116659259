"""The slow twin of `second_cut`: one running sum per fragment."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def second_cut_reference(
    weight: Floats, law: Floats, first: Ints, total: Floats, uniform: Floats
) -> Ints:
    """`second_cut`, slowly."""
    second = []
    for x, all_of_it, u in zip(first.tolist(), total.tolist(), uniform.tolist(), strict=True):
        here = weight[x : x + len(law)]
        terms = here * law[: len(here)]
        above = np.flatnonzero(np.cumsum(terms) > u * all_of_it)
        any_weight = np.flatnonzero(terms > 0)
        if len(above):
            second.append(x + int(above[0]))
        else:
            second.append(x + int(any_weight[-1]) if len(any_weight) else -1)
    return np.array(second, np.int64)
