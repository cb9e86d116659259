"""Motifs in the MEME Suite's text format: minimal files, and the full text that MEME writes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.messages import refuse, shown
from kmerengine.motifs.motif import BASES, UNIFORM, Motif
from kmerengine.motifs.text import SUM_TOLERANCE, are_numbers, is_number, make_motif, numbers

_MOTIF = re.compile(r"MOTIF\s+(\S+)(?:[ \t]+(?!\S+\s*=)(\S+))?")
_MATRIX = re.compile(r"(letter-probability|log-odds) matrix\s*:(.*)", re.IGNORECASE)
_PAIR = re.compile(r"(\w+)\s*=\s*(\S+)")
_SYMBOL = re.compile(r'(\S)(?:\s+"[^"]*")?(?:\s+[0-9A-Fa-f]{6})?\s*(?:~\s*(\S).*)?')

_LOG_ODDS_UNIT = 100  # MEME's scores are 100 log2(p / background)


@dataclass
class _Found:
    """A motif as far as it has been read."""

    line: int
    name: str
    alt_name: str
    background: npt.NDArray[np.float64]
    rows: list[list[float]] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    nsites: float | None = None
    e_value: float | None = None
    url: str = ""


def parse_meme(path: Path, lines: Sequence[str]) -> list[Motif]:
    """The motifs of a MEME text file.

    Parameters
    ----------
    path : Path
        For messages.
    lines : sequence of str

    Notes
    -----
    Where a motif has a letter-probability matrix, its log-odds matrix is not used; of the latter
    alone the probabilities are ``background 2^(score / 100)``, renormalised.
    """
    background: npt.NDArray[np.float64] = np.array(UNIFORM)
    found: list[_Found] = []
    at = 0
    while at < len(lines):
        line, text = at + 1, lines[at].strip()
        at += 1
        if text.startswith("ALPHABET"):
            at = _check_alphabet(path, lines, at - 1)
        elif text.startswith("Background letter frequencies"):
            background, at = _background(path, lines, at)
        elif match := _MOTIF.match(text):
            found.append(_Found(line, match[1], match[2] or "", background))
        elif match := _MATRIX.match(text):
            if not found:
                refuse(path, line, "found a matrix before any MOTIF line; name the motif first")
            at = _read_matrix(path, lines, at, match, found[-1])
        elif text.startswith("URL") and found:
            found[-1].url = text[3:].strip()
    return [_motif(path, each) for each in found]


def _motif(path: Path, found: _Found) -> Motif:
    rows = found.rows
    if not rows and found.scores:
        with np.errstate(over="ignore"):  # what is out of range is refused below
            matrix = found.background * np.exp2(np.array(found.scores) / _LOG_ODDS_UNIT)
            total = matrix.sum(axis=1, keepdims=True)
        if not np.isfinite(total).all() or not (total > 0).all():
            refuse(path, found.line, f"found scores out of range in motif {shown(found.name)}")
        rows = (matrix / total).tolist()
    return make_motif(
        path,
        found.line,
        found.name,
        rows,
        probabilities=True,
        alt_name=found.alt_name,
        background=found.background,
        nsites=found.nsites,
        e_value=found.e_value,
        url=found.url,
    )


def _check_alphabet(path: Path, lines: Sequence[str], at: int) -> int:
    """The line after the alphabet, which must be DNA's: named, listed or defined in a block."""
    line, text = at + 1, lines[at].strip().removeprefix("ALPHABET").strip()
    at += 1
    if text.startswith("="):
        letters = text[1:].strip()
    elif re.fullmatch(r"DNA|RNA|PROTEIN", text, re.IGNORECASE):
        letters = BASES if text.upper() == "DNA" else text
    else:
        letters = ""
        while at < len(lines) and not lines[at].startswith("END ALPHABET"):
            match = _SYMBOL.fullmatch(lines[at].strip())
            if match and match[2]:  # a base and its complement in one line
                letters += match[1] + match[2]
            at += 1
        letters = "".join(sorted(letters))
        at += 1
    if letters != BASES:
        refuse(path, line, f"found the alphabet {shown(letters)}, expected that of DNA, ACGT")
    return at


def _background(path: Path, lines: Sequence[str], at: int) -> tuple[npt.NDArray[np.float64], int]:
    """The frequencies from line index `at` on, and the line after them."""
    first, words = at + 1, []
    while at < len(lines):
        more = lines[at].split()
        if len(more) % 2 or not are_numbers(more[1::2]):
            break
        words += more
        at += 1
    known = dict(zip(words[::2], words[1::2], strict=True))
    if list(known) != list(BASES):
        refuse(
            path,
            first,
            f"found background frequencies of {shown(' '.join(known))}, expected A, C, G and T "
            "with a number each",
        )
    frequencies = np.array(numbers(list(known.values()), path, first))
    total = float(frequencies.sum())
    if not (frequencies > 0).all() or not abs(total - 1) <= SUM_TOLERANCE:
        refuse(
            path,
            first,
            f"found background frequencies {' '.join(known.values())}, expected four above 0 that "
            f"sum to 1 to within {SUM_TOLERANCE}",
        )
    return frequencies / total, at


