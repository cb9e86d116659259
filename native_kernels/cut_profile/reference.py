"""The slow twin of `cut_profile`: one window, one base, one dict look-up at a time."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt


def cut_profile_reference(
    position: npt.NDArray[np.int64],
    strand: npt.NDArray[np.uint8],
    count: npt.NDArray[np.uint32],
    start: npt.NDArray[np.int64],
    width: int,
    *,
    strands: str = "sum",
    dtype: npt.DTypeLike = np.int32,
) -> npt.NDArray[Any]:
    """`cut_profile`, slowly."""
    cuts: Counter[tuple[int, int]] = Counter()
    for i in range(len(position)):
        cuts[int(position[i]), int(strand[i])] += int(count[i])
    windows = []
    for first in start.tolist():
        plus = [cuts[base, 0] for base in range(first, first + width)]
        minus = [cuts[base, 1] for base in range(first, first + width)]
        both = [plus[at] + minus[at] for at in range(width)]
        windows.append([plus, minus] if strands == "split" else both)
    shape = (len(start), 2, width) if strands == "split" else (len(start), width)
    return np.array(windows, dtype).reshape(shape)  # raises OverflowError, never wraps
