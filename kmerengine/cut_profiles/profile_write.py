"""Cut profiles of regions, made from cut sites and written; `profile_set` reads them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cut_profiles.profile_set import (
    ABOUT,
    COUNTS,
    NAMES,
    TOTALS,
    Counts,
    Profiles,
    centre_part,
    cuts_within,
    profile_shape,
)
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.errors import InputError
from kmerengine.io.arrays import COUNT_TYPES, ArrayWriter
from kmerengine.io.atomic import atomic
from kmerengine.io.list_columns import list_column
from kmerengine.io.tables import table_writer
from kmerengine.kmers.rows import region_columns
from kmerengine.regions import Regions
from native_kernels.cut_profile import Strands, cut_profile

__all__ = ["CutSource", "make_profiles", "write_profiles"]

BATCH_ROWS = 8192  # of the totals in a row group
MAX_SPAN = 1 << 25  # bp of a contig whose cuts are asked for at a time

Block = tuple[npt.NDArray[np.int64], Counts]  # rows, and their counts for every sample


class CutSource(Protocol):
    """Cut sites by sample and region, such as a `CutTrack`."""

    samples: list[str]
    contigs: dict[str, int]  # bp
    shift: str  # such as "+4/-4"

    def cuts(
        self, sample: str, chrom: str, start: int, end: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Position, strand (0 plus, 1 minus) and count in [start, end), by position and strand."""


