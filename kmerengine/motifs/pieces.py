"""A genome, or regions of it, cut into batches of bases for scanning.

A long sequence is cut into pieces. A piece holds the bases of every window that starts in it, so
it reaches into the next one, and every window starts in one piece.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.fasta import Genome
from kmerengine.regions import Regions

PIECE_BASES = 1 << 20
RESIDENT_BASES = 1 << 28  # held at once of a file that only a pass over it all can read
PIECES_AT_ONCE = 1 << 14

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pieces with their bases; arrays of shape (n_pieces,) but for the first two.

    Attributes
    ----------
    codes : uint8, shape (n_bases,)
        The pieces end to end; A C G T = 0 1 2 3, 255 for anything else.
    offsets : int64, shape (n_pieces + 1,)
    n_starts : int64
        Bases at which windows of the piece may start.
    contig, start : int64
        Where the piece lies: its contig's number in the genome, and bp.
    region : int64
        Number of its region in its file; -1 without regions.
    """

    codes: npt.NDArray[np.uint8]
    offsets: Ints
    n_starts: Ints
    contig: Ints
    start: Ints
    region: Ints


class Pieces:
    """What is to be scanned.

    Attributes
    ----------
    n_bases : int
        Of all contigs or regions, counted once for each region.
    """

    def __init__(
        self, genome: Genome, contig: Ints, start: Ints, end: Ints, region: Ints, longest: int
    ) -> None:
        self._genome = genome
        self._contig, self._start, self._end, self._region = contig, start, end, region
        self._longest = longest
        self._whole = False
        self.n_bases = int((end - start).sum())

    @classmethod
    def of_genome(cls, genome: Genome, longest: int) -> "Pieces":
        """All contigs, for motifs of up to `longest` bases."""
        lengths = np.fromiter(genome.contigs.values(), np.int64, len(genome.contigs))
        n = len(lengths)
        zero = np.zeros(n, np.int64)
        return cls(genome, np.arange(n), zero, lengths, np.full(n, -1), longest)

    @classmethod
    def of_regions(
        cls, genome: Genome, regions: Regions, numbers: Ints, longest: int, *, whole: bool
    ) -> "Pieces":
        """Regions, of these numbers in their file; `whole` ones are never cut."""
        pieces = cls(
            genome,
            regions.contig.astype(np.int64),
            regions.start,
            regions.end,
            numbers.astype(np.int64),
            longest,
        )
        pieces._whole = whole
        return pieces

    def batches(
        self, step: int = PIECE_BASES, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Batch]:
        """Batches of about `step` bases, in order."""
        sequence, first, last = self._cut(step)
        start, n_starts = self._start[sequence] + first, last - first
        reach = n_starts if self._whole else n_starts + self._longest - 1
        end = np.minimum(start + reach, self._end[sequence])
        contig = self._contig[sequence]
        done = 0
        for group in _groups(end - start, self._at_once(step)):
            codes, offsets = self._genome.fetch(contig[group], start[group], end[group])
            for inner in _groups((end - start)[group], step):
                part = slice(group.start + inner.start, group.start + inner.stop)
                low, high = offsets[inner.start], offsets[inner.stop]
                yield Batch(
                    codes[low:high],
                    offsets[inner.start : inner.stop + 1] - low,
                    n_starts[part],
                    contig[part],
                    start[part],
                    self._region[sequence[part]],
                )
                done += int(n_starts[part].sum())
                if progress is not None:
                    progress(done, self.n_bases)

    def _at_once(self, step: int) -> int:
        return step if self._genome.random_access else max(step, RESIDENT_BASES)

    def _cut(self, step: int) -> tuple[Ints, Ints, Ints]:
        """Pieces of at most `step` starts: sequence, first and end start in it."""
        lengths = self._end - self._start
        n = np.ones(len(lengths), np.int64) if self._whole else -(-lengths // step)
        sequence = np.repeat(np.arange(len(lengths)), n)
        place = np.arange(len(sequence)) - np.repeat(np.cumsum(n) - n, n)
        if self._whole:
            return sequence, place, lengths[sequence]
        return sequence, place * step, np.minimum((place + 1) * step, lengths[sequence])


def _groups(sizes: Ints, most: int) -> Iterator[slice]:
    """Ranges of pieces of at most `most` bases together, or of one."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        stop = int(np.searchsorted(ends, before + most, side="right"))
        stop = min(max(stop, first + 1), first + PIECES_AT_ONCE)
        yield slice(first, stop)
        first = stop


def base_frequencies(genome: Genome) -> npt.NDArray[np.float64]:
    """Share of A, C, G and T among the bases of a genome that are one of them.

    Raises
    ------
    InputError
        One of the four is missing.
    """
    counts = np.zeros(256, np.int64)
    for batch in Pieces.of_genome(genome, 1).batches():
        counts += np.bincount(batch.codes, minlength=256)
    if not counts[:4].all():
        raise InputError(
            f"{genome.path}: found {', '.join(f'{n:,}' for n in counts[:4])} A, C, G and T, "
            "expected some of each for a background; give the background's frequencies"
        )
    frequencies: npt.NDArray[np.float64] = counts[:4] / counts[:4].sum()
    return frequencies
