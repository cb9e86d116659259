"""Region files: BED3 to BED12, narrowPeak and broadPeak, plain, gzip or bgzip.

Text is read in blocks of whole lines, and a block is converted column by column (`_by_column`).
A block with anything odd in it is converted row by row (`_by_row`), which words every error. Both
give the same columns for the same rows.
"""

import re
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.fields import (
    Fields,
    NotPlain,
    are_decimals,
    integers,
    labels,
    letters,
    split_fields,
    strings,
)
from kmerengine.io.messages import how_many, shown
from kmerengine.io.text import text_blocks
from kmerengine.regions import Regions

MAX_COORDINATE = 2**62  # bp; sums of two coordinates stay within int64

_NARROWPEAK = 10  # columns
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"[0-9.eE+\-infaINFA]+")  # and float() must take it


def read_regions(path: str | Path) -> Regions:
    """Read a region file.

    Parameters
    ----------
    path : str or Path
        Columns separated by tabs, or by other white space in lines without a tab: contig, start,
        end (0-based half-open, bp), name, score, strand; further columns are not read, except in
        narrowPeak. Comments (#), track and browser lines and blank lines are passed over.

    Returns
    -------
    Regions
        In the order of the file. A file without regions gives 0 regions.

    Raises
    ------
    InputError
        The file cannot be read, or a line is not a region; the message names the line.

    Notes
    -----
    Columns decide the format, the suffix does not. There is no BED10: ten columns are narrowPeak,
    so columns 7 to 9 must be numbers and column 10 the offset of the summit from the start
    (-1: none). Only files of exactly ten columns have summits; column 10 of BED12 is its number
    of blocks.
    """
    path = Path(path)
    parts: list[_Columns] = []
    lines: list[npt.NDArray[np.int64]] = []
    shape: _Shape | None = None
    for first, block in text_blocks(path, "a BED or narrowPeak file"):
        text, numbers = _regions_only(block, first)
        if text:
            shape = shape or _Shape(len(_split(text.partition("\n")[0])), int(numbers[0]))
            part = _by_column(text, shape.columns)
            parts.append(part or _by_row(text, shape.columns, path, numbers, shape.line))
            lines.append(numbers)
    return _join(parts, lines)


class _Shape(NamedTuple):
    """Number of columns, and the line that set it."""

    columns: int
    line: int


class _Columns(NamedTuple):
    """One block's regions: as `Regions`, with the contig's name for its index."""

    contig: list[str]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    name: list[str]
    score: npt.NDArray[np.float64]
    strand: npt.NDArray[np.bytes_]
    summit: npt.NDArray[np.int64]


def _join(parts: list[_Columns], lines: list[npt.NDArray[np.int64]]) -> Regions:
    contigs: dict[str, int] = {}
    for name in chain.from_iterable(dict.fromkeys(part.contig) for part in parts):
        contigs.setdefault(name, len(contigs))
    names = chain.from_iterable(part.contig for part in parts)
    return Regions(
        contig_names=tuple(contigs),
        contig=np.fromiter(map(contigs.__getitem__, names), np.int32),
        start=np.concatenate([np.empty(0, np.int64), *(part.start for part in parts)]),
        end=np.concatenate([np.empty(0, np.int64), *(part.end for part in parts)]),
        name=list(chain.from_iterable(part.name for part in parts)),
        score=np.concatenate([np.empty(0), *(part.score for part in parts)]),
        strand=np.concatenate([np.empty(0, "S1"), *(part.strand for part in parts)]),
        summit=np.concatenate([np.empty(0, np.int64), *(part.summit for part in parts)]),
        line=np.concatenate([np.empty(0, np.int64), *lines]),
    )


def _regions_only(block: str, first: int) -> tuple[str, npt.NDArray[np.int64]]:
    """The lines of `block` that are regions, each with a newline at its end, and their numbers."""
    text = block.replace("\r\n", "\n")
    text = text if text.endswith("\n") else f"{text}\n"
    data = np.frombuffer(text.encode(), np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(data == ord("\n"))[:-1] + 1])
    numbers = np.arange(first, first + len(starts))
    heads = data[starts]  # of a comment, track or browser line, or of one of white space alone
    if not (np.isin(heads, list(b"#tb")) | (heads <= ord(" ")) | (heads > ord("~"))).any():
        return text, numbers
    lines = text[:-1].split("\n")
    kept = [not _is_passed_over(line) for line in lines]
    text = "".join(f"{line}\n" for line, keep in zip(lines, kept, strict=True) if keep)
    return text, numbers[kept]


def _is_passed_over(line: str) -> bool:
    """A blank line, a comment or a header; not a region of a contig that is called track."""
    words = line.split(maxsplit=3)
    if not words or line[0] == "#":
        return True
    positions = words[1:3]
    is_region = len(positions) == 2 and all(map(_INTEGER.fullmatch, positions))
    return words[0] in ("track", "browser") and not is_region


def _split(line: str) -> list[str]:
    return line.rstrip(" ").split("\t") if "\t" in line else line.split()


