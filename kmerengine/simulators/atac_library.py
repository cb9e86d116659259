"""The sequencing library of one cell type of a simulated ATAC experiment."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kmerengine.io.bam_write import ContigFragments
from kmerengine.simulators.atac_genome import Contig
from kmerengine.simulators.atac_rates import (
    AFTER,
    BEFORE,
    NEIGHBOUR,
    CellType,
    accessibility,
    expected_cuts,
    footprints,
    length_law,
    partners,
    weights,
)
from kmerengine.simulators.atac_tables import Truth
from native_kernels.second_cut import second_cut

Floats = npt.NDArray[np.float64]

WIDTH = 1_000  # bp around a summit, of rates
CENTRE = 250  # bp around a summit; the depth is their cuts


class Library:
    """The fragments of one cell type, contig by contig."""

    def __init__(
        self,
        contigs: list[Contig],
        strength: list[Floats],
        preference: list[npt.NDArray[np.float32]],
        cell: CellType,
        signal: float,
        gain: float,
    ) -> None:
        self._parts = list(zip(contigs, preference, strict=True))
        self._cell = cell
        self._heights = [
            accessibility(contig, cell, each, signal, gain)
            for contig, each in zip(contigs, strength, strict=True)
        ]
        self._law = length_law()
        self._shares = np.zeros(len(contigs))

    def measure(self, depth: float, truth: Truth, cell: int) -> float:
        """Fill in the truth of the cell type; returns its expected number of primary fragments."""
        row = 0
        rates = truth.rates[:, cell]
        for number, (contig, _) in enumerate(self._parts):
            cuts, z = expected_cuts(self._weights(number), self._law)
            self._shares[number] = z
            for summit in contig.summits.tolist():
                rates[row] = cuts[summit - WIDTH // 2 : summit + WIDTH // 2]
                row += 1
            heights = self._heights[number]
            truth.accessibility[row - len(heights) : row, cell] = heights
            truth.footprint[number][:, cell] = footprints(contig, self._cell)[1]
        z = self._shares.sum()
        self._shares /= z
        low = (WIDTH - CENTRE) // 2
        totals = rates[:, low : low + CENTRE].sum(axis=1, dtype=np.float64) / z
        n_primary = depth / float(np.median(totals))
        rates *= n_primary / z
        truth.expected[:, cell] = totals * n_primary
        return n_primary

    def draw(self, n_primary: float, rng: np.random.Generator) -> Iterator[ContigFragments]:
        """The fragments of each contig, by start."""
        for number, (contig, _) in enumerate(self._parts):
            w = self._weights(number)
            s = partners(w, self._law)
            below = np.cumsum(w * s)
            n = rng.poisson(n_primary * self._shares[number])
            mark = np.sort(rng.random(n)) * np.nextafter(below[-1], 0)  # below the last sum
            first = np.searchsorted(below, mark, "right")
            second = second_cut(w, self._law, first, s[first], rng.random(n))
            shared = second[(rng.random(n) < NEIGHBOUR) & (s[second] > 0)]
            third = second_cut(w, self._law, shared, s[shared], rng.random(len(shared)))
            start = np.concatenate([first, shared]) - BEFORE
            end = np.concatenate([second, third]) + AFTER
            order = np.lexsort([end, start])
            yield ContigFragments(
                contig.codes, start[order], end[order], rng.random(len(order)) < 0.5
            )

    def _weights(self, number: int) -> Floats:
        contig, preference = self._parts[number]
        return weights(contig, preference, self._heights[number], footprints(contig, self._cell)[0])
