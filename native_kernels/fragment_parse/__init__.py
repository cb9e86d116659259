"""Text of fragment files (10x fragments, BEDPE, tagAlign) to columns.

A row is contig, start, end (0-based, half-open), strand, weight, barcode. Contigs and barcodes are
numbered in the order of their first row. Of two mates (ten columns) the fragment is

    [start of the + mate, end of the - mate)

whose ends are the 5' ends of both, also where a short fragment's mates run past each other.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from native_kernels.fragment_parse import cpu
from native_kernels.fragment_parse.reference import (
    FRAGMENT,
    MATES,
    MAX_COORDINATE,
    MAX_LINE,
    NO_STRAND,
    PAIR,
    READ,
    REASONS,
    LineError,
    fields_of,
    parse_line,
    shown,
)

__all__ = [
    "FRAGMENT",
    "MATES",
    "MAX_COORDINATE",
    "MAX_LINE",
    "NO_STRAND",
    "PAIR",
    "READ",
    "REASONS",
    "FragmentParser",
    "LineError",
    "Rows",
    "fields_of",
    "parse_line",
    "shown",
]

Bytes = npt.NDArray[np.uint8]

_SHORTEST_ROW = len(b"a\t0\t1\n")
_ALL_BITS = 0xFFFFFFFF


class Rows(NamedTuple):
    """Rows in the order of the text.

    Attributes
    ----------
    contig : int32, shape (n,)
        Index into the parser's contigs.
    start, end : int64, shape (n,)
        As in the text, 0-based half-open, bp.
    strand : uint8, shape (n,)
        0 plus, 1 minus for reads; 255 for fragments.
    weight : uint32, shape (n,)
        The count column of a fragment file; 1 elsewhere.
    barcode : int32, shape (n,)
        Index into the parser's barcodes; -1 where the format has none.
    """

    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    strand: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.uint32]
    barcode: npt.NDArray[np.int32]


class FragmentParser:
    """Reads text block by block; names keep their numbers from block to block.

    Parameters
    ----------
    layout : PAIR, FRAGMENT, READ or MATES
    n_columns : int
        Columns of every row, which line `first` of the file set.
    hash_mask : int
        Bits of a name's hash that are used; fewer make collisions, for tests.

    Attributes
    ----------
    contigs, barcodes : list of str
        In the order of their first rows.
    dropped : int64, shape (4,)
        Lines that are no fragment, by the reasons of `REASONS`.
    line : int
        Lines read.
    """

    def __init__(
        self, layout: int, n_columns: int, first: int, *, hash_mask: int = _ALL_BITS
    ) -> None:
        self.layout, self.n_columns, self.first = layout, n_columns, first
        self.contigs: list[str] = []
        self.barcodes: list[str] = []
        self.restart()
        self._hash_mask = hash_mask
        self._contig_names, self._barcode_names = _Names(), _Names()
        self._last_contig = -1

    def restart(self) -> None:
        """Be ready for the first line again, with the names of the last pass."""
        self.dropped = np.zeros(len(REASONS), np.int64)
        self.line = 0

    def parse(self, text: Bytes) -> Rows:
        """The rows of whole lines, each with a newline at its end.

        Raises
        ------
        LineError
            A line is no row; `line` is its number less one.
        """
        if text.size and text[-1] != cpu.NEWLINE:
            raise ValueError("text must be whole lines, the last one with its newline")
        n_most = text.size // _SHORTEST_ROW + 1
        rows = Rows(
            np.empty(n_most, np.int32),
            np.empty(n_most, np.int64),
            np.empty(n_most, np.int64),
            np.empty(n_most, np.uint8),
            np.empty(n_most, np.uint32),
            np.empty(n_most, np.int32),
        )
        contigs, barcodes = self._contig_names, self._barcode_names
        state = np.zeros(cpu.N_STATE, np.int64)
        state[cpu.N_LINES], state[cpu.LAST_CONTIG] = self.line, self._last_contig
        while True:
            state[cpu.N_CONTIGS], state[cpu.N_BARCODES] = contigs.n, barcodes.n
            why = cpu.parse_rows(
                text,
                self.layout,
                self.n_columns,
                self._hash_mask,
                state,
                *contigs.arrays(),
                *barcodes.arrays(),
                rows.contig,
                rows.start,
                rows.end,
                rows.strand,
                rows.weight,
                rows.barcode,
                self.dropped,
            )
            contigs.n, barcodes.n = int(state[cpu.N_CONTIGS]), int(state[cpu.N_BARCODES])
            self.line, self._last_contig = int(state[cpu.N_LINES]), int(state[cpu.LAST_CONTIG])
            if why == cpu.DONE:
                break
            if why == cpu.CONTIGS_FULL:
                contigs.grow()
            elif why == cpu.BARCODES_FULL:
                barcodes.grow()
            else:
                self._read_odd_line(text, state, rows)
        self.contigs += contigs.names_from(len(self.contigs))
        self.barcodes += barcodes.names_from(len(self.barcodes))
        n = int(state[cpu.N_ROWS])
        return Rows(
            rows.contig[:n],
            rows.start[:n],
            rows.end[:n],
            rows.strand[:n],
            rows.weight[:n],
            rows.barcode[:n],
        )

    def _read_odd_line(self, text: Bytes, state: npt.NDArray[np.int64], rows: Rows) -> None:
        at = int(state[cpu.AT])
        line = text[at : at + MAX_LINE].tobytes().partition(b"\n")[0]
        row = parse_line(line, self.layout, self.n_columns, self.first)
        if isinstance(row, int):
            self.dropped[row] += 1
        elif row is not None:
            i = int(state[cpu.N_ROWS])
            contig = self._contig_names.number(row.contig, self._hash_mask)
            rows.contig[i], rows.start[i], rows.end[i] = contig, row.start, row.end
            rows.strand[i], rows.weight[i], rows.barcode[i] = row.strand, row.weight, -1
            if row.barcode is not None:
                rows.barcode[i] = self._barcode_names.number(row.barcode, self._hash_mask)
            state[cpu.N_ROWS] += 1
        state[cpu.AT] += len(line) + 1
        state[cpu.N_LINES] += 1


class _Names:
    """A table of names, see `cpu.add_name`; it doubles when it is full."""

    def __init__(self) -> None:
        self.n = 0
        self._starts = np.zeros(1 + 8, np.int64)
        self._hashes = np.zeros(8, np.int64)
        self._arena = np.zeros(2 * cpu.MAX_NAME, np.uint8)
        self._slots = np.full(32, -1, np.int32)

    def arrays(
        self,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64], Bytes]:
        return self._slots, self._hashes, self._starts, self._arena

    def grow(self) -> None:
        if self.n == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
            self._starts = np.concatenate([self._starts, np.zeros_like(self._hashes[self.n :])])
            self._slots = np.full(2 * self._slots.size, -1, np.int32)
            cpu.fill_slots(self._hashes, self.n, self._slots)
        else:
            self._arena = np.concatenate([self._arena, np.zeros_like(self._arena)])

    def number(self, name: str, hash_mask: int) -> int:
        text = np.frombuffer(name.encode(), np.uint8)
        while (number := cpu.add_name(text, 0, text.size, hash_mask, self.n, *self.arrays())) < 0:
            self.grow()
        self.n = max(self.n, number + 1)
        return number

    def names_from(self, first: int) -> list[str]:
        start, stop = int(self._starts[first]), int(self._starts[self.n])
        text = self._arena[start:stop].tobytes()
        ends = (self._starts[first : self.n + 1] - start).tolist()
        return [text[a:b].decode() for a, b in pairwise(ends)]
