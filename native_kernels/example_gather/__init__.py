"""Windows of stored examples as a model takes them: one-hot bases, and tracks as float32.

    one_hot[b, c, i] = 1 where sequence[row[b], start[b] + i] = c
    tracks[b, t, i]  = scale[b, t] tracks[row[b], t, start[b] + i]

An example that is reversed has the reverse complement of its bases; its tracks run backwards, and
of stranded tracks, which come in pairs of plus and minus, the two of a pair change places. Bases
that are blocked are unknown.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels.example_gather import cpu
from native_kernels.example_gather.reference import (
    gather_one_hot_reference,
    gather_tracks_reference,
)

__all__ = [
    "gather_one_hot",
    "gather_one_hot_reference",
    "gather_tracks",
    "gather_tracks_reference",
]


def gather_one_hot(
    sequence: npt.NDArray[np.uint8],
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    reverse: npt.NDArray[np.bool_],
    width: int,
    *,
    blocked: npt.NDArray[np.int64] | None = None,
    unknown: float = 0.0,
    values: npt.NDArray[Any] | None = None,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """One-hot bases of windows.

    Parameters
    ----------
    sequence : uint8, shape (n_rows, bp)
        A C G T = 0 1 2 3, above 3 for anything else; may be memory-mapped.
    row : int64, shape (n,)
        Row of each window; any, any number of times.
    start : int64, shape (n,)
        First base of each window in its row; windows lie inside the row.
    reverse : bool, shape (n,)
        Windows that are wanted as their reverse complement.
    width : int
        bp.
    blocked : int64, shape (n, 2), optional
        Start and end of the bases of each window's row that are taken as unknown; they may lie
        outside the window, in part or as a whole.
    unknown : float
        What all four channels have at a base that is not A C G T.
    values : shape (3,), optional
        Instead of 0, 1 and `unknown` as float32: what a channel has where the base is another,
        where it is that base, and where it is not A C G T; their type is that of the result. Bits
        of a type that NumPy lacks, such as bfloat16, pass as integers.
    out : the result's shape and type, optional
        Overwritten and returned.

    Returns
    -------
    one_hot : float32, or the type of `values`, shape (n, 4, width)
    """
    if values is None:
        values = np.array([0, 1, unknown], np.float32)
    _check(sequence, 2, row, start, reverse, width)
    if blocked is None:
        blocked = np.zeros((len(row), 2), np.int64)
    if blocked.shape != (len(row), 2) or blocked.dtype != np.int64:
        raise ValueError(
            f"blocked must be int64 of {(len(row), 2)}, got {blocked.dtype} {blocked.shape}"
        )
    out = _out(out, (len(row), 4, width), values.dtype)
    cpu.fill_one_hot(sequence, row, start, reverse, blocked, values, out)
    return out


def gather_tracks(
    tracks: npt.NDArray[Any],
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    reverse: npt.NDArray[np.bool_],
    width: int,
    *,
    stranded: bool = False,
    scale: npt.NDArray[np.float32] | None = None,
    out: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Windows of tracks, such as counts per base.

    Parameters
    ----------
    tracks : integers or floats, shape (n_rows, n_tracks, bp)
        May be memory-mapped.
    row, start, reverse, width
        As in `gather_one_hot`.
    stranded : bool
        Tracks 2 t and 2 t + 1 are plus and minus strand of one sample.
    scale : float32, shape (n, n_tracks), optional
        Factor of each track of each window.
    out : float32, shape (n, n_tracks, width), optional
        Overwritten and returned.

    Returns
    -------
    windows : float32, shape (n, n_tracks, width)
    """
    _check(tracks, 3, row, start, reverse, width)
    n_tracks = tracks.shape[1]
    if stranded and n_tracks % 2:
        raise ValueError(f"stranded tracks come in pairs, got {n_tracks}")
    if scale is None:
        scale = np.ones((len(row), n_tracks), np.float32)
    if scale.shape != (len(row), n_tracks) or scale.dtype != np.float32:
        raise ValueError(
            f"scale must be float32 of {(len(row), n_tracks)}, got {scale.dtype} {scale.shape}"
        )
    out = _out(out, (len(row), n_tracks, width), np.dtype(np.float32))
    cpu.fill_tracks(tracks, row, start, reverse, stranded, scale, out)
    return out


def _check(
    array: npt.NDArray[Any],
    n_axes: int,
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    reverse: npt.NDArray[np.bool_],
    width: int,
) -> None:
    if array.ndim != n_axes or (n_axes == 2 and array.dtype != np.uint8):
        raise ValueError(
            f"rows must have {n_axes} axes{', of uint8' if n_axes == 2 else ''}, "
            f"got {array.dtype} {array.shape}"
        )
    if row.dtype != np.int64 or start.dtype != np.int64 or reverse.dtype != np.bool_:
        raise ValueError(
            "row and start must be int64 and reverse bool, "
            f"got {row.dtype}, {start.dtype} and {reverse.dtype}"
        )
    if not row.shape == start.shape == reverse.shape == (len(row),):
        raise ValueError(
            "row, start and reverse must be of one length, "
            f"got {row.shape}, {start.shape} and {reverse.shape}"
        )
    if not 1 <= width <= array.shape[-1]:
        raise ValueError(f"width must be 1 to {array.shape[-1]}, got {width}")
    if not len(row):
        return
    if row.min() < 0 or row.max() >= len(array):
        raise ValueError(f"rows must be 0 to {len(array) - 1}, got {row.min()} to {row.max()}")
    if start.min() < 0 or start.max() > array.shape[-1] - width:
        raise ValueError(
            f"windows of {width} must lie inside {array.shape[-1]} bp, "
            f"got starts from {start.min()} to {start.max()}"
        )


def _out(
    out: npt.NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out must be {dtype} of {shape}, got {out.dtype} {out.shape}")
    return out
