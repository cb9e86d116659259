"""Motifs in TRANSFAC's flat-file format, of TRANSFAC, JASPAR and RSAT."""

import re
from collections.abc import Sequence
from pathlib import Path

from kmerengine.io.messages import how_many, refuse, shown
from kmerengine.motifs.motif import BASES, Motif
from kmerengine.motifs.text import make_motif, numbers

_HEADER = re.compile(r"(?:P0|PO)\s+(.*)")
_ROW = re.compile(r"[0-9]+\s+(.*)")


def parse_transfac(path: Path, lines: Sequence[str]) -> list[Motif]:
    """The motifs of a TRANSFAC file, one after the other, separated by ``//``.

    The name is the accession (AC), else the identifier (ID), else NA; the second name is the
    first of NA and ID that says something else. The header (P0 or PO) orders the columns, a
    consensus letter after them is passed over. Entries without a matrix, such as the file's
    version, are no motifs.
    """
    motifs: list[Motif] = []
    said: dict[str, str] = {}
    rows: list[list[float]] | None = None
    columns: list[str] = []
    first = 0
    inside = False
    for number, raw in enumerate([*lines, "//"], 1):
        text = raw.strip()
        if text.startswith("//"):
            if rows is not None:
                motifs.append(_motif(path, first, said, rows, columns))
            said, rows, inside = {}, None, False
        elif match := _HEADER.fullmatch(text):
            if rows is not None:
                refuse(path, number, "found a second matrix, expected '//' between motifs")
            columns = match[1].upper().split()
            if sorted(columns) != list(BASES):
                refuse(
                    path,
                    number,
                    f"found the letters {shown(' '.join(columns))}, expected A, C, G and T",
                )
            rows, first, inside = [], number, True
        elif inside and rows is not None and (match := _ROW.fullmatch(text)):
            words = match[1].split()
            if len(words) == 5 and words[4].isalpha():
                words = words[:4]
            if len(words) != 4:
                refuse(path, number, f"found {how_many(words)}, expected 4 numbers")
            rows.append(numbers(words, path, number))
        elif text:
            if inside and text[0].isdigit():
                refuse(path, number, f"found {shown(text)}, expected a position and 4 numbers")
            inside = False
            code, *rest = text.split(None, 1)
            if len(code) == 2 and rest:
                said.setdefault(code, rest[0])
    return motifs


def _motif(
    path: Path, line: int, said: dict[str, str], rows: list[list[float]], columns: list[str]
) -> Motif:
    known = [said[code].split()[0] for code in ("AC", "ID", "NA") if code in said]
    if not known:
        refuse(path, line, "found a matrix without AC, ID or NA line, expected a name")
    others = [said[code] for code in ("NA", "ID") if code in said and said[code] != known[0]]
    order = [columns.index(base) for base in BASES]
    ordered = [[row[at] for at in order] for row in rows]
    return make_motif(path, line, known[0], ordered, alt_name=others[0] if others else "")
