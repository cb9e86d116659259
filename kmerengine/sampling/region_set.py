"""Regions of a file, and what lies within one of them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.regions import place_regions
from kmerengine.sampling.hits import Instances
from kmerengine.sampling.places import Line, inside_one, merged, overlap

Flags = npt.NDArray[np.bool_]


class RegionSet:
    """Peaks, or open chromatin.

    Attributes
    ----------
    path : Path
    n : int
        Regions on contigs of the genome.
    skipped : int
        Regions on others.
    contig_names : tuple of str
        Of the file.
    has : bool, shape (n_contigs,)
        Contigs of the genome with a region.
    """

    def __init__(
        self, path: Path, contigs: dict[str, int], line: Line, *, skip_missing_contigs: bool
    ) -> None:
        listed = read_regions(path)
        if not len(listed):
            raise InputError(f"{path}: holds no regions, expected some")
        placed, _ = place_regions(listed, contigs, path, skip_missing_contigs=skip_missing_contigs)
        self.path = path
        self.n, self.skipped = len(placed), len(listed) - len(placed)
        self.contig_names = listed.contig_names
        self.has = np.zeros(len(contigs), np.bool_)
        self.has[placed.contig] = True
        self._line = line
        self._low = line.places(placed.contig, placed.start)
        self._high = line.places(placed.contig, placed.end)

    def hold(self, sites: Instances, *, strict: bool = False) -> Flags:
        """Whether each site lies within one region; `strict`: with more of it on both sides."""
        return inside_one(*self._ends(sites), self._low, self._high, strict=strict)

    def touch(self, sites: Instances) -> Flags:
        """Whether each site has a base in any region."""
        return overlap(*self._ends(sites), merged(self._low, self._high))

    def _ends(self, sites: Instances) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return (
            self._line.places(sites.contig, sites.start),
            self._line.places(sites.contig, sites.end),
        )
