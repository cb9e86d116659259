"""Annotation files: GTF and GFF3, plain, gzip or bgzip.

    contig, source, type, start, end, score, strand, phase, attributes

    gene_id "ENSG1"; gene_name "DDX11L1";    attributes of GTF
    ID=ENSG1;Name=DDX11L1                    attributes of GFF3

Positions in the file are 1-based and closed; those of `Feature` are 0-based and half-open.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from kmerengine.errors import InputError
from kmerengine.io.messages import how_many, shown
from kmerengine.io.text import text_blocks

_DIGITS = re.compile(r"[0-9]{1,18}")
_GFF3 = re.compile(r'\s*[^\s;="]+=')
_PAIR = re.compile(
    r"[\s;]*+(?:"
    r'([^\s;"#][^\s;"]*+)\s*+'  # the name, and its value in quotes or not
    r'(?:"((?:[^"\\]++|\\.)*+)"|([^;"]*+))\s*+(?:;|$)'
    r"|#.*|(.+))"  # a comment; or what is neither
)


class Feature(NamedTuple):
    """One line of an annotation.

    Attributes
    ----------
    contig, type : str
    start, end : int
        0-based half-open, bp.
    strand : str
        "+", "-", "." (none) or "?" (unknown).
    attributes : dict of str to list of str
        A key that is repeated (GTF) or whose value is a list (GFF3) has several values; a key
        without a value has [""]. Letters that GFF3 writes as %3B are decoded; a backslash of GTF
        stays as it is.
    line : int
        1-based, for messages.
    """

    contig: str
    type: str
    start: int
    end: int
    strand: str
    attributes: dict[str, list[str]]
    line: int


def read_features(
    path: str | Path,
    *,
    types: Collection[str] | None = None,
    seen: Counter[str] | None = None,
) -> Iterator[Feature]:
    """The features of an annotation, one at a time, in the order of the file.

    Parameters
    ----------
    path : str or Path
        Every line's attributes say whether it is GTF or GFF3. Comments, blank lines and track and
        browser lines are passed over, and reading ends where sequences begin (``##FASTA`` or
        ``>``).
    types : collection of str, optional
        Types to return, such as ``{"gene", "mRNA"}``; all by default. Lines of others must have
        nine columns and are not looked at further.
    seen : Counter, optional
        Lines of every type are added to it.

    Yields
    ------
    Feature

    Raises
    ------
    InputError
        The file cannot be read, or a line is no feature; the message names the line.
    """
    path = Path(path)
    for first, block in text_blocks(path, "a GTF or GFF3 file"):
        for number, line in enumerate(block.split("\n"), first):
            columns = line.split("\t")
            if line.startswith(("##FASTA", ">")):
                return
            if line.startswith("#"):
                continue
            if len(columns) == 8:
                columns.append("")  # attributes may be missing
            elif len(columns) != 9:
                if _is_passed_over(line):
                    continue
                raise InputError(f"{path}: line {number}: {_misses_columns(line, columns)}")
            kind = columns[2]
            if seen is not None:
                seen[kind] += 1
            if types is None or kind in types:
                try:
                    yield _feature(columns, number)
                except ValueError as error:
                    raise InputError(f"{path}: line {number}: {error}") from None


def _is_passed_over(line: str) -> bool:
    words = line.split(maxsplit=1)
    return not words or words[0] in ("track", "browser")


def _misses_columns(line: str, columns: list[str]) -> str:
    return (
        f"found {how_many(columns)} ({shown(line)}), expected 9 separated by tabs: contig, "
        "source, type, start, end, score, strand, phase, attributes; give a GTF or GFF3 file"
    )


def _feature(columns: list[str], line: int) -> Feature:
    contig, _, kind, first, last, _, strand, _, text = columns
    if not contig:
        raise ValueError("found no contig name in column 1; write the name of a contig there")
    start, end = _position(first, "start") - 1, _position(last, "end")
    if start >= end:
        raise ValueError(
            f"start {first} is after end {last}; positions are 1-based and both bases belong to "
            "the feature"
        )
    if strand not in ("+", "-", ".", "?"):
        raise ValueError(
            f"found strand {shown(strand)} in column 7, expected '+', '-', '.' or '?'; "
            "write '.' where there is none"
        )
    if _GFF3.match(text):
        contig = unquote(contig)
        attributes = _gff3_attributes(text)
    else:
        attributes = _gtf_attributes(text)
    return Feature(contig, kind, start, end, strand, attributes, line)


def _position(text: str, what: str) -> int:
    if not _DIGITS.fullmatch(text) or not int(text):
        raise ValueError(
            f"found {what} {shown(text)}, expected a whole number of bp from 1 on; positions of "
            "GTF and GFF3 are 1-based, written without signs, decimals or separators"
        )
    return int(text)


def _gtf_attributes(text: str) -> dict[str, list[str]]:
    """`key "value"; key value;`; a value in quotes may hold semicolons, or quotes after `\\`."""
    attributes: dict[str, list[str]] = {}
    for key, quoted, bare, other in _PAIR.findall(text):
        if other:
            raise ValueError(
                f"found attributes {shown(other)}, expected pairs of a name and a value in "
                'quotes, such as gene_id "G1";, or name=value; a quote may be missing'
            )
        value = quoted or bare.rstrip()
        if key in attributes:
            attributes[key].append(value)
        elif key:
            attributes[key] = [value]
    return attributes


def _gff3_attributes(text: str) -> dict[str, list[str]]:
    """`key=value;key=value,value`, with reserved letters written as %3B."""
    attributes: dict[str, list[str]] = {}
    for pair in text.split(";"):
        key, _, values = pair.strip().partition("=")
        if key:
            attributes.setdefault(unquote(key.rstrip()), []).extend(
                unquote(value) for value in values.split(",")
            )
    return attributes
