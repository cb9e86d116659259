"""Numba loops of `complete_linkage`. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


@jit
def merge(similarity: F32, least: float, parent: I64) -> None:
    """Set parent[i] to the item that i was merged into, itself for what a cluster ends as.

    A cluster lives on at the larger of two items: of its row more lies side by side. `alive` is
    an ascending list of clusters that may still be merged.
    """
    n = parent.shape[0]
    alive = np.arange(n)
    n_alive = n
    waiting = np.ones(n, np.bool_)
    chain = np.empty(n, np.int64)
    depth = 0
    item = 0
    while True:
        if depth == 0:
            while item < n and not waiting[item]:
                item += 1
            if item == n:
                break
            chain[0] = item
            depth = 1
        a = chain[depth - 1]
        row = a * (a - 1) // 2
        nearest, most = -1, np.float32(-np.inf)
        if depth > 1:
            nearest = chain[depth - 2]
            i, j = max(a, nearest), min(a, nearest)
            most = similarity[i * (i - 1) // 2 + j]
        for k in range(n_alive):
            c = alive[k]
            if c < a:
                value = similarity[row + c]
            elif c > a:
                value = similarity[c * (c - 1) // 2 + a]
            else:
                continue
            if value > most:
                nearest, most = c, value
        if nearest < 0 or most < least:  # only the first of a chain: the others have one before
            waiting[a] = False
            depth -= 1
            gone = a
        elif depth > 1 and nearest == chain[depth - 2]:
            kept, gone = max(a, nearest), min(a, nearest)
            for k in range(n_alive):
                c = alive[k]
                if c in (kept, gone):
                    continue
                i, j = max(c, kept), min(c, kept)
                at = i * (i - 1) // 2 + j
                i, j = max(c, gone), min(c, gone)
                similarity[at] = min(similarity[at], similarity[i * (i - 1) // 2 + j])
            parent[gone] = kept
            waiting[gone] = False
            depth -= 2
        else:
            chain[depth] = nearest
            depth += 1
            continue
        to = 0
        for k in range(n_alive):
            if alive[k] != gone:
                alive[to] = alive[k]
                to += 1
        n_alive = to


@jit
def number(parent: I64, cluster: I64) -> None:
    """Number clusters by their first members; a parent is larger than its children."""
    n = parent.shape[0]
    for i in range(n - 1, -1, -1):
        parent[i] = parent[parent[i]]
        cluster[i] = -1
    found = 0
    for i in range(n):
        root = parent[i]
        if cluster[root] < 0:
            cluster[root] = found
            found += 1
        if i != root:
            cluster[i] = cluster[root]
