"""Which peaks a factor binds, as ChIP-seq has it: those that overlap one of its peaks."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.regions import Regions

__all__ = ["Bound", "bound_peaks", "overlapping"]

Bools = npt.NDArray[np.bool_]


class Bound(NamedTuple):
    """Peaks that factors bind.

    Attributes
    ----------
    factors : tuple of str
    bound : bool, shape (n, factors)
        Whether a peak of the factor's ChIP-seq overlaps each peak.
    n_chip : tuple of int
        Peaks of each factor's ChIP-seq.
    """

    factors: tuple[str, ...]
    bound: Bools
    n_chip: tuple[int, ...]


def bound_peaks(
    regions: pa.Table | None,
    chip: Mapping[str, str | Path],
    factors: tuple[str, ...],
    *,
    min_overlap: int,
    where: str,
) -> Bound:
    """Read the ChIP-seq peaks of each factor and overlap them with peaks.

    Raises
    ------
    InputError
        Peaks without positions; a factor that has no probes; a file with no contig of the peaks.
    """
    if min_overlap < 1:
        raise InputError(f"min_overlap: found {min_overlap}, expected at least 1")
    if regions is None:
        raise InputError(f"{where}: has no regions, expected proportions of peaks of a data set")
    if not chip:
        raise InputError("chip: found no file, expected the peaks of one factor at least")
    found, n_chip = [], []
    for factor, path in chip.items():
        if factor not in factors:
            raise InputError(
                f"{path}: is of {factor!r}, which is no factor of the map; it has "
                f"{', '.join(factors[:5])} ..."
            )
        peaks = read_regions(path)
        found.append(overlapping(regions, peaks, min_overlap, Path(path), where))
        n_chip.append(len(peaks))
    return Bound(tuple(chip), np.stack(found, 1), tuple(n_chip))


def overlapping(
    regions: pa.Table, peaks: Regions, least: int, path: Path, where: str = "regions"
) -> Bools:
    """Whether any of `peaks` has `least` bp in common with each region, shape (n,).

    Two intervals have if both are so long, and each begins `least` bp before the other's end. Of
    all that begin early enough those are taken off that end too early, which also begin so.
    """
    contig = regions["chrom"].combine_chunks().dictionary_encode()
    names, number = contig.dictionary.to_pylist(), contig.indices.to_numpy()
    start, end = (regions[name].to_numpy() for name in ("start", "end"))
    found = np.zeros(len(start), np.bool_)
    index = {name: i for i, name in enumerate(peaks.contig_names)}
    if len(peaks) and not index.keys() & set(names):
        raise InputError(
            f"{path}: has contigs {', '.join(list(index)[:3])}, {where} has "
            f"{', '.join(names[:3])}; expected some of the same names"
        )
    long = peaks.end - peaks.start >= least
    for i, name in enumerate(names):
        those = long & (peaks.contig == index.get(name, -1))
        here = np.flatnonzero((number == i) & (end - start >= least))
        begin, stop = np.sort(peaks.start[those]), np.sort(peaks.end[those])
        early = np.searchsorted(begin, end[here] - least, "right")
        too_early = np.searchsorted(stop, start[here] + least, "left")
        found[here] = early > too_early
    return found
