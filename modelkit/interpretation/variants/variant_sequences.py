"""The sequences of a genome with one allele of a variant and with the other."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.fasta import Genome
from kmerengine.io.vcf import Variant, read_variants

__all__ = ["TOGETHER", "VariantSequences"]

TOGETHER = 4096  # variants whose sequences are read at once
NO_CONTIG = "its contig is not in the genome"
NOT_REFERENCE = "REF is not what the genome has there"
TOO_LONG = "longer than the models' sequence"
OFF_CONTIG = "its sequence would pass an end of the contig"

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


class VariantSequences:
    """The sequences around the variants of a file, a few thousand at a time.

    Parameters
    ----------
    genome : Genome
    length : int
        bp; a variant's middle base is the middle one.

    Attributes
    ----------
    skipped : Counter
        Alleles that are left out, by reason.
    seen : Counter
        "lines" and "alleles" of the file.
    kept : int
    """

    def __init__(self, genome: Genome, length: int) -> None:
        self.genome, self.length = genome, length
        self._number = {name: i for i, name in enumerate(genome.contigs)}
        self._sizes = list(genome.contigs.values())
        self.skipped: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.kept = 0
        self._misfit = ""  # the first one

    def read(self, vcf: Path) -> Iterator[tuple[list[Variant], Codes, Codes]]:
        """Variants, and their sequences with REF and with ALT, uint8 (V, length)."""
        listed = read_variants(vcf, skipped=self.skipped, seen=self.seen)
        while together := list(islice(listed, TOGETHER)):
            some = [each for each in together if self._lies_inside(each)]
            contig = np.array([self._number[each.contig] for each in some], np.int64)
            start = np.array([each.start for each in some], np.int64)
            end = start + np.array([len(each.reference) for each in some], np.int64)
            codes, offsets = self.genome.fetch(contig, start, end)
            fits = [
                bool(np.array_equal(codes[low:high], _codes(each.reference)))
                for each, low, high in zip(some, offsets[:-1], offsets[1:], strict=True)
            ]
            low = start - self._before(end - start)
            kept = []
            for i, each in enumerate(some):
                if not fits[i]:
                    self._leave_out(each, NOT_REFERENCE)
                elif len(each.reference) > self.length:
                    self.skipped[TOO_LONG] += 1
                elif low[i] < 0 or low[i] + self.length > self._sizes[contig[i]]:
                    self.skipped[OFF_CONTIG] += 1
                else:
                    kept.append(i)
            rows = np.array(kept, np.int64)
            self.kept += len(rows)
            codes, _ = self.genome.fetch(contig[rows], low[rows], low[rows] + self.length)
            before = codes.reshape(len(rows), self.length)
            after = before.copy()
            for row, i in enumerate(kept):
                at = int(start[i] - low[i])
                after[row, at : at + len(some[i].alternative)] = _codes(some[i].alternative)
            yield [some[i] for i in kept], before, after

    def check(self, vcf: Path, genome: Path) -> None:
        """InputError if nothing fits the genome: it is another one."""
        if self._misfit and not (self.kept or self.skipped[TOO_LONG] or self.skipped[OFF_CONTIG]):
            n = self.skipped[NO_CONTIG] + self.skipped[NOT_REFERENCE]
            raise InputError(
                f"{vcf}: {self._misfit}; no variant could be scored, {n:,} do not fit {genome}: "
                "expected the assembly, and its names of contigs, that the file was made with"
            )

    def _before(self, width: Ints) -> Ints:
        """bp of sequence before a variant, whose middle base is the sequence's."""
        return self.length // 2 - width // 2

    def _lies_inside(self, variant: Variant) -> bool:
        number = self._number.get(variant.contig)
        if number is None:
            self._leave_out(variant, NO_CONTIG)
            return False
        if variant.start + len(variant.reference) > self._sizes[number]:
            self._leave_out(variant, NOT_REFERENCE)  # which has nothing there
            return False
        return True

    def _leave_out(self, variant: Variant, reason: str) -> None:
        self.skipped[reason] += 1
        self._misfit = self._misfit or (
            f"line {variant.line}: {variant.contig}:{variant.start + 1:,} "
            f"{variant.reference[:20]}: {reason}"
        )


def _codes(bases: str) -> Codes:
    return np.array(["ACGT".index(base) for base in bases], np.uint8)
