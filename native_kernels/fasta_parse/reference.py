"""FASTA records and bases, slow and obvious: the oracle and explanation of the loops in cpu.py."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

RESIDUES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-.")
WHITESPACE = frozenset(b" \t\n\v\f\r")
MAX_NAME = 65_536  # bytes; a longer word after '>' is no name but a binary file

NO_HEADER, EMPTY_NAME, LONG_NAME, BAD_HEADER, BAD_BYTE, UNEVEN, CUT_HEADER = range(1, 8)


class Records(NamedTuple):
    """The records of a FASTA text, in order.

    Attributes
    ----------
    names : list of bytes
        Header from after '>' up to the first whitespace.
    length : int64, shape (n,)
        Bases.
    offset : int64, shape (n,)
        Byte at which the first sequence line starts.
    line_bases, line_bytes : int64, shape (n,)
        Bases of a full line, and its bytes with the line end; 0 where a record has no bases.
    line : int64, shape (n,)
        Line of the header in the text, counted from 1.
    n_bytes : int
        Bytes of the whole text.
    """

    names: list[bytes]
    length: Ints
    offset: Ints
    line_bases: Ints
    line_bytes: Ints
    line: Ints
    n_bytes: int

    def byte_of(self, record: Ints, base: Ints) -> Ints:
        """Bytes at which bases of records (with at least one base) lie; int64, shape (n,)."""
        bases, width = self.line_bases[record], self.line_bytes[record]
        byte: Ints = self.offset[record] + base // bases * width + base % bases
        return byte

    def ends(self) -> Ints:
        """The byte after each record's last base; int64, shape (n,)."""
        bases = np.maximum(self.line_bases, 1)
        last = np.maximum(self.length - 1, 0)
        ends = self.offset + last // bases * self.line_bytes + last % bases + 1
        return np.where(self.length > 0, ends, self.offset)


class DamageError(ValueError):
    """Text that is not FASTA: the message says where, what was found and what was expected."""

    def __init__(
        self, kind: int, *, line: int, offset: int, record: bytes, found: int = 0, usual: int = 0
    ) -> None:
        self.kind, self.line, self.offset = kind, line, offset
        of = f" (record {_show(record)})" if record else ""
        byte = f"found byte 0x{found:02x} at offset {offset}"
        is_mark = (offset, found) == (0, 0xEF)  # with it, other tools' offsets would differ
        what = "save it without a byte order mark" if is_mark else "this is not FASTA"
        message = {
            NO_HEADER: f"line {line}: {byte}, expected '>'; {what}",
            EMPTY_NAME: f"line {line}: found a header without a name, expected it right after '>'",
            LONG_NAME: f"line {line}: found a name of more than {MAX_NAME} bytes, expected a "
            "short one; is this a binary file?",
            BAD_HEADER: f"line {line}: {byte} in a header, expected text; "
            "is this a binary or damaged file?",
            BAD_BYTE: f"line {line}{of}: {byte}, expected letters, '*', '-' or '.'; "
            "is this a binary or damaged file?",
            UNEVEN: f"line {line}{of}: found {found} bases, expected {usual} as in the record's "
            "first line, with the same line end (only a record's last line may be shorter); "
            "re-wrap the file, e.g. with `seqkit seq -w 60`",
            CUT_HEADER: f"line {line}: found the end of the file inside a header, expected a line "
            "end and a sequence; is the file truncated?",
        }
        super().__init__(message[kind])


def _show(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace"))


def scan_records(blocks: Iterable[Bytes]) -> Records:
    """Find the records of a text that arrives in blocks. See `Records` and `DamageError`."""
    text = b"".join(block.tobytes() for block in blocks)
    names: list[bytes] = []
    rows: list[list[int]] = []
    short: tuple[int, int, int] | None = None  # line, offset and bases of a record's short line
    for number, (at, text_line, complete) in enumerate(_lines(text), 1):

        def fail(kind: int, offset: int, found: int = 0, line: int = number) -> DamageError:
            usual = rows[-1][2] if rows else 0
            record = names[-1] if names else b""
            return DamageError(
                kind, line=line, offset=offset, record=record, found=found, usual=usual
            )

        if text_line[:1] == b">":
            name = text_line[1:].split(None, 1)[0] if text_line[1:].strip() else b""
            if text_line[1:2] in (b" ", b"\t", b"\v", b"\f", b"\r"):
                name = b""
            for i, byte in enumerate(text_line[1:], 1):
                in_name = i <= len(name)
                if in_name and i > MAX_NAME:
                    raise fail(LONG_NAME, at + i)
                if byte == 0 or (in_name and (byte < 32 or byte == 127)):
                    raise fail(BAD_HEADER, at + i, byte)
                if not name:
                    break
            if not name and (len(text_line) > 1 or complete):
                raise fail(EMPTY_NAME, at + 1)
            if not complete:
                raise fail(CUT_HEADER, at + len(text_line))
            names.append(name)
            rows.append([0, at + len(text_line) + 1, 0, 0, number])
            short = None
            continue
        if not rows:
            raise fail(NO_HEADER, at, text_line[0] if text_line else 10)
        row = rows[-1]
        bases = text_line.removesuffix(b"\r")
        for i, byte in enumerate(bases):
            if byte not in RESIDUES:
                raise fail(BAD_BYTE, at + i, byte)
        ending = len(text_line) - len(bases) + 1
        if not complete and ending == 1 and row[2]:
            ending = row[3] - row[2]  # the missing line end would be like those before
        if not bases:
            short = short or (number, at, 0)
            continue
        if short:
            raise fail(UNEVEN, short[1], short[2], short[0])
        if row[2] == 0:
            row[2:4] = len(bases), len(bases) + ending
        elif len(bases) > row[2] or (len(bases) == row[2] and ending != row[3] - row[2]):
            raise fail(UNEVEN, at, len(bases))
        elif len(bases) < row[2]:
            short = (number, at, len(bases))
        row[0] += len(bases)
    table = np.array(rows, np.int64).reshape(-1, 5)
    length, offset, line_bases, line_bytes, line = table.T
    return Records(names, length, offset, line_bases, line_bytes, line, len(text))


def _lines(text: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Offset, bytes without the newline, and whether there was a newline, of each line."""
    at = 0
    while at < len(text):
        stop = text.find(b"\n", at)
        yield at, text[at : stop if stop >= 0 else None], stop >= 0
        at = stop + 1 if stop >= 0 else len(text)


def gather_codes(
    text: Bytes,
    at: Ints,
    column: Ints,
    n_bases: Ints,
    line_bases: Ints,
    line_bytes: Ints,
    codes: Bytes,
    codes_at: Ints,
) -> tuple[int, int]:
    """Encode pieces of FASTA lines; the loop's meaning is written at `cpu.gather_codes`."""
    base_codes = dict(zip(b"ACGTacgt", [0, 1, 2, 3] * 2, strict=True))
    for i in range(len(at)):
        byte_at = int(at[i])
        for j in range(int(n_bases[i])):
            if j > 0 and (column[i] + j) % line_bases[i] == 0:
                for expected in b"\n" if line_bytes[i] - line_bases[i] == 1 else b"\r\n":
                    if byte_at >= len(text) or text[byte_at] != expected:
                        return i, byte_at
                    byte_at += 1
            if not 0 <= byte_at < len(text) or int(text[byte_at]) not in RESIDUES:
                return i, byte_at
            codes[int(codes_at[i]) + j] = base_codes.get(int(text[byte_at]), 255)
            byte_at += 1
    return -1, -1
