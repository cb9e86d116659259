"""Clusters of seqlets by complete linkage, and the motif that each of them makes.

All members of a cluster have an aligned correlation of p <= threshold with each other. They are
laid over a seed, the member whose scores with the others (-log10 p) sum to the most, and averaged
to a contribution weight matrix (CWM), 0 where one of them is not. Its positive part makes the
position frequency matrix (PFM), normalised at each position, uniform where nothing is positive.
Leading and trailing positions with less than 5 % of the most that one has are taken off both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.parallel import Progress
from modelkit.interpretation.motifs.similarity import MIN_OVERLAP, similarities
from native_kernels.aligned_correlation import align
from native_kernels.complete_linkage import complete_linkage

__all__ = ["Cluster", "average", "cluster_seqlets", "linked", "sort_clusters"]

TRIM = 0.05  # of the largest position

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Cluster(NamedTuple):
    """Seqlets laid over each other.

    Attributes
    ----------
    members : int64, shape (m,)
        Numbers of the seqlets, ascending.
    offset : int64, shape (m,)
        Where each starts, on the motif's strand, from the motif's start; may be below 0.
    minus : bool, shape (m,)
        The seqlet is laid as its reverse complement.
    cwm : float64, shape (length, 4)
        Average contributions.
    pfm : float64, shape (length, 4)
        Rows sum to 1.
    """

    members: Ints
    offset: Ints
    minus: Flags
    cwm: Matrix
    pfm: Matrix


def linked(
    matrices: Sequence[Floats],
    threshold: float,
    *,
    min_overlap: int = MIN_OVERLAP,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Ints:
    """Number of the cluster of each matrix, from 0 in the order of their first members.

    Parameters
    ----------
    matrices : sequence of float32, shape (length, 4)
    threshold : float
        Largest p-value of two members of a cluster; above 0, below 1.
    min_overlap, threads, progress
        See `modelkit.interpretation.motifs.similarity.similarities`.
    """
    if not 0 < threshold < 1:
        raise InputError(f"threshold: found {threshold}, expected more than 0 and less than 1")
    scores, order = similarities(
        matrices, min_overlap=min_overlap, threads=threads, progress=progress
    )
    by_length = complete_linkage(scores, len(matrices), -np.log10(threshold))
    found = np.empty(len(matrices), np.int64)
    found[order] = by_length
    _, first, number = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    renumbered: Ints = rank[number]
    return renumbered


def cluster_seqlets(
    matrices: Sequence[Floats],
    threshold: float,
    *,
    rounds: int = 1,
    min_overlap: int = MIN_OVERLAP,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Cluster]:
    """Cluster seqlets, and lay those of each cluster over each other.

    Parameters
    ----------
    matrices : sequence of float32, shape (length, 4)
    threshold : float
        Of p, see `linked`.
    rounds : int
        After the first round the clusters' CWMs are clustered in the same way, and so on.

    Returns
    -------
    list of Cluster
        Those of most members first, of as many those of the first seqlet.

    Notes
    -----
    A CWM is always the average of its seqlets, and not of the CWMs that it was made of.
    """
    if rounds < 1:
        raise InputError(f"rounds: found {rounds}, expected 1 or more")
    none, plus = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    found = []
    for i, matrix in enumerate(matrices):
        whole = np.asarray(matrix, np.float64)  # not trimmed: others are laid over all of it
        found.append(Cluster(np.array([i]), none, plus, whole, _pfm(whole)))
    for number in range(rounds):
        parts = [each.cwm.astype(np.float32) for each in found]
        label = linked(
            parts, threshold, min_overlap=min_overlap, threads=threads,
            progress=progress if number == 0 else None,
        )  # fmt: skip
        groups: list[list[int]] = [[] for _ in range(int(label.max(initial=-1)) + 1)]
        for i, group in enumerate(label.tolist()):
            groups[group].append(i)
        found = [_join(matrices, found, parts, group, min_overlap, threads) for group in groups]
    return sort_clusters(found)


def sort_clusters(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The largest first, of as many members by the first of them."""
    return sorted(clusters, key=lambda each: (-len(each.members), int(each.members[0])))


def _join(
    matrices: Sequence[Floats],
    found: list[Cluster],
    parts: list[Floats],
    group: list[int],
    min_overlap: int,
    threads: int | None,
) -> Cluster:
    """One cluster of several, whose parts were found to be alike."""
    several = [parts[i] for i in group]
    seed = _seed(several, min_overlap, threads)
    start, turned, _ = align(several[seed], several, min_overlap)
    members, offsets, minuses = [], [], []
    for i, at, is_turned, part in zip(group, start, turned, several, strict=True):
        cluster = found[i]
        offset, minus = cluster.offset, cluster.minus
        if is_turned:
            lengths = np.array([len(matrices[m]) for m in cluster.members])
            offset, minus = len(part) - offset - lengths, ~minus
        members.append(cluster.members)
        offsets.append(offset + at)
        minuses.append(minus)
    number = np.concatenate(members)
    order = np.argsort(number)
    return average(
        matrices, number[order], np.concatenate(offsets)[order], np.concatenate(minuses)[order]
    )


def _seed(parts: list[Floats], min_overlap: int, threads: int | None) -> int:
    """The part whose scores with the others sum to the most; of equal ones the first."""
    n = len(parts)
    if n <= 2:
        return 0
    scores, order = similarities(parts, min_overlap=min_overlap, threads=threads)
    sums = np.zeros(n)
    for i in range(1, n):
        row = scores[i * (i - 1) // 2 : i * (i + 1) // 2].astype(np.float64)
        sums[i] += row.sum()
        sums[:i] += row
    total = np.empty(n)
    total[order] = sums
    return int(np.argmax(total))


def average(matrices: Sequence[Floats], members: Ints, offset: Ints, minus: Flags) -> Cluster:
    """The cluster of seqlets that are laid at these offsets of one frame, trimmed."""
    starts, lengths = offset.tolist(), [len(matrices[m]) for m in members.tolist()]
    low = min(starts)
    high = max(start + length for start, length in zip(starts, lengths, strict=True))
    total = np.zeros((high - low, 4))
    for m, start, length, turned in zip(
        members.tolist(), starts, lengths, minus.tolist(), strict=True
    ):
        matrix = matrices[m][::-1, ::-1] if turned else matrices[m]
        total[start - low : start - low + length] += matrix
    kept = _kept(total)
    cwm = total[kept] / len(members)
    return Cluster(members, offset - low - kept.start, minus, cwm, _pfm(cwm))


def _kept(cwm: Matrix) -> slice:
    """Positions from the first to the last that has 5 % of the most positive one."""
    positive = np.maximum(cwm, 0).sum(1)
    if not positive.max() > 0:
        return slice(0, len(cwm))
    high = np.flatnonzero(positive >= TRIM * positive.max())
    return slice(int(high[0]), int(high[-1]) + 1)


def _pfm(cwm: Matrix) -> Matrix:
    positive = np.maximum(cwm, 0)
    total = positive.sum(1, keepdims=True)
    frequencies: Matrix = np.where(total > 0, positive / np.where(total > 0, total, 1), 0.25)
    return frequencies
