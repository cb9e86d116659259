"""The best correlation of two matrices of four columns over all offsets and both strands.

Laid over each other, x and y cover `union` positions; where one of them is not, it is 0. With
n = 4 union entries,

    r = (x . y - sum x sum y / n) / sqrt((x . x - (sum x)^2 / n) (y . y - (sum y)^2 / n))

The best is the largest r over the offsets that overlap in at least `min_overlap` positions (of a
shorter matrix: in all of it), with y as it is, and as its reverse complement (both axes reversed).
r is given as a score that a table holds for each union: positions of matrices are few, so unions
are, and the chance of a correlation goes by both (see `Correlations`).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from native_kernels.aligned_correlation import cpu
from native_kernels.aligned_correlation.reference import aligned_correlation_reference

__all__ = ["Correlations", "align", "aligned_correlation_reference"]

WIDTH = 128  # matrices side by side: 29 positions of them are 58 KB, which a core's cache holds

Floats = npt.NDArray[np.float32]


class Correlations:
    """Matrices whose pairs are correlated, in the order of their lengths.

    Parameters
    ----------
    matrices : sequence of float32, shape (length, 4)
        Ordered by length; of at least one position.
    min_overlap : int
        At least 1.
    """

    def __init__(self, matrices: Sequence[Floats], min_overlap: int = 4) -> None:
        lengths = np.array([len(each) for each in matrices], np.int64)
        if min_overlap < 1 or (len(lengths) and lengths[0] < 1) or np.any(np.diff(lengths) < 0):
            raise ValueError(
                "matrices must be ordered by length, from 1, and min_overlap 1 or more"
            )
        self.n = len(matrices)
        self.longest_union = 2 * int(lengths[-1]) if self.n else 0
        self._lengths, self._min_overlap = lengths, min_overlap
        self._offsets = np.concatenate([[0], np.cumsum(lengths)])
        self._values = (
            np.concatenate([np.asarray(each, np.float32) for each in matrices])
            if self.n
            else np.empty((0, 4), np.float32)
        )
        sums = np.array([each.sum(dtype=np.float64) for each in matrices])
        squares = np.array([np.square(each, dtype=np.float64).sum() for each in matrices])
        self._sums = sums.astype(np.float32)
        unions = np.maximum(np.arange(self.longest_union + 1), 1)
        spread = squares[:, None] - sums[:, None] ** 2 / (4.0 * unions)
        flat = spread <= 1e-12 * np.maximum(squares[:, None], 1e-300)  # rounding of a constant
        self._scales = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, spread)))
        self._scales = self._scales.astype(np.float32)
        self._make_blocks()

    def _make_blocks(self) -> None:
        """Matrices of one length side by side, the matrix being the last axis."""
        firsts: list[int] = []
        for low, high in self._runs():
            firsts += range(low, high, WIDTH)
        self._first = np.array([*firsts, self.n], np.int64)
        # positions of a block's values, scales and sums, all of full width
        longest = int(self._lengths[-1]) if self.n else 0
        self._blocks = np.zeros((len(firsts), 4 * longest, WIDTH), np.float32)
        self._block_scales = np.zeros((len(firsts), self.longest_union + 1, WIDTH), np.float32)
        self._block_sums = np.zeros((len(firsts), WIDTH), np.float32)
        for b, (low, high) in enumerate(zip(self._first[:-1], self._first[1:], strict=True)):
            length = int(self._lengths[low])
            part = self._values[self._offsets[low] : self._offsets[high]]
            self._blocks[b, : 4 * length, : high - low] = part.reshape(high - low, -1).T
            self._block_scales[b, :, : high - low] = self._scales[low:high].T
            self._block_sums[b, : high - low] = self._sums[low:high]

    def _runs(self) -> list[tuple[int, int]]:
        edges = np.flatnonzero(np.diff(self._lengths, prepend=-1, append=-1)).tolist()
        return list(pairwise(edges))

    def fill(
        self, low: int, high: int, tables: npt.NDArray[np.float64], step: float, out: Floats
    ) -> None:
        """Scores of the matrices `low` to `high` with all matrices before each of them.

        Parameters
        ----------
        low, high : int
            Threads may fill different rows at once.
        tables : float64, shape (longest_union + 1 or more, m)
            Of each union: scores of r > 0, at sqrt(-log(1 - r^2)) = 0, step, 2 step and so on;
            linear in between, the last one beyond. Of r <= 0 it is -log10(2 - 10^-score(-r)).
        step : float
        out : float32, shape (n (n - 1) / 2,)
            That of i with j < i is put at i (i - 1) / 2 + j.
        """
        if out.dtype != np.float32 or out.shape != (self.n * (self.n - 1) // 2,):
            raise ValueError(f"out must be float32, one for each pair, got {out.dtype} {out.shape}")
        if tables.dtype != np.float64 or len(tables) <= self.longest_union:
            raise ValueError(f"tables must be float64 ({self.longest_union + 1} or more, m)")
        if not 0 <= low <= high <= self.n:
            raise ValueError(f"rows must lie in 0 to {self.n}, got {low} to {high}")
        cpu.fill_rows(
            low, high, self._values, self._offsets, self._sums, self._scales, self._first,
            self._lengths, self._blocks, self._block_scales, self._block_sums, self._min_overlap,
            tables, step, out,
        )  # fmt: skip


def align(
    seed: Floats, matrices: Sequence[Floats], min_overlap: int = 4
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Lay matrices over a seed where each correlates best with it.

    Returns
    -------
    offset : int64, shape (n,)
        Where the matrix (its reverse complement, if that is better) starts, from the seed's start.
    minus : bool, shape (n,)
        It is its reverse complement; the plus strand where both are as good, to 1e-9.
    r : float64, shape (n,)

    Notes
    -----
    Of equal offsets the first is taken.
    """
    n = len(matrices)
    offset, minus, r = np.zeros(n, np.int64), np.zeros(n, np.bool_), np.zeros(n)
    x = np.ascontiguousarray(seed, np.float64)
    for i, each in enumerate(matrices):
        y = np.ascontiguousarray(each, np.float64)
        offset[i], minus[i], r[i], _ = cpu.best(x, y, min_overlap)
    return offset, minus, r
