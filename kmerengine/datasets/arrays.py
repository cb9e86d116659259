"""The arrays of a data set, block by block: bases, cuts and bias of the same regions."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.cut_profiles.profile_set import COUNTS, NAMES, Profiles, centre_start
from kmerengine.cut_profiles.profile_write import make_profiles
from kmerengine.cut_sites.track import CutTrack
from kmerengine.datasets.folder import Span
from kmerengine.datasets.write import Stored
from kmerengine.errors import InputError
from kmerengine.io.arrays import ArrayWriter, write_array
from kmerengine.io.fasta import Genome
from kmerengine.io.link import link_or_copy
from kmerengine.kmers.rows import codes_of
from kmerengine.regions import Regions
from native_kernels.cut_profile import Strands

__all__ = ["Cuts", "check_lengths", "moved", "write_bias", "write_counts", "write_sequence"]

BLOCK_BYTES = 1 << 24

Rows = npt.NDArray[np.int64]


class Cuts(NamedTuple):
    """Counts that were written, and what is known of them."""

    array: Stored
    samples: tuple[str, ...]
    totals: npt.NDArray[np.int64]
    window: Span  # within the span
    shift: str
    strands: Strands


def moved(regions: Regions, start: int, end: int) -> Regions:
    """The windows [start, end) of each region, bp from its start."""
    columns = vars(regions) | {"start": regions.start + start, "end": regions.start + end}
    return Regions(**columns)


def write_sequence(
    folder: Path, genome: Genome, regions: Regions, span: Span, margin: int
) -> tuple[Stored, int]:
    """Write sequence.arrow; also the number of regions with a base that is not A C G T."""
    windows = moved(regions, span[0] - margin, span[1] + margin)
    width = span[1] - span[0] + 2 * margin
    codes = codes_of(genome, windows)
    writer = ArrayWriter(folder / "sequence.arrow", (len(regions), width), [np.dtype(np.uint8)])
    n_strange = 0
    for part in _blocks(len(regions), width):
        block = codes.batch(part)[0].reshape(-1, width)
        n_strange += int((block > 3).any(axis=1).sum())
        writer.put(np.arange(part.start, part.stop), block)
    return Stored(file=writer.finish(), start=span[0] - margin, span=span), n_strange


def write_counts(
    folder: Path,
    source: CutTrack | Profiles,
    regions: Regions,
    *,
    width: int,
    window: int,
    margin: int,
    dropped: int,
    strands: Strands,
    memory: int,
    progress: Callable[[int, int], None] | None,
) -> Cuts:
    """Write counts.arrow from cuts, or take it from profiles that were made before.

    `dropped` bp at the end of a region have no counts in an example, and the window stays that of
    the whole region.
    """
    made = source
    if isinstance(source, CutTrack):
        made = make_profiles(
            source,
            moved(regions, -margin, width + margin),
            folder / "profiles",
            width=width + 2 * margin,
            window=window,
            strands=strands,
            memory=memory,
            progress=progress,
        )
    assert isinstance(made, Profiles)
    start = width // 2 - made.width // 2
    if start > -margin or start + made.width < width + margin:
        raise InputError(
            f"{made.path}: its profiles are {made.width} bp wide, expected {width} and a margin of "
            f"{margin} on either side; make profiles of --width {width + 2 * margin}"
        )
    rows = _rows_of(made, moved(regions, start, start + made.width))
    part = centre_start(width, window)
    totals = made.totals(window, part - start)[rows]
    described = _take(made, rows, folder)
    if made is not source:
        for name in NAMES:
            (made.path / name).unlink(missing_ok=True)
        made.path.rmdir()
    return Cuts(
        array=Stored(file=described, start=start, span=(0, width - dropped)),
        samples=made.samples,
        totals=totals,
        window=(part, part + window),
        shift=made.shift,
        strands=made.strands,
    )


def _rows_of(profiles: Profiles, wanted: Regions) -> Rows:
    """The row of the profiles for each window."""
    table = profiles.regions
    names = table["chrom"].combine_chunks()
    number = {name: i for i, name in enumerate(wanted.contig_names)}
    contig_of = np.array([number.get(each, -1) for each in names.dictionary.to_pylist()], np.int64)
    theirs = _keys(contig_of[names.indices.to_numpy()], table["start"].to_numpy())
    ours = _keys(wanted.contig, wanted.start)
    order = np.argsort(theirs, kind="stable")
    at = np.searchsorted(theirs[order], ours)
    rows = order.take(at, mode="clip") if len(order) else at
    missing = np.flatnonzero((at == len(order)) | (theirs.take(rows, mode="clip") != ours))
    if len(missing):
        row = int(missing[0])
        chrom = wanted.contig_names[wanted.contig[row]]
        raise InputError(
            f"{profiles.path}: has no profile of {chrom}:{wanted.start[row]}-{wanted.end[row]} "
            f"({len(missing):,} of {len(ours):,} regions are missing); make profiles of these "
            "regions, or give --cuts"
        )
    return np.asarray(rows, np.int64)


def _keys(contig: npt.NDArray[Any], start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return (contig.astype(np.int64) << 42) + start


def _take(profiles: Profiles, rows: Rows, folder: Path) -> dict[str, Any]:
    """The counts of `rows` as counts.arrow in `folder`: the same file where they are all rows."""
    source, target = profiles.path / COUNTS, folder / COUNTS
    if len(rows) == len(profiles) and np.array_equal(rows, np.arange(len(rows))):
        link_or_copy(source, target)
        return dict(profiles.provenance["counts"])
    shape = (len(rows), *profiles.counts(slice(0, 0)).shape[1:])
    writer = ArrayWriter(target, shape)
    for part in _blocks(len(rows), 8 * int(np.prod(shape[1:]))):
        writer.put(np.arange(part.start, part.stop), profiles.counts(rows[part]))
    return writer.finish()


def check_lengths(path: Path, contigs: dict[str, int], regions: Regions, genome: Genome) -> None:
    """InputError for a file whose contigs, of those with regions, are another assembly's."""
    for number in np.unique(regions.contig).tolist():
        name = regions.contig_names[number]
        ours = genome.contigs[name]
        theirs = contigs.get(name, ours)
        if theirs != ours:
            raise InputError(
                f"{path}: its contig {name} has {theirs:,} bp, {ours:,} in {genome.path}; give the "
                "genome that it was made with"
            )


