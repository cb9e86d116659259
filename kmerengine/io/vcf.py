"""Variants from VCF files, plain, gzip or bgzip: changes of bases into as many others.

    #CHROM, POS, ID, REF, ALT, ...        of further columns INFO is read, for allele counts

POS is 1-based; the start of a `Variant` is 0-based.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kmerengine.errors import InputError
from kmerengine.io.messages import how_many, shown
from kmerengine.io.text import text_blocks

__all__ = ["AlleleCount", "Variant", "read_allele_counts", "read_variants"]

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT")
INFO = 7  # column, from 0
MAX_POSITION = 1 << 40  # bp

NO_ALLELE = "no other allele (ALT is .)"
DELETED = "an allele that another variant deletes (ALT is *)"
SYMBOLIC = "a symbolic allele, such as <DEL>"
BREAKEND = "a breakend"
NO_COUNTS = "without counts of alleles in INFO"
INDEL = "an insertion or deletion"
UNKNOWN_BASE = "a base other than A C G T in REF or ALT"
UNCHANGED = "ALT is REF"

_DIGITS = re.compile(r"[0-9]{1,18}")
_LETTERS = re.compile(r"[ACGTNRYSWKMBDHVacgtnryswkmbdhv]+")
_BASES = re.compile(r"[ACGT]+")


class Variant(NamedTuple):
    """One alternative allele of a line.

    Attributes
    ----------
    contig : str
    start : int
        Of REF, 0-based, bp.
    name : str
        ID, "." where there is none.
    reference, alternative : str
        Capital A C G T, as many in one as in the other; they differ.
    line : int
        1-based, for messages.
    """

    contig: str
    start: int
    name: str
    reference: str
    alternative: str
    line: int


class AlleleCount(NamedTuple):
    """One alternative allele with how often it was seen.

    Attributes
    ----------
    variant : Variant
    n : int
        Of the alternative allele.
    of : int
        Of all alleles that were called there.
    """

    variant: Variant
    n: int
    of: int


class _Allele(NamedTuple):
    """A substitution, its number among those of its line, and how many and what INFO that has."""

    variant: Variant
    number: int
    of: int
    info: str | None


def read_variants(
    path: str | Path, *, skipped: Counter[str] | None = None, seen: Counter[str] | None = None
) -> Iterator[Variant]:
    """The single- and multi-base substitutions of a file, one at a time, in its order.

    Parameters
    ----------
    path : str or Path
        With a line of column names (#CHROM). A line of several alternative alleles is several
        variants.
    skipped : Counter, optional
        Alleles that are no substitution are added to it, by reason.
    seen : Counter, optional
        "lines" and "alleles" are added to it.

    Yields
    ------
    Variant

    Raises
    ------
    InputError
        The file cannot be read, or a line is no variant; the message names the line.
    """
    for each in _read_alleles(path, skipped, seen):
        yield each.variant


def read_allele_counts(
    path: str | Path,
    *,
    count: str = "AC",
    total: str = "AN",
    skipped: Counter[str] | None = None,
    seen: Counter[str] | None = None,
) -> Iterator[AlleleCount]:
    """As `read_variants`, with the counts that INFO has of each allele.

    Parameters
    ----------
    path, skipped, seen
        As of `read_variants`. A line without one of the two fields, or with "." there, is among
        the skipped.
    count : str
        INFO field with a number for each alternative allele, such as gnomAD's "controls_AC".
    total : str
        INFO field with one number.

    Raises
    ------
    InputError
        As of `read_variants`; there is no INFO; counts are no whole numbers, of other alleles
        than the line has, or more than the total.
    """
    for each in _read_alleles(path, skipped, seen):
        if each.info is None:
            raise InputError(f"{path}: has no column INFO, expected {count} and {total} in it")
        try:
            found = _counts(each, count, total)
        except ValueError as error:
            raise InputError(f"{path}: line {each.variant.line}: {error}") from None
        if found is not None:
            yield AlleleCount(each.variant, *found)
        elif skipped is not None:
            skipped[NO_COUNTS] += 1


def _counts(allele: _Allele, count: str, total: str) -> tuple[int, int] | None:
    """An allele's count and the total; None if INFO lacks one."""
    values = {}
    for field in (allele.info or "").split(";"):
        name, sign, value = field.partition("=")
        if sign and name in (count, total):
            values[name] = value.split(",")
    counts, totals = values.get(count, ["."]), values.get(total, ["."])
    if counts == ["."] or totals == ["."]:
        return None
    if len(counts) != allele.of or len(totals) != 1:
        raise ValueError(
            f"found {len(counts)} {count} and {len(totals)} {total}, expected {allele.of}, as ALT "
            "has alleles, and 1"
        )
    if counts[allele.number] == ".":
        return None
    for name, text in ((count, counts[allele.number]), (total, totals[0])):
        if not _DIGITS.fullmatch(text):
            raise ValueError(f"found {name} {shown(text)}, expected a whole number of 0 or more")
    n, of = int(counts[allele.number]), int(totals[0])
    if n > of:
        raise ValueError(f"found {count} {n:,} above {total} {of:,}, expected a part of it")
    return n, of


def _read_alleles(
    path: str | Path, skipped: Counter[str] | None, seen: Counter[str] | None
) -> Iterator[_Allele]:
    path = Path(path)
    skipped = Counter() if skipped is None else skipped
    seen = Counter() if seen is None else seen
    n_columns = 0
    for first, block in text_blocks(path, "a VCF file"):
        for number, line in enumerate(block.split("\n"), first):
            if line.startswith("##") or not line.strip():
                continue
            if line.startswith("#"):
                n_columns = _named_columns(line.rstrip("\r"), path, number)
                continue
            if not n_columns:
                raise InputError(
                    f"{path}: line {number}: found {shown(line)} before a line of column names, "
                    "expected #CHROM, POS, ID, REF, ALT and so on, separated by tabs; give a whole "
                    "VCF file, BCF is not read"
                )
            if line.count("\t") + 1 != n_columns:
                raise InputError(
                    f"{path}: line {number}: found {how_many(line.split(chr(9)))}, expected "
                    f"{n_columns} as #CHROM names, separated by tabs; the line is damaged or the "
                    "file cut short"
                )
            seen["lines"] += 1
            try:
                contig, start, name, reference, alleles = _fields(line)
            except ValueError as error:
                raise InputError(f"{path}: line {number}: {error}") from None
            info = line.rstrip("\r").split("\t", INFO + 1)[INFO] if n_columns > INFO else None
            for i, allele in enumerate(alleles):
                seen["alleles"] += 1
                if reason := _why_not(reference, allele):
                    skipped[reason] += 1
                else:
                    variant = Variant(contig, start, name, reference, allele, number)
                    yield _Allele(variant, i, len(alleles), info)
    if not n_columns:
        raise InputError(
            f"{path}: has no line of column names (#CHROM), expected a VCF file; it is empty or "
            "of another kind"
        )


def _named_columns(line: str, path: Path, number: int) -> int:
    names = line.split("\t")
    if tuple(names[:5]) != COLUMNS:
        raise InputError(
            f"{path}: line {number}: found columns {shown(line)}, expected {', '.join(COLUMNS)} "
            "and so on, separated by tabs"
        )
    return len(names)


def _fields(line: str) -> tuple[str, int, str, str, list[str]]:
    """Contig, start, name, REF and the alternative alleles of a line."""
    contig, position, name, reference, alternative = line.split("\t", 5)[:5]
    alternative = alternative.rstrip("\r")
    if not contig:
        raise ValueError("found no contig in column 1, expected its name")
    alleles = [allele.upper() for allele in alternative.split(",")]
    # a telomere, with the breakends and symbolic alleles there, is position 0
    least = 0 if all(allele and _symbolic(allele) for allele in alleles) else 1
    if not _DIGITS.fullmatch(position) or not least <= int(position) < MAX_POSITION:
        raise ValueError(
            f"found position {shown(position)}, expected a whole number of 1 or more: positions "
            "are 1-based"
        )
    if not _LETTERS.fullmatch(reference):
        raise ValueError(f"found REF {shown(reference)}, expected bases")
    for allele in alleles:
        if not allele:
            raise ValueError(f"found ALT {shown(alternative)}, expected alleles or '.'")
        if not (_LETTERS.fullmatch(allele) or allele in ("*", ".") or _symbolic(allele)):
            raise ValueError(
                f"found ALT {shown(allele)}, expected bases, '*', '.', <NAME> or a breakend"
            )
    return contig, int(position) - 1, name, reference.upper(), alleles


def _symbolic(allele: str) -> str:
    """What an allele is that has no bases of its own; empty for others."""
    if allele[0] == "<" and allele[-1] == ">" and len(allele) > 2:
        return SYMBOLIC  # <*> too: any other allele than those seen, and not the deleted one
    dots = len(allele) > 1 and (allele[0] == "." or allele[-1] == ".")
    return BREAKEND if "[" in allele or "]" in allele or dots else ""


def _why_not(reference: str, allele: str) -> str:
    """Why an allele is no substitution of bases; empty if it is one."""
    if allele in (".", "*"):
        return NO_ALLELE if allele == "." else DELETED
    if kind := _symbolic(allele):
        return kind
    if len(allele) != len(reference):
        return INDEL
    if not (_BASES.fullmatch(reference) and _BASES.fullmatch(allele)):
        return UNKNOWN_BASE
    return UNCHANGED if allele == reference else ""
