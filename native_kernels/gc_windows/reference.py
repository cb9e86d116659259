"""The slow twin of `gc_windows`: one window at a time."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int32]


def gc_windows_reference(
    codes: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], width: int
) -> tuple[Counts, Counts]:
    """`gc_windows`, slowly."""
    windows = [codes[first : first + width] for first in start.tolist()]
    gc = [int(np.isin(window, (1, 2)).sum()) for window in windows]
    known = [int((window < 4).sum()) for window in windows]
    return np.array(gc, np.int32), np.array(known, np.int32)
