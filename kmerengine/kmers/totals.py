"""Word totals of a stream of sequence text, in bounded memory.

To k = 12 each thread counts into a table of all words. Beyond, words are dealt to buckets by
their leading bases, sorted bucket by bucket and collapsed; where the words of the whole genome do
not fit in `memory`, the text is read once per range of buckets that does.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cluster import Scheduler
from kmerengine.io.atomic import atomic
from kmerengine.io.code_stream import BLOCK_BYTES, Codes, CodeStream, Tallied
from kmerengine.io.tables import table_writer, write_parts
from kmerengine.kmers.options import CountOptions
from kmerengine.kmers.total_counts import KmerTotals
from kmerengine.kmers.totals_on_cluster import words_on_cluster
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.kmers.words import letters
from kmerengine.parallel import in_order
from native_kernels.kmer_count import FLAT_TABLE_K, MAX_TABLE_K, Tally, count_words, cpu, word_dtype

SLICED_BLOCK_BYTES = 1 << 24  # k = 11, 12 deal a piece to 256 slices of the table: more at a time
PREFIX_BITS = 12  # 4,096 buckets: of 250 M words, 60,000 each, which sort in cache
PIECE_WORDS = 1 << 20  # words in a batch of results, which is a row group
PART_PIECES = 4  # row groups in a part

Words = npt.NDArray[Any]
Piece = tuple[Words, npt.NDArray[np.uint64]]  # words, counts


def count_totals(
    genome: Path, options: CountOptions, scheduler: Scheduler | None = None
) -> KmerTotals:
    """Count the words of all records together, and write or keep the table."""
    vocabulary, k = options.vocabulary, options.vocabulary.k
    size = genome.stat().st_size if genome.exists() else 0
    n_read = 0

    def progress(n_bytes: int) -> None:
        nonlocal n_read
        n_read += n_bytes
        if options.progress is not None:
            options.progress(n_read, max(size, n_read))

    if scheduler is not None:
        return _written(genome, size, *words_on_cluster(genome, options, scheduler), options)
    block_bytes = SLICED_BLOCK_BYTES if FLAT_TABLE_K < k <= MAX_TABLE_K else BLOCK_BYTES
    stream = CodeStream(genome, k, block_bytes=block_bytes, progress=progress)
    pieces = total_words(
        stream,
        stranded=vocabulary.stranded,
        threads=options.threads,
        memory=options.memory,
        device=options.device_for(size),
    )
    first = next(pieces)  # the whole text has been read by then, and is known to be sound
    return _written(genome, size, stream.found, chain([first], pieces), options)


def _written(
    genome: Path, size: int, found: Tallied, pieces: Iterable[Piece], options: CountOptions
) -> KmerTotals:
    """The table of totals, written or kept."""
    vocabulary, k, output = options.vocabulary, options.vocabulary.k, options.output
    name = schemas.FEATURE_TOTALS if options.materialize else schemas.KMER_TOTALS
    document = schemas.provenance("count", {"genome": {"name": genome.name, "bytes": size}}, {})
    document |= {"format": name, "vocabulary": vocabulary.spec}
    document |= {"records": found.records, "bases": found.bases}
    plain = schemas.totals_schema(k, materialized=options.materialize)
    schema = schemas.with_metadata(plain, document)
    make = _feature_batches if options.materialize else _word_batches
    batches = make(schema, vocabulary, pieces, options.threads)
    if output is None:
        return KmerTotals.from_batches(schema, batches)
    if options.parts:
        parts = iter(lambda: list(islice(batches, PART_PIECES)), [])
        write_parts(output, schema, parts, threads=options.threads, force=options.force)
    else:
        with (
            atomic(output, force=options.force) as temporary,
            table_writer(temporary, schema, output.suffix) as writer,
        ):
            for batch in batches:
                writer.write(batch)
    return KmerTotals.open(output)


def _word_batches(
    schema: pa.Schema, vocabulary: Vocabulary, pieces: Iterable[Piece], threads: int
) -> Iterator[pa.RecordBatch]:
    """Words, their letters and counts, a row group at a time."""
    k = vocabulary.k

    def cut() -> Iterator[Piece]:
        for words, counts in pieces:
            for start in range(0, max(len(words), 1), PIECE_WORDS):
                yield words[start : start + PIECE_WORDS], counts[start : start + PIECE_WORDS]

    def made(piece: Piece) -> pa.RecordBatch:
        words, counts = piece
        columns = [pa.array(words), pa.array(counts)]
        if "sequence" in schema.names:
            ends = np.arange(0, k * len(words) + 1, k, dtype=np.int32)
            text = pa.py_buffer(letters(words, k))
            columns.insert(1, pa.StringArray.from_buffers(len(words), pa.py_buffer(ends), text))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    return in_order(made, cut(), threads)


def _feature_batches(
    schema: pa.Schema, vocabulary: Vocabulary, pieces: Iterable[Piece], _threads: int
) -> Iterator[pa.RecordBatch]:
    """Every feature of the vocabulary with its total."""
    totals = np.zeros(vocabulary.n_features, np.uint64)
    for words, counts in pieces:
        totals += vocabulary.projection.total(words, counts)
    ids = np.arange(len(totals), dtype=np.uint32)
    for start in range(0, len(totals), PIECE_WORDS):
        part = ids[start : start + PIECE_WORDS]
        columns = [pa.array(part), pa.array(vocabulary.words(part)), pa.array(totals[part])]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def total_words(
    stream: CodeStream,
    *,
    stranded: bool = False,
    threads: int = 1,
    memory: int = 3 << 30,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Iterator[Piece]:
    """Yield the words that occur, ascending over all pieces, with their counts.

    Parameters
    ----------
    stream : CodeStream
    stranded : bool
        Keep a word apart from its reverse complement.
    threads : int
    memory : int
        Bytes of words that may be held at once where k > 12.
    device : "cpu" or "cuda"
        The same results from both.
    """
    if stream.k <= MAX_TABLE_K:
        yield from _by_table(stream, stranded=stranded, threads=threads, device=device)
    else:
        yield from _by_sorting(
            stream, stranded=stranded, threads=threads, memory=memory, device=device
        )


def _by_table(
    stream: CodeStream, *, stranded: bool, threads: int, device: Literal["cpu", "cuda"]
) -> Iterator[Piece]:
    if device == "cuda":
        total = np.zeros(4**stream.k, np.uint64)
        for codes in stream:
            words, counts = count_words(codes, stream.k, stranded=stranded, device=device)
            total[words] += counts
        found = np.flatnonzero(total)
        yield found.astype(word_dtype(stream.k)), total[found]
        return
    tally = Tally(stream.k, stranded=stranded, slots=threads)
    _each_piece(stream, tally.add, threads)
    yield tally.result()


def _each_piece(stream: CodeStream, use: Callable[[Codes, int], None], threads: int) -> None:
    """Call ``use(codes, slot)`` on every piece; a slot is used by one thread at a time."""
    free: SimpleQueue[int] = SimpleQueue()
    for slot in range(threads):
        free.put(slot)

    def work(codes: Codes, slot: int) -> None:
        try:
            use(codes, slot)
        finally:
            free.put(slot)

    with ThreadPoolExecutor(threads) as pool:
        # waiting for a free slot bounds the pieces in flight
        running = [pool.submit(work, codes, free.get()) for codes in stream]
    for done in running:
        done.result()


def _by_sorting(
    stream: CodeStream,
    *,
    stranded: bool,
    threads: int,
    memory: int,
    device: Literal["cpu", "cuda"],
) -> Iterator[Piece]:
    k, n_buckets = stream.k, 1 << PREFIX_BITS
    per_slot = np.zeros((threads, n_buckets), np.int64)

    def count(codes: Codes, slot: int) -> None:
        cpu.count_prefixes(codes, k, stranded, PREFIX_BITS, per_slot[slot])

    _each_piece(stream, count, threads)
    sizes = per_slot.sum(axis=0)
    room = memory // np.dtype(word_dtype(k)).itemsize
    first = 0
    while first < n_buckets:
        ends = np.cumsum(sizes[first:])
        last = first + max(1, int(np.searchsorted(ends, room, side="right")))
        words = np.empty(ends[last - first - 1], word_dtype(k))
        _deal(stream, words, sizes, first, last, stranded=stranded, threads=threads)
        starts = np.concatenate([[0], ends[: last - first]])
        yield from in_order(
            partial(_sorted_group, words, starts, device), _groups_of(starts), threads
        )
        del words  # nothing holds them while the next range is dealt
        first = last


def _deal(
    stream: CodeStream,
    words: Words,
    sizes: npt.NDArray[np.int64],
    first: int,
    last: int,
    *,
    stranded: bool,
    threads: int,
) -> None:
    """Write every word of buckets [first, last) into its bucket's part of `words`."""
    k = stream.k
    heads = np.zeros(len(sizes), np.int64)
    heads[first:last] = np.cumsum(sizes[first:last]) - sizes[first:last]
    reserving = Lock()

    def deal(codes: Codes, _slot: int) -> None:
        own = np.zeros(len(sizes), np.int64)
        cpu.count_prefixes(codes, k, stranded, PREFIX_BITS, own)
        with reserving:
            at = heads.copy()
            np.add(heads, own, out=heads)
        cpu.deal_words(codes, k, stranded, PREFIX_BITS, first, last, at, words)

    _each_piece(stream, deal, threads)


def _groups_of(starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of buckets of about PIECE_WORDS words."""
    first, n = 0, len(starts) - 1
    while first < n:
        last = int(np.searchsorted(starts, starts[first] + PIECE_WORDS, side="right")) - 1
        last = min(max(last, first + 1), n)
        yield first, last
        first = last


def _sorted_group(
    words: Words,
    starts: npt.NDArray[np.int64],
    device: Literal["cpu", "cuda"],
    buckets: tuple[int, int],
) -> Piece:
    """Distinct words, ascending, and counts of the buckets [first, last)."""
    first, last = buckets
    group = words[starts[first] : starts[last]]
    if device == "cuda":
        import cupy

        group[:] = cupy.asnumpy(cupy.sort(cupy.asarray(group)))
    else:
        for bucket in range(first, last):
            words[starts[bucket] : starts[bucket + 1]].sort()
    distinct, counts = np.empty_like(group), np.empty(len(group), np.uint64)
    n = cpu.collapse(group, distinct, counts)
    return distinct[:n], counts[:n]
