"""Motif files of any format: which one it is is told from the content."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from kmerengine.errors import InputError
from kmerengine.io.text import text_blocks
from kmerengine.motifs.jaspar import parse_hocomoco, parse_jaspar, tell_apart
from kmerengine.motifs.meme import parse_meme
from kmerengine.motifs.motif import Motif
from kmerengine.motifs.transfac import parse_transfac

Format = Literal["meme", "jaspar", "transfac", "hocomoco"]

_PARSERS: Final[dict[str, Callable[[Path, Sequence[str]], list[Motif]]]] = {
    "meme": parse_meme,
    "jaspar": parse_jaspar,
    "transfac": parse_transfac,
    "hocomoco": parse_hocomoco,
}
_TITLES: Final = {
    "meme": "MEME",
    "jaspar": "JASPAR",
    "transfac": "TRANSFAC",
    "hocomoco": "a row of A C G T per position, as HOCOMOCO's",
}
MOST_TEXT = 1 << 27  # letters; 2,000 motifs have a million
_ANY = "motifs as MEME, JASPAR, TRANSFAC or HOCOMOCO text"


def read_motifs(
    path: str | Path, format: Format | None = None, *, rename_duplicates: bool = False
) -> list[Motif]:
    """Read a motif file.

    Parameters
    ----------
    path : str or Path
        Plain or gzip.
    format : "meme", "jaspar", "transfac" or "hocomoco", optional
        By default it is told from the content. "meme" is the minimal format and MEME's own text;
        "jaspar" a row per base (``A [ 4 19 0 ]``, or numbers alone); "hocomoco" a row of A C G T
        per position, counts (pcm) or probabilities (pfm).
    rename_duplicates : bool
        Call a name's further motifs name_2, name_3 and so on, instead of refusing them.

    Returns
    -------
    list of Motif
        In the order of the file; at least one.

    Raises
    ------
    InputError
        The file cannot be read, is of another format (the message says which it looks like), has
        no motifs or one that is damaged, or has a name twice.

    Notes
    -----
    Probabilities that sum to 1 to within 0.1, the MEME Suite's tolerance, are renormalised; what
    is further off is an error. Counts may differ in total from position to position.
    """
    path = Path(path)
    if format is not None and format not in _PARSERS:
        raise InputError(f"format: found {format!r}, expected one of {', '.join(_PARSERS)}")
    lines = _text(path).split("\n")
    found = _looks_like(lines)
    if found == "either":
        if format not in ("jaspar", "hocomoco"):
            raise InputError(
                f"{path}: found motifs of four rows of four numbers, which may be rows per base or "
                "per position; say which with format jaspar or hocomoco"
            )
        found = format
    if found not in _PARSERS:
        raise InputError(f"{path}: found {found}, expected {_ANY}")
    if format is not None and found != format:
        raise InputError(
            f"{path}: found what looks like {found} ({_TITLES[found]}), expected {format}; "
            "correct the format or leave it out"
        )
    motifs = _PARSERS[found](path, lines)
    if not motifs:
        raise InputError(f"{path}: found no motifs in this {found} file, expected at least one")
    return _with_names_of_their_own(path, motifs, rename=rename_duplicates)


def _text(path: Path) -> str:
    """All of a file; InputError of one that is larger than motifs are, which may be compressed."""
    blocks: list[str] = []
    size = 0
    for _, text in text_blocks(path, _ANY):
        size += len(text)
        if size > MOST_TEXT:
            raise InputError(f"{path}: holds more than {MOST_TEXT:,} letters; expected {_ANY}")
        blocks.append(text)
    return "".join(blocks)


def _looks_like(lines: Sequence[str]) -> str:
    """The format of the lines, "either", or words for what they are."""
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        return "an empty file"
    if texts[0].startswith("<"):
        return "XML or HTML"
    starts = {text[:12] for text in texts}
    if any(text.startswith("MEME version") for text in texts) or "letter-proba" in starts:
        return "meme"
    if any(start.split()[0] in ("P0", "PO") for start in starts):
        return "transfac"
    first = next((text for text in texts if not text.startswith("#")), "")
    if first.startswith(">"):
        return tell_apart(lines) or "what looks like FASTA or another format with '>' lines"
    if texts[0].lower().startswith(("motif_id\t", "#pattern name\t")):
        return "what looks like FIMO's output"
    return f"{texts[0][:40]!r} on its first line"


def _with_names_of_their_own(path: Path, motifs: list[Motif], *, rename: bool) -> list[Motif]:
    taken = {motif.name for motif in motifs}
    seen: set[str] = set()
    kept = []
    for motif in motifs:
        name = motif.name
        if name in seen:
            if not rename:
                raise InputError(
                    f"{path}: found motif {name!r} twice, expected every name once; rename or "
                    "remove one, or read them with rename_duplicates"
                )
            number = 2
            while (name := f"{motif.name}_{number}") in taken:
                number += 1
            taken.add(name)
        seen.add(name)
        kept.append(motif if name == motif.name else replace(motif, name=name))
    return kept


def named_motifs(motifs: Sequence[Motif], names: Sequence[str], where: str) -> list[Motif]:
    """The motifs of these names or second names, in the file's order; all where none is given."""
    if not names:
        return list(motifs)
    known = {motif.name for motif in motifs} | {motif.alt_name for motif in motifs} - {""}
    for name in names:
        if name not in known:
            raise InputError(
                f"names: found {name!r}, expected names of motifs in {where}, such as "
                f"{', '.join(sorted(known)[:3])}"
            )
    wanted = set(names)
    return [motif for motif in motifs if {motif.name, motif.alt_name} & wanted]
