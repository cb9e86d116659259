"""Motif instances inside peaks as a model of labels: what a network must beat (Hiranuma et al.).

The score of a window for a factor is that of the best of its motifs' instances that shares a base
with the window, and 0 where there is none or where the window lies in no peak.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.cut_sites.stretches import Stretches
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.motifs.fimo import read_fimo
from kmerengine.motifs.hits import MotifHits

__all__ = ["Places", "hit_scores", "places_of", "within"]

TABLES = (".tsv", ".txt", ".gz")  # of FIMO
SMALLEST = 1e-300  # p-values below it are 0 in some files

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Places(NamedTuple):
    """Where sequences lie: contig, start and end (bp, 0-based half-open), shape (n,) each."""

    names: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    start: Rows
    end: Rows


def places_of(dataset: Dataset, rows: Rows) -> Places:
    """Of the sequences of some rows of a data set."""
    table = dataset.regions.take(pa.array(rows))
    chroms = table["chrom"].combine_chunks()
    low, high = dataset.spans["sequence"]
    start = table["start"].to_numpy().astype(np.int64)
    names = tuple(chroms.dictionary.to_pylist())
    return Places(names, chroms.indices.to_numpy().astype(np.int32), start + low, start + high)


def within(places: Places, regions: str | Path, what: str) -> Flags:
    """Whether each place shares a base with a region of a BED file; InputError if none does."""
    given = read_regions(regions)
    number = {name: i for i, name in enumerate(places.names)}
    of_name = np.array([number.get(name, -1) for name in given.contig_names], np.int32)
    contig = of_name[given.contig] if len(given) else np.zeros(0, np.int32)
    stretches = Stretches.merged(contig, given.start, given.end, len(places.names))
    found = np.zeros(len(places.start), np.bool_)
    for each in np.unique(places.contig).tolist():
        mine = places.contig == each
        found[mine] = stretches.meets(each, places.start[mine], places.end[mine])
    if not found.any():
        raise InputError(
            f"{what}: found {regions}, which shares no base with any of the {len(found):,} "
            "sequences; expected regions of the same genome"
        )
    return found


def hit_scores(
    places: Places,
    hits: str | Path,
    factors: Sequence[str],
    motifs: Mapping[str, Sequence[str]],
    peaks: str | Path,
    q: float,
) -> Floats:
    """Scores of places by factor.

    Parameters
    ----------
    places : Places
    hits : path
        What `kmerengine scan` wrote with --q, as Parquet; or FIMO's table.
    factors : sequence of str
    motifs : dict of str to sequence of str
        The motifs of each factor that has some, as the hits call them.
    peaks : path
        BED or narrowPeak.
    q : float
        Largest q-value of a hit.

    Returns
    -------
    scores : float64, shape (n, factors)
        -log10 of the p-value, which goes with the score and can be compared between the motifs of
        a factor; NaN of factors without a motif.

    Raises
    ------
    InputError
        Hits without q-values, a factor or a motif that is not there, peaks or hits of another
        genome.
    """
    table, scanned = _table(Path(hits), q)
    strange = [name for name in motifs if name not in factors]
    if strange or not motifs:
        found = repr(strange[0]) if strange else "none"
        raise InputError(
            f"motifs: found {found}, expected FACTOR=MOTIF of some of {', '.join(factors[:5])}"
            f"{', ...' if len(factors) > 5 else ''}"
        )
    inside = within(places, peaks, "peaks")
    kept = table["q"].to_numpy(zero_copy_only=False) <= q
    names, number = _coded(table["motif"])
    chroms, chrom = _coded(table["chrom"])
    of_chrom = {name: i for i, name in enumerate(chroms)}
    if chroms and not of_chrom.keys() & set(places.names):
        raise InputError(
            f"{hits}: has hits on {', '.join(chroms[:3])}, the sequences lie on "
            f"{', '.join(places.names[:3])}; expected hits of the same genome"
        )
    start, end = (table[name].to_numpy().astype(np.int64) for name in ("start", "end"))
    value = -np.log10(np.maximum(table["p"].to_numpy(), SMALLEST))
    scores = np.full((len(places.start), len(factors)), np.nan)
    for factor, members in motifs.items():
        column = scores[:, factors.index(factor)]
        column[:] = 0
        chosen = np.zeros(len(names), np.bool_)
        for motif in members:
            if motif not in names and motif not in scanned:
                raise InputError(
                    f"{hits}: has no hit of {motif!r}, the motif of {factor!r}; it has "
                    f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
                )
            chosen |= np.array([name == motif for name in names], np.bool_)
        mine = kept & chosen[number]
        for i, name in enumerate(places.names):
            rows = np.flatnonzero(inside & (places.contig == i))
            here = np.flatnonzero(mine & (chrom == of_chrom.get(name, -1)))
            if len(rows) and len(here):
                column[rows] = _best(
                    places.start[rows], places.end[rows], start[here], end[here], value[here]
                )
    return scores


def _best(low: Rows, high: Rows, start: Rows, end: Rows, value: Floats) -> Floats:
    """The largest value of the hits that share a base with each [low, high); 0 where none does."""
    order = np.argsort(start, kind="stable")
    start, end, value = start[order], end[order], value[order]
    longest = int((end - start).max())
    first = np.searchsorted(start, low - longest, side="right")
    last = np.searchsorted(start, high, side="left")
    found = np.zeros(len(low))
    for i, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        shared = value[a:b][end[a:b] > low[i]]
        if len(shared):
            found[i] = shared.max()
    return found


def _table(path: Path, q: float) -> tuple[pa.Table, set[str]]:
    """The hits, and the names of the motifs that were looked for, as far as the file says."""
    if not 0 < q <= 1:
        raise InputError(f"q: found {q}, expected above 0 and at most 1")
    scanned: set[str] = set()
    if path.suffix in TABLES:
        table = read_fimo(path)
    else:
        opened = MotifHits.open(path)
        table = opened.table()
        scanned = {str(each["name"]) for each in opened.provenance.get("motifs", ())}
    if "q" not in table.column_names or table["q"].null_count:
        raise InputError(
            f"{path}: has hits without q-values, expected one of each; scan with --q {q}"
        )
    return table, scanned


def _coded(column: Any) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The words of a column, and the number of each row's."""
    coded = column.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.chunks) if coded.num_chunks else pa.array([], coded.type)
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
