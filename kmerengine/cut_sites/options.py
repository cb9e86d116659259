"""Which reads count as cuts, and where: options of every step that starts from reads."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kmerengine.cut_sites.input_shift import HELD, Shift
from kmerengine.cut_sites.sample_sheet import Sample
from kmerengine.cut_sites.sources import is_alignments, is_track
from kmerengine.errors import InputError
from native_kernels import cut_parse

Mode = Literal["reads", "fragments"]
InputShift = Literal["auto", "none", "+4/-5", "+4/-4"]


@dataclass(frozen=True, kw_only=True)
class CutOptions:
    """How reads become cuts; see `kmerengine.cuts` for each."""

    mode: Mode = "reads"
    shift: str = "+4/-4"
    input_shift: InputShift = "auto"
    detect_shift: bool = False
    min_mapq: int = 0
    drop_duplicates: bool = False
    min_length: int = 0
    max_length: int | None = None
    contigs: tuple[str, ...] = ()
    blacklist: Path | None = None
    genome: Path | None = None
    barcode: str = "CB"
    weighted: bool = False
    legacy_double_count: bool = False
    threads: int = 1
    memory: int = 256 << 20

    @property
    def wanted(self) -> Shift:
        """The shift that cuts shall have."""
        return parse_shift(self.shift)

    def rules(self) -> cut_parse.Rules:
        """What the loop over BAM records needs to know."""
        flags = cut_parse.SECONDARY | cut_parse.SUPPLEMENTARY | cut_parse.QC_FAIL
        return cut_parse.Rules(
            fragments=self.mode == "fragments",
            min_mapq=self.min_mapq,
            dropped_flags=flags | (cut_parse.DUPLICATE if self.drop_duplicates else 0),
            min_length=self.min_length,
            max_length=(1 << 31) if self.max_length is None else self.max_length,
            times=2 if self.legacy_double_count else 1,
        )

    def check(self, samples: list[Sample]) -> None:
        """Raise InputError for what contradicts itself or the files."""
        _ = self.wanted
        if self.mode not in ("reads", "fragments"):
            raise InputError(f"mode: found {self.mode!r}, expected reads or fragments")
        if self.input_shift not in ("auto", *HELD):
            raise InputError(
                f"input_shift: found {self.input_shift!r}, expected auto, {', '.join(HELD)}"
            )
        if self.legacy_double_count and self.mode != "fragments":
            raise InputError("legacy_double_count: found with mode reads, expected mode fragments")
        if self.detect_shift and self.genome is None:
            raise InputError("detect_shift: found without a genome, expected --genome FASTA")
        if self.barcode != "name" and not re.fullmatch("[A-Za-z][A-Za-z0-9]", self.barcode):
            raise InputError(
                f"barcode: found {self.barcode!r}, expected a tag of two letters such as CB, or "
                "name for the read's name up to its first colon"
            )
        if self.barcode != CutOptions.barcode and not any(each.groups for each in samples):
            raise InputError(
                f"barcode: found {self.barcode!r} without groups, expected them with it: a table "
                "of barcodes, or a sample sheet with such"
            )
        if self.threads < 1:
            raise InputError(f"threads: found {self.threads}, expected at least 1")
        if not 0 <= self.min_mapq <= 255:
            raise InputError(f"min_mapq: found {self.min_mapq}, expected 0 to 255")
        if self.min_length < 0:
            raise InputError(f"min_length: found {self.min_length}, expected 0 or more bp")
        if self.memory < 1:
            raise InputError(f"memory: found {self.memory}, expected a number of bytes")
        if self.max_length is not None and self.max_length < self.min_length:
            raise InputError(
                f"max_length: found {self.max_length}, expected at least the min_length of "
                f"{self.min_length}"
            )
        for sample in samples:
            self._check_file(sample)

    def _check_file(self, sample: Sample) -> None:
        file = sample.file
        if is_alignments(file):
            if self.weighted:
                raise InputError(f"weighted: found with {file}, expected 10x fragment files")
            return
        if self.min_mapq or self.drop_duplicates or self.legacy_double_count:
            what = "cuts have" if is_track(file) else "text has"
            raise InputError(
                f"{file}: {what} no mapping qualities, flags or mates; min_mapq, "
                "drop_duplicates and legacy_double_count are for BAM and CRAM"
            )
        if is_track(file) and (sample.groups or self._is_of_reads()):
            raise InputError(
                f"{file}: cuts have no barcodes, weights or fragments, and are shifted; groups, "
                "weighted, mode, min_length, max_length, input_shift and detect_shift are for "
                "reads and fragments"
            )

    def _is_of_reads(self) -> bool:
        """Whether an option is set that cuts have no use for."""
        lengths = self.min_length or self.max_length is not None
        shifts = self.input_shift != "auto" or self.detect_shift
        return bool(self.weighted or self.mode != "reads" or lengths or shifts)


def parse_shift(text: str) -> Shift:
    """``+4/-4``, any such pair of bp, or ``none``."""
    if text == "none":
        return Shift(0, 0)
    found = re.fullmatch(r"([+-]?\d{1,3})/([+-]?\d{1,3})", text)
    if found is None:
        raise InputError(f"shift: found {text!r}, expected a pair such as +4/-4, or none")
    return Shift(int(found[1]), int(found[2]))


def shift_text(shift: Shift) -> str:
    """A shift as users write it, such as ``+4/-4``."""
    return f"{shift.plus:+d}/{shift.minus:+d}"
