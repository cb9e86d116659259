"""Counts of alleles, from a VCF file or a table.

A table has chromosome, position (1-based), REF, ALT, count of ALT and count of all alleles,
separated by tabs, plain or gzip; a first line of titles is passed over, and so are lines that begin
with "#".
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kmerengine.errors import InputError
from kmerengine.io.text import text_blocks
from kmerengine.io.vcf import INDEL, AlleleCount, Variant, read_allele_counts

__all__ = ["read_counts"]

FIELDS = "chromosome, position, REF, ALT, its count and the count of all alleles"
UNKNOWN = "a base other than A C G T in REF or ALT"

_WHOLE = re.compile(r"[0-9]{1,15}")
_BASES = re.compile(r"[ACGT]+")


def read_counts(
    path: str | Path, *, count: str, total: str, skipped: Counter[str], seen: Counter[str]
) -> Iterator[AlleleCount]:
    """Substitutions with their counts, in the file's order.

    Parameters
    ----------
    path : path
        A VCF file, which its first line says, or a table.
    count, total : str
        Fields of INFO, of a VCF file.
    skipped, seen : Counter
        As of `read_variants`.
    """
    path = Path(path)
    _, first = next(text_blocks(path, "a VCF file or a table"), (1, ""))
    if first.startswith(("##fileformat=VCF", "#CHROM\tPOS\tID\t")):
        yield from read_allele_counts(path, count=count, total=total, skipped=skipped, seen=seen)
        return
    yield from _read_table(path, skipped, seen)


def _read_table(path: Path, skipped: Counter[str], seen: Counter[str]) -> Iterator[AlleleCount]:
    titles = True  # may come
    for first, text in text_blocks(path, "a table of allele counts"):
        for number, line in enumerate(text.splitlines(), first):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [field.strip() for field in line.split("\t")]
            numbers = [fields[i] for i in (1, 4, 5)] if len(fields) == 6 else []
            if titles and numbers and not any(map(_WHOLE.fullmatch, numbers)):
                titles = False
                continue
            titles = False
            if not numbers or not all(map(_WHOLE.fullmatch, numbers)) or not all(fields):
                raise InputError(
                    f"{path}: line {number}: found {line[:60]!r}, expected {FIELDS}, separated by "
                    "tabs"
                )
            position, n, of = map(int, numbers)
            if position < 1 or n > of:
                raise InputError(
                    f"{path}: line {number}: found position {position}, count {n} of {of}, "
                    "expected 1 or more, as positions are 1-based, and a part of all alleles"
                )
            seen["lines"] += 1
            seen["alleles"] += 1
            reference, alternative = fields[2].upper(), fields[3].upper()
            if not _BASES.fullmatch(reference) or not _BASES.fullmatch(alternative):
                skipped[UNKNOWN] += 1
            elif len(reference) != len(alternative):
                skipped[INDEL] += 1
            elif reference == alternative:
                skipped["ALT is REF"] += 1
            else:
                found = Variant(fields[0], position - 1, ".", reference, alternative, number)
                yield AlleleCount(found, n, of)
