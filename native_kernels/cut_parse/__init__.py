"""5' ends of BAM records, from their uncompressed bytes.

    plus read:  start        minus read:  end - 1        fragment:  start and end - 1

Coordinates are 0-based, half-open, and as the file has them: no shift is added here. A fragment is
a proper pair, told by its leftmost read.

An end is one integer, ``2 * (contig_start + position) + strand``: sorted, it is sorted by contig,
position and strand (0 plus, 1 minus).
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
    "Barcodes",
    "CutParser",
    "DamagedRecord",
    "Ends",
    "Rules",
    "parse_reference",
]

LONGEST = 2000  # bp; fragments beyond share the last place of the histogram
BYTES_PER_RECORD = 36  # at least

# Why a read (or pair) gives no end.
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
    "barcode without a group": cpu.N_NO_GROUP,
    "right mate, told by its left mate": cpu.N_MATE,
}

PROBLEMS = {
    cpu.BAD_LENGTH: "a record of {} bytes, expected 32 to 67108864",
    cpu.BAD_LAYOUT: "a record of {} bytes that is too short for its name, CIGAR and bases",
    cpu.BAD_REFERENCE: "contig number {}, expected one of the header's",
    cpu.BAD_POSITION: "position {}, expected 0 or more",
    cpu.BAD_CIGAR: "CIGAR operation {}, expected 0 to 8",
    cpu.PAST_CONTIG: "an alignment that ends at {}, past the end of its contig",
    cpu.BAD_TAG: "a tag of type {} that is cut off or unknown",
}


class Rules(NamedTuple):
    """Which reads count."""

    fragments: bool = False  # both ends of proper pairs, instead of every read's 5' base
    min_mapq: int = 0  # of a pair: of its leftmost mate, as are its flags
    dropped_flags: int = SECONDARY | QC_FAIL | SUPPLEMENTARY
    min_length: int = 0  # bp, of a proper pair's fragment
    max_length: int = 1 << 31
    times: int = 1  # 2: both mates tell of both ends of their fragment (legacy double count)

    @property
    def limits_length(self) -> bool:
        """Whether fragments can be too long."""
        return self.max_length < 1 << 31


class DamagedRecord(ValueError):
    """A record that no BAM holds; `at` is its offset in the bytes given."""

    def __init__(self, at: int, found: str) -> None:
        super().__init__(found)
        self.at = at


class Barcodes:
    """Barcodes with the group that each belongs to.

    Parameters
    ----------
    group_of : dict of str to int
        Group number of every barcode that counts.
    place : str
        Where a read has its barcode: a tag's two letters, or "name" for the read's name up to its
        first colon.

    Attributes
    ----------
    seen : uint8, shape (n,)
        1 for barcodes that a kept read had, in the order of `group_of`.
    """

    def __init__(self, group_of: dict[str, int], place: str = "CB") -> None:
        names = [name.encode() for name in group_of]
        self.tag = (0, 0) if place == "name" else (ord(place[0]), ord(place[1]))
        self.arena = np.frombuffer(b"".join(names), np.uint8)
        self.starts = np.concatenate([[0], np.cumsum([len(name) for name in names])])
        self.starts = self.starts.astype(np.int64)
        self.slots = np.full(1 << (2 * len(names)).bit_length(), -1, np.int32)
        self.group_of = np.fromiter(group_of.values(), np.int32, len(names))
        self.seen = np.zeros(len(names), np.uint8)
        cpu.fill_slots(self.arena, self.starts, self.slots)


class Ends(NamedTuple):
    """What `CutParser.parse` found.

    keys : uint64, shape (n,)
        5' ends, see the module.
    groups : int32, shape (n,), or None
        Group of each end's barcode.
    pairs : uint64, shape (m,), or None
        Proper pairs: ``(contig_start + start) << 16 | length``; lengths from 65,535 on share one.
    used : int
        Bytes of whole records.
    """

    keys: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.int32] | None
    pairs: npt.NDArray[np.uint64] | None
    used: int


class CutParser:
    """Turns consecutive pieces of uncompressed BAM records into 5' ends.

    Parameters
    ----------
    contig_lengths : int64, shape (n_contigs,)
        bp, in the header's order.
    rules : Rules
    wanted : bool, shape (n_contigs,), optional
        Contigs whose reads are kept; all by default.
    barcodes : Barcodes, optional
        Only reads with one of these count.
    pairs : bool
        Tell the kept proper pairs, too.

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
        barcodes: Barcodes | None = None,
        *,
        pairs: bool = False,
    ) -> None:
        self.rules = rules
        self.contig_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(contig_lengths)])
        self._wanted = np.ones(len(contig_lengths), np.uint8)
        if wanted is not None:
            self._wanted[:] = wanted
        self._has_groups = barcodes is not None
        self._barcodes = barcodes or Barcodes({})
        self._has_pairs = pairs
        self.lengths = np.zeros(LONGEST + 1, np.int64)
        self._tally = np.zeros(cpu.N_TALLIES, np.int64)

    def parse(self, data: npt.NDArray[np.uint8]) -> Ends:
        """The ends of the whole records at the start of `data`.

        Raises
        ------
        DamagedRecord
        """
        rules, known = self.rules, self._barcodes
        state = np.zeros(cpu.N_STATE, np.int64)
        most = len(data) // BYTES_PER_RECORD + 1
        keys = np.empty(2 * rules.times * most, np.uint64)
        groups = np.empty(len(keys) if self._has_groups else 0, np.int32)
        pairs = np.empty(most if self._has_pairs else 0, np.uint64)
        used = cpu.parse_bam_records(
            data, self.contig_start, self._wanted, rules.fragments, rules.min_mapq,
            rules.dropped_flags, rules.min_length, rules.max_length, rules.times, *known.tag,
            known.arena, known.starts, known.slots if self._has_groups else known.slots[:0],
            known.group_of, known.seen, keys, groups, pairs, self.lengths, self._tally, state,
        )  # fmt: skip
        if state[cpu.PROBLEM] != cpu.SOUND:
            found = PROBLEMS[int(state[cpu.PROBLEM])].format(state[cpu.PROBLEM_VALUE])
            raise DamagedRecord(int(state[cpu.PROBLEM_AT]), found)
        n = int(state[cpu.N_ENDS])
        return Ends(
            keys[:n],
            groups[:n] if self._has_groups else None,
            pairs[: state[cpu.N_PAIRS]] if self._has_pairs else None,
            used,
        )

    @property
    def n_records(self) -> int:
        """Records seen."""
        return int(self._tally[cpu.N_RECORDS])

    @property
    def n_kept(self) -> int:
        """Reads, or pairs with `fragments`, that gave ends."""
        return int(self._tally[cpu.N_KEPT])

    @property
    def n_flagged(self) -> int:
        """Reads that are flagged as duplicates, dropped or not."""
        return int(self._tally[cpu.N_FLAGGED])

    @property
    def dropped(self) -> dict[str, int]:
        """Reads or pairs that were dropped, by reason; only reasons that occurred."""
        found = {reason: int(self._tally[at]) for reason, at in REASONS.items()}
        return {reason: n for reason, n in found.items() if n}
