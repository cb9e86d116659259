"""Cuts and fragments around anchors: start sites of transcription, or centres of regions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.regions import Regions
from kmerengine.tss import StartSites

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AT_A_TIME = 1 << 21  # cuts around anchors
EDGE = 100  # bp at both ends of an aggregate: the background
SMOOTH = 51  # bp of the running mean, for the enrichment
CENTRE = 50  # bp around the anchor where the enrichment is sought, to either side
LENGTH_BIN, LENGTH_BINS = 10, 70  # bp: fragments of up to 700 bp
OFFSET_BINS = 101  # of a V-plot; odd, so that one holds the anchor


@dataclass(frozen=True)
class Anchors:
    """Places on a genome, each with a direction.

    Attributes
    ----------
    position : list of int64 arrays
        By contig, ascending, bp.
    minus : list of bool arrays
        Whether the neighbourhood is read backwards.
    """

    position: list[Ints]
    minus: list[npt.NDArray[np.bool_]]

    def __len__(self) -> int:
        return sum(map(len, self.position))

    @classmethod
    def of_regions(cls, regions: Regions, contigs: dict[str, int], where: Path) -> "Anchors":
        """Summits, and midpoints of regions without one."""
        middle = (regions.start + regions.end) // 2
        position = np.where(regions.summit >= 0, regions.summit, middle)
        minus = regions.strand == b"-"
        return cls._placed(regions.contig_names, regions.contig, position, minus, contigs, where)

    @classmethod
    def of_bed(cls, regions: Regions, contigs: dict[str, int], where: Path) -> "Anchors":
        """The first base of each region on its strand."""
        minus = regions.strand == b"-"
        position = np.where(minus, regions.end - 1, regions.start)
        return cls._placed(regions.contig_names, regions.contig, position, minus, contigs, where)

    @classmethod
    def of_start_sites(cls, sites: StartSites, contigs: dict[str, int], where: Path) -> "Anchors":
        """Start sites, each position and strand once."""
        minus = sites.strand == b"-"
        return cls._placed(sites.contig_names, sites.contig, sites.position, minus, contigs, where)

    @classmethod
    def _placed(
        cls,
        names: tuple[str, ...],
        contig: npt.NDArray[np.int32],
        position: Ints,
        minus: npt.NDArray[np.bool_],
        contigs: dict[str, int],
        where: Path,
    ) -> "Anchors":
        place = {name: i for i, name in enumerate(contigs)}
        number = np.array([place.get(name, -1) for name in names], np.int64)
        own = number[contig] if len(contig) else np.zeros(0, np.int64)
        positions, directions = [], []
        order = np.lexsort((position, own))
        first_of = np.searchsorted(own[order], np.arange(len(contigs) + 1))
        for low, high in pairwise(first_of.tolist()):
            mine = order[low:high]
            positions.append(position[mine])
            directions.append(minus[mine])
        anchors = cls(positions, directions)
        if not len(anchors):
            raise InputError(
                f"{where}: none of its {len(contig):,} places is on a contig of the reads, which "
                f"are {', '.join(list(contigs)[:3])}; give places on this genome"
            )
        return anchors


class Aggregate:
    """Cuts by their distance from anchors, summed over anchors.

    Parameters
    ----------
    anchors : Anchors
    reach : int
        bp to either side.

    Attributes
    ----------
    counts : int64, shape (2, 2 reach + 1)
        Cuts of reads along and against the anchor's direction; column `reach` is the anchor.
    """

    def __init__(self, anchors: Anchors, reach: int) -> None:
        self.anchors, self.reach = anchors, reach
        self.counts = np.zeros((2, 2 * reach + 1), np.int64)

    def add(self, contig: int, position: Ints, strand: Ints, count: Ints) -> None:
        """Add cuts of a contig; positions ascend."""
        for pair in _pairs(self.anchors.position[contig], position, self.reach, self.reach):
            anchor, cut = pair
            offset = position[cut] - self.anchors.position[contig][anchor]
            minus = self.anchors.minus[contig][anchor]
            offset = np.where(minus, -offset, offset)
            against = (strand[cut] == 1) ^ minus
            cell = against * self.counts.shape[1] + offset + self.reach
            n = np.bincount(cell, weights=count[cut], minlength=self.counts.size)
            self.counts += n.astype(np.int64).reshape(self.counts.shape)

    def enrichment(self) -> Floats | None:
        """Cuts over those at the ends, both strands; None where the ends have none.

        The ends are the outermost `EDGE` bp on both sides.
        """
        total = self.counts.sum(axis=0).astype(np.float64)
        if len(total) < 4 * EDGE:
            return None
        background = np.concatenate([total[:EDGE], total[-EDGE:]]).mean()
        return None if background == 0 else total / background

    def score(self) -> float | None:
        """The highest enrichment within `CENTRE` bp of the anchor, smoothed over `SMOOTH` bp.

        As ArchR's TSS enrichment: over the mean of the outermost 100 bp on both sides. None where
        the reach is under 200 bp or there are no cuts at the ends.
        """
        enrichment = self.enrichment()
        if enrichment is None:
            return None
        smooth = np.convolve(enrichment, np.full(SMOOTH, 1 / SMOOTH), mode="same")
        near = slice(max(0, self.reach - CENTRE), self.reach + CENTRE + 1)
        return float(smooth[near].max())


class VPlot:
    """Fragments by the distance of their midpoint from anchors, and by length.

    Attributes
    ----------
    counts : int64, shape (LENGTH_BINS, OFFSET_BINS)
        Fragments; lengths from 0 in steps of `LENGTH_BIN` bp, offsets from -reach to reach.
    """

    def __init__(self, anchors: Anchors, reach: int) -> None:
        self.anchors, self.reach = anchors, reach
        self.counts = np.zeros((LENGTH_BINS, OFFSET_BINS), np.int64)

    def add(self, contig: int, start: Ints, length: Ints, count: Ints) -> None:
        """Add fragments of a contig; their starts ascend."""
        longest = LENGTH_BIN * LENGTH_BINS
        short = length < longest
        start, length, count = start[short], length[short], count[short]
        reach = self.reach
        for anchor, own in _pairs(
            self.anchors.position[contig], start, reach + longest // 2, reach
        ):
            offset = start[own] + length[own] // 2 - self.anchors.position[contig][anchor]
            offset = np.where(self.anchors.minus[contig][anchor], -offset, offset)
            near = np.abs(offset) <= reach
            column = (offset[near] + reach) * OFFSET_BINS // (2 * reach + 1)
            cell = length[own][near] // LENGTH_BIN * OFFSET_BINS + column
            n = np.bincount(cell, weights=count[own][near], minlength=self.counts.size)
            self.counts += n.astype(np.int64).reshape(self.counts.shape)


def _pairs(anchors: Ints, places: Ints, before: int, after: int) -> Iterator[tuple[Ints, Ints]]:
    """Numbers of anchors and of ascending places within `before` and `after` bp of each other."""
    if not len(anchors) or not len(places):
        return
    first = np.searchsorted(places, anchors - before, side="left")
    n = np.searchsorted(places, anchors + after, side="right") - first
    edges = np.concatenate([[0], np.cumsum(n)])
    begin = 0
    while begin < len(anchors):
        stop = max(begin + 1, int(np.searchsorted(edges, edges[begin] + AT_A_TIME)) - 1)
        stop = min(stop, len(anchors))
        here = n[begin:stop]
        anchor = np.repeat(np.arange(begin, stop), here)
        within = np.arange(len(anchor)) - np.repeat(edges[begin:stop] - edges[begin], here)
        if len(anchor):
            yield anchor, first[anchor] + within
        begin = stop
