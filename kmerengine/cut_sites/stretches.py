"""Unions of regions, and what lies inside them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.regions import Regions


class Stretches:
    """Stretches of a genome, such as a blacklist or all peaks.

    Parameters
    ----------
    edges : sequence of int64 arrays
        By contig: start and end of each stretch in turn, ascending, disjoint, half-open, bp.
    """

    def __init__(self, edges: Sequence[npt.NDArray[np.int64]]) -> None:
        self.edges = edges

    @classmethod
    def of_regions(
        cls, regions: Regions, contigs: dict[str, int], where: Path
    ) -> tuple["Stretches", int]:
        """The union of regions, and how many of them lie on these contigs; InputError if none."""
        place = {name: i for i, name in enumerate(contigs)}
        number = np.array([place.get(name, -1) for name in regions.contig_names], np.int32)
        contig = number[regions.contig] if len(regions) else np.zeros(0, np.int32)
        n = int((contig >= 0).sum())
        if not n:
            raise InputError(
                f"{where}: none of its {len(regions):,} regions is on a contig of the reads, which "
                f"are {', '.join(list(contigs)[:3])}; give regions of this genome"
            )
        return cls.merged(contig, regions.start, regions.end, len(contigs)), n

    @classmethod
    def merged(
        cls,
        contig: npt.NDArray[np.int32],
        start: npt.NDArray[np.int64],
        end: npt.NDArray[np.int64],
        n_contigs: int,
    ) -> "Stretches":
        """From regions in any order that may overlap."""
        edges = []
        order = np.lexsort((start, contig))
        first_of = np.searchsorted(contig[order], np.arange(n_contigs + 1))
        for low, high in pairwise(first_of.tolist()):
            mine = order[low:high]
            reached = np.maximum.accumulate(end[mine]) if len(mine) else end[mine]
            is_new = np.ones(len(mine), np.bool_)
            is_new[1:] = start[mine][1:] > reached[:-1]
            first = np.flatnonzero(is_new)
            last = np.append(first[1:], len(mine))[: len(first)] - 1
            edges.append(np.column_stack([start[mine][first], reached[last]]).ravel())
        return cls(edges)

    def meets(
        self, contig: int, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Whether any base of each [start, end) lies in a stretch."""
        first = np.searchsorted(self.edges[contig], start, side="right")
        last = np.searchsorted(self.edges[contig], end - 1, side="right")
        return np.asarray((first != last) | (first % 2 == 1))

    def holds(self, contig: int, position: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether each position lies in a stretch."""
        edge = np.searchsorted(self.edges[contig], position, side="right")
        return np.asarray(edge % 2 == 1)
