"""Lines of fragment files, slow and obvious: it words every error, and reads what the loop leaves.

The loop in cpu.py takes the plain lines; any line with something unusual in it comes here.
"""

import re
from typing import NamedTuple

# What a line is. PAIR and MATES are both called BEDPE: MACS writes one fragment in three columns,
# bedtools two mates in ten.
PAIR, FRAGMENT, READ, MATES = range(4)
FEWEST_COLUMNS = (3, 4, 6, 10)

# Why a line of two mates is not a fragment.
UNMAPPED, TWO_CONTIGS, STRANDS, OUTWARDS = range(4)
REASONS = (
    "a mate is unmapped",
    "mates on different contigs",
    "mates not on opposite strands",
    "mates face away from each other",
)

PLUS, MINUS, NO_STRAND = 0, 1, 255
MAX_COORDINATE = 1 << 40  # bp; a contig's index and a coordinate fit one int64
MAX_COUNT = (1 << 32) - 1
MAX_NAME = 1024  # bytes of a contig's name or of a barcode
MAX_LINE = 1 << 20  # bytes, the line end included

_EXPECTED = (
    "contig, start, end",
    "contig, start, end, barcode, count",
    "contig, start, end, name, score, strand",
    "contig, start and end of two mates, name, score, two strands",
)
_INTEGER = re.compile(r"-?[0-9]+")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Row(NamedTuple):
    """One fragment or read; positions as in the file, 0-based and half-open."""

    contig: str
    start: int
    end: int
    strand: int = NO_STRAND
    weight: int = 1
    barcode: str | None = None


class LineError(ValueError):
    """A line that is no row: what was found, what was expected and what to do."""


def fields_of(line: bytes) -> list[str] | None:
    """The columns of a line without its newline; None for a comment, header or blank line."""
    if len(line) >= MAX_LINE:
        raise LineError(
            f"longer than {MAX_LINE:,} bytes, expected a row of tab-separated columns; "
            "is this a binary file?"
        )
    if line.startswith(b"#"):
        return None
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise LineError(
            f"found byte 0x{line[error.start]:02x}, expected UTF-8 text; "
            "is this a binary or damaged file?"
        ) from None
    if found := _NOT_TEXT.search(text):
        raise LineError(
            f"found byte 0x{ord(found[0]):02x}, expected text; is this a binary or damaged file?"
        )
    fields = text.split("\t")
    words = text.split(maxsplit=3)
    if not words:
        return None
    is_row = len(words) > 2 and all(map(_INTEGER.fullmatch, words[1:3]))
    return None if words[0] in ("track", "browser") and not is_row else fields


def parse_line(line: bytes, layout: int, n_columns: int, first: int) -> Row | int | None:
    """One line without its newline.

    Parameters
    ----------
    line : bytes
    layout : PAIR, FRAGMENT, READ or MATES
    n_columns : int
        Columns that every row has; row of line `first` set it.

    Returns
    -------
    Row, int or None
        A row; why two mates are no fragment (an index into `REASONS`); None for a line without
        a row, such as a comment.

    Raises
    ------
    LineError
    """
    fields = fields_of(line)
    if fields is None:
        return None
    fewest = FEWEST_COLUMNS[layout]
    if n_columns < fewest or (layout == PAIR and n_columns > fewest):
        raise LineError(
            f"found {_columns(fields)}, expected {'' if layout == PAIR else 'at least '}{fewest}: "
            f"{_EXPECTED[layout]}; give the format, or write those columns separated by tabs"
        )
    if len(fields) != n_columns:
        raise LineError(
            f"found {_columns(fields)}, expected {n_columns} as on line {first}; give every line "
            "the same columns, separated by tabs"
        )
    if layout == MATES:
        return _mates(fields)
    contig = _name(fields[0], "contig", 1)
    start, end = _interval(fields, 1)
    if layout == READ:
        return Row(contig, start, end, _read_strand(fields[5]))
    if layout == PAIR:
        return Row(contig, start, end)
    barcode = _name(fields[3], "barcode", 4)
    weight = _count(fields[4]) if n_columns > 4 else 1
    return Row(contig, start, end, weight=weight, barcode=barcode)


def _mates(fields: list[str]) -> Row | int:
    for column in (0, 3):
        if fields[column] == "." or fields[column + 1] == "-1" or fields[column + 2] == "-1":
            return UNMAPPED
    contigs = [_name(fields[column], "contig", column + 1) for column in (0, 3)]
    mates = [_interval(fields, column) for column in (1, 4)]
    for column in (8, 9):
        if fields[column] not in ("+", "-", "."):
            raise LineError(
                f"found strand {shown(fields[column])} in column {column + 1}, expected '+', '-' "
                "or '.'; is this the BEDPE of bedtools?"
            )
    if contigs[0] != contigs[1]:
        return TWO_CONTIGS
    strands = fields[8] + fields[9]
    if strands not in ("+-", "-+"):
        return STRANDS
    plus, minus = mates if strands == "+-" else mates[::-1]
    return Row(contigs[0], plus[0], minus[1]) if plus[0] < minus[1] else OUTWARDS


def _columns(fields: list[str]) -> str:
    hint = ""
    if len(fields) == 1:
        hint = " without a tab" + (", as in FASTA" if fields[0].startswith(">") else "")
    return f"{len(fields)} column{'s' * (len(fields) > 1)}{hint} ({shown(' '.join(fields))})"


def _name(text: str, what: str, column: int) -> str:
    size = len(text.encode())
    if not 0 < size <= MAX_NAME:
        raise LineError(
            f"found a {what} of {size} bytes in column {column}, expected 1 to {MAX_NAME}; "
            "write its name there"
        )
    return text


def _interval(fields: list[str], column: int) -> tuple[int, int]:
    start = _position(fields[column], "start", column + 1)
    end = _position(fields[column + 1], "end", column + 2)
    if start >= end:
        raise LineError(
            f"start {start} is not before end {end}; positions are 0-based and half-open, "
            "so one base ends at start + 1"
        )
    return start, end


def _position(text: str, what: str, column: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise LineError(
            f"found {what} {shown(text)} in column {column}, expected a whole number of bp such "
            "as 1000; write positions without decimals, exponents or separators"
        )
    if text.startswith("-"):
        raise LineError(
            f"found {what} {shown(text)} in column {column}, expected 0 or more; "
            "clip it to the contig"
        )
    if len(text) > 18 or int(text) > MAX_COORDINATE:
        raise LineError(
            f"found {what} {shown(text)} in column {column}, expected at most 2^40 bp; correct it"
        )
    return int(text)


def _count(text: str) -> int:
    if _INTEGER.fullmatch(text) and len(text) <= 18 and 0 < int(text) <= MAX_COUNT:
        return int(text)
    raise LineError(
        f"found count {shown(text)} in column 5, expected a whole number from 1 to {MAX_COUNT}; "
        "column 5 of a fragment file is the number of read pairs"
    )


def _read_strand(text: str) -> int:
    if text not in ("+", "-"):
        raise LineError(
            f"found strand {shown(text)} in column 6, expected '+' or '-'; "
            "the cut of a read is at its 5' end, so its strand must be known"
        )
    return PLUS if text == "+" else MINUS


def shown(text: str) -> str:
    """`text` as in an error message: quoted, and not too long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
