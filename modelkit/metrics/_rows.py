"""Functions of rows, over arrays of any shape, in blocks that fit the cache rather than at once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCK = 1 << 18  # numbers of an array that are turned into float64 at a time


def by_rows(function: Callable[..., Floats], *arrays: npt.ArrayLike, axis: int) -> Floats:
    """One number per row: `function` of float64 blocks of shape (rows, n), all of the same shape.

    Arrays are broadcast against each other; rows lie along `axis` of the shape that comes out. A
    whole float64 copy is never made: 28,000 x 90 x 250 numbers would be 5 GB each.
    """
    views = [np.moveaxis(each, axis, -1) for each in np.broadcast_arrays(*arrays)]
    if not views[0].shape[-1]:
        raise ValueError(f"axis {axis} of {np.shape(arrays[0])} has no values, expected some")
    out = np.empty(views[0].shape[:-1])
    _fill(function, views, out)
    return out


def _fill(
    function: Callable[..., Floats], views: list[npt.NDArray[np.generic]], out: Floats
) -> None:
    first = views[0]
    if first.size <= BLOCK or first.ndim == 1:
        out[...] = function(*map(_block, views)).reshape(out.shape)
        return
    step = BLOCK // first[0].size
    if not step and first.ndim > 2:
        for i in range(len(first)):
            _fill(function, [each[i] for each in views], out[i])
        return
    for low in range(0, len(first), max(step, 1)):
        part = slice(low, low + max(step, 1))
        found = function(*(_block(each[part]) for each in views))
        out[part] = found.reshape(out[part].shape)


def _block(part: npt.NDArray[np.generic]) -> Floats:
    """Rows that lie in order, so that a row's sums have the same bits in any block."""
    return np.ascontiguousarray(part, np.float64).reshape(-1, part.shape[-1])
