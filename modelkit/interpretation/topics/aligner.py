"""Short words laid on each other, on either strand and at any offset, to one motif.

Words are placed one by one where they fit best what is there. With counts n of the bases in a
column, N of them together, and a pseudocount c, base b fits by

    log2 ((n_b + c / 4) / (N + c)) - log2 1/4        bits; 0 in an empty column

which is what it adds to the log of the marginal likelihood, over Dirichlet(c / 4) columns, against
uniform bases; so is the sum over a word's bases. After that each word in turn is taken out and
placed anew, until none moves: every step adds to the likelihood, so that there is an end. A word
that fits nowhere by more than 0 bits is left out.

Two beginnings are tried and the likelier alignment is kept: the word that is most like all others,
and the first one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from kmerengine.errors import InputError

__all__ = ["Alignment", "align", "log_likelihood"]

NONE = 255  # a wildcard: says nothing and fits everywhere by 0 bits
PASSES = 50  # at most; a few are the rule
ROUNDING = 1e-9  # bits: what is no better

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Alignment(NamedTuple):
    """Words on each other.

    Attributes
    ----------
    aligned : bool, shape (n,)
        Which are in it.
    offset : int64, shape (n,)
        Column of a word's first base on its strand; 0 is that of the leftmost word.
    minus : bool, shape (n,)
        Whether it lies on its other strand.
    counts : int64, shape (columns, 4)
        Bases A C G T in each column.
    bits : float
        `log_likelihood` of the counts.
    """

    aligned: npt.NDArray[np.bool_]
    offset: Ints
    minus: npt.NDArray[np.bool_]
    counts: Ints
    bits: float


def align(words: Codes, *, pseudocount: float = 1.0, overlap: int | None = None) -> Alignment:
    """Align words of one length.

    Parameters
    ----------
    words : uint8, shape (n, length)
        Codes A C G T = 0 1 2 3, and 255 for a wildcard.
    pseudocount : float
        Bases that a column begins with.
    overlap : int, optional
        Columns that a word shares with the first one at least; by default half of its length.

    Returns
    -------
    Alignment
    """
    if words.ndim != 2 or not words.size:
        raise InputError(f"words: found shape {words.shape}, expected (n, length) with at least 1")
    length = words.shape[1]
    share = max(1, length // 2) if overlap is None else overlap
    if not 1 <= share <= length:
        raise InputError(f"overlap: found {share}, expected 1 to {length}")
    if not pseudocount > 0:
        raise InputError(f"pseudocount: found {pseudocount:g}, expected more than 0")
    alike = _similarity(words, pseudocount, length - share)
    seeds = dict.fromkeys((int(alike.sum(1).argmax()), 0))
    made = [_Search(words, pseudocount, length - share).run(seed, alike[seed]) for seed in seeds]
    return max(made, key=lambda each: each.bits)  # of equal ones the first


def log_likelihood(counts: npt.NDArray[np.integer], pseudocount: float = 1.0) -> float:
    """Bits by which columns of counts, shape (columns, 4), are likelier than uniform bases."""
    n = counts.sum(1)
    each = gammaln(pseudocount) - gammaln(n + pseudocount)
    each = each + (gammaln(counts + pseudocount / 4) - gammaln(pseudocount / 4)).sum(1)
    return float((each / np.log(2) + 2 * n).sum())


class _Search:
    """The words on a strip of columns that is as much wider than a word as words may be off."""

    def __init__(self, words: Codes, pseudocount: float, most: int) -> None:
        n, self.length = words.shape
        self.pseudocount = pseudocount
        self.counts = np.zeros((self.length + 2 * most, 5), np.int64)  # last: wildcards
        turned = np.where(words < 4, 3 - words, NONE)[:, ::-1]
        self.codes = np.minimum(np.stack([words, turned], 1), 4).astype(np.int64)  # (n, 2, length)
        self.columns = np.arange(2 * most + 1)[:, None] + np.arange(
            self.length
        )  # (offsets, length)
        # of places that are as good the one nearest to the first word's, and on its strand
        near = np.argsort(np.abs(np.arange(-most, most + 1)), kind="stable")
        self.columns = self.columns[near]
        self.place = np.full((n, 2), -1, np.int64)  # strand, offset; -1: left out

    def run(self, seed: int, alike: Floats) -> Alignment:
        self._put(seed, (0, 0))  # the first place is the middle
        for i in np.argsort(-alike, kind="stable").tolist():
            if i != seed:
                self._put(i, self._best(i))
        for _ in range(PASSES):
            moved = False
            for i in range(len(self.place)):
                before = (int(self.place[i, 0]), int(self.place[i, 1]))
                self._take(i)
                after = self._best(i, before)
                self._put(i, after)
                moved |= after != before
            if not moved:
                break
        return self._made()

    def _best(self, i: int, before: tuple[int, int] = (-1, -1)) -> tuple[int, int]:
        """Where a word fits best: where it was, or out, unless another place is better."""
        n = self.counts[:, :4]
        odds = np.zeros((len(n), 5))
        total = n.sum(1, keepdims=True)
        odds[:, :4] = np.log2((4 * n + self.pseudocount) / (total + self.pseudocount))
        # (2, offsets): strands in turn
        bits = odds[self.columns[None], self.codes[i][:, None]].sum(2)
        found = divmod(int(bits.argmax()), bits.shape[1])
        there = float(bits[before]) if before[0] >= 0 else 0.0
        if there < -ROUNDING:
            before, there = (-1, -1), 0.0
        return found if bits[found] > there + ROUNDING else before

    def _put(self, i: int, place: tuple[int, int]) -> None:
        self._add(i, place, 1)
        self.place[i] = place

    def _take(self, i: int) -> None:
        self._add(i, (int(self.place[i, 0]), int(self.place[i, 1])), -1)

    def _add(self, i: int, place: tuple[int, int], n: int) -> None:
        strand, at = place
        if strand >= 0:
            self.counts[self.columns[at], self.codes[i, strand]] += n

    def _made(self) -> Alignment:
        aligned = self.place[:, 0] >= 0
        first = self.columns[:, 0][self.place[:, 1]]
        low = int(first[aligned].min())
        high = int(first[aligned].max()) + self.length
        counts = self.counts[low:high, :4].copy()
        return Alignment(
            aligned,
            np.where(aligned, first - low, 0),
            self.place[:, 0] == 1,
            counts,
            log_likelihood(counts, self.pseudocount),
        )


def _similarity(words: Codes, pseudocount: float, most: int) -> Floats:
    """Bits by which the best of all places of a word fits another one alone, shape (n, n)."""
    c = pseudocount
    match, other = np.log2((4 + c) / (1 + c)), np.log2(c / (1 + c))
    one_hot = (words[:, :, None] == np.arange(4)).astype(np.float64)
    turned = one_hot[:, ::-1, ::-1]
    fits = np.where(words[:, :, None] < 4, other, 0.0) + (match - other) * one_hot
    n, length = words.shape
    best = np.full((n, n), -np.inf)
    for hot in (one_hot, turned):
        for shift in range(-most, most + 1):
            here = slice(max(0, shift), length + min(0, shift))
            there = slice(max(0, -shift), length + min(0, -shift))
            score = fits[:, here].reshape(n, -1) @ hot[:, there].reshape(n, -1).T
            best = np.maximum(best, score)
    return best
