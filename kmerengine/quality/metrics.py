"""What tells a good ATAC-seq library from a bad one, of one sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.cut_sites.samples import ReadFile
from kmerengine.cut_sites.shifted import ShiftedCuts
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.quality.aggregate import Aggregate, Anchors, VPlot
from native_kernels.cut_parse.cpu import LENGTH_BITS

MITOCHONDRIA = ("chrm", "m", "mt", "chrmt", "mito", "mitochondrion_genome")
FREE, MONO = 147, 294  # bp: a nucleosome's DNA, and twice that


@dataclass
class SampleQC:
    """Metrics of one sample; see `schemas.qc_schema` for each.

    Attributes
    ----------
    metrics : dict
        One row of the table.
    lengths : int64, shape (n,), or None
        Fragments by length, bp; the last place holds all longer ones.
    around : dict of str to Aggregate
        "tss" and "regions", as far as given.
    v_plot : VPlot or None
        Around start sites, or else around regions.
    motif, background : arrays or None
        Base probabilities around the centre of the cuts, and of the genome.
    """

    name: str
    metrics: dict[str, Any]
    lengths: npt.NDArray[np.int64] | None
    around: dict[str, Aggregate]
    v_plot: VPlot | None
    motif: npt.NDArray[np.float64] | None = None
    background: npt.NDArray[np.float64] | None = None


def measure(
    name: str,
    file: ReadFile,
    cuts: ShiftedCuts,
    contigs: dict[str, int],
    *,
    anchors: dict[str, Anchors],
    peaks: Stretches | None,
    reach: int,
) -> SampleQC:
    """Measure one sample in one pass over its cuts and one over its fragments."""
    around = {kind: Aggregate(places, reach) for kind, places in anchors.items()}
    names = list(contigs)
    n_cuts = n_mitochondrial = n_inside = 0
    ends = _Multiplicity()
    for contig, (keys, counts) in cuts.pieces():
        position = (keys >> np.uint64(1)).astype(np.int64)
        strand = (keys & np.uint64(1)).astype(np.int64)
        n = counts.astype(np.int64)
        n_cuts += int(n.sum())
        ends.add(n)
        if names[contig].lower() in MITOCHONDRIA:
            n_mitochondrial += int(n.sum())
        if peaks is not None:
            n_inside += int(n[peaks.holds(contig, position)].sum())
        for each in around.values():
            each.add(contig, position, strand, n)
    v_plot = VPlot(next(iter(anchors.values())), reach) if anchors and file.ends.pairs else None
    seen = ends
    if file.ends.pairs is not None:
        seen = _Multiplicity()
        for contig, start, length, n in _fragments(file, names):
            seen.add(n)
            if v_plot is not None:
                v_plot.add(contig, start, length, n)
    if file.ends.kind == "fragments":  # each cell's fragments were told apart by who made them
        seen = _Multiplicity()
        if file.ends.read_pairs is not None:
            seen.add_histogram(file.ends.read_pairs)
    told = file.by_sequence
    metrics: dict[str, Any] = {
        "sample": name,
        "records": file.ends.records,
        "kept": file.ends.kept,
        "dropped": sum(file.ends.dropped.values()),
        "cuts_dropped": sum(file.ends.cuts_dropped.values()),
        "cuts": n_cuts,
        "mitochondrial": n_mitochondrial / n_cuts if n_cuts else None,
        "flagged_duplicates": file.ends.flagged,
        **seen.metrics(),
        **_length_metrics(file.ends.lengths),
        "frip": n_inside / n_cuts if peaks is not None and n_cuts else None,
        "tss_enrichment": around["tss"].score() if "tss" in around else None,
        "region_enrichment": around["regions"].score() if "regions" in around else None,
        "input_shift": file.held.held if file.held else None,
        "shift_confidence": file.held.confidence if file.held else None,
        "shift_note": file.note,
    }
    return SampleQC(
        name,
        metrics,
        file.ends.lengths,
        around,
        v_plot,
        told.motif if told else None,
        told.background if told else None,
    )


class _Multiplicity:
    """How often the same fragment (or end) was seen."""

    def __init__(self) -> None:
        self.total = self.distinct = self.once = self.twice = 0

    def add(self, counts: npt.NDArray[np.int64]) -> None:
        self.total += int(counts.sum())
        self.distinct += len(counts)
        self.once += int((counts == 1).sum())
        self.twice += int((counts == 2).sum())

    def add_histogram(self, often: npt.NDArray[np.int64]) -> None:
        """Fragments that were seen 0, 1, 2 ... times."""
        self.total += int((often * np.arange(len(often))).sum())
        self.distinct += int(often[1:].sum())
        self.once, self.twice = (int(often[i]) if len(often) > i else 0 for i in (1, 2))

    def metrics(self) -> dict[str, Any]:
        """ENCODE's complexity measures, and the library's size by Lander and Waterman."""
        return {
            "fragments": self.total,
            "distinct_fragments": self.distinct,
            "duplicates": 1 - self.distinct / self.total if self.total else None,
            "nrf": self.distinct / self.total if self.total else None,
            "pbc1": self.once / self.distinct if self.distinct else None,
            "pbc2": self.once / self.twice if self.twice else None,
            "library_size": library_size(self.total, self.distinct),
        }


def library_size(total: int, distinct: int) -> int | None:
    """Distinct molecules of a library of which `total` draws gave `distinct` ones.

    Solves ``distinct = size (1 - exp(-total / size))`` (Lander and Waterman 1988), as Picard's
    EstimateLibraryComplexity does; None where no draw was repeated.
    """
    if not 0 < distinct < total:
        return None

    def too_small(size: float) -> bool:
        return bool(-size * np.expm1(-total / size) < distinct)

    low, high = float(distinct), 2.0 * distinct
    while too_small(high):
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return round(high)


def _length_metrics(lengths: npt.NDArray[np.int64] | None) -> dict[str, Any]:
    """Median length, share without a nucleosome, and mono-nucleosomal over those (Signac)."""
    if lengths is None or not lengths.sum():
        return {"median_length": None, "nucleosome_free": None, "nucleosome_signal": None}
    total = np.cumsum(lengths)
    free = int(total[FREE - 1])
    mono = int(total[MONO - 1]) - free
    return {
        "median_length": int(np.searchsorted(total, total[-1] / 2)),
        "nucleosome_free": free / int(total[-1]),
        "nucleosome_signal": mono / free if free else None,
    }


def _fragments(
    file: ReadFile, names: list[str]
) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Contig, starts (ascending), lengths and counts of a file's distinct fragments."""
    assert file.ends.pairs is not None
    place = {name: i for i, name in enumerate(names)}
    own = np.array([place.get(name, -1) for name in file.ends.contigs], np.int64)
    for keys, counts in file.ends.pairs.pieces():
        where = (keys >> np.uint64(LENGTH_BITS)).astype(np.int64)
        length = (keys & np.uint64((1 << LENGTH_BITS) - 1)).astype(np.int64)
        edges = np.searchsorted(where, file.ends.contig_start)
        for contig in np.flatnonzero((np.diff(edges) > 0) & (own >= 0)).tolist():
            part = slice(edges[contig], edges[contig + 1])
            start = where[part] - file.ends.contig_start[contig]
            yield int(own[contig]), start, length[part], counts[part].astype(np.int64)
