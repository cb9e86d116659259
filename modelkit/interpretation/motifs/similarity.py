"""How alike contribution matrices are: the p-value of their best aligned correlation.

Of every pair the best Pearson correlation over offsets and both strands is taken
(`native_kernels.aligned_correlation`), and its two-sided p-value by Student's t,

    t = r sqrt(n - 2) / sqrt(1 - r^2)        n = 4 union entries, n - 2 degrees of freedom.

A score is -log10 of a distance, and the distance is that p; of r < 0 it is 2 - p, more than 1.
So a distance is twice the one-sided p-value, and the best of many alignments is not corrected
for: it compares pairs of different lengths, it is no chance of anything (bpAI-TAC, Supplementary
Methods; its helper takes n - 1 degrees of freedom).
"""

from collections.abc import Sequence
from contextlib import closing
from functools import cache

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.parallel import Progress, available_threads, in_order
from native_kernels.aligned_correlation import Correlations

__all__ = ["MIN_OVERLAP", "aligned_p", "score_tables", "similarities"]

MIN_OVERLAP = 4  # bp
MOST = 100_000  # matrices: 20 GB of scores

STEP = 1 / 2048  # of sqrt(-log(1 - r^2)): scores in between are off by less than 1e-5
LAST = 4.0  # 1 - r^2 = 1e-7, what float32 can tell from 0

UNIONS = 32  # tables are kept for multiples of it
ROWS = 64  # of a piece of work

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def aligned_p(r: npt.ArrayLike, union: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Two-sided p-value of a correlation `r` over 4 x `union` entries.

    It is the regularised incomplete beta function I(1 - r^2; (n - 2) / 2, 1 / 2).
    """
    from scipy.special import betainc

    df = 4 * np.asarray(union, np.float64) - 2
    p: npt.NDArray[np.float64] = betainc(df / 2, 0.5, 1 - np.square(np.asarray(r, np.float64)))
    return p


@cache
def score_tables(longest_union: int) -> npt.NDArray[np.float64]:
    """-log10 p for each union to `longest_union`, at sqrt(-log(1 - r^2)) = 0, STEP, .. LAST."""
    none = np.zeros(round(LAST / STEP) + 1)
    return np.stack([none, *map(_score_table, range(1, longest_union + 1))])


@cache
def _score_table(union: int) -> npt.NDArray[np.float64]:
    """-log10 p of one union.

    Far out p is too small for a float: there its series is taken, x^a / (a B(a, 1/2)) F(a, 1/2;
    a + 1; x) with x = 1 - r^2 and a = (n - 2) / 2.
    """
    from scipy.special import betainc, betaln, hyp2f1

    at = np.arange(round(LAST / STEP) + 1) * STEP
    x = np.exp(-at * at)
    a = (4 * union - 2) / 2
    p = betainc(a, 0.5, x)
    small = p < 1e-200
    table = np.zeros(len(at))
    table[~small] = -np.log10(p[~small])
    series = np.log(hyp2f1(a, 0.5, a + 1, x[small]))
    tail = -a * at[small] ** 2 - np.log(a) - betaln(a, 0.5) + series
    table[small] = -tail / np.log(10)
    return table


def similarities(
    matrices: Sequence[Floats],
    *,
    min_overlap: int = MIN_OVERLAP,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Floats, Ints]:
    """Scores of all pairs.

    Parameters
    ----------
    matrices : sequence of float32, shape (length, 4)
    min_overlap : int
        Positions; of a shorter matrix all.
    threads : int, optional
        By default the processors this process may use. Same bits for any number.
    progress : callable, optional
        Called with (done, of) in pairs.

    Returns
    -------
    score : float32, shape (n (n - 1) / 2,)
        Of the matrices in the order below: that of i with j < i at i (i - 1) / 2 + j.
    order : int64, shape (n,)
        The matrices by length; of one length as they were.

    Raises
    ------
    InputError
        More than 100,000 matrices.
    """
    n = len(matrices)
    if n > MOST:
        raise InputError(
            f"found {n:,} seqlets, expected at most {MOST:,}: all pairs are held in memory; take "
            "a higher cut-off or fewer targets"
        )
    order = np.argsort([len(each) for each in matrices], kind="stable").astype(np.int64)
    correlations = Correlations([matrices[i] for i in order.tolist()], min_overlap)
    tables = score_tables(-(-correlations.longest_union // UNIONS) * UNIONS)
    scores = np.empty(n * (n - 1) // 2, np.float32)

    def fill(low: int) -> int:
        high = min(low + ROWS, n)
        correlations.fill(low, high, tables, STEP, scores)
        return high

    workers = available_threads() if threads is None else threads
    # the long rows first: no thread is left with one of them at the end
    pieces = in_order(fill, range((n - 1) // ROWS * ROWS, -1, -ROWS), workers)
    done = 0
    with closing(pieces):
        for high in pieces:
            low = (high - 1) // ROWS * ROWS
            done += (high * (high - 1) - low * (low - 1)) // 2
            if progress is not None:
                progress(done, len(scores))
    return scores, order
