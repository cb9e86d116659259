"""Tn5 cut sites of one contig as windows of counts per base.

    out[w, j]    = sum of count[i] over the cuts i with position[i] = start[w] + j
    out[w, s, j] = the same, of the cuts on strand s (0 plus, 1 minus)

Windows may overlap, come in any order, and reach past either end of the contig, where no cuts are.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from native_kernels.cut_profile import cpu, gpu
from native_kernels.cut_profile.reference import cut_profile_reference

__all__ = ["cut_profile", "cut_profile_reference"]

INT64_MAX = (1 << 63) - 1

Device = Literal["cpu", "cuda"]
Strands = Literal["sum", "split"]


def cut_profile(
    position: npt.NDArray[np.int64],
    strand: npt.NDArray[np.uint8],
    count: npt.NDArray[np.uint32],
    start: npt.NDArray[np.int64],
    width: int,
    *,
    strands: Strands = "sum",
    dtype: npt.DTypeLike = np.int32,
    out: npt.NDArray[Any] | None = None,
    device: Device = "cpu",
) -> npt.NDArray[Any]:
    """Counts of cuts at each base of each window.

    Parameters
    ----------
    position : int64, shape (n_cuts,)
        0-based, bp; cuts ascend by (position, strand) and may repeat, which adds.
    strand : uint8, shape (n_cuts,)
        0 plus, 1 minus.
    count : uint32, shape (n_cuts,)
    start : int64, shape (n_windows,)
        Window w is ``[start[w], start[w] + width)``.
    width : int
        bp, at least 1.
    strands : "sum" or "split"
        Add the strands, or keep them apart.
    dtype : integer type
        Of the result, where `out` is not given.
    out : integer array of the result's shape, optional
        Overwritten and returned; need not be contiguous. Undefined after an OverflowError.
    device : "cpu" or "cuda"
        Numba or CuPy; the same bits from both.

    Returns
    -------
    counts : shape (n_windows, width), or (n_windows, 2, width) of split strands

    Raises
    ------
    OverflowError
        A count does not fit the type of the result.
    """
    _check(position, strand, count, start, width)
    if strands not in ("sum", "split"):
        raise ValueError(f"strands must be 'sum' or 'split', got {strands!r}")
    split = strands == "split"
    shape = (len(start), 2, width) if split else (len(start), width)
    if out is None:
        out = np.empty(shape, dtype)
    if out.shape != shape or out.dtype.kind not in "iu":
        raise ValueError(f"out must be of integers and {shape}, got {out.dtype} {out.shape}")
    limit = min(int(np.iinfo(out.dtype).max), INT64_MAX)
    channels = out if split else out[:, None, :]
    if device == "cuda":
        channels[...] = _on_gpu(
            position, strand, count, start, width=width, split=split, limit=limit, dtype=out.dtype
        )
        return out
    full = cpu.fill_windows(position, strand, count, start, split, limit, channels)
    if full >= 0:
        raise OverflowError(
            f"the window at {start[full]} has a base with more cuts than {limit}, "
            f"the most that {out.dtype} holds"
        )
    return out


def _check(
    position: npt.NDArray[np.int64],
    strand: npt.NDArray[np.uint8],
    count: npt.NDArray[np.uint32],
    start: npt.NDArray[np.int64],
    width: int,
) -> None:
    for name, array, dtype in (
        ("position", position, np.int64),
        ("strand", strand, np.uint8),
        ("count", count, np.uint32),
        ("start", start, np.int64),
    ):
        if array.dtype != dtype or array.ndim != 1:
            raise ValueError(
                f"{name} must be {np.dtype(dtype)} of one dimension, "
                f"got {array.dtype} {array.shape}"
            )
    if not len(position) == len(strand) == len(count):
        raise ValueError(
            "position, strand and count must be of one length, "
            f"got {len(position)}, {len(strand)} and {len(count)}"
        )
    misplaced = cpu.first_misplaced(position, strand)
    if misplaced >= 0:
        raise ValueError(
            f"cuts must ascend by (position, strand) and strands be 0 or 1; cut {misplaced} "
            f"is at {position[misplaced]} on strand {strand[misplaced]}"
        )
    if not 1 <= width <= INT64_MAX:
        raise ValueError(f"width must be at least 1, got {width}")
    if len(start) and int(start.max()) > INT64_MAX - width:
        raise ValueError(f"windows must end below 2**63, got a start of {start.max()}")


def _on_gpu(*arrays: npt.NDArray[Any], **options: Any) -> Any:
    import cupy

    return cupy.asnumpy(gpu.fill_windows_arrays(cupy, *map(cupy.asarray, arrays), **options))
