"""A training data set from a sample of positives and negatives, such as AgentBind's motif sites."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.arrays import write_sequence
from kmerengine.datasets.folder import NAMES, Dataset
from kmerengine.datasets.splits import Windows, assign_splits
from kmerengine.datasets.write import Examples, Stored, write_examples
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.fasta import Genome
from kmerengine.io.messages import shown
from kmerengine.io.tables import TableReader
from kmerengine.regions import LEAVES_CONTIG, Regions

__all__ = ["dataset_from_sites"]

SITES, WINDOWS = "bound", "positive"  # what the label is called
BLOCK_ROWS = 4096

Rows = npt.NDArray[np.int64]


class _Sample(NamedTuple):
    """What `kmerengine sample` wrote, row by row; `line` of the regions is the row."""

    regions: Regions
    labels: npt.NDArray[np.uint8]  # (n,)
    gc: npt.NDArray[np.float64]  # of the window; NaN where no base is known
    cores: Rows | None  # (n, 2), bp from the start of the window


def dataset_from_sites(
    sample: str | Path,
    *,
    output: str | Path,
    genome: str | Path,
    label: str | None = None,
    split: Sequence[str] = (),
    seed: int = 0,
    margin: int = 0,
    force: bool = False,
) -> Dataset:
    """Motif sites with their labels, as `kmerengine sample sites` draws them, as a data set.

    Parameters
    ----------
    sample : path
        regions.parquet of `sample sites`; its windows, of one width, are the examples, in its
        order, and where their motifs lie goes with them. Or that of `sample windows`, which has no
        motifs.
    output : path
        The folder to write, see `kmerengine.datasets.folder`.
    genome : path
        FASTA that was sampled: plain, bgzip or gzip. Each window must have the GC that the sample
        says.
    label : str, optional
        Name of the label, such as the factor's; by default "bound", or "positive" of windows.
    split : sequence of str
        Rule of training, validation and test, see `kmerengine.datasets.splits`; without one, all
        train.
    seed : int
        For shares of a random split.
    margin : int
        bp to store on either side of every window, so that a loader can jitter by as much.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        One line that names the file and the row (0-based), what was found, what was expected and
        what to do: another genome, windows of different widths, labels that are not 0 or 1, motifs
        outside their windows; also where a split is empty or two share a base.

    Notes
    -----
    Those with the label 0 are the data set's `negative` examples. Windows with bases that are not
    A C G T are kept, and counted (`with_other_bases`).
    """
    path, output, genome = Path(sample), Path(output), Path(genome)
    if margin < 0:
        raise InputError(f"margin: found {margin}, expected 0 or more")
    if label == "":
        raise InputError("label: found no letter, expected a name, such as that of the factor")
    check_writable(output, force=force, folder=NAMES)
    table, about, has_cores = _opened(path)
    with Genome.open(genome) as opened:
        drawn = _read(table, path, opened.contigs, genome, has_cores=has_cores)
        n_listed, width = len(drawn.regions), int(drawn.regions.end[0] - drawn.regions.start[0])
        kept, splits, skipped = _split(drawn.regions, opened.contigs, path, split, seed, margin)
        name = label or (SITES if has_cores else WINDOWS)
        examples = Examples(
            regions=drawn.regions,
            split=splits,
            negative=drawn.labels == 0,
            label_names=(name,),
            labels=drawn.labels[:, None],
            cores=drawn.cores,
        ).take(kept)
        inputs = {
            "genome": schemas.contigs_digest(genome, opened.contigs),
            "sample": schemas.digest(path),
        }
        parameters = {"label": name, "split": list(split), "seed": seed, "margin": margin}
        document = schemas.provenance("dataset_from_sites", inputs, parameters)
        with atomic(output, force=force, folder=NAMES) as folder:
            rows = examples.regions
            stored, n_strange = write_sequence(folder, opened, rows, (0, width), margin)
            _check_gc(folder, stored, margin, drawn.gc[kept], rows, path, genome)
            document |= {"regions": n_listed, "skipped": skipped, "with_other_bases": n_strange}
            document |= {"sampled": about}
            write_examples(
                folder, examples, {"sequence": stored}, document, margin=margin, window=None
            )
    return Dataset.open(output)


def _opened(path: Path) -> tuple[TableReader, dict[str, Any], bool]:
    """The table, its document, and whether it is of motif sites."""
    table = TableReader(path)
    about = schemas.read_metadata(table.schema, path, (schemas.SAMPLE,))
    has_cores = any(name in table.schema.names for name in schemas.CORE_COLUMNS.names)
    schemas.require(table.schema, schemas.sample_schema(sites=has_cores), path)
    if not table.n_rows:
        raise InputError(f"{path}: found no windows, expected at least one; draw the sample again")
    return table, about, has_cores


def _read(
    table: TableReader, path: Path, contigs: dict[str, int], genome: Path, *, has_cores: bool
) -> _Sample:
    columns = ["chrom", "start", "end", "name", "strand", "label", "gc"]
    columns += ["score", *schemas.CORE_COLUMNS.names] if has_cores else []
    rows = table.read(columns=columns).combine_chunks()
    for column in columns:
        if column != "gc" and rows[column].null_count:
            row = rows[column].is_null().to_pylist().index(True)
            raise InputError(f"{path}: row {row}: found no {column}, expected one; draw it again")
    n = len(rows)
    start, end = (rows[name].to_numpy().astype(np.int64) for name in ("start", "end"))
    chrom, strand = (_words(rows[name]) for name in ("chrom", "strand"))
    number = {name: i for i, name in enumerate(contigs)}
    contig = np.array([number.get(name, -1) for name in chrom.names], np.int32)[chrom.of]
    lengths = np.array([*contigs.values(), 0], np.int64)
    labels = rows["label"].to_numpy().astype(np.uint8)
    width = end[0] - start[0]
    known = np.array([name in ("+", "-", ".") for name in strand.names], np.bool_)[strand.of]
    cores = None
    inside = np.ones(n, np.bool_)
    if has_cores:
        cores = np.stack(
            [rows[name].to_numpy().astype(np.int64) for name in schemas.CORE_COLUMNS.names], 1
        )
        inside = (cores[:, 0] >= 0) & (cores[:, 0] < cores[:, 1]) & (cores[:, 1] <= width)
    where = Path(genome).name
    for good, what, expected in (
        (contig >= 0, "a contig that is not in it", f"those of {where}"),
        (end > start, "a window that is empty", "bases"),
        (end - start == width, "a window of another width", f"{width} bp as before"),
        ((start >= 0) & (end <= lengths[contig]), "a window that leaves its contig", where),
        (known, "a strand that is none", "+, - or ."),
        (labels <= 1, "a label", "0 or 1"),
        (inside, "a motif outside its window", f"one within {width} bp"),
    ):
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(
                f"{path}: row {row}, {shown(chrom.names[chrom.of[row]])}, {start[row]}-{end[row]}: "
                f"found {what}, expected {expected}; give the genome that was sampled, or draw "
                "again"
            )
    score = rows["score"].to_numpy().astype(np.float64) if has_cores else np.full(n, np.nan)
    gc = rows["gc"].to_numpy(zero_copy_only=False).astype(np.float64)
    regions = Regions(
        contig_names=tuple(contigs),
        contig=contig,
        start=start,
        end=end,
        name=rows["name"].to_pylist(),
        score=score,
        strand=np.array([name.encode() for name in strand.names], "S1")[strand.of],
        summit=np.full(n, -1, np.int64),
        line=np.arange(n),
    )
    return _Sample(regions, labels, gc, cores)


class _Words(NamedTuple):
    """A column of few words: which there are, and the number of that in each row."""

    names: list[str]
    of: Rows


def _words(column: pa.ChunkedArray) -> _Words:
    whole = column.combine_chunks()
    return _Words(whole.dictionary.to_pylist(), whole.indices.to_numpy().astype(np.int64))


def _split(
    regions: Regions,
    contigs: dict[str, int],
    path: Path,
    rule: Sequence[str],
    seed: int,
    margin: int,
) -> tuple[Rows, npt.NDArray[np.int8], dict[str, int]]:
    """Rows that are kept, the split of every row, and how many are left out, and why."""
    lengths = np.array(list(contigs.values()), np.int64)
    start, end = regions.start - margin, regions.end + margin
    fits = np.flatnonzero((start >= 0) & (end <= lengths[regions.contig]))
    skipped = {LEAVES_CONTIG: len(regions) - len(fits)}
    if not len(fits):
        raise InputError(
            f"{path}: none of {len(regions):,} windows lies within its contig with a margin of "
            f"{margin:,} bp, expected some; choose a smaller --margin"
        )
    windows = Windows(regions.contig_names, regions.contig[fits], start[fits], end[fits])
    found, why = assign_splits(rule, windows, seed=seed)
    of = np.full(len(regions), -1, np.int8)
    of[fits] = found
    return np.flatnonzero(of >= 0), of, {k: n for k, n in (skipped | why).items() if n}


def _check_gc(
    folder: Path,
    stored: Stored,
    margin: int,
    gc: npt.NDArray[np.float64],
    regions: Regions,
    path: Path,
    genome: Path,
) -> None:
    """InputError unless the windows have the GC that the sample says: another assembly has not."""
    codes = map_array(folder / "sequence.arrow", stored.file)
    for first in range(0, len(codes), BLOCK_ROWS):
        block = codes[first : first + BLOCK_ROWS, margin : codes.shape[1] - margin]
        known = (block < 4).sum(1)
        strong = ((block == 1) | (block == 2)).sum(1)
        said = gc[first : first + BLOCK_ROWS]
        same = np.where(known > 0, strong / np.maximum(known, 1) == said, np.isnan(said))
        if not same.all():
            at = int(np.argmin(same))
            row = first + at
            chrom = regions.contig_names[regions.contig[row]]
            raise InputError(
                f"{path}: row {regions.line[row]}, {chrom}:{regions.start[row]}-"
                f"{regions.end[row]}: found GC {said[at]:.4g} in the sample and "
                f"{strong[at] / max(known[at], 1):.4g} in {genome}, expected the same; give the "
                "genome that was sampled"
            )
