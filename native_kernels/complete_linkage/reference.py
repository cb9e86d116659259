"""The slow twin of `complete_linkage`: the most similar pair of all is merged, with sets."""

import numpy as np
import numpy.typing as npt


def complete_linkage_reference(
    similarity: npt.NDArray[np.float32], n: int, least: float
) -> npt.NDArray[np.int64]:
    """`complete_linkage`, slowly; similarities must differ."""

    def between(one: set[int], other: set[int]) -> float:
        pairs = [(max(i, j), min(i, j)) for i in one for j in other]
        return min(float(similarity[i * (i - 1) // 2 + j]) for i, j in pairs)

    clusters = [{i} for i in range(n)]
    while len(clusters) > 1:
        found = [
            (between(one, other), a, b)
            for a, one in enumerate(clusters)
            for b, other in enumerate(clusters[:a])
        ]
        most, a, b = max(found)
        if most < np.float32(least):
            break
        clusters[b] |= clusters.pop(a)
    cluster = np.empty(n, np.int64)
    for number, members in enumerate(sorted(clusters, key=min)):
        cluster[sorted(members)] = number
    return cluster
