"""Where integer score matrices reach their thresholds in sequences of bases.

    score(x) = sum_j W[j, base(x + j)]              j = 0 .. length - 1
    hits     = {x : the window has only A C G T, and score(x) >= cut}

The scan looks at words of K = 8 bases, the same for all matrices: of every matrix the 8 columns
that tell most are its first block, and an index lists for each of the 65,536 words the matrices
that may still reach their cut where this word lies under that block, with its score. So most
windows of most matrices are never touched. What is listed is completed block by block, each
block's 8 bases by two look-ups of 4, until the rest cannot reach the cut. Integers leave nothing
to rounding.

The tail of a matrix's score distribution follows column by column from the scores' probabilities
(as in FIMO; Grant et al., Bioinformatics 27:1017, 2011):

    P_j(s) = sum_b background[b] P_{j-1}(s - W[j, b])         tail(s) = sum_{t >= s} P_L(t)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from native_kernels.motif_scan import cpu
from native_kernels.motif_scan.cpu import K
from native_kernels.motif_scan.reference import motif_scan_reference, tail_reference

__all__ = [
    "Best",
    "Hits",
    "MotifScanner",
    "count_windows",
    "motif_scan_reference",
    "tail_probabilities",
    "tail_reference",
]

MAX_WEIGHT = 4_095  # eight of them fit int16
MAX_MATRICES = 1 << 16
INDEX_ENTRIES = 1 << 22  # in one index; matrices beyond it get one of their own
ROOM = 1 << 16  # hits that one call of the loop lists

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


class Hits(NamedTuple):
    """Hits in order of sequence, start and matrix; arrays of shape (n,).

    `start` counts from the start of the sequence.
    """

    sequence: npt.NDArray[np.int32]
    start: Ints
    matrix: npt.NDArray[np.int32]
    score: npt.NDArray[np.int32]


class Best(NamedTuple):
    """The best hit of each sequence and group of matrices; arrays of shape (sequences, groups).

    score is -1 where there is no hit; `start` counts from the start of the sequence.
    """

    start: Ints
    matrix: npt.NDArray[np.int32]
    score: npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Index:
    """The matrices that words of k bases may belong to: entries[index[word]:index[word + 1]]."""

    k: int
    index: npt.NDArray[np.int32]
    entries: npt.NDArray[np.uint32]


class MotifScanner:
    """Score matrices and their thresholds, made ready for scanning.

    Parameters
    ----------
    matrices : sequence of int arrays, shape (length, 4)
        Weights of A C G T, 0 to 4,095; at least one column.
    cuts : sequence of int
        The lowest score of a hit, one for each matrix.

    Notes
    -----
    It is not changed by scanning: threads may share it.
    """

    def __init__(self, matrices: Sequence[npt.NDArray[Any]], cuts: Sequence[int]) -> None:
        if len(matrices) != len(cuts) or len(matrices) > MAX_MATRICES:
            raise ValueError(
                f"expected as many cuts as matrices, at most {MAX_MATRICES}, "
                f"got {len(cuts)} and {len(matrices)}"
            )
        for matrix in matrices:
            _check_matrix(matrix)
        firsts: list[tuple[int, int, npt.NDArray[Any], npt.NDArray[Any], int]] = []
        rows: list[tuple[int, int, int, int]] = []
        blocks: list[tuple[int, int]] = []
        tables: list[npt.NDArray[np.int16]] = []
        for number, (matrix, cut) in enumerate(zip(matrices, cuts, strict=True)):
            order = _blocks(matrix)
            rest = int(matrix.max(axis=1).sum())
            for rank, (start, weights) in enumerate(order):
                rest -= int(weights.max(axis=1).sum())
                low, high = _fours(weights[-4:]), _fours(weights[:-4])
                if rank == 0:
                    n = len(blocks)
                    rows.append((start, len(matrix), n, n + len(order) - 1))
                    firsts.append((len(weights), number, low, high, int(cut) - rest))
                else:
                    blocks.append((start, int(cut) - rest))
                    tables.append(np.concatenate([low, high]))
        # a matrix: start of its first block, length, first and end of its further blocks;
        # a block: start, lowest score with which the rest may still reach the cut
        self._matrices = np.array(rows, np.int64).reshape(-1, 4)
        self._blocks = np.array(blocks, np.int64).reshape(-1, 2)
        self._table = np.array(tables, np.int16).reshape(-1, 512)
        self._indexes = _make_indexes(firsts)

    def scan(self, codes: Codes, offsets: Ints) -> Hits:
        """Every hit of every matrix.

        Parameters
        ----------
        codes : uint8, shape (n_bases,)
            Sequences end to end; A C G T = 0 1 2 3, anything above is no base.
        offsets : int64, shape (n_sequences + 1,)
            Sequence i is ``codes[offsets[i]:offsets[i + 1]]``.
        """
        _check_codes(codes, offsets)
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        for each, words in self._words(codes, offsets):
            state = np.array([0, -1], np.int64)
            room = max(ROOM, int(np.diff(each.index).max(initial=0)))
            while state[0] < len(offsets) - 1:
                out = (
                    np.empty(room, np.int32), np.empty(room, np.int64),
                    np.empty(room, np.int32), np.empty(room, np.int32),
                )  # fmt: skip
                n = cpu.list_hits(
                    words, offsets, each.k, each.index, each.entries, self._matrices,
                    self._blocks, self._table, state, *out,
                )  # fmt: skip
                parts.append(tuple(column[:n].copy() for column in out))
        if not parts:
            parts.append(tuple(np.empty(0, t) for t in (np.int32, np.int64, np.int32, np.int32)))
        sequence, start, matrix, score = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.lexsort((matrix, start))
        sequence, start = sequence[order], start[order]
        return Hits(sequence, start - offsets[sequence], matrix[order], score[order])

    def best(self, codes: Codes, offsets: Ints, group: Ints) -> Best:
        """The best hit of each group of matrices in each sequence.

        Parameters
        ----------
        codes, offsets
            As for `scan`.
        group : int64, shape (n_matrices,)
            The group of each matrix, from 0.

        Notes
        -----
        The highest score is best; of equal ones the first start, there the first matrix.
        """
        _check_codes(codes, offsets)
        shape = (len(offsets) - 1, int(group.max(initial=-1)) + 1)
        score, start = np.full(shape, -1, np.int32), np.zeros(shape, np.int64)
        matrix = np.zeros(shape, np.int32)
        for each, words in self._words(codes, offsets):
            cpu.best_hits(
                words, offsets, each.k, each.index, each.entries, self._matrices,
                self._blocks, self._table, np.ascontiguousarray(group, np.int64),
                score, start, matrix,
            )  # fmt: skip
        return Best(np.where(score >= 0, start - offsets[:-1, None], 0), matrix, score)

    def _words(self, codes: Codes, offsets: Ints) -> list[tuple[_Index, npt.NDArray[np.uint32]]]:
        made: dict[int, npt.NDArray[np.uint32]] = {}
        for each in self._indexes:
            if each.k not in made:
                made[each.k] = np.empty(len(codes), np.uint32)
                cpu.fill_words(codes, offsets, each.k, made[each.k])
        return [(each, made[each.k]) for each in self._indexes]


def count_windows(
    codes: Codes, offsets: Ints, lengths: Ints, n_starts: Ints | None = None
) -> tuple[Ints, Ints]:
    """Windows of each length that lie in a sequence, and those of them with only A C G T.

    Parameters
    ----------
    codes, offsets
        As for `MotifScanner.scan`.
    lengths : int64, shape (n,)
        bp, at least 1.
    n_starts : int64, shape (n_sequences,), optional
        Count the windows that start at the first so many bases of each sequence; by default all.

    Returns
    -------
    windows, clean : int64, shape (n,)
    """
    _check_codes(codes, offsets)
    sizes = np.diff(offsets)
    starts = sizes if n_starts is None else np.asarray(n_starts, np.int64)
    longest = int(lengths.max(initial=1))
    runs = np.zeros(longest + 1, np.int64)
    cpu.count_runs(codes, offsets, starts, longest, runs)
    at_least = np.cumsum(runs[::-1])[::-1]
    room = sizes[None, :] - lengths[:, None] + 1
    windows = np.clip(np.minimum(room, starts[None, :]), 0, None).sum(axis=1)
    return windows, at_least[lengths]


def tail_probabilities(
    matrix: npt.NDArray[Any], background: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """P(score >= s) of a random word, for s = 0 to the highest score.

    Parameters
    ----------
    matrix : int array, shape (length, 4)
        Weights of A C G T, 0 to 4,095.
    background : float64, shape (4,)
        Probabilities of A C G T.

    Returns
    -------
    tail : float64, shape (highest + 1,)
        Never above 1; exact to the rounding of float64 sums of positive numbers.
    """
    _check_matrix(matrix)
    chance = np.ones(1)
    for weights in matrix.astype(np.int64):
        longer = np.zeros(len(chance) + int(weights.max()))
        for weight, frequency in zip(weights.tolist(), background.tolist(), strict=True):
            longer[weight : weight + len(chance)] += frequency * chance
        chance = longer
    tail: npt.NDArray[np.float64] = np.minimum(np.cumsum(chance[::-1])[::-1], 1.0)
    return tail


def _blocks(matrix: npt.NDArray[Any]) -> list[tuple[int, npt.NDArray[Any]]]:
    """Start and weights of blocks of `K` columns that cover the matrix, the most telling first.

    Every block lies inside the matrix. A column is counted once: in the other blocks that hold it
    its weights are 0. A matrix of fewer columns is one shorter block.
    """
    n = len(matrix)
    if n <= K:
        return [(0, matrix.astype(np.int64))]
    spread = matrix.max(axis=1) - matrix.mean(axis=1)
    first = int(np.argmax(np.convolve(spread, np.ones(K), "valid")))
    starts = [first]
    starts += [max(0, end - K) for end in range(first, 0, -K)]
    starts += [min(start, n - K) for start in range(first + K, n, K)]
    found, left = [], np.ones(n, bool)
    for start in starts:
        part = slice(start, start + K)
        found.append((start, np.where(left[part, None], matrix[part], 0).astype(np.int64)))
        left[part] = False
    tells = [float((weights.max(axis=1) - weights.mean(axis=1)).sum()) for _, weights in found]
    later = sorted(range(1, len(found)), key=lambda number: -tells[number])
    return [found[number] for number in (0, *later)]


def _fours(weights: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Scores of all words of these columns (none to four), the first column leading."""
    scores = np.zeros(1, np.int64)
    for column in weights:
        scores = (scores[:, None] + column[None, :]).reshape(-1)
    return scores.astype(np.int16)


