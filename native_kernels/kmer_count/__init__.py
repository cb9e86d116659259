"""Exact k-mer counts of encoded bases.

    word(s) = sum_i base[s + i] * 4**(k - 1 - i)     for every window s of k bases A C G T
    strands merged: the smaller of word(s) and the word of its reverse complement

`codes` are uint8: A C G T = 0 1 2 3, anything else (255) is no base and ends every window that
holds it. Words are uint32 up to k = 16 and uint64 up to k = 32.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from native_kernels.kmer_count import cpu, gpu
from native_kernels.kmer_count.reference import count_rows_reference, count_words_reference

__all__ = [
    "FLAT_TABLE_K",
    "MAX_K",
    "MAX_TABLE_K",
    "Tally",
    "count_rows",
    "count_rows_reference",
    "count_words",
    "count_words_reference",
    "word_dtype",
]

MAX_K = 32
MAX_TABLE_K = 12  # beyond, 4**k counters no longer fit in memory
FLAT_TABLE_K = 10  # 250 Mb on one core: k = 10 0.41 s flat; k = 12 2.5 s flat, 1.0 s by slices
MAX_PIECE = 1 << 26  # bases counted between two looks at how full the uint32 counters may be

Device = Literal["cpu", "cuda"]
Words = npt.NDArray[Any]


def word_dtype(k: int) -> type[np.uint32] | type[np.uint64]:
    """Integer type that holds a word of k bases."""
    return np.uint32 if k <= 16 else np.uint64


def count_rows(
    codes: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    k: int,
    *,
    stranded: bool = False,
    reverse: npt.NDArray[np.bool_] | None = None,
    device: Device = "cpu",
) -> tuple[npt.NDArray[np.int64], Words, npt.NDArray[np.uint32]]:
    """Count the words of each sequence.

    Parameters
    ----------
    codes : uint8, shape (n_bases,)
        Every sequence end to end.
    offsets : int64, shape (n_rows + 1,)
        Sequence i is ``codes[offsets[i]:offsets[i + 1]]``.
    k : int
        Bases in a word, 1 to 32.
    stranded : bool
        Keep a word apart from its reverse complement.
    reverse : bool, shape (n_rows,), optional
        With `stranded`: read these sequences on their other strand.
    device : "cpu" or "cuda"
        Numba or CuPy; the same bits from both.

    Returns
    -------
    indptr : int64, shape (n_rows + 1,)
    words : uint32 or uint64, shape (indptr[-1],)
        Ascending within a row.
    counts : uint32, shape (indptr[-1],)
    """
    _check(codes, k)
    if offsets.dtype != np.int64 or len(offsets) == 0 or offsets[0] < 0:
        raise ValueError("offsets must be int64, ascending, with at least one element")
    if np.any(np.diff(offsets) < 0) or offsets[-1] > len(codes):
        raise ValueError(f"offsets must ascend to at most {len(codes)}, the number of bases")
    if device == "cuda":
        indptr, words, counts = _on_gpu(
            gpu.count_rows_arrays, codes, offsets, k=k, stranded=stranded, reverse=reverse
        )
        return indptr, words, counts
    n_rows = len(offsets) - 1
    if reverse is None:
        reverse = np.zeros(n_rows, np.bool_)
    room = int(np.minimum(np.maximum(np.diff(offsets) - k + 1, 0), min(4**k, 1 << 62)).sum())
    indptr = np.zeros(n_rows + 1, np.int64)
    words = np.empty(room, word_dtype(k))
    counts = np.empty(room, np.uint32)
    if k <= MAX_TABLE_K and n_rows * 4**k < offsets[-1] - offsets[0]:
        n = cpu.count_rows_in_table(codes, offsets, k, stranded, reverse, indptr, words, counts)
    else:
        longest = int(np.diff(offsets).max(initial=0))
        scratch = np.empty((2, longest), word_dtype(k))
        n = cpu.count_rows_by_sorting(
            codes, offsets, k, stranded, reverse, scratch[0], scratch[1], indptr, words, counts
        )
    return indptr, words[:n], counts[:n]


def count_words(
    codes: npt.NDArray[np.uint8],
    k: int,
    *,
    stranded: bool = False,
    threads: int = 1,
    device: Device = "cpu",
) -> tuple[Words, npt.NDArray[np.uint64]]:
    """Count the words of one sequence.

    Parameters and limits as in `count_rows`; separate sequences are kept apart by a code of 255.

    Returns
    -------
    words : uint32 or uint64, shape (n,)
        The words that occur, ascending.
    counts : uint64, shape (n,)
    """
    _check(codes, k)
    if device == "cuda":
        words, totals = _on_gpu(gpu.count_words_arrays, codes, k=k, stranded=stranded)
        return words, totals
    if k > MAX_TABLE_K:
        return _count_by_sorting(codes, k, stranded=stranded)
    tally = Tally(k, stranded=stranded, slots=threads)
    # a piece starts k - 1 bases early: every window lies in one piece
    cuts = np.linspace(0, len(codes), threads + 1).astype(np.int64)
    pieces = [codes[max(0, a - k + 1) : b] for a, b in pairwise(cuts)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(tally.add, pieces, range(threads)))
    return tally.result()


class Tally:
    """Running word counts of a stream of pieces, k <= 12, one counter table per slot.

    Parameters
    ----------
    k : int
        Bases in a word, 1 to 12.
    stranded : bool
        Keep a word apart from its reverse complement.
    slots : int
        Pieces that may be added at the same time, each to its own slot.
    """

    def __init__(self, k: int, *, stranded: bool = False, slots: int = 1) -> None:
        if not 1 <= k <= MAX_TABLE_K:
            raise ValueError(f"k must be 1 to {MAX_TABLE_K} for a table of counters, got {k}")
        self.k = k
        self.stranded = stranded
        self._tables = [np.zeros(4**k, np.uint32) for _ in range(slots)]
        self._windows = [0] * slots  # since the tables were last emptied
        self._total: npt.NDArray[np.uint64] | None = None
        self._most = ((1 << 32) - 1) // slots  # so that the tables' sum cannot wrap
        self._emptying = Lock()

    def add(self, codes: npt.NDArray[np.uint8], slot: int = 0) -> None:
        """Count the windows of `codes` (uint8, contiguous); windows across pieces are not seen."""
        step = min(MAX_PIECE, self._most - self.k + 1)
        for start in range(0, len(codes), step):
            piece = codes[max(0, start - self.k + 1) : start + step]
            if self._windows[slot] + len(piece) > self._most:
                self._empty(slot)
            self._windows[slot] += len(piece)
            if self.k <= FLAT_TABLE_K:
                octets = piece[: len(piece) // 8 * 8].view(np.uint64)
                cpu.add_to_table(piece, octets, self.k, self._tables[slot])
            else:
                heads = np.empty(4 ** (self.k - 8), np.int64)
                tails = np.empty(len(piece), np.uint16)
                cpu.add_to_table_by_slices(piece, self.k, heads, tails, self._tables[slot])

    def result(self) -> tuple[Words, npt.NDArray[np.uint64]]:
        """Words that occur, ascending, and their counts (uint64). Ends the tally."""
        table: npt.NDArray[Any] = self._tables[0]
        for other in self._tables[1:]:
            table += other
        if self._total is not None:
            table = self._total + table
        self._tables = []
        if not self.stranded:
            cpu.fold_strands(table, self.k)
        n = np.count_nonzero(table)
        words, counts = np.empty(n, word_dtype(self.k)), np.empty(n, np.uint64)
        cpu.collect_table(table, words, counts)
        return words, counts

    def _empty(self, slot: int) -> None:
        with self._emptying:
            if self._total is None:
                self._total = np.zeros(4**self.k, np.uint64)
            self._total += self._tables[slot]
        self._tables[slot][:] = 0
        self._windows[slot] = 0


def _count_by_sorting(
    codes: npt.NDArray[np.uint8], k: int, *, stranded: bool
) -> tuple[Words, npt.NDArray[np.uint64]]:
    n = np.zeros(2, np.int64)  # words that start with A or C, and with G or T
    cpu.count_prefixes(codes, k, stranded, 1, n)
    words = np.empty(n.sum(), word_dtype(k))
    cpu.deal_words(codes, k, stranded, 1, 0, 2, np.array([0, n[0]]), words)
    words.sort()
    distinct, counts = np.empty_like(words), np.empty(len(words), np.uint64)
    found = cpu.collapse(words, distinct, counts)
    return distinct[:found], counts[:found]


def _check(codes: npt.NDArray[np.uint8], k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise ValueError(f"k must be 1 to {MAX_K}, got {k}")
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise ValueError(f"codes must be uint8 of one dimension, got {codes.dtype} {codes.shape}")


def _on_gpu(count: Any, *arrays: npt.NDArray[Any], **options: Any) -> Any:
    import cupy

    if options.get("reverse") is not None:
        options["reverse"] = cupy.asarray(options["reverse"])
    found = count(cupy, *map(cupy.asarray, arrays), **options)
    return tuple(cupy.asnumpy(array) for array in found)
