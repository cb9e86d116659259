"""Adds up 5' ends that come in any order, in bounded memory, and gives them back by region."""

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint32]
Run = tuple[Keys, Counts]  # ascending and distinct, and how often each occurs

PIECE = 1 << 20  # keys that are moved and merged at a time
BUFFER = 1 << 18  # keys that are sorted at a time: 2 MB, which stay in cache
SUFFIXES = (".keys.npy", ".counts.npy")  # of a run's files
BYTES_PER_KEY = 40  # of a buffer while it is sorted and collapsed


class EndSource(Protocol):
    """5' ends of one sample by region.

    Attributes
    ----------
    sizes : int64, shape (n_contigs,)
        Distinct ends on each contig, or an upper bound of them.
    """

    sizes: npt.NDArray[np.int64]

    def between(self, contig: int, start: int, end: int) -> Iterator[Run]:
        """Runs of ``2 * position + strand`` in [start, end) of a contig."""

    def size(self, contig: int, start: int, end: int) -> int:
        """At most so many keys are in [start, end) of a contig."""


class CutTally:
    """Counts how often each key was added.

    Keys are collected, sorted and collapsed to runs; runs that do not fit in `memory` together
    go to a temporary folder.

    Parameters
    ----------
    memory : int
        Bytes for keys and runs.
    """

    def __init__(self, memory: int = 256 << 20) -> None:
        self._most = max(1, memory // (2 * BYTES_PER_KEY))
        self._buffer: list[Keys] = []
        self._buffered = 0
        self._runs: list[Run] = []
        self._in_runs = 0
        self._spilled: list[Run] = []  # memory maps
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, keys: Keys, counts: Counts | None = None) -> None:
        """Add keys (uint64), each once or `counts` times."""
        if counts is not None:
            self._add_run(*collapsed(keys, counts))
            return
        self._buffer.append(keys)
        self._buffered += len(keys)
        if self._buffered >= min(BUFFER, self._most):
            self._empty_buffer()

    def runs(self) -> list[Run]:
        """All that was added; a key may be in several runs."""
        self._empty_buffer()
        return self._runs + self._spilled

    def pieces(self) -> Iterator[Run]:
        """All keys, ascending and distinct over all pieces, of about `PIECE` keys."""
        runs = self.runs()
        if not runs:
            return
        largest = max((keys for keys, _ in runs), key=len)
        edges = [np.uint64(0), *np.unique(largest[PIECE::PIECE])]
        for low, high in zip(edges, [*edges[1:], None], strict=True):
            parts = []
            for keys, counts in runs:
                stop = None if high is None else np.searchsorted(keys, high)
                part = slice(np.searchsorted(keys, low), stop)
                parts.append((keys[part], counts[part]))
            yield merge([run for run in parts if len(run[0])])

    def store(self, folder: Path) -> None:
        """Write all runs to a new folder."""
        folder.mkdir()
        for number, run in enumerate(self.runs()):
            _save(folder / str(number), run)

    @classmethod
    def stored(cls, folder: Path) -> "CutTally":
        """A tally of the runs in such a folder, which is left to its owner."""
        tally = cls()
        n = len(list(folder.glob("*.keys.npy")))
        tally._spilled = [_mapped(folder / str(number)) for number in range(n)]
        return tally

    def close(self) -> None:
        """Remove the temporary folder."""
        self._runs, self._spilled, self._buffer = [], [], []
        if self._folder is not None:
            self._folder.cleanup()

    def _empty_buffer(self) -> None:
        if self._buffered:
            keys = np.concatenate(self._buffer)
            self._buffer, self._buffered = [], 0
            keys.sort(kind="stable")  # quick where much is in order, as in a sorted BAM
            self._add_run(*_run_lengths(keys))

    def _add_run(self, keys: Keys, counts: Counts) -> None:
        if not len(keys):
            return
        self._runs.append((keys, counts))
        self._in_runs += len(keys)
        if self._in_runs < self._most:
            return
        merged = merge(self._runs)
        self._runs, self._in_runs = [merged], len(merged[0])
        if 2 * self._in_runs >= self._most:  # merging no longer helps
            self._spill(*merged)
            self._runs, self._in_runs = [], 0

    def _spill(self, keys: Keys, counts: Counts) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kmerengine-cuts-")
        stem = Path(self._folder.name) / str(len(self._spilled))
        _save(stem, (keys, counts))
        self._spilled.append(_mapped(stem))


