"""Cut profiles of regions: regions x samples x bp, with their totals, in a folder.

    counts.npy      regions x samples x [2 strands x] bp; opens with ``np.load(mmap_mode="r")``
    totals.parquet  one row per region: where it is, and its cuts in the window around its centre
                    by sample, as counted and quantile-normalised
    profiles.json   samples, shift, strands, width, window, and how the data set was made

Counts are int16, or the first of int32 and int64 that holds the largest. Totals are two list
columns in the samples' order: the table has one schema for any number of samples, a sample's name
cannot meet a column's, and a list column is a regions x samples matrix as it lies in memory.

Bases run along the genome for regions of either strand; coordinates are 0-based, half-open, in bp.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import TableReader, table_writer
from kmerengine.quantiles import quantile_normalise, rescale
from kmerengine.regions import Regions
from kmerengine.rows import region_columns
from native_kernels.cut_profile import Strands, cut_profile

__all__ = ["CutSource", "Profiles", "centre_start", "make_profiles", "write_profiles"]

FORMAT = "kmerengine.profiles"
COUNTS, TOTALS, ABOUT = "counts.npy", "totals.parquet", "profiles.json"
WIDER = "wider.npy"  # while the counts so far move to a wider type
NAMES = (COUNTS, TOTALS, ABOUT)

DTYPES = tuple(np.dtype(name) for name in ("<i2", "<i4", "<i8"))
BATCH_ROWS = 8192  # of the totals in a row group
COPY_BYTES = 1 << 26
MAX_SPAN = 1 << 25  # bp of a contig whose cuts are asked for at a time

Counts = npt.NDArray[Any]
Block = tuple[npt.NDArray[np.int64], Counts]  # rows, and their counts for every sample
Rows = slice | npt.NDArray[Any]


class CutSource(Protocol):
    """Cut sites by sample and region, such as a `CutTrack`."""

    samples: list[str]
    contigs: dict[str, int]  # bp
    shift: str  # such as "+4/-4"

    def cuts(
        self, sample: str, chrom: str, start: int, end: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Position, strand (0 plus, 1 minus) and count in [start, end), by position and strand."""


def totals_schema() -> pa.Schema:
    """Regions with the cuts of each sample in the window around their centre."""
    lists = [("total", pa.int64()), ("normalised", pa.float64())]  # cuts
    return pa.schema(
        [
            *schemas.REGION_COLUMNS,
            *(
                pa.field(name, pa.list_(pa.field("element", kind, nullable=False)), nullable=False)
                for name, kind in lists
            ),
        ]
    )


def centre_start(width: int, window: int) -> int:
    """Where a window around the centre starts in a profile.

    The centre is base ``width // 2``, where `place_regions` puts a summit, and the window lies
    around it as `place_regions` would lay it: 250 bp of 1,000 are [375, 625). Cropping the end of
    a profile moves neither: of 1,000 bp whose last 2 were dropped the centre is still [375, 625),
    but it is not that of a region which is 998 bp wide ([374, 624)); a length alone cannot tell
    the two apart, so for cropped profiles give the start.
    """
    return width // 2 - window // 2


