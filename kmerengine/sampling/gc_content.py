"""GC of windows of a genome, and its bins."""

from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.fasta import Genome
from kmerengine.motifs.pieces import Pieces
from kmerengine.parallel import in_order
from native_kernels.gc_windows import gc_windows

Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

_FINEST = 10_000  # bins at most


class GcBins:
    """Bins of GC, the share of C and G among A, C, G and T.

    Bin b holds ``b * width <= GC < (b + 1) * width``; the last one holds a GC of 1, too.
    Bounds are compared as fractions, so a GC on a bound is never rounded across it.

    Parameters
    ----------
    width : float
        Of a bin, 1/10,000 to 1.
    """

    def __init__(self, width: float) -> None:
        if not 1 / _FINEST <= width <= 1:
            raise InputError(f"gc_bin: found {width}, expected 0.0001 to 1, such as 0.02")
        self._width = Fraction(width).limit_denominator(_FINEST)
        self.n = -int(-1 // self._width)

    def of(self, gc: Counts, known: Counts) -> Ints:
        """Bins of windows by their C and G and their known bases; -1 where none is known."""
        whole = known.astype(np.int64) * self._width.numerator
        bins = gc.astype(np.int64) * self._width.denominator // np.maximum(whole, 1)
        return np.where(known > 0, np.minimum(bins, self.n - 1), -1)

    def edges(self, bins: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The least GC of each bin, and what it stays below."""
        low = [float(b * self._width) for b in bins.tolist()]
        high = [float(min((b + 1) * self._width, Fraction(1))) for b in bins.tolist()]
        return np.array(low, np.float64), np.array(high, np.float64)


def measure_gc(
    genome: Genome,
    contig: npt.NDArray[np.integer],
    start: Ints,
    width: int,
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Counts, Counts]:
    """Count C and G, and all known bases, of windows.

    Bases between windows are not read, and those of windows that overlap only once.

    Parameters
    ----------
    genome : Genome
    contig : integers, shape (n,)
        Position of the contig in ``genome.contigs``.
    start : int64, shape (n,)
        Window i is [start, start + width), inside its contig.
    width : int
        bp.
    threads : int
    progress : callable, optional
        Called with (done, of) in bases.

    Returns
    -------
    gc, known : int32, shape (n,)
    """
    order = np.lexsort([start, contig])
    number, start = np.asarray(contig[order], np.int64), start[order]
    end = start + width
    is_new = np.ones(len(start), np.bool_)
    is_new[1:] = (number[1:] != number[:-1]) | (start[1:] > end[:-1])
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(start))[: len(first)] - 1
    low, high = start[first], end[last]
    pieces = Pieces(genome, number[first], low, high, np.full(len(first), -1), width)
    # the stretches end to end: pieces tile them in this order
    before = np.cumsum(high - low) - (high - low)
    stretch = np.cumsum(is_new) - 1
    along = before[stretch] + start - low[stretch]

    def batches() -> Iterator[tuple[npt.NDArray[np.uint8], Ints]]:
        done = 0
        for batch in pieces.batches(progress=progress):
            ends = np.cumsum(batch.places.n_starts)
            i, j = np.searchsorted(along, [done, done + ends[-1]])
            place = along[i:j] - done
            piece = np.searchsorted(ends, place, side="right")
            yield batch.codes, batch.offsets[piece] + place - (ends - batch.places.n_starts)[piece]
            done += int(ends[-1])

    gc, known = np.empty(len(start), np.int32), np.empty(len(start), np.int32)
    at = 0
    with closing(in_order(lambda each: gc_windows(*each, width), batches(), threads)) as counted:
        for found in counted:
            rows = order[at : at + len(found[0])]
            gc[rows], known[rows] = found
            at += len(rows)
    return gc, known
