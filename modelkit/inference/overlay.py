"""Windows of one width laid over a genome: the mean of each base, of many tracks at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.bigwig import Run

__all__ = ["Overlay", "Places", "places_in"]

Ints = npt.NDArray[np.int64]
Places = tuple[Ints, Ints]  # of windows: contig, by number in the genome, and first base


def places_in(
    genome: Path,
    contigs: dict[str, int],
    chroms: Sequence[str],
    starts: Ints,
    width: int,
    what: str = "window",
) -> Places:
    """Where windows lie in a genome, which messages call by `what` they are; InputError of one
    that lies beyond.
    """
    number = {name: i for i, name in enumerate(contigs)}
    contig = np.array([number.get(name, -1) for name in chroms], np.int64)
    lengths = np.array([*contigs.values(), 0], np.int64)  # the last of contig -1
    outside = (contig < 0) | (starts < 0) | (starts + width > lengths[contig])
    if outside.any():
        i = int(np.argmax(outside))
        name = chroms[i]
        there = f"{contigs[name]:,} bp of {name!r}" if name in number else f"no contig {name!r}"
        raise InputError(
            f"{genome}: has {there}, but a {what} lies at {name}:{starts[i]:,}; expected the "
            "genome of the data set"
        )
    return contig, starts


class Overlay:
    """Values of windows, added in their order along the genome, and what they come to.

    Only bases that a window covers are held, in a file: 4 bytes for each of them and of the tracks.

    Parameters
    ----------
    path : Path
        Made; nobody else's, and of no use afterwards.
    contig, start : int, shape (n,)
        Of each window: the contig's number and the first bp, 0-based; any order.
    width : int
        bp of all of them.
    n_tracks : int

    Attributes
    ----------
    order : int64, shape (n,)
        The windows as `add` takes them: neighbours are written together.
    """

    def __init__(self, path: Path, contig: Ints, start: Ints, width: int, n_tracks: int) -> None:
        self.path, self.width = path, width
        self.order: Ints = np.lexsort((start, contig))
        by_contig, by_start = contig[self.order], start[self.order]
        apart = (np.diff(by_contig) != 0) | (np.diff(by_start) > width)
        first = np.flatnonzero(np.concatenate([[True], apart]))  # windows that start a stretch
        last = np.concatenate([first[1:], [len(by_start)]]) - 1
        self._contig, self._start = by_contig[first], by_start[first]
        self._lengths = by_start[last] + width - self._start
        self._begins = np.cumsum(self._lengths) - self._lengths  # of the stretches, in the file
        stretch = np.repeat(np.arange(len(first)), last - first + 1)
        self._place = self._begins[stretch] + by_start - self._start[stretch]
        self._n_bases = int(self._lengths.sum())
        steps = np.bincount(self._place, minlength=self._n_bases + 1)
        steps -= np.bincount(self._place + width, minlength=self._n_bases + 1)
        self._depth = np.cumsum(steps[:-1]).astype(np.float32)
        self._done = 0
        self._open = np.zeros((n_tracks, 0), np.float32)  # sums that later windows may add to
        path.touch()

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Add the values of the next windows of `order`, shape (windows, tracks, width)."""
        places = self._place[self._done : self._done + len(values)]
        self._done += len(values)
        low, high = int(places[0]), int(places[-1]) + self.width
        sums = np.zeros((len(self._open), high - low), np.float32)
        sums[:, : self._open.shape[1]] = self._open
        for place, of_window in zip((places - low).tolist(), values, strict=True):
            sums[:, place : place + self.width] += of_window
        n = (int(self._place[self._done]) if self._done < len(self._place) else high) - low
        self._open = sums[:, n:]
        means = sums[:, :n] / self._depth[low : low + n]
        with self.path.open("r+b") as file:  # not mapped: a full disk is an error, not a signal
            for track, of_track in enumerate(means):
                file.seek(4 * (track * self._n_bases + low))
                file.write(of_track.tobytes())

    def runs(self, track: int, names: tuple[str, ...]) -> Iterator[Run]:
        """Contig, positions and means of the bases that are covered, in order."""
        for contig in np.unique(self._contig).tolist():
            mine = np.flatnonzero(self._contig == contig)
            low, n = int(self._begins[mine[0]]), int(self._lengths[mine].sum())
            moved = np.repeat(self._start[mine] - self._begins[mine], self._lengths[mine])
            at = 4 * (track * self._n_bases + low)
            means = np.fromfile(self.path, np.float32, n, offset=at)
            yield names[contig], np.arange(low, low + n) + moved, means