def write_bias(
    folder: Path, bias: Path, regions: Regions, span: Span, margin: int, genome: Genome
) -> Stored:
    """Write bias.arrow from a bigWig, or from a .npy with one row per region."""
    width = span[1] - span[0] + 2 * margin
    start = span[0] - margin
    if bias.suffix == ".npy":
        rows = read_npy(bias)
        if rows.shape[:1] != (len(regions),) or rows.shape[-1] != width:
            raise InputError(
                f"{bias}: found shape {rows.shape}, expected a row of {width} bp for each of the "
                f"{len(regions):,} regions that are kept"
            )
        return Stored(file=write_array(folder / "bias.arrow", tracks(rows, bias)), start=start,
                      span=span)  # fmt: skip
    from kmerengine.io.bigwig import BigWig

    track = BigWig.open(bias)
    check_lengths(bias, track.contigs, regions, genome)
    shape = (len(regions), width)
    writer = ArrayWriter(folder / "bias.arrow", shape, [np.dtype(np.float32)])
    for part in _blocks(len(regions), 4 * width):
        block = np.empty((part.stop - part.start, width), np.float32)
        for i, row in enumerate(range(part.start, part.stop)):
            first = int(regions.start[row]) + start
            name = regions.contig_names[regions.contig[row]]
            block[i] = track.values(name, first, first + width)
            is_finite = np.isfinite(block[i])
            if not is_finite.all():
                at = first + int(np.argmin(is_finite))
                raise InputError(
                    f"{bias}: {name}:{at}: found an infinite value, expected numbers; correct "
                    "the track"
                )
        writer.put(np.arange(part.start, part.stop), block)
    return Stored(file=writer.finish(), start=start, span=span)


def read_npy(path: Path) -> npt.NDArray[Any]:
    """An array in a .npy file, memory-mapped; nothing in it is unpickled."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy evaluates the header: damage there raises nearly anything
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"{path}: cannot be read as an array ({reason}); expected .npy") from error
    return array


def tracks(rows: npt.NDArray[Any], where: Path) -> npt.NDArray[np.float32]:
    """Bias as float32, shape (n, bp), or (n, 2, bp) of two strands."""
    if rows.ndim == 3 and rows.shape[1] == 1:
        rows = rows[:, 0]
    if rows.ndim not in (2, 3) or (rows.ndim == 3 and rows.shape[1] != 2):
        raise InputError(
            f"{where}: found shape {rows.shape}, expected (regions, bp) or (regions, 2, bp)"
        )
    values = rows.astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
        raise InputError(f"{where}: row {row}: found a value that is no number, expected numbers")
    return values


def _blocks(n_rows: int, row_bytes: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    return (slice(i, min(i + step, n_rows)) for i in range(0, n_rows, step))
