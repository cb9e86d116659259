"""Gapped k-mer counts as a linear image of exact ones: ``features = exact @ P``.

    P[w, f] = 1 if a window that reads w matches feature f (on either strand, when merged), else 0

so a palindromic word adds one, not two, to a feature that both its strands match. P is held as a
sparse matrix where that is small and applied as a rule where it is not; the result is the same.
"""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels.kmer_project import cpu
from native_kernels.kmer_project.reference import features_of_reference, project_rows_reference
from native_kernels.kmer_project.rule import Rule

__all__ = ["Projection", "Rule", "features_of_reference", "project_rows_reference"]

MAX_MATRIX = 1 << 24  # elements of P that are worth holding: 64 MB
MAX_SORTED = 1 << 18  # features that a row sorts; more are added up in a table of all
BATCH_ELEMENTS = 1 << 24  # elements of P that are expanded at a time where it is not held

Words = npt.NDArray[Any]
Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]


class Projection:
    """P of one vocabulary, ready to be applied.

    Parameters
    ----------
    rule : Rule
        Which features a word has; k <= 12.
    matrix : bool, optional
        Hold P as a sparse matrix; by default where it has at most 2**24 elements.
    """

    def __init__(self, rule: Rule, *, matrix: bool | None = None) -> None:
        self.rule = rule
        self.max_features_per_word = len(rule.kept) * (1 if rule.stranded else 2)
        fits = 4**rule.k * self.max_features_per_word <= MAX_MATRIX
        self.holds_matrix = fits if matrix is None else matrix

    def rows(
        self, indptr: npt.NDArray[np.int64], words: Words, counts: npt.NDArray[np.uint32]
    ) -> Csr:
        """Project exact counts, one row per region.

        Parameters
        ----------
        indptr : int64, shape (n_rows + 1,)
        words : uint32, shape (indptr[-1],)
        counts : uint32, shape (indptr[-1],)

        Returns
        -------
        indptr : int64, shape (n_rows + 1,)
        features : uint32, shape (indptr[-1],)
            Ascending within a row.
        counts : uint32, shape (indptr[-1],)
        """
        if self.holds_matrix:
            return self._sum(indptr, words, counts, *self.matrix)
        pieces = []
        step = max(1, BATCH_ELEMENTS // self.max_features_per_word)
        row = 0
        while row < len(indptr) - 1:
            last = int(np.searchsorted(indptr, indptr[row] + step, side="right")) - 1
            last = min(max(last, row + 1), len(indptr) - 1)
            part = slice(indptr[row], indptr[last])
            own = indptr[row : last + 1] - indptr[row]
            entries = np.arange(own[-1])
            pieces.append(self._sum(own, entries, counts[part], *self.expand(words[part])))
            row = last
        return _stack(pieces)

    def total(self, words: Words, counts: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Project the counts of one set of words; uint64, shape (n_features,)."""
        totals = np.zeros(self.rule.n_features, np.uint64)
        if self.holds_matrix:
            cpu.sum_all(words, counts, *self.matrix, totals)
            return totals
        step = max(1, BATCH_ELEMENTS // self.max_features_per_word)
        for start in range(0, len(words), step):
            part = slice(start, start + step)
            entries = np.arange(len(words[part]))
            cpu.sum_all(entries, counts[part], *self.expand(words[part]), totals)
        return totals

    def expand(self, words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """The set of features of each word: indptr int64, features int32 (in no fixed order)."""
        high, low = self._halves
        indptr = np.zeros(len(words) + 1, np.int64)
        features = np.empty(len(words) * self.max_features_per_word, np.int32)
        rule = self.rule
        n = cpu.expand(
            words, rule.k, rule.stranded, high, low, rule.first, rule.feature_of, indptr, features
        )
        return indptr, features[:n]

    @cached_property
    def matrix(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """P, one row per packed word: indptr int64 (4**k + 1,), features int32."""
        return self.expand(np.arange(4**self.rule.k, dtype=np.uint32))

    @cached_property
    def _halves(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Bases that each group keeps of the leading and of the trailing half of a word."""
        k, kept = self.rule.k, self.rule.kept
        n_low = k // 2
        half_words = np.arange(4 ** (k - n_low), dtype=np.int32)
        high = np.zeros((len(kept), 4 ** (k - n_low)), np.int32)
        low = np.zeros((len(kept), 4**n_low), np.int32)
        for group, positions in enumerate(kept):
            for rank, position in enumerate(reversed(positions)):
                from_end = k - 1 - position
                if from_end < n_low:
                    base = (half_words[: 4**n_low] >> (2 * from_end)) & 3
                    low[group] |= base << (2 * rank)
                else:
                    base = (half_words >> (2 * (from_end - n_low))) & 3
                    high[group] |= base << (2 * rank)
        return high, low

    def _sum(
        self,
        indptr: npt.NDArray[np.int64],
        entries: Words,
        counts: npt.NDArray[np.uint32],
        p_indptr: npt.NDArray[np.int64],
        p_features: npt.NDArray[np.int32],
    ) -> Csr:
        n_features = self.rule.n_features
        room = np.minimum(np.diff(indptr) * self.max_features_per_word, n_features).sum()
        out_indptr = np.zeros(len(indptr), np.int64)
        features, out_counts = np.empty(room, np.uint32), np.empty(room, np.uint32)
        half_bits = max(1, (n_features.bit_length() + 1) // 2)
        table = np.zeros(n_features, np.uint32)
        scratch = np.empty((2, min(n_features, MAX_SORTED)), np.int32)
        n = cpu.sum_rows(
            indptr, entries, counts, p_indptr, p_features, half_bits, table, scratch[0], scratch[1],
            out_indptr, features, out_counts,
        )  # fmt: skip
        return out_indptr, features[:n], out_counts[:n]


def _stack(pieces: list[Csr]) -> Csr:
    if not pieces:
        return np.zeros(1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint32)
    starts = np.cumsum([0] + [piece[0][-1] for piece in pieces])
    indptr = np.concatenate(
        [[0]] + [piece[0][1:] + start for piece, start in zip(pieces, starts, strict=False)]
    )
    features = np.concatenate([piece[1] for piece in pieces])
    return indptr.astype(np.int64), features, np.concatenate([piece[2] for piece in pieces])
