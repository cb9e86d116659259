"""Flat clusters of complete linkage: two clusters are as similar as their least similar members.

The most similar pair of clusters is merged, again and again, until none is similar enough. Here
the same is done along chains of nearest neighbours (F. Murtagh, Computer Journal 26, 1983), which
merge in another order to the same clusters, in time n^2. A cluster without a neighbour that is
similar enough never gets one, as members only make it less similar, and is left.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.complete_linkage import cpu
from native_kernels.complete_linkage.reference import complete_linkage_reference

__all__ = ["complete_linkage", "complete_linkage_reference"]


def complete_linkage(
    similarity: npt.NDArray[np.float32], n: int, least: float
) -> npt.NDArray[np.int64]:
    """Cluster so that all members of a cluster are at least `least` similar.

    Parameters
    ----------
    similarity : float32, shape (n (n - 1) / 2,)
        That of i with j < i at i (i - 1) / 2 + j; overwritten. The larger, the more similar.
    n : int
    least : float

    Returns
    -------
    cluster : int64, shape (n,)
        From 0, in the order of the clusters' first members.

    Notes
    -----
    Of equal similarities the one that made the chain is taken, else the first item's; which
    clusters ties end in depends on the order of the items, and on nothing else.
    """
    if similarity.dtype != np.float32 or similarity.shape != (n * (n - 1) // 2,):
        raise ValueError(
            f"similarity must be float32 of {n * (n - 1) // 2} pairs, got {similarity.dtype} "
            f"{similarity.shape}"
        )
    parent = np.arange(n)
    cpu.merge(similarity, float(np.float32(least)), parent)
    cluster = np.empty(n, np.int64)
    cpu.number(parent, cluster)
    return cluster
