"""Count rows - regions, records or sequences - batch by batch, in order, on several threads."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cluster import Cluster
from kmerengine.errors import InputError
from kmerengine.io.fasta import Genome
from kmerengine.io.tables import write_parts
from kmerengine.kmers.counts import KmerCounts, write_counts
from kmerengine.kmers.counts_files import counts_batch
from kmerengine.kmers.options import CountOptions
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.parallel import in_order
from kmerengine.regions import TOO_SHORT, Regions
from native_kernels.kmer_count import count_rows

# A batch is a row group: small enough to be read alone and to stay in cache on its way to disk.
BATCH_ROWS = 8192
BATCH_BASES = 1 << 21
BATCH_FEATURES = 1 << 23  # materialized elements
PART_BATCHES = 8

Bases = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # codes, offsets


class FetchedCodes:
    """Codes of rows, read from the genome when a batch needs them."""

    def __init__(self, genome: Genome, rows: Regions) -> None:
        self._genome = genome
        self._rows = rows
        self.path = genome.path
        self.n_bases = int((rows.end - rows.start).sum())

    def batch(self, part: slice) -> Bases:
        """Codes of the rows of `part`, end to end, and where each starts."""
        rows = self._rows
        contig = rows.contig[part].astype(np.int64)
        return self._genome.fetch(contig, rows.start[part], rows.end[part])

    def take(self, rows: Regions, kept: npt.NDArray[np.int64]) -> "FetchedCodes":
        """The codes of `rows`, which are those numbered `kept` of these."""
        assert len(rows) == len(kept)
        return FetchedCodes(self._genome, rows)


class ResidentCodes:
    """Codes of rows that are all in memory."""

    def __init__(self, codes: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        self._codes = codes
        self._offsets = offsets
        self.n_bases = len(codes)

    def batch(self, part: slice) -> Bases:
        """Codes of the rows of `part`, end to end, and where each starts."""
        offsets = self._offsets[part.start : part.stop + 1]
        return self._codes[offsets[0] : offsets[-1]], offsets - offsets[0]

    def take(self, rows: Regions, kept: npt.NDArray[np.int64]) -> "ResidentCodes":
        """The codes of `rows`, which are those numbered `kept` of these."""
        chosen = np.zeros(len(self._offsets) - 1, np.bool_)
        chosen[kept] = True
        codes = self._codes[np.repeat(chosen, np.diff(self._offsets))]
        return ResidentCodes(codes, np.concatenate([[0], np.cumsum(rows.end - rows.start)]))


Codes = FetchedCodes | ResidentCodes


def codes_of(genome: Genome, rows: Regions) -> Codes:
    """The bases of regions: read batch by batch, or at once where only one pass can find them."""
    if genome.random_access or not len(rows):
        return FetchedCodes(genome, rows)
    return ResidentCodes(*genome.fetch(rows.contig.astype(np.int64), rows.start, rows.end))


def without_n(rows: Regions, codes: Codes, options: CountOptions) -> tuple[Regions, Codes]:
    """The rows whose bases are all A C G T."""
    clean = np.ones(len(rows), np.bool_)
    for part in _batches(rows, options):
        bases, offsets = codes.batch(part)
        strange = np.concatenate([[0], np.cumsum(bases > 3)])
        clean[part] = strange[offsets[1:]] == strange[offsets[:-1]]
    kept = np.flatnonzero(clean)
    left = rows.take(kept)
    return left, codes.take(left, kept)


def all_records(genome: Genome, k: int) -> tuple[Regions, dict[str, int]]:
    """Every record of at least k bases as a row, and how many were skipped and why."""
    lengths = np.fromiter(genome.contigs.values(), np.int64, len(genome.contigs))
    return long_enough(whole_sequences(list(genome.contigs), lengths), k)


def whole_sequences(names: list[str], lengths: npt.NDArray[np.int64]) -> Regions:
    """Each sequence as one region over its whole length."""
    n = len(names)
    return Regions(
        contig_names=tuple(names),
        contig=np.arange(n, dtype=np.int32),
        start=np.zeros(n, np.int64),
        end=lengths,
        name=[""] * n,
        score=np.full(n, np.nan),
        strand=np.full(n, b"."),
        summit=np.full(n, -1, np.int64),
        line=np.arange(1, n + 1),
    )


def long_enough(rows: Regions, k: int) -> tuple[Regions, dict[str, int]]:
    """The rows of at least k bases, and how many were skipped and why."""
    kept = np.flatnonzero(rows.end >= k)
    n_short = len(rows) - len(kept)
    return rows.take(kept), ({TOO_SHORT: n_short} if n_short else {})


def encode(sequence: str, number: int) -> npt.NDArray[np.uint8]:
    """Codes of the letters of a sequence; `number` is for messages."""
    try:
        letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    except (UnicodeEncodeError, AttributeError) as error:
        raise InputError(f"sequence {number}: found {sequence!r:.60}, expected letters") from error
    table = np.full(256, 255, np.uint8)
    for code, pair in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
        table[list(pair)] = code
    return table[letters]


def _batches(rows: Regions, options: CountOptions) -> Iterator[slice]:
    """Ranges of rows that are counted, and stored, together."""
    most = BATCH_BASES
    if options.materialize:
        most = max(1, BATCH_FEATURES // options.vocabulary.projection.max_features_per_word)
    ends = np.cumsum(rows.end - rows.start)
    start = 0
    while start < len(rows):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + most, side="right"))
        stop = min(max(stop, start + 1), start + BATCH_ROWS, len(rows))
        yield slice(start, stop)
        start = stop


@dataclass(frozen=True, eq=False)
class RowCounter:
    """Counts the rows of a batch; threads may share it.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of the table.
    vocabulary : Vocabulary
    materialize : bool
    device : "cpu" or "cuda"
    contig_names : tuple of str
        Of all rows.
    """

    schema: pa.Schema
    vocabulary: Vocabulary
    materialize: bool
    device: Literal["cpu", "cuda"]
    contig_names: tuple[str, ...]

    @cached_property
    def _columns(self) -> Callable[[Regions], list[pa.Array]]:
        return _columns_of(self.contig_names)

    def __call__(self, rows: Regions, bases: Bases) -> pa.RecordBatch:
        """The rows' counts, with their region columns."""
        codes, offsets = bases
        vocabulary = self.vocabulary
        reverse = rows.strand == b"-" if vocabulary.stranded else None
        indptr, values, counts = count_rows(
            codes,
            offsets,
            vocabulary.k,
            stranded=vocabulary.stranded,
            reverse=reverse,
            device=self.device,
        )
        if self.materialize:
            indptr, values, counts = vocabulary.projection.rows(indptr, values, counts)
        return counts_batch(self.schema, self._columns(rows), indptr, values, counts)


