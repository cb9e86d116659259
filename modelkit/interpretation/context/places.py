"""Which core motifs lie near a transcription start site: proximal, and distal ones."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.tss import read_tss
from modelkit.interpretation.context.sites import Sites

__all__ = ["StartPlaces"]

GENES = (".gtf", ".gff", ".gff3")

Ints = npt.NDArray[np.int64]


class StartPlaces:
    """Start sites of an annotation by contig.

    Parameters
    ----------
    path : path
        GTF or GFF3, of whose transcripts each has one; or BED, whose regions each have one, at
        their first base on their strand.

    Attributes
    ----------
    positions : dict of str to int64, shape (n,)
        0-based, ascending.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.name.lower().removesuffix(".gz").endswith(GENES):
            sites = read_tss(self.path, unique=True)
            names, contig, position = sites.contig_names, sites.contig, sites.position
        else:
            regions = read_regions(self.path)
            names, contig = regions.contig_names, regions.contig
            position = np.where(regions.strand == b"-", regions.end - 1, regions.start)
        if not len(position):
            raise InputError(f"{self.path}: has no start site, expected one at least")
        self.positions = {
            name: np.sort(position[contig == number]) for number, name in enumerate(names)
        }

    def near(self, sites: Sites, rows: Ints, within: int) -> npt.NDArray[np.bool_]:
        """Whether the middle of each core lies at most `within` bp from a start site, (m,).

        Raises
        ------
        InputError
            No contig of the examples has a start site.
        """
        chroms, place = sites.chroms[rows], sites.starts[rows] + sites.centres[rows]
        known = set(chroms.tolist())
        if len(rows) and known.isdisjoint(self.positions):
            raise InputError(
                f"{self.path}: none of its contigs ({', '.join(list(self.positions)[:3])}) is one "
                f"of {sites.path} ({', '.join(sorted(known)[:3])}); give the annotation of this "
                "genome, with its names"
            )
        found = np.zeros(len(rows), bool)
        for name in known & self.positions.keys():
            here, starts = np.flatnonzero(chroms == name), self.positions[name]
            low = np.searchsorted(starts, place[here] - within, "left")
            found[here] = low < np.searchsorted(starts, place[here] + within, "right")
        return found
