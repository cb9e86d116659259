"""The k-mers that settings have in common to show: figure 3 of Zheng et al. (2021).

Their rule: of each setting the 50 5-mers with the largest odds ratio in any factor, all settings'
together; odds ratios of P > 0.01 are 0; 5-mers and factors are in the order in which the first
setting's odds ratios cluster, in every setting's heatmap; colours end at 10.

Not said there: that odds ratios are 0 before the 50 are taken, so that a rare word is not among
them by chance (as in the authors' notebook); that ties go to the smaller P, then by the alphabet;
and that clusters are those of the mean Euclidean distance between rows, and between columns, of the
odds ratios up to 10, an infinite one having no distance.

S = settings, T = factors, W = words.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Merged", "clustered", "merged"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Merged(NamedTuple):
    """What is shown.

    Attributes
    ----------
    factors, words : int64
        In their order.
    odds : float64, shape (S, T, W)
        Odds ratios, 0 of larger P, with all factors and words; NaN where a setting lacks a factor.
    """

    factors: Ints
    words: Ints
    odds: Floats


def merged(odds: Floats, log_p: Floats, *, top: int, p: float, cap: float) -> Merged:
    """Choose and order the words that are shown.

    Parameters
    ----------
    odds, log_p : float64, shape (S, T, W)
        Odds ratio and natural logarithm of P, NaN where a setting lacks a factor.
    top : int
        Words of each setting.
    p : float
        Largest P of an odds ratio that is not 0.
    cap : float
        Largest odds ratio that clusters tell apart.
    """
    there = ~np.isnan(log_p)
    shown = np.where(there & (log_p <= np.log(p)), odds, 0.0)
    best = shown.max(1)
    least = np.where(there, log_p, 0.0).min(1)
    chosen: set[int] = set()
    for s in range(len(odds)):
        order = np.lexsort((np.arange(odds.shape[2]), least[s], -best[s]))[:top]
        chosen |= {int(w) for w in order if best[s, w] > 0}
    words = np.array(sorted(chosen), np.int64)
    first = there[0].any(1)
    base = np.minimum(shown[0][first][:, words], cap)
    factors = np.concatenate([np.flatnonzero(first)[clustered(base)], np.flatnonzero(~first)])
    return Merged(factors, words[clustered(base.T)], np.where(there, shown, np.nan))


def clustered(values: Floats) -> Ints:
    """Rows in the order of their clusters: mean Euclidean distance (UPGMA), int64 (n,)."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(values) < 3 or not values.shape[1]:
        return np.arange(len(values))
    order: Ints = leaves_list(linkage(values, "average")).astype(np.int64)
    return order
