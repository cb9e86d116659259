"""Motif instances as BED text, plain or bgzip.

A comment line names the columns: chrom, start, end, motif, score (bits), strand, p, and q and
sequence where the table has them. The number of the region is left to Parquet: with it there may
be ten columns, which are read as narrowPeak. Numbers have six significant digits.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kmerengine.io.atomic import atomic
from kmerengine.io.compressed import BGZF_END

COLUMNS = ("chrom", "start", "end", "motif", "score", "strand", "p", "q", "sequence")

_BLOCK = 65_280  # bytes of text in a bgzip block, as bgzip itself has it


def write_bed(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, force: bool = False
) -> int:
    """Write hits, of a name that ends in .gz as bgzip; returns how many."""
    n = 0

    def text() -> Iterator[bytes]:
        nonlocal n
        yield ("#" + "\t".join(_columns(schema)) + "\n").encode()
        for batch in batches:
            n += len(batch)
            yield _as_text(batch)

    with atomic(path, force=force) as temporary, temporary.open("wb") as file:
        for part in _bgzip(text()) if path.suffix == ".gz" else text():
            file.write(part)
    return n


def _columns(schema: pa.Schema) -> list[str]:
    return [name for name in COLUMNS if name in schema.names]


def _as_text(batch: pa.RecordBatch) -> bytes:
    if not len(batch):
        return b""
    columns = [_words(batch.column(name)) for name in _columns(batch.schema)]
    lines = pc.binary_join_element_wise(*columns, "\t")
    return ("\n".join(lines.to_pylist()) + "\n").encode()


def _words(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):  # few values differ: each is put into words once
        values, at = np.unique(column.to_numpy(zero_copy_only=False), return_inverse=True)
        words = pa.array([f"{value:.6g}" for value in values.tolist()], pa.string())
        return words.take(pa.array(at))
    return column.cast(pa.string())


def _bgzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of the BGZF format (SAM specification, section 4.1)."""
    waiting = b""
    for part in parts:
        waiting += part
        full = len(waiting) // _BLOCK * _BLOCK
        for at in range(0, full, _BLOCK):
            yield _block(waiting[at : at + _BLOCK])
        waiting = waiting[full:]
    if waiting:
        yield _block(waiting)
    yield BGZF_END


def _block(text: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    head = BGZF_END[:16] + struct.pack("<H", len(packed) + 25)  # the block's size less one
    return head + packed + struct.pack("<II", zlib.crc32(text), len(text))