def _by_column(text: str, n_columns: int) -> _Columns | None:
    """The regions of `text`; None where only `_by_row` reads it, or has an error to tell."""
    if n_columns < 3 or " \n" in text:
        return None
    if "\t" not in text:
        text = "".join("\t".join(line.split()) + "\n" for line in text[:-1].split("\n"))
    try:
        fields = split_fields(text, n_columns)
        n = len(fields.start)
        contig = labels(fields, 0)
        start, end = integers(fields, 1), integers(fields, 2)
        score = _scores(fields) if n_columns > 4 else np.full(n, np.nan)
        strand = letters(fields, 5) if n_columns > 5 else np.full(n, b".", "S1")
        summit = _summits(fields, start, end) if n_columns == _NARROWPEAK else np.full(n, -1)
    except NotPlain:
        return None
    if (
        "" in contig
        or (start < 0).any()
        or (start >= end).any()
        or not np.isin(strand, [b"+", b"-", b"."]).all()
    ):
        return None
    name = strings(fields, 3) if n_columns > 3 else [""] * n
    return _Columns(contig, start, end, name, score, strand, summit)


def _scores(fields: Fields) -> npt.NDArray[np.float64]:
    try:
        return integers(fields, 4).astype(np.float64)
    except NotPlain:
        values = strings(fields, 4)
    try:
        return np.fromiter(map(_score, values), np.float64, len(values))
    except ValueError:
        raise NotPlain from None


def _summits(
    fields: Fields, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    for column in (6, 7, 8):
        others = np.flatnonzero(~are_decimals(fields, column))  # such as 1e-10
        if len(others) and not all(map(_is_number, strings(fields, column, others))):
            raise NotPlain
    offset = integers(fields, 9)
    if (offset < -1).any() or (offset >= end - start).any():
        raise NotPlain
    return np.where(offset >= 0, start + offset, -1)


def _by_row(
    text: str, n_columns: int, path: Path, numbers: npt.NDArray[np.int64], first: int
) -> _Columns:
    """The regions of `text`, whose lines are `numbers`; line `first` set the number of columns."""
    parsed = []
    for number, line in zip(numbers.tolist(), text[:-1].split("\n"), strict=True):
        row = _split(line)
        try:
            if len(row) != n_columns:
                raise ValueError(
                    f"found {how_many(row)}, expected {n_columns} as on line {first}; "
                    "give every line the same columns, separated by tabs"
                )
            parsed.append(_region(row))
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
    contig, start, end, name, score, strand, summit = zip(*parsed, strict=True)
    return _Columns(
        contig=list(contig),
        start=np.array(start, np.int64),
        end=np.array(end, np.int64),
        name=list(name),
        score=np.array(score, np.float64),
        strand=np.array(strand, "S1"),
        summit=np.array(summit, np.int64),
    )


def _region(row: list[str]) -> tuple[str, int, int, str, float, str, int]:
    """Contig, start, end, name, score, strand and summit of one line."""
    if len(row) < 3:
        fasta = "; this looks like FASTA, the genome comes before the regions"
        raise ValueError(
            f"found {how_many(row)} ({shown(' '.join(row))}), expected at least 3: contig, "
            f"start, end{fasta if row[0].startswith('>') else '; separate them by tabs'}"
        )
    contig, start, end = row[0], _position(row[1], "start"), _position(row[2], "end")
    if not contig:
        raise ValueError("found no contig name in column 1; write the name of a contig there")
    if start >= end:
        raise ValueError(
            f"start {start} is not before end {end}; positions are 0-based and half-open, "
            "so a region of one base ends at start + 1"
        )
    name = row[3] if len(row) > 3 else ""
    score = _score(row[4]) if len(row) > 4 else float("nan")
    strand = row[5] if len(row) > 5 else "."
    if strand not in ("+", "-", "."):
        raise ValueError(
            f"found strand {shown(strand)} in column 6, expected '+', '-' or '.'; "
            "write '.' where it is unknown"
        )
    return contig, start, end, name, score, strand, _summit(row, start, end)


def _position(text: str, what: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(
            f"found {what} {shown(text)}, expected a whole number of bp such as 1000; "
            "write positions without decimals, exponents or separators"
        )
    value = int(text) if len(text) < 20 else MAX_COORDINATE + 1
    if text.startswith("-") and value:
        raise ValueError(f"found {what} {shown(text)}, expected 0 or more; clip it to the contig")
    if value > MAX_COORDINATE:
        raise ValueError(
            f"found {what} {shown(text)}, expected at most 2^62 = {MAX_COORDINATE}; correct it"
        )
    return value


def _is_number(text: str) -> bool:
    try:
        return _NUMBER.fullmatch(text) is not None and float(text) is not None
    except ValueError:
        return False


def _score(text: str) -> float:
    if text != "." and not _is_number(text):
        raise ValueError(
            f"found score {shown(text)} in column 5, expected a number or '.'; "
            "write '.' where there is none"
        )
    return float("nan") if text == "." else float(text)


def _summit(row: list[str], start: int, end: int) -> int:
    """Position of a narrowPeak's summit, -1 where there is none."""
    if len(row) != _NARROWPEAK:
        return -1
    advice = "ten columns are read as narrowPeak; keep columns 1 to 6 if this is another format"
    for column, text in enumerate(row[6:9], 7):
        if not _is_number(text):
            raise ValueError(
                f"found {shown(text)} in column {column}, expected a number; {advice}"
            )
    text = row[9]
    if not _INTEGER.fullmatch(text):
        raise ValueError(
            f"found summit offset {shown(text)} in column 10, expected a whole number; {advice}"
        )
    offset = int(text) if len(text) < 20 else MAX_COORDINATE
    if offset < -1 or offset >= end - start:
        raise ValueError(
            f"found summit offset {shown(text)} in column 10, expected 0 to {end - start - 1} "
            f"(the peak has {end - start} bp) or -1 for none; {advice}"
        )
    return start + offset if offset >= 0 else -1