def make_profiles(
    source: CutSource,
    regions: Regions,
    output: str | Path,
    *,
    width: int = 1000,
    window: int = 250,
    strands: Strands = "sum",
    memory: int = 256 << 20,
    force: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Profiles:
    """Cut out the profile of every region and sample.

    Parameters
    ----------
    source : CutSource
        Asked for the cuts of one sample in a stretch of one contig at a time.
    regions : Regions
        All of `width` bp, as `place_regions` makes them; their order is kept. What lies outside
        the contig has no cuts.
    output : path
        The folder to write.
    width : int
        bp of a region.
    window : int
        bp around the centre whose cuts are the totals.
    strands : "sum" or "split"
        Add the strands, or keep them apart.
    memory : int
        Bytes of profiles that are held at a time; totals take 16 more per region and sample.
    force : bool
        Replace a data set that is there.
    provenance : dict, optional
        How the data set was made, from `schemas.provenance`.
    progress : callable, optional
        Called with the regions done, and of how many.

    Raises
    ------
    InputError
        Regions that do not fit `width` or the source's contigs; an output that cannot be written.
    """
    used = np.unique(regions.contig).tolist()
    missing = [
        regions.contig_names[each]
        for each in used
        if regions.contig_names[each] not in source.contigs
    ]
    if missing:
        raise InputError(
            f"regions: the cuts have no contig {missing[0]!r}; place the regions on the contigs "
            f"of the cuts, which are {', '.join(list(source.contigs)[:3])}"
        )
    return write_profiles(
        output,
        regions,
        source.samples,
        _cut_out(source, regions, width, strands, memory),
        shift=source.shift,
        width=width,
        window=window,
        strands=strands,
        force=force,
        provenance=provenance,
        progress=progress,
    )


def _cut_out(
    source: CutSource, regions: Regions, width: int, strands: Strands, memory: int
) -> Iterator[Block]:
    """Counts of stretches of a contig for all samples, in the narrowest type so far."""
    shape = profile_shape(0, len(source.samples), strands, width)[1:]
    most = max(1, memory // (4 * int(np.prod(shape))))
    types = iter(COUNT_TYPES)
    buffer = np.empty((min(most, len(regions)), *shape), next(types))
    for rows in _stretches(regions, most):
        chrom = regions.contig_names[regions.contig[rows[0]]]
        starts = regions.start[rows]
        bounds = np.array([starts.min(), starts.max() + width])
        low, high = np.clip(bounds, 0, source.contigs[chrom]).tolist()
        sample = 0
        while sample < len(source.samples):
            cuts = source.cuts(source.samples[sample], chrom, low, high)
            try:
                cut_profile(*cuts, starts, width, strands=strands, out=buffer[: len(rows), sample])
            except OverflowError:
                buffer = buffer.astype(next(types))  # and this sample again
            else:
                sample += 1
        yield rows, buffer[: len(rows)]


def _stretches(regions: Regions, most: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rows, ascending, of at most `most` neighbours on one contig."""
    order = np.lexsort((regions.start, regions.contig))
    contig, start = regions.contig[order], regions.start[order]
    first = 0
    while first < len(order):
        end = int(np.searchsorted(contig, contig[first], side="right"))
        near = int(np.searchsorted(start[first:end], start[first] + MAX_SPAN))
        stop = min(first + most, first + near)
        yield np.sort(order[first:stop])
        first = stop


def write_profiles(
    output: str | Path,
    regions: Regions,
    samples: Sequence[str],
    blocks: Iterable[Block],
    *,
    shift: str,
    width: int,
    window: int = 250,
    strands: Strands = "sum",
    force: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Profiles:
    """Write profiles that come block by block.

    Parameters
    ----------
    output, regions, width, window, strands, force, provenance, progress
        As in `make_profiles`.
    samples : sequence of str
    blocks : iterable of (rows, counts)
        int64 rows of `regions`, ascending, and their counts: integers of shape
        (rows, samples, [2,] bp), which may be overwritten once the next block is asked for. Every
        row comes once, in any order.
    shift : str
        What was added to the 5' bases of plus and minus reads before they were counted.
    """
    _check(regions, samples, width, strands)
    path, part = Path(output), centre_part(width, window, None)
    with atomic(path, force=force, folder=NAMES) as folder:
        shape = profile_shape(len(regions), len(samples), strands, width)
        file = ArrayWriter(folder / COUNTS, shape)
        totals = np.zeros(shape[:2], np.int64)
        n_done = 0
        for rows, counts in blocks:
            file.put(rows, counts)
            totals[rows] = cuts_within(counts, part)
            n_done += len(rows)
            if progress is not None:
                progress(n_done, len(regions))
        described = file.finish()
        document = {
            **(schemas.provenance("profiles", {}, {}) if provenance is None else provenance),
            "format": schemas.PROFILES,
            "samples": list(samples),
            "shift": shift,
            "strands": strands,
            "width": width,
            "window": [part.start, part.stop],
            "kept": len(regions),
            "counts": described,
        }
        _write_totals(folder / TOTALS, regions, totals, document)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
    return Profiles.open(path)


def _write_totals(
    path: Path, regions: Regions, totals: npt.NDArray[np.int64], document: dict[str, Any]
) -> None:
    schema = schemas.with_metadata(schemas.profile_totals_schema(), document)
    columns_of = region_columns(regions)
    matrices = [totals, quantile_normalise(totals)]
    with table_writer(path, schema, ".parquet") as writer:
        for first in range(0, len(regions), BATCH_ROWS):
            part = slice(first, first + BATCH_ROWS)
            lists = [
                list_column(m[part], f) for m, f in zip(matrices, list(schema)[-2:], strict=True)
            ]
            columns = [*columns_of(part), *lists]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))


def _check(regions: Regions, samples: Sequence[str], width: int, strands: str) -> None:
    if width < 1:
        raise InputError(f"width: found {width}, expected at least 1")
    if strands not in ("sum", "split"):
        raise InputError(f"strands: found {strands!r}, expected sum or split")
    if not samples or len(set(samples)) != len(samples):
        raise InputError(f"samples: found {list(samples)}, expected at least one, each once")
    other = np.flatnonzero(regions.end - regions.start != width)
    if len(other):
        row = int(other[0])
        raise InputError(
            f"regions: line {regions.line[row]}: {regions.start[row]}-{regions.end[row]} is "
            f"{regions.end[row] - regions.start[row]} bp wide, expected {width}; "
            "place the regions with this width"
        )
