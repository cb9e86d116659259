"""Motifs under FASTA-like headers: JASPAR's rows per base, HOCOMOCO's rows per position."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kmerengine.io.messages import how_many, refuse, shown
from kmerengine.motifs.motif import BASES, Motif
from kmerengine.motifs.text import are_numbers, is_number, make_motif, numbers

_LABELLED = re.compile(r"([A-Za-z])\s*[\[|:]?\s*([^\]]*?)\s*\]?")
_LABELS = {*"ACGTacgt[]|:"}


class _Record(NamedTuple):
    """A header and the lines under it, each with its number."""

    line: int
    header: str
    body: list[tuple[int, str]]


def _records(path: Path, lines: Sequence[str]) -> Iterator[_Record]:
    record: _Record | None = None
    for number, raw in enumerate(lines, 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(">"):
            if record is not None:
                yield record
            record = _Record(number, text[1:].strip(), [])
        elif record is None:
            refuse(path, number, f"found {shown(text)}, expected '>' and the name of a motif")
        else:
            record.body.append((number, text))
    if record is not None:
        yield record


def _names(path: Path, record: _Record) -> tuple[str, str]:
    """Name and second name of a header."""
    words = record.header.split()
    if not words:
        refuse(path, record.line, "found a header without a name, expected one after '>'")
    return words[0], words[1] if len(words) > 1 else ""


def parse_jaspar(path: Path, lines: Sequence[str]) -> list[Motif]:
    """The motifs of a JASPAR file: a row per base, with labels and brackets or without.

    ``A [ 4 19 0 ]`` rows may come in any order; rows without a letter are A, C, G, T.
    """
    motifs = []
    for record in _records(path, lines):
        name, alt_name = _names(path, record)
        rows: dict[str, list[float]] = {}
        for place, (number, text) in enumerate(record.body):
            match = _LABELLED.fullmatch(text)
            base = match[1].upper() if match else BASES[place] if place < 4 else "a fifth row"
            if base not in BASES or base in rows:
                refuse(
                    path,
                    number,
                    f"found {base} in motif {shown(name)}, expected one row each of A, C, G and T",
                )
            rows[base] = numbers((match[2] if match else text).split(), path, number)
        missing = [base for base in BASES if base not in rows]
        if missing:
            refuse(
                path,
                record.line,
                f"found no row of {', '.join(missing)} in motif {shown(name)}, expected one each "
                "of A, C, G and T",
            )
        sizes = {base: len(rows[base]) for base in BASES}
        if len(set(sizes.values())) > 1:
            refuse(
                path,
                record.line,
                f"found rows of {', '.join(map(str, sizes.values()))} numbers in motif "
                f"{shown(name)}, expected four of one length",
            )
        columns = np.array([rows[base] for base in BASES]).T.tolist()
        motifs.append(make_motif(path, record.line, name, columns, alt_name=alt_name))
    return motifs


def parse_hocomoco(path: Path, lines: Sequence[str]) -> list[Motif]:
    """The motifs of a file with a row of A C G T per position: pcm (counts) or pfm."""
    motifs = []
    for record in _records(path, lines):
        name, alt_name = _names(path, record)
        rows = []
        for number, text in record.body:
            words = text.split()
            if len(words) != 4:
                refuse(
                    path,
                    number,
                    f"found {how_many(words)} in motif {shown(name)}, expected 4: numbers of "
                    "A, C, G and T",
                )
            rows.append(numbers(words, path, number))
        motifs.append(make_motif(path, record.line, name, rows, alt_name=alt_name))
    return motifs


def tell_apart(lines: Sequence[str]) -> str:
    """ "jaspar", "hocomoco", "either" or "" of lines that start with a header.

    "either": four rows of four numbers in every motif, and sums that do not tell.
    """
    votes = set()
    for record in _records(Path(), lines):
        rows = [text.replace("[", " ").replace("]", " ").split() for _, text in record.body]
        rows = [row for row in rows if row]
        if not rows:
            continue
        words = [word for row in rows for word in row if word not in _LABELS]
        if 2 * sum(map(is_number, words)) < len(words) or not words:
            return ""
        if sum(row[0][0].isalpha() for row in rows) > 1:
            return "jaspar"
        n_fours = sum(len(row) == 4 for row in rows)
        if n_fours < 4 and len(rows) == 4:
            return "jaspar"
        if n_fours != 4 or len(rows) != 4 or not all(map(are_numbers, rows)):
            return "hocomoco"
        votes.add(_oriented([[float(word) for word in row] for row in rows]))
    votes -= {"either"}
    return votes.pop() if len(votes) == 1 else "either"


def _oriented(rows: list[list[float]]) -> str:
    matrix = np.array(rows)
    along = np.ptp(matrix.sum(axis=1)) <= 1e-3 * abs(matrix).sum()
    across = np.ptp(matrix.sum(axis=0)) <= 1e-3 * abs(matrix).sum()
    if along == across:
        return "either"
    return "hocomoco" if along else "jaspar"
