"""How far profiles are from each other, and how much totals vary between tasks."""

import numpy as np
import numpy.typing as npt

from modelkit.metrics._rows import Floats, by_rows

__all__ = ["EPSILON", "coefficient_of_variation", "cross_entropy", "cv_quartile", "jensen_shannon"]

EPSILON = 1e-15  # added to predicted probabilities (bpAI-TAC, released code)
PARTS = (0.25, 0.5, 0.75)


def jensen_shannon(p: npt.ArrayLike, q: npt.ArrayLike, axis: int = -1) -> Floats:
    """Jensen-Shannon divergence of each pair of rows, in bits: 0 equal, 1 disjoint.

    Parameters
    ----------
    p, q : numbers >= 0, shape (..., n)
        Counts or probabilities; rows are divided by their sums. Broadcast against each other.
    axis : int
        Along which a row lies.

    Returns
    -------
    divergence : float64, the shape without `axis`
        Not its square root, which SciPy's `jensenshannon` gives. NaN where a row has the sum 0: it
        has no distribution.
    """
    return by_rows(_jensen_shannon, p, q, axis=axis)


def cross_entropy(counts: npt.ArrayLike, probabilities: npt.ArrayLike, axis: int = -1) -> Floats:
    """-sum of p ln q of each row, in nats; p are counts divided by their sum.

    Parameters
    ----------
    counts : numbers >= 0, shape (..., n)
    probabilities : numbers >= 0, shape (..., n)
        Predicted; `EPSILON` is added and they are divided by their sum again, so that a count where
        none was expected costs 34.5 and not infinity. Broadcast against the counts.
    axis : int
        Along which a row lies.

    Returns
    -------
    cross_entropy : float64, the shape without `axis`
        0.0 where there are no counts, as in the loss (bpAI-TAC); times the row's counts it is the
        multinomial negative log-likelihood without its constant.
    """
    return by_rows(_cross_entropy, counts, probabilities, axis=axis)


def coefficient_of_variation(x: npt.ArrayLike, axis: int = -1) -> Floats:
    """Population standard deviation over mean of each row; NaN where the mean is 0."""

    def of_rows(rows: Floats) -> Floats:
        mean = rows.mean(axis=1)
        found: Floats = rows.std(axis=1) / np.where(mean == 0, np.nan, mean)
        return found

    return by_rows(of_rows, x, axis=axis)


def cv_quartile(x: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Quartile of each region's coefficient of variation across tasks (bpAI-TAC).

    Parameters
    ----------
    x : numbers, shape (n, tasks)
        Observed totals.

    Returns
    -------
    quartile : int64, shape (n,)
        0 (the same everywhere) to 3 (most specific), cut at 25, 50 and 75 %, a value on a cut below
        it; -1 where the mean is 0, which has no coefficient and no part in the cuts.
    """
    variation = coefficient_of_variation(x)
    known = np.isfinite(variation)
    quartile = np.full(len(variation), -1, np.int64)
    if known.any():
        cuts = np.quantile(variation[known], PARTS)
        quartile[known] = np.searchsorted(cuts, variation[known], side="left")
    return quartile


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    from scipy.special import rel_entr

    p, q = _divided(p), _divided(q)
    middle = (p + q) / 2
    bits: Floats = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / (2 * np.log(2))
    return np.clip(bits, 0.0, 1.0)


def _cross_entropy(counts: Floats, probabilities: Floats) -> Floats:
    _check(probabilities)
    p, q = _divided(counts), probabilities + EPSILON
    found: Floats = -(p * np.log(q / q.sum(axis=1, keepdims=True))).sum(axis=1)
    return np.where((counts == 0).all(axis=1), 0.0, found)


def _divided(rows: Floats) -> Floats:
    """By their sums; NaN where that is 0."""
    _check(rows)
    total = rows.sum(axis=1, keepdims=True)
    found: Floats = rows / np.where(total == 0, np.nan, total)
    return found


def _check(rows: Floats) -> None:
    if (rows < 0).any():
        raise ValueError(f"found {rows.min()}, expected counts or probabilities, none below 0")
