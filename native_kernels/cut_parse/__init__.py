"""Cut sites of BAM records, from their uncompressed bytes.

    plus read:   cut = start + plus_shift         minus read:   cut = (end - 1) + minus_shift
    fragment:    left = start + plus_shift        right = (end - 1) + minus_shift

Coordinates are 0-based, half-open; the 5' base of a minus read is ``end - 1``. With the wanted
shift +4/-4 on unshifted reads the two ends of a fragment [100, 180) are cut at 104 and 175, the
middles of the 9-bp duplications that start at 100 and end at 179.

A cut site is one integer, ``2 * (contig_start + position) + strand``: sorted, it is sorted by
contig, position and strand (0 plus, 1 minus).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from native_kernels.cut_parse import cpu
from native_kernels.cut_parse.cpu import DUPLICATE, QC_FAIL, SECONDARY, SUPPLEMENTARY
from native_kernels.cut_parse.reference import parse_reference

__all__ = [
    "DUPLICATE",
    "QC_FAIL",
    "REASONS",
    "SECONDARY",
    "SUPPLEMENTARY",
    "CutParser",
    "DamagedRecord",
    "Rules",
    "parse_reference",
]

LONGEST = 2000  # bp; fragments beyond share the last place of the histogram
BYTES_PER_RECORD = 36  # at least

# Why a read (or pair) gives no cut; "off_contig" counts cuts, the others reads or pairs.
REASONS = {
    "unmapped": cpu.N_UNMAPPED,
    "secondary": cpu.N_SECONDARY,
    "supplementary": cpu.N_SUPPLEMENTARY,
    "QC fail": cpu.N_QC_FAIL,
    "duplicate": cpu.N_DUPLICATE,
    "low mapping quality": cpu.N_LOW_MAPQ,
    "not a proper pair": cpu.N_NOT_PROPER,
    "fragment length": cpu.N_LENGTH,
    "contig not wanted": cpu.N_OTHER_CONTIG,
    "no alignment": cpu.N_NO_CIGAR,
    "cut off the contig": cpu.N_OFF_CONTIG,
}

PROBLEMS = {
    cpu.BAD_LENGTH: "a record of {} bytes, expected 32 to 67108864",
    cpu.BAD_LAYOUT: "a record of {} bytes that is too short for its name, CIGAR and bases",
    cpu.BAD_REFERENCE: "contig number {}, expected one of the header's",
    cpu.BAD_POSITION: "position {}, expected 0 or more",
    cpu.BAD_CIGAR: "CIGAR operation {}, expected 0 to 8",
    cpu.PAST_CONTIG: "an alignment that ends at {}, past the end of its contig",
}


class Rules(NamedTuple):
    """Which reads count, and where they cut."""

    plus_shift: int = 4  # bp, added to the 5' base of plus reads
    minus_shift: int = -4  # bp, added to the 5' base of minus reads
    fragments: bool = False  # both ends of proper pairs, instead of every read's 5' base
    min_mapq: int = 0
    dropped_flags: int = SECONDARY | QC_FAIL | SUPPLEMENTARY
    min_length: int = 0  # bp, of a proper pair's fragment
    max_length: int = 1 << 31
    times: int = 1  # 2: both mates tell of both ends of their fragment (legacy double count)


class DamagedRecord(ValueError):
    """A record that no BAM holds; `at` is its offset in the bytes given."""

    def __init__(self, at: int, found: str) -> None:
        super().__init__(found)
        self.at = at


class CutParser:
    """Turns consecutive pieces of uncompressed BAM records into cut sites.

    Parameters
    ----------
    contig_lengths : int64, shape (n_contigs,)
        bp, in the header's order.
    rules : Rules
    wanted : bool, shape (n_contigs,), optional
        Contigs whose cuts are kept; all by default.

    Attributes
    ----------
    lengths : int64, shape (LONGEST + 1,)
        Histogram of fragment lengths of kept proper pairs, bp.
    """

    def __init__(
        self,
        contig_lengths: npt.NDArray[np.int64],
        rules: Rules,
        wanted: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.rules = rules
        self.contig_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(contig_lengths)])
        self._wanted = np.ones(len(contig_lengths), np.uint8)
        if wanted is not None:
            self._wanted[:] = wanted
        self.lengths = np.zeros(LONGEST + 1, np.int64)
        self._tally = np.zeros(cpu.N_TALLIES, np.int64)

    def parse(self, data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint64], int]:
        """Cut sites of the whole records at the start of `data`, and how many bytes those take.

        Raises
        ------
        DamagedRecord
        """
        rules = self.rules
        state = np.zeros(cpu.N_STATE, np.int64)
        keys = np.empty(2 * rules.times * (len(data) // BYTES_PER_RECORD + 1), np.uint64)
        used = cpu.parse_bam_records(
            data, self.contig_start, self._wanted, rules.fragments, rules.plus_shift,
            rules.minus_shift, rules.min_mapq, rules.dropped_flags, rules.min_length,
            rules.max_length, rules.times, keys, self.lengths, self._tally, state,
        )  # fmt: skip
        if state[cpu.PROBLEM] != cpu.SOUND:
            found = PROBLEMS[int(state[cpu.PROBLEM])].format(state[cpu.PROBLEM_VALUE])
            raise DamagedRecord(int(state[cpu.PROBLEM_AT]), found)
        return keys[: state[cpu.N_CUTS]], used

    @property
    def n_records(self) -> int:
        """Records seen."""
        return int(self._tally[cpu.N_RECORDS])

    @property
    def n_kept(self) -> int:
        """Reads, or pairs with `fragments`, that gave cuts."""
        return int(self._tally[cpu.N_KEPT])

    @property
    def dropped(self) -> dict[str, int]:
        """Reads, pairs or cuts that were dropped, by reason; only reasons that occurred."""
        found = {reason: int(self._tally[at]) for reason, at in REASONS.items()}
        return {reason: n for reason, n in found.items() if n}
