"""Windows of sequences laid on each other: how often each base stands at each position.

    sums[f, i, b] = sum over the windows of filter f of weight * (base i of the window = b)

Bases beyond an end of their sequence, and letters that are none of A C G T, count nothing.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["Windows"]

CHUNK = 1 << 20  # bases that are looked up at once
NONE = 4  # code of a base that counts nothing

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Windows:
    """Windows of filters, added up.

    Parameters
    ----------
    n_filters, width : int
        `width` in bp.
    whole : bool
        Leave out windows that run off an end.

    Attributes
    ----------
    n, off_ends : int64, shape (F,)
        Windows of each filter: those that count, and those that were left out.
    sums : float64, shape (F, width, 4)
    """

    def __init__(self, n_filters: int, width: int, *, whole: bool) -> None:
        self.width, self.whole = width, whole
        self.n = np.zeros(n_filters, np.int64)
        self.off_ends = np.zeros(n_filters, np.int64)
        self._weight = np.zeros(n_filters)
        self._sums = np.zeros((n_filters, width, NONE + 1))

    @property
    def sums(self) -> Floats:
        """Weight of each base at each position."""
        return self._sums[:, :, :NONE]

    def add(
        self, codes: npt.NDArray[np.uint8], row: Ints, start: Ints, of: Ints, weight: Floats
    ) -> None:
        """Add windows.

        Parameters
        ----------
        codes : uint8, shape (B, P)
            A C G T = 0 1 2 3, 4 for anything else.
        row, start, of : int64, shape (n,)
            Sequence, first base (which may lie before the first there is) and filter of each.
        weight : float64, shape (n,)
        """
        n_filters, length = len(self.n), codes.shape[1]
        if self.whole:
            inside = (start >= 0) & (start + self.width <= length)
            self.off_ends += np.bincount(of[~inside], minlength=n_filters)
            row, start, of, weight = (each[inside] for each in (row, start, of, weight))
        self.n += np.bincount(of, minlength=n_filters)
        self._weight += np.bincount(of, weight, n_filters)
        place, size = np.arange(self.width), max(1, CHUNK // self.width)
        for first in range(0, len(row), size):
            part = slice(first, first + size)
            at = start[part, None] + place
            base = codes[row[part, None], at.clip(0, length - 1)].astype(np.int64)
            base[(at < 0) | (at >= length)] = NONE
            cell = (of[part, None] * self.width + place) * (NONE + 1) + base
            weights = np.repeat(weight[part], self.width)
            added = np.bincount(cell.ravel(), weights, self._sums.size)
            self._sums += added.reshape(self._sums.shape)

    def frequencies(self, covered: float = 0.0) -> Floats:
        """Share of each base at each position, shape (F, width, 4).

        0.25 each where there is no base, or where bases lie under less than the share `covered`
        of the windows: of a few windows alone any base would look certain.
        """
        total = self.sums.sum(-1, keepdims=True)
        known = (total > 0) & (total >= covered * self._weight[:, None, None])
        shares: Floats = np.where(known, self.sums / np.where(known, total, 1), 0.25)
        return shares
