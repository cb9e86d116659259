"""Clustering alone: `python -m bench.seqlets_alone N ours|scipy` prints seconds and facts.

The loops are compiled, or read from Numba's cache, before the clock starts.
"""

import hashlib
import json
import sys
import time

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from bench.peers import THREADS
from modelkit.interpretation.motifs.clusters import cluster_seqlets
from modelkit.interpretation.motifs.similarity import similarities

THRESHOLD = 0.05
LONGEST = 29  # bp

Labels = npt.NDArray[np.int64]


def some_seqlets(n: int) -> list[npt.NDArray[np.float32]]:
    """Noisy parts, 4 to 29 bp on either strand, of 200 patterns: longer than bpAI-TAC's are."""
    rng = np.random.default_rng([7, n])
    sharp = np.where(rng.random((200, 30, 1)) < 0.6, 2.0, 0.3)
    patterns = rng.normal(size=(200, 30, 4)) * sharp
    found = []
    for _ in range(n):
        length = int(rng.integers(4, LONGEST + 1))
        at = int(rng.integers(0, 31 - length))
        part = patterns[rng.integers(200), at : at + length] + rng.normal(0, 0.6, (length, 4))
        part -= part.mean(1, keepdims=True)
        part = part if rng.random() < 0.5 else part[::-1, ::-1]
        found.append(np.ascontiguousarray(part / np.abs(part).max(), np.float32))
    return found


def ours(matrices: list[npt.NDArray[np.float32]]) -> Labels:
    """Clusters, with their motifs."""
    labels = np.empty(len(matrices), np.int64)
    for number, each in enumerate(cluster_seqlets(matrices, THRESHOLD, threads=THREADS)):
        labels[each.members] = number
    return labels


def scipy(matrices: list[npt.NDArray[np.float32]]) -> Labels:
    """The same clusters by SciPy's linkage, of our distances; without motifs."""
    scores, order = similarities(matrices, threads=THREADS)
    n = len(matrices)
    square = np.zeros((n, n))
    square[np.tril_indices(n, -1)] = scores
    distances = -square.T[np.triu_indices(n, 1)]
    del square
    by_length = fcluster(
        linkage(distances - distances.min(), "complete"),
        np.log10(THRESHOLD) - distances.min(),
        "distance",
    )
    labels = np.empty(n, np.int64)
    labels[order] = by_length
    return labels


def checksum(labels: Labels) -> str:
    """Of who is with whom: the first member of everybody's cluster."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return hashlib.sha256(first[number].astype("<i8").tobytes()).hexdigest()[:16]


def main(n: int, how: str) -> None:
    """Cluster n seqlets."""
    cluster = {"ours": ours, "scipy": scipy}[how]
    matrices = some_seqlets(n)
    cluster(matrices[:200])
    start = time.perf_counter()
    labels = cluster(matrices)
    seconds = time.perf_counter() - start
    facts = {"clusters": len(set(labels.tolist())), "checksum": checksum(labels)}
    print(json.dumps({"seconds": seconds, **facts}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