def _make_indexes(
    firsts: list[tuple[int, int, npt.NDArray[Any], npt.NDArray[Any], int]],
) -> list[_Index]:
    """Indexes of the matrices' first blocks: width, number, tables and lowest score of each."""
    indexes: list[_Index] = []
    for k in sorted({first[0] for first in firsts}):
        some: list[Any] = []
        n_entries = 0
        for first in [first for first in firsts if first[0] == k]:
            n = cpu.count_words(*first[2:])
            if some and n_entries + n > INDEX_ENTRIES:
                indexes.append(_make_index(k, some))
                some, n_entries = [], 0
            if n:
                some.append(first)
                n_entries += n
        if some:
            indexes.append(_make_index(k, some))
    return indexes


def _make_index(k: int, firsts: list[Any]) -> _Index:
    sizes = np.zeros(4**k + 1, np.int64)  # the last is of no word
    for _, _, low, high, need in firsts:
        cpu.add_sizes(low, high, need, sizes)
    index = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    entries = np.empty(index[-1], np.uint32)
    at = index[:-1].astype(np.int64)
    for _, number, low, high, need in firsts:
        cpu.add_entries(low, high, need, number, at, entries)
    return _Index(k, index, entries)


def _check_matrix(matrix: npt.NDArray[Any]) -> None:
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not len(matrix) or matrix.dtype.kind not in "iu":
        raise ValueError(
            f"a matrix must be of integers and (length, 4), got {matrix.dtype} {matrix.shape}"
        )
    if matrix.min() < 0 or matrix.max() > MAX_WEIGHT:
        raise ValueError(f"weights must be 0 to {MAX_WEIGHT}, got {matrix.min()} to {matrix.max()}")


def _check_codes(codes: Codes, offsets: Ints) -> None:
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise ValueError(f"codes must be uint8 of one dimension, got {codes.dtype} {codes.shape}")
    if offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets):
        raise ValueError(f"offsets must be int64 of one dimension, got {offsets.dtype}")
    if offsets[0] < 0 or offsets[-1] > len(codes) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must ascend from 0 to at most {len(codes)}")
