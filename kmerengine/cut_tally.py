"""Adds up cut sites that come in any order, in bounded memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint32]

BYTES_PER_KEY = 40  # of a buffer while it is sorted and collapsed
PIECE_KEYS = 1 << 20


class CutTally:
    """Counts how often each key was added.

    Keys are collected, sorted and collapsed to runs; runs that do not fit in `memory` together
    go to a temporary folder, and are merged range by range at the end.

    Parameters
    ----------
    memory : int
        Bytes for keys and runs.
    """

    def __init__(self, memory: int = 256 << 20) -> None:
        self._most = max(1, memory // (2 * BYTES_PER_KEY))
        self._buffer: list[Keys] = []
        self._buffered = 0
        self._runs: list[tuple[Keys, Counts]] = []
        self._in_runs = 0
        self._spilled: list[tuple[Keys, Counts]] = []  # memory maps
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, keys: Keys, counts: Counts | None = None) -> None:
        """Add keys (uint64), each once or `counts` times."""
        if counts is not None:
            self._add_run(*_collapsed(keys, counts))
            return
        self._buffer.append(keys)
        self._buffered += len(keys)
        if self._buffered >= self._most:
            self._empty_buffer()

    def pieces(self) -> Iterator[tuple[Keys, Counts]]:
        """All keys, ascending and distinct over all pieces, with their counts."""
        yield from self.between(0, (1 << 64) - 1)

    def between(self, first: int, last: int) -> Iterator[tuple[Keys, Counts]]:
        """`pieces` of the keys in [first, last)."""
        self._empty_buffer()
        runs = []
        for keys, counts in self._runs + self._spilled:
            part = slice(*np.searchsorted(keys, np.array([first, last], np.uint64)))
            if part.start < part.stop:
                runs.append((keys[part], counts[part]))
        total = sum(len(keys) for keys, _ in runs)
        if not total:
            return
        for low, high in _ranges(runs, max(1, total // PIECE_KEYS)):
            parts = []
            for keys, counts in runs:
                part = slice(np.searchsorted(keys, low), np.searchsorted(keys, high))
                if part.start < part.stop:
                    parts.append((keys[part], counts[part]))
            if parts:
                yield _merged(parts)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._runs, self._spilled, self._buffer = [], [], []
        if self._folder is not None:
            self._folder.cleanup()

    def _empty_buffer(self) -> None:
        if self._buffered:
            keys = np.concatenate(self._buffer)
            self._buffer, self._buffered = [], 0
            keys.sort()
            self._add_run(*_run_lengths(keys))

    def _add_run(self, keys: Keys, counts: Counts) -> None:
        self._runs.append((keys, counts))
        self._in_runs += len(keys)
        if self._in_runs < self._most:
            return
        merged = _merged(self._runs)
        self._runs, self._in_runs = [merged], len(merged[0])
        if 2 * self._in_runs >= self._most:  # merging no longer helps
            self._spill(*merged)
            self._runs, self._in_runs = [], 0

    def _spill(self, keys: Keys, counts: Counts) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kmerengine-cuts-")
        stem = Path(self._folder.name) / str(len(self._spilled))
        maps = []
        for suffix, array in (("keys", keys), ("counts", counts)):
            file = stem.with_suffix(f".{suffix}.npy")
            np.save(file, array, allow_pickle=False)
            maps.append(np.load(file, mmap_mode="r", allow_pickle=False))
        self._spilled.append((maps[0], maps[1]))


def _run_lengths(keys: Keys) -> tuple[Keys, Counts]:
    """Distinct values of ascending keys and how often each occurs."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    lengths = np.diff(np.concatenate([starts, [len(keys)]]))
    return keys[starts], lengths.astype(np.uint32)


def _collapsed(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
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


def _merged(runs: list[tuple[Keys, Counts]]) -> tuple[Keys, Counts]:
    if len(runs) == 1:
        return np.asarray(runs[0][0]), np.asarray(runs[0][1])
    keys = np.concatenate([keys for keys, _ in runs])
    return _collapsed(keys, np.concatenate([counts for _, counts in runs]))


def _ranges(runs: list[tuple[Keys, Counts]], n: int) -> Iterator[tuple[np.uint64, np.uint64]]:
    """About n ranges [low, high) of keys that split the largest run evenly and cover all runs."""
    largest = max((keys for keys, _ in runs), key=len)
    edges = np.unique(largest[np.linspace(0, len(largest) - 1, n + 1).astype(np.int64)[1:-1]])
    lows = [np.uint64(0), *edges]
    yield from zip(lows, [*edges, np.uint64((1 << 64) - 1)], strict=True)
