"""The slow twin of `aligned_correlation`: both matrices are padded and correlated as a whole."""

import numpy as np
import numpy.typing as npt


def aligned_correlation_reference(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], min_overlap: int = 4
) -> tuple[float, int, int, bool]:
    """The best r, its union, where y starts from x's start, and whether y is reversed."""
    least = min(min_overlap, len(x), len(y))
    best = (-2.0, 0, 0, False)
    for minus in (False, True):
        laid = y[::-1, ::-1] if minus else y
        for offset in range(least - len(y), len(x) - least + 1):
            start, end = min(0, offset), max(len(x), offset + len(y))
            one, other = np.zeros((end - start, 4)), np.zeros((end - start, 4))
            one[-start : len(x) - start] = x
            other[offset - start : offset - start + len(y)] = laid
            one, other = one - one.mean(), other - other.mean()
            size = np.sqrt((one * one).sum() * (other * other).sum())
            r = float((one * other).sum() / size) if size > 1e-9 else 0.0
            if r > best[0] + 1e-9:
                best = (r, end - start, offset, minus)
    return best