class Profiles:
    """Profiles on disk; counts are memory-mapped and read when they are asked for.

    Made by `make_profiles` and `write_profiles`, or opened with `Profiles.open`.

    Attributes
    ----------
    samples : tuple of str
    shift : str
        What was added to the 5' bases of plus and minus reads before they were counted.
    strands : "sum" or "split"
    width : int
        bp of a region.
    window : (int, int)
        Start and end of the stored totals within a region, bp.
    provenance : dict
        How the data set was made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.provenance = _read_about(path)
        try:
            self.samples = tuple(str(name) for name in self.provenance["samples"])
            self.shift = str(self.provenance["shift"])
            self.strands: Strands = self.provenance["strands"]
            self.width = int(self.provenance["width"])
            start, end = self.provenance["window"]
            n_regions, dtype = int(self.provenance["kept"]), self.provenance["dtype"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path / ABOUT}: lacks what profiles have ({error}); make it again"
            ) from error
        if self.strands not in ("sum", "split") or dtype not in [each.str for each in DTYPES]:
            raise InputError(
                f"{path / ABOUT}: found strands {self.strands!r} of {dtype!r}, expected sum or "
                "split of integers; make it again"
            )
        self.window = (int(start), int(end))
        shape = _shape(n_regions, len(self.samples), self.strands, self.width)
        self._counts = _map_counts(path / COUNTS, np.dtype(dtype), shape)
        self._table = TableReader(path / TOTALS)
        schemas.require(self._table.schema, totals_schema(), path / TOTALS)
        about = schemas.read_metadata(self._table.schema, path / TOTALS, (FORMAT,))
        if about != self.provenance or self._table.n_rows != n_regions:
            raise InputError(
                f"{path / TOTALS}: is not of the same profiles as {ABOUT}; make the folder again"
            )

    @classmethod
    def open(cls, path: str | Path) -> "Profiles":
        """Open a folder of profiles; InputError if it is missing, damaged or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"Profiles({len(self):,} regions, {len(self.samples)} samples, {self.width:,} bp)"

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand of every row."""
        return self._table.read(columns=schemas.REGION_COLUMNS.names)

    def counts(self, regions: Rows = slice(None), samples: Sequence[str] | None = None) -> Counts:
        """Cuts per base, as they were counted.

        Parameters
        ----------
        regions : slice, indices or mask
        samples : sequence of str, optional
            By default all, in the order of `samples`.

        Returns
        -------
        counts : int16, int32 or int64, shape (regions, samples, [2,] bp)
            Read-only and memory-mapped for a slice of all samples; else a copy.
        """
        if samples is None:
            return self._counts[regions]
        columns = self._columns(samples)
        if isinstance(regions, slice):
            return self._counts[regions][:, columns]
        return self._counts[np.arange(len(self))[regions][:, None], columns]

    def totals(self, window: int | None = None, start: int | None = None) -> npt.NDArray[np.int64]:
        """Cuts of each region and sample, both strands, in a window of each region.

        Parameters
        ----------
        window : int, optional
            bp; by default the stored window.
        start : int, optional
            Where the window starts in a region; by default it is centred (`centre_start`).

        Returns
        -------
        totals : int64, shape (n_regions, n_samples)
        """
        if window is None and start is None:
            return self._stored_totals.copy()
        if window is None:
            window = self.window[1] - self.window[0]
        part = _window(self.width, window, start)
        totals = np.empty((len(self), len(self.samples)), np.int64)
        for rows in self._pieces():
            totals[rows] = _sum(self._counts[rows], part)
        return totals

    def normalised(
        self, window: int | None = None, start: int | None = None
    ) -> npt.NDArray[np.float64]:
        """`totals` after quantile normalisation across all samples; float64."""
        if window is None and start is None:
            return self._stored_normalised.copy()
        return quantile_normalise(self.totals(window, start))

    def rescaled(
        self, regions: Rows = slice(None), samples: Sequence[str] | None = None
    ) -> npt.NDArray[np.float64]:
        """`counts` whose sums over the stored window are the normalised totals; float64.

        A profile without cuts in the window stays as it is.
        """
        columns = self._columns(self.samples if samples is None else samples)
        cells = np.ix_(np.arange(len(self))[regions], columns)
        return rescale(
            self.counts(regions, samples),
            self._stored_totals[cells],
            self._stored_normalised[cells],
        )

    def average(
        self,
        groups: dict[str, list[str]],
        regions: Rows = slice(None),
        *,
        normalised: bool = True,
    ) -> npt.NDArray[np.float64]:
        """Mean profile of the samples of each group, such as the cell types of a lineage.

        Parameters
        ----------
        groups : dict of str to list of str
            Samples by group; the groups' order is that of the result.
        regions : slice, indices or mask
        normalised : bool
            Average `rescaled` profiles; else the counts.

        Returns
        -------
        average : float64, shape (regions, groups, [2,] bp)
        """
        for name, members in groups.items():
            if not members or len(set(members)) != len(members):
                raise InputError(
                    f"groups: found {members} for {name!r}, expected samples, each once"
                )
        profile_of = self.rescaled if normalised else self.counts
        n_rows = len(np.arange(len(self))[regions])
        average = np.empty((n_rows, len(groups), *self._counts.shape[2:]), np.float64)
        for number, members in enumerate(groups.values()):
            profile_of(regions, members).mean(axis=1, out=average[:, number])
        return average

    @cached_property
    def _stored_totals(self) -> npt.NDArray[np.int64]:
        return self._stored("total")

    @cached_property
    def _stored_normalised(self) -> npt.NDArray[np.float64]:
        return self._stored("normalised")

    def _stored(self, name: str) -> npt.NDArray[Any]:
        """A list column as a matrix."""
        column = self._table.read(columns=[name])[name].combine_chunks()
        if not np.all(column.value_lengths().to_numpy() == len(self.samples)):
            raise InputError(
                f"{self.path / TOTALS}: column {name!r} lacks numbers of a sample; "
                "make the folder again"
            )
        matrix: npt.NDArray[Any] = column.flatten().to_numpy()
        return matrix.reshape(len(self), len(self.samples))

    def _columns(self, samples: Sequence[str]) -> npt.NDArray[np.int64]:
        unknown = [name for name in samples if name not in self.samples]
        if unknown or isinstance(samples, str):
            raise InputError(
                f"{self.path}: no sample {unknown[0] if unknown else samples!r} in a list of "
                f"samples; it has {', '.join(self.samples)}"
            )
        return np.array([self.samples.index(name) for name in samples], np.int64)

    def _pieces(self) -> Iterator[slice]:
        step = max(1, COPY_BYTES // max(1, self._counts[:1].nbytes))
        return (slice(first, first + step) for first in range(0, len(self), step))


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
    shape = _shape(0, len(source.samples), strands, width)[1:]
    most = max(1, memory // (4 * int(np.prod(shape))))
    types = iter(DTYPES)
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
    path, part = Path(output), _window(width, window, None)
    with atomic(path, force=force, folder=NAMES) as folder:
        shape = _shape(len(regions), len(samples), strands, width)
        file = _CountsFile(folder, shape)
        totals = np.zeros(shape[:2], np.int64)
        n_done = 0
        for rows, counts in blocks:
            file.put(rows, counts)
            totals[rows] = _sum(counts, part)
            n_done += len(rows)
            if progress is not None:
                progress(n_done, len(regions))
        file.check_complete()
        document = {
            **(schemas.provenance("profiles", {}, {}) if provenance is None else provenance),
            "format": FORMAT,
            "samples": list(samples),
            "shift": shift,
            "strands": strands,
            "width": width,
            "window": [part.start, part.stop],
            "kept": len(regions),
            "dtype": file.dtype.str,
        }
        _write_totals(folder / TOTALS, regions, totals, document)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
    return Profiles.open(path)


class _CountsFile:
    """counts.npy while it is written: rows in any order, in a type that grows with the counts.

    Written, not mapped: a full disk is then an error and not a signal, and the pages are not ours.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self._folder = folder
        self._shape = shape
        self._written = np.zeros(shape[0], np.bool_)
        self.dtype = DTYPES[0]
        self._create(folder / COUNTS)

    def put(self, rows: npt.NDArray[np.int64], counts: Counts) -> None:
        """Write the counts of `rows`."""
        if counts.shape != (len(rows), *self._shape[1:]) or counts.dtype.kind not in "iu":
            raise InputError(
                f"profiles: found a block of {counts.dtype} {counts.shape}, expected integers of "
                f"{(len(rows), *self._shape[1:])}"
            )
        if not len(rows):
            return
        if np.any(np.diff(rows) <= 0) or rows[0] < 0 or rows[-1] >= self._shape[0]:
            raise InputError(
                f"profiles: found a block of rows {rows[0]} to {rows[-1]}, expected ascending "
                f"rows of {self._shape[0]} regions"
            )
        if self._written[rows].any():
            twice = rows[self._written[rows]][0]
            raise InputError(f"profiles: found region {twice} twice, expected every region once")
        self._fit(int(counts.min()), int(counts.max()))
        with (self._folder / COUNTS).open("r+b") as file:
            self._write(file, rows, counts)
        self._written[rows] = True

    def check_complete(self) -> None:
        """InputError unless every row was written."""
        if not self._written.all():
            row = int(np.argmin(self._written))
            raise InputError(f"profiles: found no counts of region {row}, expected every region")

    def _create(self, path: Path) -> None:
        header = _npy_header(self.dtype, self._shape)
        with path.open("wb") as file:
            file.write(header)
            file.truncate(
                len(header) + self.dtype.itemsize * int(np.prod(self._shape, dtype=object))
            )

    def _write(self, file: Any, rows: npt.NDArray[np.int64], counts: Counts) -> None:
        header = len(_npy_header(self.dtype, self._shape))
        row_bytes = self.dtype.itemsize * int(np.prod(self._shape[1:]))
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, stop in pairwise(edges):
            file.seek(header + int(rows[first]) * row_bytes)
            file.write(np.ascontiguousarray(counts[first:stop], self.dtype).data.cast("B"))

    def _fit(self, least: int, most: int) -> None:
        """Move to a type that holds counts up to `most`."""
        if least < 0 or most > np.iinfo(DTYPES[-1]).max:
            raise InputError(
                f"profiles: found a count of {least if least < 0 else most}, "
                f"expected 0 to {np.iinfo(DTYPES[-1]).max}"
            )
        if most <= np.iinfo(self.dtype).max:
            return
        narrow = _map_counts(self._folder / COUNTS, self.dtype, self._shape)
        self.dtype = next(each for each in DTYPES if most <= np.iinfo(each).max)
        self._create(self._folder / WIDER)
        done = np.flatnonzero(self._written)
        step = max(1, COPY_BYTES // narrow[:1].nbytes)
        with (self._folder / WIDER).open("r+b") as file:
            for first in range(0, len(done), step):
                rows = done[first : first + step]
                self._write(file, rows, narrow[rows])
        (self._folder / WIDER).replace(self._folder / COUNTS)


def _write_totals(
    path: Path, regions: Regions, totals: npt.NDArray[np.int64], document: dict[str, Any]
) -> None:
    schema = schemas.with_metadata(totals_schema(), document)
    columns_of = region_columns(regions)
    matrices = [totals, quantile_normalise(totals)]
    with table_writer(path, schema, ".parquet") as writer:
        for first in range(0, len(regions), BATCH_ROWS):
            part = slice(first, first + BATCH_ROWS)
            lists = [_lists(m[part], f) for m, f in zip(matrices, list(schema)[-2:], strict=True)]
            columns = [*columns_of(part), *lists]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))


