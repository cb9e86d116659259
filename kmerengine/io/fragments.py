"""Fragment files: 10x fragments, BEDPE and reads in BED6 (tagAlign), plain, gzip or bgzip.

    fragments   contig, start, end, barcode[, count[, ...]]; without a count column it is 1
    bedpe       contig, start, end, one fragment per line, as MACS writes it; or the ten columns of
                bedtools, two mates per line
    tagalign    contig, start, end, name, score, strand[, ...], one read per line

Rows may be in any order. Comments (#), track and browser lines and blank lines are passed over.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.compressed import Source, open_source
from native_kernels.fragment_parse import (
    FRAGMENT,
    MATES,
    MAX_LINE,
    PAIR,
    READ,
    REASONS,
    FragmentParser,
    LineError,
    Rows,
    fields_of,
    parse_line,
    shown,
)

Kind = Literal["fragments", "bedpe", "tagalign"]
FragmentBatch = Rows

_BLOCK = 1 << 20  # bytes of text at a time
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INTEGER = re.compile(r"-?[0-9]+")
_COUNT = re.compile(r"[0-9]*[1-9][0-9]*")
_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
_BARCODE = re.compile(r"[ACGTN]{8,}(-[0-9]+)?")
_BARCODE_WITHIN = re.compile(r"(?<![A-Za-z])[ACGTN]{8,}(?![A-Za-z])")

Bytes = npt.NDArray[np.uint8]


class _FirstRow(NamedTuple):
    line: int
    fields: list[str]


class FragmentFile:
    """A file of fragments or reads, made by `open` and read by `batches`.

    Attributes
    ----------
    path : Path
    kind : "fragments", "bedpe" or "tagalign"
    contigs, barcodes : list of str
        In the order of their first rows; they grow while batches are read, and a second pass
        numbers them as the first did.
    dropped : dict of str to int
        Lines that are no fragment (mates of a BEDPE file that do not enclose one), by reason.
    n_columns : int
        Columns of every row; 0 in a file without rows.
    """

    def __init__(self, path: Path, kind: Kind, first: _FirstRow | None) -> None:
        self.path, self.kind = path, kind
        self.n_columns = len(first.fields) if first else 0
        layout = {"fragments": FRAGMENT, "bedpe": PAIR, "tagalign": READ}[kind]
        if kind == "bedpe" and self.n_columns >= 10:
            layout = MATES
        self._parser = FragmentParser(layout, self.n_columns, first.line if first else 1)
        if first:
            try:
                parse_line("\t".join(first.fields).encode(), layout, self.n_columns, first.line)
            except LineError as error:
                raise InputError(f"{path}: line {first.line}: {error}") from None

    @classmethod
    def open(cls, path: str | Path, *, kind: Kind | None = None) -> "FragmentFile":
        """Open a file and look at its first row.

        Parameters
        ----------
        path : str or Path
        kind : "fragments", "bedpe" or "tagalign", optional
            By default the columns of the first row say it.

        Raises
        ------
        InputError
            The file cannot be read, its first line is no row, or its kind cannot be told.
        """
        if kind is not None and kind not in get_args(Kind):
            raise InputError(f"found kind {kind!r}, expected one of {', '.join(get_args(Kind))}")
        path = Path(path)
        first = _first_row(path)
        if kind is None:
            if first is None:
                raise InputError(
                    f"{path}: holds no rows, so its format cannot be told; check how the "
                    "file was made"
                )
            kind = _guess(first.fields)
            if kind is None:
                raise InputError(_cannot_tell(path, first))
        elif kind == "bedpe" and first and 3 < len(first.fields) < 10:
            raise InputError(
                f"{path}: line {first.line}: found {len(first.fields)} columns, expected 3 (one "
                "fragment per line) or at least 10 (two mates with their strands); keep contig, "
                "start and end of each fragment with `cut -f1-3`, or write bedtools' ten columns"
            )
        return cls(path, kind, first)

    @property
    def contigs(self) -> list[str]:
        return self._parser.contigs

    @property
    def barcodes(self) -> list[str]:
        return self._parser.barcodes

    @property
    def dropped(self) -> dict[str, int]:
        counts = zip(REASONS, self._parser.dropped.tolist(), strict=True)
        return {reason: count for reason, count in counts if count}

    def batches(self, block_bytes: int = _BLOCK) -> Iterator[FragmentBatch]:
        """All rows in order, in new arrays, of about `block_bytes` of text each.

        Every call starts at the first row and counts `dropped` from 0. Memory does not depend on
        the size of the file, but on the number of its barcodes.

        Raises
        ------
        InputError
            The file cannot be read, or a line is not a row; the message names the line.
        """
        self._parser.restart()
        for text in _whole_lines(self.path, block_bytes):
            try:
                rows = self._parser.parse(text)
            except LineError as error:
                raise InputError(f"{self.path}: line {self._parser.line + 1}: {error}") from None
            if len(rows.contig):
                yield rows


def _first_row(path: Path) -> _FirstRow | None:
    number = 0
    for text in _whole_lines(path, 1 << 16):
        for line in text.tobytes()[:-1].split(b"\n"):
            number += 1
            try:
                fields = fields_of(line)
            except LineError as error:
                raise InputError(f"{path}: line {number}: {error}") from None
            if fields is not None:
                return _FirstRow(number, fields)
    return None


def _whole_lines(path: Path, block_bytes: int) -> Iterator[Bytes]:
    """The text in pieces of whole lines, all ending in a newline, no byte order mark."""
    source: Source = open_source(path)
    parts: list[Bytes] = []  # of a line that has not ended
    n_waiting = 0
    is_start = True
    try:
        for block in source.blocks(block_bytes):
            cut = block.size - int(np.argmax(block[::-1] == 10))
            if block[cut - 1] != 10:
                parts.append(block)
                n_waiting += block.size
                if n_waiting > MAX_LINE + block_bytes:  # the parser words it
                    break
                continue
            text = np.concatenate([*parts, block[:cut]])
            parts, n_waiting = [block[cut:]], block.size - cut
            yield _without_mark(text) if is_start else text
            is_start = False
    finally:
        source.close()
    if n_waiting:
        text = np.concatenate([*parts, np.frombuffer(b"\n", np.uint8)])
        yield _without_mark(text) if is_start else text


def _without_mark(text: Bytes) -> Bytes:
    return text[3:] if text[:3].tobytes() == _BYTE_ORDER_MARK else text


def _guess(fields: list[str]) -> Kind | None:
    """The kind of file that has this row; None where it cannot be told."""
    n = len(fields)
    if n < 3 or not all(map(_INTEGER.fullmatch, fields[1:3])):
        return None
    if n == 3:
        return "bedpe"
    if n == 4:  # a number there may be a bedGraph's value
        return None if _NUMBER.fullmatch(fields[3]) else "fragments"
    if n == 5:
        return "fragments" if _COUNT.fullmatch(fields[4]) else None
    if n >= 10 and all(map(_INTEGER.fullmatch, fields[4:6])) and set(fields[8:10]) <= set("+-."):
        return "bedpe"
    is_read = fields[5] in ("+", "-")
    if _BARCODE_WITHIN.search(fields[3]) and _COUNT.fullmatch(fields[4]):
        if _BARCODE.fullmatch(fields[3]) or not is_read:
            return "fragments"
        return None  # a barcode with a sample's name, or a read's name with its UMI
    return "tagalign" if is_read else None


def _cannot_tell(path: Path, first: _FirstRow) -> str:
    fasta = "; this looks like FASTA" if first.fields[0].startswith(">") else ""
    return (
        f"{path}: line {first.line}: found {shown(' '.join(first.fields))} "
        f"({len(first.fields)} tab-separated columns), expected a 10x fragment file (contig, "
        "start, end, barcode, count), BEDPE (3 or 10 columns) or reads with a strand in column "
        f"6{fasta}; keep the columns of one of these"
    )
