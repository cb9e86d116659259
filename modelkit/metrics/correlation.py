"""Correlation of many pairs of rows at once."""

import numpy as np
import numpy.typing as npt

from modelkit.metrics._rows import Floats, by_rows

__all__ = ["is_constant", "pearson", "spearman"]


def pearson(x: npt.ArrayLike, y: npt.ArrayLike, axis: int = -1) -> Floats:
    """Pearson's r of each row of `x` with that of `y`.

    Parameters
    ----------
    x, y : numbers, shape (..., n)
        Broadcast against each other.
    axis : int
        Along which a row lies.

    Returns
    -------
    r : float64, the shape without `axis`
        0.0 where a row is constant: it explains nothing, and left out it would flatter a model
        that is dead in places. `is_constant` counts such rows. NaN where a row holds NaN or
        infinity.
    """
    return by_rows(_pearson, x, y, axis=axis)


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, axis: int = -1) -> Floats:
    """Spearman's rho of each row: `pearson` of the ranks.

    Ties get the average of their ranks. (The released code of bpAI-TAC ranks them by their order.)
    """

    def of_ranks(x: Floats, y: Floats) -> Floats:
        from scipy.stats import rankdata

        r = _pearson(rankdata(x, axis=1), rankdata(y, axis=1))
        return np.where(np.isfinite(x).all(1) & np.isfinite(y).all(1), r, np.nan)

    return by_rows(of_ranks, x, y, axis=axis)


def is_constant(x: npt.ArrayLike, axis: int = -1) -> npt.NDArray[np.bool_]:
    """Whether all values of a row are equal, bit for bit; of one with NaN, False."""
    values = np.asarray(x)
    return np.asarray(values.max(axis=axis) == values.min(axis=axis))


def _pearson(x: Floats, y: Floats) -> Floats:
    r: Floats = np.einsum("ij,ij->i", _standardised(x), _standardised(y))
    return np.clip(r, -1.0, 1.0)


def _standardised(x: Floats) -> Floats:
    """Rows of mean 0 and length 1; zeros where constant, whatever their mean is rounded to."""
    constant = is_constant(x)
    with np.errstate(invalid="ignore"):
        centred = x - x.mean(axis=1, keepdims=True)
        centred = _divided(centred, np.abs(centred).max(axis=1))  # so that squares do not vanish
        centred = _divided(centred, np.linalg.norm(centred, axis=1))
    centred[constant] = 0.0
    return centred


def _divided(rows: Floats, by: Floats) -> Floats:
    found: Floats = rows / np.where(by == 0, 1.0, by)[:, None]
    return found
