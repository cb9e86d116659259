"""Windows of one width laid over a genome: the mean of each base, of many tracks at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.io.bigwig import Run

__all__ = ["Overlay"]

Ints = npt.NDArray[np.int64]


class Overlay:
    """Values of windows, added one by one, and what they come to.

    Only bases that a window covers are held, in a file: 4 bytes for each of them and of the tracks.

    Parameters
    ----------
    path : Path
        Made; nobody else's, and of no use afterwards.
    contig, start : int, shape (n,)
        Of each window: the contig's number and the first bp, 0-based.
    width : int
        bp of all of them.
    n_tracks : int
    """

    def __init__(self, path: Path, contig: Ints, start: Ints, width: int, n_tracks: int) -> None:
        self.width = width
        order = np.lexsort((start, contig))
        by_contig, by_start = contig[order], start[order]
        apart = (np.diff(by_contig) != 0) | (np.diff(by_start) > width)
        first = np.flatnonzero(np.concatenate([[True], apart]))  # windows that start a stretch
        last = np.concatenate([first[1:], [len(order)]]) - 1
        self._contig, self._start = by_contig[first], by_start[first]
        self._ends = np.cumsum(by_start[last] + width - self._start)  # where stretches end in here
        begins = self._ends - (by_start[last] + width - self._start)
        stretch = np.repeat(np.arange(len(first)), last - first + 1)
        self._place = np.empty(len(order), np.int64)
        self._place[order] = begins[stretch] + by_start - self._start[stretch]
        n_bases = int(self._ends[-1])
        steps = np.bincount(self._place, minlength=n_bases + 1)
        steps -= np.bincount(self._place + width, minlength=n_bases + 1)
        self._depth = np.cumsum(steps[:-1]).astype(np.float32)
        self._sums = np.memmap(path, np.float32, "w+", shape=(n_tracks, n_bases))

    def add(self, window: int, values: npt.NDArray[np.floating]) -> None:
        """Add a window's values, shape (tracks, width)."""
        place = self._place[window]
        self._sums[:, place : place + self.width] += values

    def runs(self, track: int, names: tuple[str, ...]) -> Iterator[Run]:
        """Contig, positions and means of the bases that are covered, in order."""
        lengths = np.diff(self._ends, prepend=0)
        for contig in np.unique(self._contig).tolist():
            mine = np.flatnonzero(self._contig == contig)
            low, high = int(self._ends[mine[0]] - lengths[mine[0]]), int(self._ends[mine[-1]])
            moved = self._start[mine] - (self._ends - lengths)[mine]
            positions = np.arange(low, high) + np.repeat(moved, lengths[mine])
            yield names[contig], positions, self._sums[track, low:high] / self._depth[low:high]