@dataclass(frozen=True, eq=False)
class RowsOnWorker:
    """Called on a worker: opens the genome, for batches of rows without their contigs' names."""

    genome: Path
    counter: RowCounter

    def __call__(self) -> Callable[[Regions], pa.RecordBatch]:
        genome = Genome.open(self.genome)
        counter = _fresh(self.counter)

        def work(rows: Regions) -> pa.RecordBatch:
            return counter(rows, FetchedCodes(genome, rows).batch(slice(None)))

        return work


def _fresh(counter: RowCounter) -> RowCounter:
    """A copy without what the other has made for itself, which can be sent."""
    return replace(counter, vocabulary=replace(counter.vocabulary))


def count_row_batches(
    rows: Regions,
    codes: Codes,
    document: dict[str, Any],
    options: CountOptions,
    cluster: Cluster | None = None,
) -> KmerCounts:
    """Count every row, and write or keep the table.

    Parameters
    ----------
    rows : Regions
    codes : Codes
        Their bases.
    document : dict
        The table's provenance, but for its format and vocabulary.
    options : CountOptions
    cluster : Cluster, optional
        To work on; `codes` are of a genome then.
    """
    vocabulary, output = options.vocabulary, options.output
    name = schemas.FEATURES if options.materialize else schemas.KMERS
    plain = schemas.counts_schema(vocabulary.k, materialized=options.materialize)
    schema = schemas.with_metadata(
        plain, {"format": name, "vocabulary": vocabulary.spec, **document}
    )
    device = "cpu" if cluster else options.device_for(codes.n_bases)
    counter = RowCounter(schema, vocabulary, options.materialize, device, rows.contig_names)

    def tasks(batches: Iterable[slice]) -> Iterator[tuple[slice, Bases]]:
        done = 0
        for part in batches:
            fetched = codes.batch(part)
            yield part, fetched
            done += len(fetched[0])
            if options.progress is not None:
                options.progress(done, codes.n_bases)

    def counted(task: tuple[slice, Bases]) -> pa.RecordBatch:
        return counter(rows.take(task[0]), task[1])

    def made() -> Generator[pa.RecordBatch, None, None]:
        batches = _batches(rows, options)
        if cluster is None:
            return in_order(counted, tasks(batches), options.threads)
        assert isinstance(codes, FetchedCodes)
        return cluster.in_order(
            RowsOnWorker(codes.path.absolute(), _fresh(counter)),
            (replace(rows.take(part), contig_names=()) for part in batches),
            progress=options.progress, size=lambda part: int((part.end - part.start).sum()),
            of=codes.n_bases,
        )  # fmt: skip

    if options.parts and output is not None and cluster is None:
        slices = _batches(rows, options)
        groups = iter(lambda: list(islice(slices, PART_BATCHES)), [])
        parts = (map(counted, tasks(group)) for group in groups)
        write_parts(output, schema, parts, threads=options.threads, force=options.force)
        return KmerCounts.open(output)
    with closing(made()) as batches:
        if output is None:
            return KmerCounts.from_batches(schema, batches)
        if options.parts:
            ready = iter(lambda: list(islice(batches, PART_BATCHES)), [])
            write_parts(output, schema, ready, threads=options.threads, force=options.force)
        else:
            write_counts(output, schema, batches, force=options.force)
    if output.suffix == ".txt":
        return KmerCounts.from_batches(schema, [])
    return KmerCounts.open(output)


def region_columns(rows: Regions) -> Callable[[slice], list[pa.Array]]:
    """The region columns of a part of the rows, as Arrow."""
    columns = _columns_of(rows.contig_names)
    return lambda part: columns(rows.take(part))


def _columns_of(contig_names: tuple[str, ...]) -> Callable[[Regions], list[pa.Array]]:
    """The region columns of rows on these contigs."""
    names = pa.array(list(contig_names), pa.string())
    strands = pa.array(["+", "-", "."], pa.string())

    def columns(rows: Regions) -> list[pa.Array]:
        strand = np.select([rows.strand == b"+", rows.strand == b"-"], [0, 1], 2)
        return [
            pa.DictionaryArray.from_arrays(pa.array(rows.contig), names),
            pa.array(rows.start),
            pa.array(rows.end),
            pa.array(rows.name, pa.string()),
            pa.array(rows.score, from_pandas=True),
            pa.DictionaryArray.from_arrays(pa.array(strand.astype(np.int8)), strands),
        ]

    return columns
