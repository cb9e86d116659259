"""FASTA files: bases by region, or the whole text in blocks.

Regions are read through a `.fai` index, made when it is missing (see `Genome.open`). A region's
bytes are found by line geometry, so only they are read; in a plain gzip file, where nothing can
be found, one pass over the whole file serves all regions of a call.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.compressed import Reader, Source, open_source
from kmerengine.io.fai import indexed_records
from native_kernels.fasta_parse import (
    DamageError,
    Records,
    cut_pieces,
    gather_codes,
    lay_out_spans,
)
from native_kernels.fasta_parse.reference import NO_HEADER

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

BIN_BYTES = 1 << 20  # regions that start in the same MiB of text are read and decoded together
PIECE_BASES = 1 << 20  # a longer region is read in pieces
GAP_BYTES = 8192  # two regions closer than this are one read: passing bytes over costs less


def stream_fasta(path: str | Path, *, block_bytes: int = 16 << 20) -> Iterator[Bytes]:
    """Read the whole text of a FASTA file.

    Parameters
    ----------
    path : str or Path
        Plain, gzip or bgzip.
    block_bytes : int
        Size of a block; the last one may be smaller.

    Yields
    ------
    block : uint8, shape (n_bytes,)
        The decompressed bytes in order, each block in memory of its own.

    Raises
    ------
    InputError
        The file is missing, unreadable, empty, truncated, damaged, or does not start with '>'.
    """
    source = open_source(Path(path))
    try:
        empty = True
        for block in source.blocks(block_bytes):
            if empty and block[0] != ord(">"):
                found = int(block[0])
                error = DamageError(NO_HEADER, line=1, offset=0, record=b"", found=found)
                raise InputError(f"{path}: {error}")
            empty = False
            yield block
        if empty:
            raise InputError(f"{path}: holds no text, expected FASTA; check how it was made")
    finally:
        source.close()


class Genome:
    """A FASTA file, read by region.

    Attributes
    ----------
    path : Path
    contigs : dict of str to int
        Name (header up to the first whitespace) to length in bases, in file order.
    notes : list of str
        What a user should know of the index: made, kept in memory, or older than the FASTA.
    random_access : bool
        False for plain gzip: every `fetch` is one pass over the whole file.
    """

    def __init__(self, source: Source, records: Records, notes: list[str]) -> None:
        self.path = source.path
        names = [name.decode() for name in records.names]
        self.contigs = dict(zip(names, records.length.tolist(), strict=True))
        self.notes = notes
        self.random_access = source.random_access
        self._source = source
        self._records = records

    @classmethod
    def open(cls, path: str | Path) -> "Genome":
        """Open a plain, bgzip or gzip FASTA file.

        A missing `.fai` (and `.gzi` for bgzip) is made next to the file, or where that folder is
        read-only in ``$XDG_CACHE_HOME/kmerengine/fai`` (``~/.cache/kmerengine/fai``). One that
        is there is checked: its form, its fit to the size of the file, and the text around up to
        64 of its records, the first and the last among them.

        Raises
        ------
        InputError
            The file or its index cannot be used; the message says why and what to do.
        """
        path = Path(path)
        source = open_source(path)
        notes: list[str] = []
        try:
            records = indexed_records(source, notes)
            return cls(source, records, notes)
        except BaseException:
            source.close()
            raise

    def fetch(self, contig: Ints, start: Ints, end: Ints) -> tuple[Bytes, Ints]:
        """Read regions in any order; they may overlap.

        Parameters
        ----------
        contig : int64, shape (n,)
            Position of the contig in ``list(contigs)``.
        start, end : int64, shape (n,)
            Half-open, 0-based; inside the contig.

        Returns
        -------
        codes : uint8, shape (n_bases,)
            The regions end to end, in the order given; A C G T = 0 1 2 3 in either case, 255 for
            anything else.
        offsets : int64, shape (n + 1,)
            Region i is ``codes[offsets[i]:offsets[i + 1]]``.

        Raises
        ------
        InputError
            A byte read is neither residue nor line end where the index has it.
        """
        records = self._records
        offsets = np.zeros(len(start) + 1, np.int64)
        np.cumsum(end - start, out=offsets[1:])
        codes = np.empty(offsets[-1], np.uint8)
        region, piece_start, piece_end = cut_pieces(start, end, PIECE_BASES)
        piece_contig = contig[region]
        low = records.byte_of(piece_contig, piece_start)
        order = np.argsort(low, kind="stable")
        region, low, piece_contig = region[order], low[order], piece_contig[order]
        piece_start, piece_end = piece_start[order], piece_end[order]
        high = records.byte_of(piece_contig, piece_end - 1) + 1
        bases, width = records.line_bases[piece_contig], records.line_bytes[piece_contig]
        column, n_bases = piece_start % bases, piece_end - piece_start
        codes_at = offsets[region] + piece_start - start[region]

        reader = self._source.reader()
        edges = np.flatnonzero(np.diff(low // BIN_BYTES)) + 1
        edges = np.concatenate([[0], edges, [len(low)]]) if len(low) else np.zeros(1, np.int64)
        buffer = np.empty(0, np.uint8)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            one = slice(first, last)
            at, spans = lay_out_spans(low[one], high[one], GAP_BYTES)
            n_bytes = int((spans[:, 1] - spans[:, 0]).sum())
            if n_bytes > buffer.size:
                buffer = np.empty(n_bytes, np.uint8)
            _read_spans(reader, spans, buffer)
            piece, place = gather_codes(
                buffer[:n_bytes], at, column[one], n_bases[one], bases[one], width[one],
                codes, codes_at[one],
            )  # fmt: skip
            if piece >= 0:
                byte = low[first + piece] + place - at[piece]
                raise self._misfit(
                    int(piece_contig[first + piece]), int(byte), buffer[:n_bytes], place
                )
        return codes, offsets

    def _misfit(self, contig: int, byte: int, buffer: Bytes, place: int) -> InputError:
        found = f"byte 0x{buffer[place]:02x}" if place < buffer.size else "the end"
        name, bases = list(self.contigs)[contig], self._records.line_bases[contig]
        return InputError(
            f"{self.path}: record {name!r}: found {found} at offset {byte}, expected lines of "
            f"{bases} letters, '*', '-' or '.' as its index says; the file is damaged or the .fai "
            "is not its own: delete the .fai and it is made again"
        )

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> "Genome":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read_spans(reader: Reader, spans: Ints, buffer: Bytes) -> None:
    at = 0
    for low, high in spans.tolist():
        reader.read(low, buffer[at : at + high - low])
        at += high - low
