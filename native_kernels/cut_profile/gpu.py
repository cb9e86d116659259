"""`cut_profile` by whole-array operations, for CuPy.

The array module is an argument, so the same lines run on NumPy in the tests of a machine without
a GPU. No sum depends on an order: cuts of one base are added first, by differences of a running
total of integers, and then every element of the result is written at most once.
"""

from types import ModuleType
from typing import Any

Array = Any  # numpy.ndarray or cupy.ndarray

ELEMENTS = 1 << 28  # of the result filled at a time: CuPy assigns by 32-bit indices


def fill_windows_arrays(
    xp: ModuleType,
    position: Array,
    strand: Array,
    count: Array,
    start: Array,
    width: int,
    *,
    split: bool,
    limit: int,
    dtype: Any,
) -> Array:
    """Cuts of each window on arrays of `xp`, shape (windows, 1 or 2 strands, bp).

    Raises OverflowError for a count above `limit`.
    """
    n_channels = 2 if split else 1
    out = xp.zeros((start.shape[0], n_channels, width), dtype)
    where, channel, total = _distinct(xp, position, strand, count, split=split)
    step = max(1, ELEMENTS // (n_channels * width))
    for first in range(0, start.shape[0], step):
        begin = start[first : first + step]
        low = xp.searchsorted(where, begin, side="left")
        high = xp.searchsorted(where, begin + width, side="left")
        after = xp.cumsum(high - low)  # (window, cut) pairs up to and including each window
        pair = xp.arange(int(after[-1]))
        if not pair.shape[0]:
            continue
        window = xp.searchsorted(after, pair, side="right")
        cut = high[window] - (after[window] - pair)
        at = where[cut] - begin[window]
        values = total[cut]
        if int(values.max()) > limit:
            raise OverflowError(f"a base has {int(values.max())} cuts, at most {limit} fit")
        part = out[first : first + step].reshape(-1)  # a view
        part[(window * n_channels + channel[cut]) * width + at] = values.astype(dtype)
    return out


def _distinct(
    xp: ModuleType, position: Array, strand: Array, count: Array, *, split: bool
) -> tuple[Array, Array, Array]:
    """Position, channel and total of each base (and strand) that has cuts, ascending."""
    channel = strand.astype(xp.int64) if split else xp.zeros(position.shape[0], xp.int64)
    is_first = xp.ones(position.shape[0], bool)
    is_first[1:] = (position[1:] != position[:-1]) | (channel[1:] != channel[:-1])
    at = xp.flatnonzero(is_first)
    running = xp.concatenate([xp.zeros(1, xp.uint64), xp.cumsum(count, dtype=xp.uint64)])
    ends = xp.concatenate([at[1:], xp.full(1, position.shape[0], at.dtype)])[: at.shape[0]]
    return position[at], channel[at], running[ends] - running[at]
