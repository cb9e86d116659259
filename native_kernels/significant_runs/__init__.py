"""Runs of significant values of one sign, with small gaps.

A value is significant if |value| > cutoff. A run starts at a significant value and takes every
further one of the same sign. Any other value, too small or of the other sign, counts towards a gap,
unless

    sign * mean(values within max_gap of it) >= cutoff

A significant value of the run's sign sets the gap back to 0. At more than `max_gap` the run ends
with its last significant value, and the search goes on `max_gap` before the value that ended it:
a run of the other sign may begin in the gap. Runs of at least `min_significant` values are kept.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.significant_runs import cpu
from native_kernels.significant_runs.reference import significant_runs_reference

__all__ = ["significant_runs", "significant_runs_reference"]


def significant_runs(
    values: npt.NDArray[np.float32], cutoff: float, max_gap: int = 1, min_significant: int = 4
) -> npt.NDArray[np.int64]:
    """Find the runs of each row.

    Parameters
    ----------
    values : float32, shape (n, positions)
    cutoff : float
        More than 0.
    max_gap : int
        Values in a row that may be left out of a run.
    min_significant : int
        At least 1.

    Returns
    -------
    runs : int64, shape (m, 5)
        Row, first position, last position + 1, sign (-1 or 1), significant values; by row, then
        in the order in which they end.
    """
    if values.dtype != np.float32 or values.ndim != 2:
        raise ValueError(
            f"values must be float32 (n, positions), got {values.dtype} {values.shape}"
        )
    if not cutoff > 0 or max_gap < 0 or min_significant < 1:
        raise ValueError(
            "cutoff must be more than 0, max_gap at least 0 and min_significant at least 1, got "
            f"{cutoff}, {max_gap} and {min_significant}"
        )
    values = np.ascontiguousarray(values)
    none = np.empty((0, 5), np.int64)
    runs = np.empty((cpu.find(values, cutoff, max_gap, min_significant, none), 5), np.int64)
    cpu.find(values, cutoff, max_gap, min_significant, runs)
    return runs