def _lists(matrix: npt.NDArray[Any], field: pa.Field) -> pa.Array:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.ravel()), type=field.type)


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


def _window(width: int, window: int, start: int | None) -> slice:
    """The part of a profile that totals are taken of."""
    first = centre_start(width, window) if start is None else start
    if window < 1 or first < 0 or first + window > width:
        raise InputError(
            f"window: found {window} bp from base {first}, expected a part of the {width} bp of a "
            "region; choose a smaller window"
        )
    return slice(first, first + window)


def _sum(counts: Counts, part: slice) -> npt.NDArray[np.int64]:
    """Cuts in a part of each profile, over all its bases and strands."""
    total: npt.NDArray[np.int64] = counts[..., part].sum(
        axis=tuple(range(2, counts.ndim)), dtype=np.int64
    )
    return total


def _shape(n_regions: int, n_samples: int, strands: str, width: int) -> tuple[int, ...]:
    return (n_regions, n_samples, *((2,) if strands == "split" else ()), width)


def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The start of a .npy file, format 1.0: the same bytes from any version of NumPy."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(10 + len(text) + 1) // 64) * 64 - 10
    return (
        b"\x93NUMPY\x01\x00"
        + length.to_bytes(2, "little")
        + text.ljust(length - 1).encode()
        + b"\n"
    )


def _map_counts(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Counts:
    """The counts in a file that is exactly of this type and shape; nothing in it is unpickled."""
    header = _npy_header(dtype, shape)
    expected = len(header) + dtype.itemsize * int(np.prod(shape, dtype=object))
    try:
        with path.open("rb") as file:
            found = file.read(len(header))
        n_bytes = path.stat().st_size
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; expected the counts, make the folder again"
        ) from error
    if found != header:
        raise InputError(
            f"{path}: is not the {dtype} array of {shape} that {ABOUT} says; make the folder again"
        )
    if n_bytes != expected:
        raise InputError(
            f"{path}: holds {n_bytes} bytes, expected {expected}; it is truncated or damaged, "
            "make the folder again"
        )
    if n_bytes == len(header):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", len(header), shape).view(np.ndarray)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        raw = (path / ABOUT).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: has no readable {ABOUT} ({error.strerror}); "
            "expected a folder that kmerengine profiles wrote"
        ) from error
    return schemas.parse_metadata(raw, path / ABOUT, (FORMAT,))