def _read_matrix(
    path: Path, lines: Sequence[str], at: int, match: re.Match[str], motif: _Found
) -> int:
    """Read a matrix into `motif` from line index `at` on; the line after it."""
    line, is_scores = at, match[1].lower() == "log-odds"
    kind = f"{match[1].lower()} matrix"
    rows = motif.scores if is_scores else motif.rows
    if rows:
        refuse(path, line, f"found a second {kind} of motif {shown(motif.name)}; remove one")
    said = dict(_PAIR.findall(match[2]))
    for key in ("alength", "w"):
        if key in said and not said[key].isdecimal():
            refuse(path, line, f"found {key}= {shown(said[key])}, expected a whole number")
    if int(said.get("alength", "4")[:18]) != 4:
        refuse(path, line, f"found alength= {said['alength']}, expected 4, the letters of DNA")
    width = int(said["w"][:18]) if "w" in said else None
    if width == 0:
        refuse(path, line, f"found w= 0, motif {shown(motif.name)} has no positions; remove it")
    if not is_scores:
        for key in ("nsites", "E"):
            if key in said and not is_number(said[key]):
                refuse(path, line, f"found {key}= {shown(said[key])}, expected a number")
        motif.nsites = float(said.get("nsites", 0)) or None
        motif.e_value = float(said["E"]) if "E" in said else None
    while at < len(lines) and not lines[at].strip():
        at += 1
    while at < len(lines):
        words = lines[at].split()
        looks_like_a_row = bool(words) and is_number(words[0])
        if len(rows) == width:
            if looks_like_a_row:
                refuse(path, at + 1, f"found another row of numbers, expected {width} as w= says")
            break
        if not looks_like_a_row and (width is None or not words or words[0].isalpha()):
            break
        if len(words) != 4:
            refuse(path, at + 1, f"found {len(words)} numbers, expected 4: of A, C, G and T")
        rows.append(numbers(words, path, at + 1))
        at += 1
    if width is not None and len(rows) != width:
        refuse(
            path,
            at + 1,
            f"found {len(rows)} rows in the {kind} of motif {shown(motif.name)}, expected {width} "
            "as w= says; the file is cut short or damaged",
        )
    return at


def write_meme(
    path: str | Path,
    motifs: Iterable[Motif],
    *,
    background: Sequence[float] | npt.NDArray[np.float64] | None = None,
    force: bool = False,
) -> None:
    """Write motifs as a minimal MEME file.

    Parameters
    ----------
    path : str or Path
    motifs : iterable of Motif
        With different names.
    background : four frequencies, optional
        The file's one background; by default the one that all motifs share.
    force : bool
        Replace an existing file.

    Raises
    ------
    InputError
        No motif, a name twice, or different backgrounds and none given.

    Notes
    -----
    Probabilities are written in full, so that they are read back as they were. The format has one
    word for the second name, where white space becomes "_", and whole numbers of sites, which are
    rounded, at least 1.
    """
    path, listed = Path(path), list(motifs)
    if not listed:
        raise InputError(f"{path}: found no motifs to write, expected at least one")
    names: set[str] = set()
    for motif in listed:
        if motif.name in names:
            raise InputError(f"{path}: found motif {motif.name!r} twice; rename or leave out one")
        names.add(motif.name)
    chosen = np.array(listed[0].background if background is None else background, np.float64)
    if background is None and any(not np.allclose(m.background, chosen) for m in listed):
        raise InputError(
            f"{path}: found motifs of different backgrounds, expected one for the file; give "
            "background, or write them to files of their own"
        )
    pairs = zip(BASES, chosen.tolist(), strict=True)
    frequencies = " ".join(f"{base} {value!r}" for base, value in pairs)
    parts = [
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
        f"Background letter frequencies\n{frequencies}\n"
    ]
    parts += [_as_text(motif) for motif in listed]
    with atomic(path, force=force) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _as_text(motif: Motif) -> str:
    said = f"alength= 4 w= {len(motif)}"
    if motif.nsites:
        said += f" nsites= {max(1, round(motif.nsites))}"
    alt_name = "_".join(motif.alt_name.split())
    lines = [
        f"MOTIF {motif.name} {alt_name}".rstrip(),
        f"letter-probability matrix: {said} E= {motif.e_value or 0:g}",
        *(" " + " ".join(map(repr, row)) for row in motif.probabilities.tolist()),
        *([f"URL {' '.join(motif.url.split())}"] if motif.url else []),
    ]
    return "\n".join(lines) + "\n"
