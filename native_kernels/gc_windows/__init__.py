"""GC of windows of one width.

    gc[w]    = #{j in [start[w], start[w] + width) : codes[j] is C or G}
    known[w] = #{j in [start[w], start[w] + width) : codes[j] is A, C, G or T}

Windows may overlap and come in any order.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.gc_windows import cpu
from native_kernels.gc_windows.reference import gc_windows_reference

__all__ = ["gc_windows", "gc_windows_reference"]

Counts = npt.NDArray[np.int32]


def gc_windows(
    codes: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], width: int
) -> tuple[Counts, Counts]:
    """Count C and G, and all known bases, of each window.

    Parameters
    ----------
    codes : uint8, shape (n_bases,)
        A C G T = 0 1 2 3, anything else above; fewer than 2^31.
    start : int64, shape (n_windows,)
        Window w is ``codes[start[w]:start[w] + width]``.
    width : int
        bp, at least 1.

    Returns
    -------
    gc, known : int32, shape (n_windows,)
    """
    if codes.dtype != np.uint8 or codes.ndim != 1 or start.dtype != np.int64 or start.ndim != 1:
        raise ValueError(
            "codes and start must be uint8 and int64 of one dimension, "
            f"got {codes.dtype} {codes.shape} and {start.dtype} {start.shape}"
        )
    if width < 1 or len(codes) >= 1 << 31:
        raise ValueError(f"width must be at least 1 and bases fewer than 2^31, got {width}")
    if len(start) and not 0 <= int(start.min()) <= int(start.max()) <= len(codes) - width:
        raise ValueError(f"windows of {width} must lie within {len(codes)} bases")
    gc, known = np.empty(len(start), np.int32), np.empty(len(start), np.int32)
    cpu.count_windows(codes, start, width, gc, known)
    return gc, known
