"""Fisher's exact test of many tables at once, for P-values below what a double can hold.

    [[a, b], [c, d]]  =  [[top windows of the word, of other words],
                          [other windows of the word, of other words]]

    odds ratio = a d / (b c)
    P = sum over x >= a of  C(n, x) C(N - n, T - x) / C(N, T)      n = a + c, T = a + b, N = all

The sum is taken as its first term times 1 + r_1 + r_1 r_2 + ..., r the ratio of a term to the one
before it: where the terms grow from `a` on, that of the other end, and P is what it leaves of 1.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["greater", "odds_ratios"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEGLIGIBLE = 1e-18  # of the sum so far: what follows is smaller still


def odds_ratios(a: Ints, n: Ints, n_top: int, n_all: int) -> Floats:
    """Of each word, float64 (m,); infinite where b or c is 0, NaN where the word is not there.

    Parameters
    ----------
    a, n : int64, shape (m,)
        Top windows of each word, and all of them.
    n_top, n_all : int
        Top windows, and all.
    """
    within, without = a.astype(np.float64), (n - a).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = within * (n_all - n_top - without) / ((n_top - within) * without)
    return found


def greater(a: Ints, n: Ints, n_top: int, n_all: int) -> Floats:
    """Natural logarithm of the one-sided P of each word, float64 (m,): the hypergeometric chance
    of `a` or more top ones among n.

    Parameters
    ----------
    a, n, n_top, n_all
        As of `odds_ratios`.

    Notes
    -----
    Terms are of logarithms of factorials: with N of 1e7 P is true to about 1e-7 of itself.
    """
    x, of = a.astype(np.float64), n.astype(np.float64)
    mode = np.floor((n_top + 1) * (of + 1) / (n_all + 2))
    least = np.maximum(0, n_top + of - n_all)
    found = np.zeros(len(x))  # P is 1 where no table has less
    above = x > mode
    some = np.flatnonzero(above)
    found[some] = _log_sum(x[some], of[some], n_top, n_all, up=True)
    some = np.flatnonzero(~above & (x > least))
    below = _log_sum(x[some] - 1, of[some], n_top, n_all, up=False)
    found[some] = np.log1p(-np.exp(np.minimum(below, 0)))
    return np.minimum(found, 0)


def _log_sum(x: Floats, n: Floats, n_top: int, n_all: int, *, up: bool) -> Floats:
    """Logarithm of the sum of terms from x on, up or down, away from the mode."""
    others = n_all - n
    first = _log_choose(n, x) + _log_choose(others, n_top - x) - _log_choose(n_all, n_top)
    total, term = np.ones(len(x)), np.ones(len(x))
    while len(term) and (term > NEGLIGIBLE * total).any():
        if up:
            term = term * (n - x) * (n_top - x) / ((x + 1) * (others - n_top + x + 1))
            x = x + 1
        else:
            term = term * x * (others - n_top + x) / ((n - x + 1) * (n_top - x + 1))
            x = x - 1
        total = total + term
    found: Floats = first + np.log(total)
    return found


def _log_choose(n: Floats | int, k: Floats | int) -> Floats:
    from scipy.special import gammaln

    found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found
