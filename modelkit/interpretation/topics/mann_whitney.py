"""One-sided Mann-Whitney U tests of every factor and topic, against the top of all other probes.

Algorithm 1 of Kshirsagar et al. (2021), of a factor t and a topic m:

    a = values of the probes of t
    b = the largest ceil(top * n) of the n values of all other probes
    U = sum over a and b of [a > b] + [a = b] / 2
    p = P(N(0, 1) > (U - |a| |b| / 2 - 1/2) / s)
    s^2 = |a| |b| / 12 ((n + 1) - sum over ties (c^3 - c) / (n (n - 1)))    n = |a| + |b|

as `scipy.stats.mannwhitneyu` has it with method "asymptotic" and alternative "greater". The values
of a topic are sorted once, and not once for each factor: leaving out the probes of a factor moves
a value up by as many places as it has probes above it.

N = probes, T = factors, M = topics.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Tests", "top_mann_whitney", "top_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tests(NamedTuple):
    """Of every factor and topic, float64 of shape (T, M).

    Attributes
    ----------
    u : float64
        Of the factor's probes; whole or half numbers.
    p : float64
        That U is so large by chance, with a correction for ties and continuity.
    effect : float64
        U / (|a| |b|): how often a value of the factor is above one of the others; 1/2 by chance.
    """

    u: Floats
    p: Floats
    effect: Floats


def top_of(share: float, n: Ints) -> Ints:
    """ceil(share * n), of the share as it is written: 5 % of 140 is 7, not 8."""
    exact = Fraction(repr(float(share)))
    # whole numbers of Python: 16 digits times the probes are more than int64 holds
    found = [-(-each * exact.numerator // exact.denominator) for each in n.tolist()]
    return np.array(found, np.int64)


def top_mann_whitney(values: Floats, labels: Ints, n_factors: int, top: float) -> Tests:
    """Test every factor and topic.

    Parameters
    ----------
    values : float64, shape (N, M)
        Without NaN.
    labels : int64, shape (N,)
        Factor of each probe, 0 to T - 1; each factor has a probe, and there are two or more.
    n_factors : int
        T.
    top : float
        Share of the other probes that a factor is compared with, above 0 and at most 1.
    """
    from scipy.special import ndtr

    n_probes = np.bincount(labels, minlength=n_factors)
    n_top = top_of(top, len(labels) - n_probes)
    u, ties = np.empty((2, n_factors, values.shape[1]))
    for m in range(values.shape[1]):
        u[:, m], ties[:, m] = _one_topic(values[:, m], labels, n_probes, n_top)
    a, b = (each[:, None].astype(np.float64) for each in (n_probes, n_top))
    n = a + b
    # of values that are all equal the difference is 0, and by rounding may be below
    deviation = np.sqrt(a * b / 12 * np.maximum((n + 1) - ties / (n * (n - 1)), 0))
    with np.errstate(divide="ignore"):  # of values that are all equal there is no deviation: p = 1
        z = (u - a * b / 2 - 0.5) / deviation
    return Tests(u, ndtr(-z), u / (a * b))


def _one_topic(values: Floats, labels: Ints, n_probes: Ints, n_top: Ints) -> tuple[Floats, Floats]:
    """U and the sum of c^3 - c over ties, of each factor; shape (T,).

    A group are probes of one value, a run those of one factor among them. Groups count from the
    largest value down.
    """
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    new_group = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(new_group) - 1
    group_start = np.flatnonzero(new_group)
    group_size = np.diff(group_start, append=len(values))

    place = np.argsort(labels[order], kind="stable")  # by factor, then from the largest down
    factor, in_group = labels[order][place], group[place]
    factor_start = np.cumsum(n_probes) - n_probes
    within = np.arange(len(values)) - factor_start[factor]  # of the factor's, so many are before
    changes = (factor[1:] != factor[:-1]) | (in_group[1:] != in_group[:-1])
    run = np.flatnonzero(np.concatenate([[True], changes]))
    run_size = np.diff(run, append=len(values))
    run_factor, run_group = factor[run], in_group[run]

    above = group_start[run_group] - within[run]  # other probes with a larger value
    not_below = above + group_size[run_group] - run_size
    k = n_top[run_factor]
    top_above, top_not_below = np.minimum(above, k), np.minimum(not_below, k)
    twice = run_size * (2 * k - top_above - top_not_below)
    u = np.add.reduceat(twice, np.searchsorted(run_factor, np.arange(len(n_probes)))) / 2

    # the group of the last of the top: all of larger values take part whole
    before_last = np.add.reduceat(place - within < n_top[factor], factor_start)
    last = group[n_top - 1 + before_last]
    whole = np.concatenate([[0.0], np.cumsum(_cubes(group_size))])[last]
    in_larger = np.bincount(
        run_factor, weights=run_size * (run_group < last[run_factor]), minlength=len(n_probes)
    )
    is_last = run_group == last[run_factor]
    of_last = np.bincount(run_factor, weights=run_size * is_last, minlength=len(n_probes))
    at_last = of_last + n_top - (group_start[last] - in_larger)
    smaller = np.bincount(
        run_factor,
        weights=_cubes(run_size) * (run_group > last[run_factor]),
        minlength=len(n_probes),
    )
    return u, whole + _cubes(at_last) + smaller


def _cubes(count: npt.NDArray[np.generic]) -> Floats:
    c = count.astype(np.float64)
    found: Floats = c**3 - c
    return found
