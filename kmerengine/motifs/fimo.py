"""Motif instances that FIMO wrote: its table, of old and new versions."""

from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.messages import how_many, refuse, shown
from kmerengine.io.text import text_blocks
from kmerengine.motifs.text import is_number

_ANY = "FIMO's table (fimo.tsv, fimo.txt or the output of --text)"

# what the columns are called: now, in MEME 4.11 and 4.12 (after "# "), and before (after "#")
_TITLES: Final = {
    "motif_id": "motif",
    "pattern name": "motif",
    "motif_alt_id": "alt_name",
    "sequence_name": "chrom",
    "sequence name": "chrom",
    "start": "start",
    "stop": "end",
    "strand": "strand",
    "score": "score",
    "p-value": "p",
    "q-value": "q",
    "matched_sequence": "sequence",
    "matched sequence": "sequence",
}
_NEEDED: Final = ("motif", "chrom", "start", "end", "score", "p")
_STRANDS: Final = ("+", "-", ".")
_LARGEST: Final = 2**62  # bp, as of region files


def read_fimo(path: str | Path) -> pa.Table:
    """Read FIMO's table of motif instances.

    Parameters
    ----------
    path : str or Path
        fimo.tsv, fimo.txt, or what FIMO wrote with --text; plain or gzip. Comment lines may stand
        anywhere.

    Returns
    -------
    pyarrow.Table
        As `kmerengine.schemas.hits_schema` with q, sequence and alt_name, in the order of the
        file. FIMO's first and last base (1-based) become start and end (0-based, half-open);
        q and sequence are null where the file has none, alt_name is then "".

    Raises
    ------
    InputError
        The file cannot be read, has no header, or a line is no hit; the message names the line.

    Notes
    -----
    Files of the oldest versions have no strand column and give hits of the minus strand from
    their last base to their first.
    """
    path = Path(path)
    place: dict[str, int] | None = None
    columns: dict[str, list[Any]] = {name: [] for name in dict.fromkeys(_TITLES.values())}
    columns["strand"] = []
    for first, block in text_blocks(path, _ANY):
        for number, raw in enumerate(block.split("\n"), first):
            text = raw.rstrip("\r")
            if not text.strip():
                continue
            header = _header(text)
            if header:
                place = header
            elif text.startswith("#"):
                continue
            elif place is None:
                refuse(path, number, f"found {shown(text)}, expected the header of {_ANY}")
            else:
                _add(columns, _row(path, number, text.split("\t"), place))
    if place is None:
        raise InputError(f"{path}: found no header, expected {_ANY}")
    return _as_table(columns)


def _header(text: str) -> dict[str, int] | None:
    """Place of each column that a header names; None of another line."""
    titles = [title.strip().lower() for title in text.lstrip("# ").split("\t")]
    place = {_TITLES[title]: at for at, title in enumerate(titles) if title in _TITLES}
    return place if all(name in place for name in _NEEDED) else None


def _row(path: Path, line: int, words: list[str], place: dict[str, int]) -> dict[str, Any]:
    found = {name: words[at].strip() for name, at in place.items() if at < len(words)}
    missing = [name for name in _NEEDED if not found.get(name)]
    if missing:
        refuse(
            path,
            line,
            f"found {how_many(words)} and no {missing[0]}, expected those of the header, "
            "separated by tabs; the line is cut short or damaged",
        )
    for name in ("start", "end"):
        text = found[name]
        if not (
            text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= _LARGEST
        ):
            refuse(path, line, f"found {name} {shown(text)}, expected a whole number from 1")
    for name in ("score", "p", "q"):
        if found.get(name) and not is_number(found[name]):
            refuse(path, line, f"found {name} {shown(found[name])}, expected a number")
    start, end = int(found["start"]), int(found["end"])
    strand = found.get("strand") or ("-" if start > end else "+")
    if strand not in _STRANDS:
        refuse(path, line, f"found strand {shown(strand)}, expected +, - or .")
    return {
        "motif": found["motif"],
        "alt_name": found.get("alt_name", ""),
        "chrom": found["chrom"],
        "start": min(start, end) - 1,
        "end": max(start, end),
        "strand": strand,
        "score": float(found["score"]),
        "p": float(found["p"]),
        "q": float(found["q"]) if found.get("q") else None,
        "sequence": found.get("sequence") or None,
    }


def _add(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, value in row.items():
        columns[name].append(value)


def _as_table(columns: dict[str, list[Any]]) -> pa.Table:
    schema = schemas.hits_schema(q=True, sequence=True, alt_name=True)
    arrays = []
    for field in schema:
        values = columns[field.name]
        if pa.types.is_dictionary(field.type):
            words = _STRANDS if field.name == "strand" else tuple(dict.fromkeys(values))
            number = {word: at for at, word in enumerate(words)}
            indices = pa.array([number[value] for value in values], field.type.index_type)
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
