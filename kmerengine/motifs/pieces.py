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
class Places:
    """Where pieces lie; int64 arrays of shape (n_pieces,).

    Attributes
    ----------
    contig, start, end : int64
        Of the bases: the contig's number in the genome, and bp.
    n_starts : int64
        Bases at which windows of the piece may start.
    region : int64
        Number of its region in its file; -1 without regions.
    """

    contig: Ints
    start: Ints
    end: Ints
    n_starts: Ints
    region: Ints

    @property
    def n_bases(self) -> int:
        """At which windows may start."""
        return int(self.n_starts.sum())

    def __getitem__(self, part: slice) -> "Places":
        return Places(
            self.contig[part], self.start[part], self.end[part], self.n_starts[part],
            self.region[part],
        )  # fmt: skip

    def groups(self, most: int) -> Iterator["Places"]:
        """Pieces of at most `most` bases together, or of one, in order."""
        ends = np.cumsum(self.end - self.start)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            stop = int(np.searchsorted(ends, before + most, side="right"))
            stop = min(max(stop, first + 1), first + PIECES_AT_ONCE)
            yield self[first:stop]
            first = stop


@dataclass(frozen=True, eq=False)
class Batch:
    """Pieces with their bases.

    Attributes
    ----------
    codes : uint8, shape (n_bases,)
        The pieces end to end; A C G T = 0 1 2 3, 255 for anything else.
    offsets : int64, shape (n_pieces + 1,)
    places : Places
    """

    codes: npt.NDArray[np.uint8]
    offsets: Ints
    places: Places

    @classmethod
    def read(cls, genome: Genome, places: Places) -> "Batch":
        """The bases of some pieces."""
        return cls(*genome.fetch(places.contig, places.start, places.end), places)


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
        at_once = step if self._genome.random_access else max(step, RESIDENT_BASES)
        done = 0
        for held in self._cut(step).groups(at_once):
            batch = Batch.read(self._genome, held)
            first = 0
            for places in held.groups(step):
                last = first + len(places.start)
                low, high = batch.offsets[first], batch.offsets[last]
                offsets = batch.offsets[first : last + 1] - low
                yield Batch(batch.codes[low:high], offsets, places)
                first = last
                done += places.n_bases
                if progress is not None:
                    progress(done, self.n_bases)

    def places(self, step: int) -> Iterator[Places]:
        """Where the pieces of each batch lie, of a genome that can be read by region."""
        return self._cut(step).groups(step)

    def _cut(self, step: int) -> Places:
        """Pieces of at most `step` starts."""
        lengths = self._end - self._start
        n = np.ones(len(lengths), np.int64) if self._whole else -(-lengths // step)
        sequence = np.repeat(np.arange(len(lengths)), n)
        first = np.arange(len(sequence)) - np.repeat(np.cumsum(n) - n, n)
        n_starts, reach = lengths[sequence], 0
        if not self._whole:
            first = first * step
            n_starts, reach = np.minimum(step, n_starts - first), self._longest - 1
        start = self._start[sequence] + first
        end = np.minimum(start + n_starts + reach, self._end[sequence])
        return Places(self._contig[sequence], start, end, n_starts, self._region[sequence])


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