def _save(stem: Path, run: Run) -> None:
    keys, counts = run
    np.save(stem.with_suffix(SUFFIXES[0]), keys, allow_pickle=False)
    np.save(stem.with_suffix(SUFFIXES[1]), counts, allow_pickle=False)


def _mapped(stem: Path) -> Run:
    paths = [stem.with_suffix(suffix) for suffix in SUFFIXES]
    keys, counts = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return keys, counts


class TalliedEnds:
    """The ends of a tally whose keys are ``2 * (contig_start + position) + strand``.

    Parameters
    ----------
    tally : CutTally
        Complete; nothing is added afterwards.
    contig_start : int64, shape (n_contigs + 1,)
    """

    def __init__(self, tally: CutTally, contig_start: npt.NDArray[np.int64]) -> None:
        self._runs = tally.runs()
        self._first = [2 * int(start) for start in contig_start]
        edges = (2 * contig_start).astype(np.uint64)
        self._edges = [np.searchsorted(keys, edges) for keys, _ in self._runs]
        self.sizes = np.zeros(len(contig_start) - 1, np.int64)
        for each in self._edges:
            self.sizes += np.diff(each)

    def between(self, contig: int, start: int, end: int) -> Iterator[Run]:
        """Runs of ``2 * position + strand`` in [start, end) of a contig."""
        first = np.uint64(self._first[contig])
        for (keys, counts), part in self._parts(contig, start, end):
            yield keys[part] - first, np.array(counts[part])
            _forget(keys)
            _forget(counts)

    def size(self, contig: int, start: int, end: int) -> int:
        """So many keys are in [start, end) of a contig, one in several runs several times."""
        return sum(part.stop - part.start for _, part in self._parts(contig, start, end))

    def _parts(self, contig: int, start: int, end: int) -> Iterator[tuple[Run, slice]]:
        """Each run and where in it the ends are."""
        first = self._first[contig]
        low, high = (np.uint64(first + 2 * max(0, place)) for place in (start, end))
        for run, edges in zip(self._runs, self._edges, strict=True):
            at = int(edges[contig])
            mine = run[0][at : edges[contig + 1]]
            begin, stop = (at + int(np.searchsorted(mine, key)) for key in (low, high))
            if begin < stop:
                yield run, slice(begin, stop)


def _forget(array: npt.NDArray[Any]) -> None:
    """Let go of the pages of a memory map that were read: they are in the system's cache."""
    if isinstance(array, np.memmap):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def merge(runs: list[Run]) -> Run:
    """One run of several."""
    if not runs:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    runs = sorted(runs, key=lambda run: int(run[0][0]))
    last = [int(keys[-1]) for keys, _ in runs]
    if all(int(run[0][0]) > before for run, before in zip(runs[2:], last, strict=False)):
        return _chained(runs)
    keys, counts = (np.concatenate(each) for each in zip(*runs, strict=True))
    return collapsed(keys, counts)


def _chained(runs: list[Run]) -> Run:
    """Join runs of which only neighbours overlap, as those of a sorted file do."""
    parts: list[Run] = []
    keys, counts = runs[0]
    for next_keys, next_counts in runs[1:]:
        own = int(np.searchsorted(keys, next_keys[0]))
        parts.append((keys[:own], counts[:own]))
        if own < len(keys):
            shared = int(np.searchsorted(next_keys, keys[-1], side="right"))
            both = np.concatenate([keys[own:], next_keys[:shared]])
            parts.append(collapsed(both, np.concatenate([counts[own:], next_counts[:shared]])))
            next_keys, next_counts = next_keys[shared:], next_counts[shared:]
        keys, counts = next_keys, next_counts
    parts.append((keys, counts))
    if len(parts) == 1:
        return np.asarray(keys), np.asarray(counts)
    return np.concatenate([each for each, _ in parts]), np.concatenate([n for _, n in parts])


def collapsed(keys: Keys, counts: Counts) -> Run:
    """Distinct values of keys in any order and the sums of their counts."""
    if not len(keys):
        return keys, counts
    order = np.argsort(keys, kind="stable")  # quick on sorted runs end to end
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sums = np.add.reduceat(counts[order], starts, dtype=np.uint64)
    if sums.max() > np.iinfo(np.uint32).max:
        raise OverflowError("a base was cut more than 2**32 - 1 times")
    return keys[starts], sums.astype(np.uint32)


def _run_lengths(keys: Keys) -> Run:
    """Distinct values of ascending keys and how often each occurs."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    lengths = np.diff(np.concatenate([starts, [len(keys)]]))
    return keys[starts], lengths.astype(np.uint32)
