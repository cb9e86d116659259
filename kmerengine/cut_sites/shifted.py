"""The cuts of a sample on a genome: 5' ends of its files, moved by the shift they still lack."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kmerengine.cut_sites.input_shift import Shift
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.cut_sites.tally import PIECE, Counts, EndSource, Keys, Run, merge


@dataclass(frozen=True)
class Part:
    """Ends of one file and what becomes of them."""

    ends: EndSource
    own_contig: npt.NDArray[np.int64]  # by contig of the genome; -1: the file has none of it
    to_add: Shift


class ShiftedCuts:
    """Cuts of one sample.

    Parameters
    ----------
    lengths : int64, shape (n_contigs,)
        Of the genome's contigs, bp; cuts outside are lost.
    blacklist : Stretches, optional
        Cuts inside are left out.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], blacklist: Stretches | None = None) -> None:
        self.parts: list[Part] = []
        self._lengths = lengths
        self._blacklist = blacklist

    def pieces(self) -> Iterator[tuple[int, Run]]:
        """Contig, and cuts as ``2 * position + strand`` ascending and distinct over all pieces."""
        sizes = np.zeros(len(self._lengths), np.int64)
        for part in self.parts:
            there = part.own_contig >= 0
            sizes[there] += part.ends.sizes[part.own_contig[there]]
        for contig in np.flatnonzero(sizes).tolist():
            for start, end in self._windows(contig, 0, int(self._lengths[contig])):
                keys, counts = self.between(contig, start, end)
                if len(keys):
                    yield contig, (keys, counts)

    def between(self, contig: int, start: int, end: int) -> Run:
        """Cuts in [start, end) of a contig."""
        runs = [
            _moved(keys, counts, part.to_add, max(start, 0), min(end, int(self._lengths[contig])))
            for part in self.parts
            for keys, counts in _raw(part, contig, start, end)
        ]
        keys, counts = merge([run for run in runs if len(run[0])])
        if self._blacklist is None:
            return keys, counts
        is_out = ~self._blacklist.holds(contig, (keys >> np.uint64(1)).astype(np.int64))
        return keys[is_out], counts[is_out]

    def _windows(self, contig: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        n = sum(
            part.ends.size(own, *_reach(part, start, end))
            for part in self.parts
            if (own := int(part.own_contig[contig])) >= 0
        )
        if n <= PIECE or end - start < 2:
            yield start, end
            return
        middle = (start + end) // 2
        yield from self._windows(contig, start, middle)
        yield from self._windows(contig, middle, end)


def lost(
    part: Part, lengths: npt.NDArray[np.int64], blacklist: Stretches | None = None
) -> tuple[int, int]:
    """How many cuts of a part leave their contig, and how many lie in the blacklist."""
    off = inside = 0
    reach = max(map(abs, part.to_add))
    for contig in np.flatnonzero(part.own_contig >= 0).tolist():
        if not part.ends.sizes[part.own_contig[contig]]:
            continue
        length = int(lengths[contig])
        for low, high in ((0, reach), (max(reach, length - reach), length + 1)):
            for keys, counts in part.ends.between(int(part.own_contig[contig]), low, high):
                cut = _positions(keys, part.to_add)
                off += int(counts[(cut < 0) | (cut >= length)].sum())
        if blacklist is not None:
            for low, stop in blacklist.edges[contig].reshape(-1, 2).tolist():
                high = min(stop, length)  # what leaves the contig is counted as that
                for keys, counts in _raw(part, contig, low, high):
                    inside += int(_moved(keys, counts, part.to_add, low, high)[1].sum())
    return off, inside


def _raw(part: Part, contig: int, start: int, end: int) -> Iterator[Run]:
    """Ends whose cuts may lie in [start, end)."""
    own = int(part.own_contig[contig])
    if own >= 0:
        yield from part.ends.between(own, *_reach(part, start, end))


def _reach(part: Part, start: int, end: int) -> tuple[int, int]:
    return start - max(part.to_add), end - min(part.to_add)


def _positions(keys: Keys, to_add: Shift) -> npt.NDArray[np.int64]:
    position = (keys >> np.uint64(1)).astype(np.int64)
    if to_add.plus == to_add.minus:
        return position + to_add.plus
    return position + np.where(keys & np.uint64(1), to_add.minus, to_add.plus)


def _moved(keys: Keys, counts: Counts, to_add: Shift, start: int, end: int) -> Run:
    """The cuts of a run that lie in [start, end), ascending."""
    cut = _positions(keys, to_add)
    inside = (cut >= start) & (cut < end)
    if not inside.all():
        cut, keys, counts = cut[inside], keys[inside], counts[inside]
    strand = keys & np.uint64(1)
    moved = (cut.astype(np.uint64) << np.uint64(1)) | strand
    if to_add.plus == to_add.minus:
        return moved, counts
    # each strand stays in order: sorting merges two runs
    order = np.concatenate([np.flatnonzero(strand == 0), np.flatnonzero(strand == 1)])
    order = order[np.argsort(moved[order], kind="stable")]
    return moved[order], counts[order]
