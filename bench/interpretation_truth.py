"""What is known of each base of the simulated regions, and how well scores of bases tell it.

A base *matters* if it lies in a motif that changes the cuts of a region: that of its pioneer, that
of a factor which is bound, and that of the co-factor beside it. Bases of motifs that do nothing
(sites that are not bound, decoys) are planted too; all others are background.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.simulators.atac_genome import (
    DECOY_NUMBER,
    FIRST_TF,
    NAMES,
    WORDS,
    Contig,
)
from kmerengine.simulators.sequences import consensus_matrix
from modelkit.metrics import auroc

__all__ = ["BACKGROUND", "IDLE", "MATTERS", "Planted", "aurocs", "match_scores", "planted"]

BACKGROUND, IDLE, MATTERS = 0, 1, 2
LEAST = 0.01  # a base's probability where a word does not allow it

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Planted(NamedTuple):
    """Motifs of regions.

    Attributes
    ----------
    kind : uint8, shape (regions, bp)
        `BACKGROUND`, `IDLE` or `MATTERS`.
    region, start, end, motif : int64, shape (sites,)
        The sites that matter and lie whole in a region: which region, where, number in `NAMES`.
    """

    kind: npt.NDArray[np.uint8]
    region: Ints
    start: Ints
    end: Ints
    motif: Ints


def planted(contigs: list[Contig], chroms: list[str], starts: Ints, length: int) -> Planted:
    """The motifs of regions of `length` bp from `starts` on."""
    by_name = {contig.name: contig for contig in contigs}
    kind = np.zeros((len(starts), length), np.uint8)
    found = []
    for i, (chrom, low) in enumerate(zip(chroms, starts.tolist(), strict=True)):
        sites = by_name[chrom].sites
        matters = does_something(sites)
        here = np.flatnonzero((sites.end > low) & (sites.start < low + length))
        for site in here[np.argsort(matters[here], kind="stable")]:
            first, last = sites.start[site] - low, sites.end[site] - low
            kind[i, max(first, 0) : last] = MATTERS if matters[site] else IDLE
            if matters[site] and first >= 0 and last <= length:
                found.append((i, first, last, sites.motif[site]))
    region, start, end, motif = np.array(found, np.int64).reshape(-1, 4).T
    return Planted(kind, region, start, end, motif)


def does_something(sites: object) -> npt.NDArray[np.bool_]:
    """Of each site: whether it changes the cuts."""
    motif, bound, of = (getattr(sites, name) for name in ("motif", "bound", "of"))
    found = (motif < FIRST_TF) | bound
    helps = of >= 0  # a co-factor's motif goes with a site
    found[helps] = bound[of[helps]]
    return np.asarray(found & (motif != DECOY_NUMBER), np.bool_)


def match_scores(codes: npt.NDArray[np.uint8]) -> Floats:
    """The best match of a true motif, on either strand, among those that cover each base.

    Log odds against uniform bases, in shares of the best that the motif can have: (regions, bp).
    """
    one_hot = np.eye(4)[codes]
    n, length = codes.shape
    best = np.full((n, length), -np.inf)
    for word in list(WORDS.values())[:DECOY_NUMBER]:
        matrix = np.log2(np.maximum(consensus_matrix(word), LEAST) / 0.25)
        top = matrix.max(axis=1).sum()
        for each in (matrix, matrix[::-1, ::-1]):
            width = len(each)
            windows = np.lib.stride_tricks.sliding_window_view(one_hot, width, axis=1)
            score = np.einsum("npbw,wb->np", windows, each) / top
            for offset in range(width):
                covered = best[:, offset : offset + score.shape[1]]
                np.maximum(covered, score, out=covered)
    return best


def aurocs(kind: npt.NDArray[np.uint8], scores: Floats, *, against_idle: bool = False) -> Floats:
    """auROC of the bases that matter against background (or idle motifs too), of each region.

    No number where a region lacks one of the two.
    """
    found = np.full(len(kind), np.nan)
    for i, (row, score) in enumerate(zip(kind, scores, strict=True)):
        used = np.ones(len(row), bool) if against_idle else row != IDLE
        matters = row[used] == MATTERS
        if matters.any() and not matters.all():
            found[i] = auroc(matters, score[used])
    return found


def names() -> list[str]:
    """Of the motifs that can matter."""
    return NAMES[:DECOY_NUMBER]
