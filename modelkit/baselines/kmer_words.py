"""Words of sequences that are enriched in the positive ones, and where they lie.

A word is k of the letters A C G T with a gap of N among them, or none, where N is any base; it is
found on either strand. All words of the sequences are counted by the engine, without their places;
only those of enriched words are looked up. n = sequences, P = bp, m = words, h = hits.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.kmers.words import spelled
from modelkit.metrics.fisher import greater
from native_kernels.kmer_count import count_rows

__all__ = ["Hits", "Pool", "enriched_words", "find_words", "log10_enrichment", "mirrored"]

GAPPED_K = 8  # words as long have gaps too; of longer ones the gapped would be millions
MAX_GAP = 2  # bp

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_OTHER_STRAND = str.maketrans("ACGTN", "TGCAN")


class Pool(NamedTuple):
    """Words in more positive sequences than chance puts there, best first.

    Attributes
    ----------
    words : list of str
        One strand of each.
    log10_p : float64, shape (m,)
        Of the hypergeometric test.
    n_tested : int
        Words that occur.
    n_enriched : int
        Words below the threshold, of which the pool holds the first.
    """

    words: list[str]
    log10_p: Floats
    n_tested: int
    n_enriched: int


class Hits(NamedTuple):
    """Where words lie, by sequence and position; int64 of shape (h,) and bool.

    A word that is its own reverse complement lies on both strands.
    """

    row: Ints
    start: Ints  # bp from the start of the sequence, on the forward strand
    word: Ints
    reverse: npt.NDArray[np.bool_]

    def take(self, chosen: Ints | npt.NDArray[np.bool_]) -> "Hits":
        """Some of them."""
        row, start, word, reverse = self
        return Hits(row[chosen], start[chosen], word[chosen], reverse[chosen])


def mirrored(word: str) -> str:
    """The reverse complement."""
    return word.translate(_OTHER_STRAND)[::-1]


def log10_enrichment(
    n_in_positives: npt.ArrayLike, n_in_all: npt.ArrayLike, n_positives: int, n: int
) -> Floats:
    """log10 of the chance that so many or more of the sequences with a word are positive.

    Hypergeometric, one-sided: of n sequences, `n_positives` of them positive, `n_in_all` are drawn.
    """
    pairs = np.stack([np.asarray(n_in_positives), np.asarray(n_in_all)], -1).astype(np.int64)
    found, back = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
    logs: Floats = greater(found[:, 0], found[:, 1], n_positives, n) / np.log(10)
    return logs[back.reshape(-1)].reshape(pairs.shape[:-1])


def enriched_words(
    codes: Codes, positive: npt.NDArray[np.bool_], k: int, *, log10_p: float, most: int
) -> Pool:
    """Words of k bases that are enriched; to k = 8 those with a gap of 1 or 2 bp too.

    Parameters
    ----------
    codes : uint8, shape (n, P)
    positive : bool, shape (n,)
    k : int
        1 to 32.
    log10_p : float
        The largest, such as -3.
    most : int
        Of the words below it the most significant are kept.
    """
    codes = np.ascontiguousarray(codes)
    offsets = np.arange(len(codes) + 1, dtype=np.int64) * codes.shape[1]
    words: list[str] = []
    logs, n_tested = [], 0
    for gap in range(MAX_GAP + 1 if 1 < k <= GAPPED_K else 1):
        csr = count_rows(codes.reshape(-1), offsets, k + gap)
        vocabulary = None
        if gap:
            masks = ["1" * i + "0" * gap + "1" * (k - i) for i in range(1, k)]
            vocabulary = Vocabulary.masks(masks)
            csr = vocabulary.projection.rows(*csr)
        with_word = np.repeat(positive, np.diff(csr[0]))
        found, place = np.unique(csr[1], return_inverse=True)
        n_all = np.bincount(place, minlength=len(found))
        n_positive = np.bincount(place[with_word], minlength=len(found))
        each = log10_enrichment(n_positive, n_all, int(positive.sum()), len(positive))
        kept = np.flatnonzero(each <= log10_p)
        chosen = found[kept].astype(np.int64)
        words += spelled(chosen, k) if vocabulary is None else vocabulary.words(chosen).tolist()
        logs.append(each[kept])
        n_tested += len(found)
    together = np.concatenate(logs)
    best = np.argsort(together, kind="stable")[:most]
    return Pool([words[i] for i in best.tolist()], together[best], n_tested, len(words))


def find_words(codes: Codes, words: list[str]) -> Hits:
    """Where words lie, on either strand; windows with other letters, in a gap too, have none."""
    none = np.empty(0, np.int64)
    row, start, word = [none], [none], [none]
    reverse = [none.astype(np.bool_)]
    lengths = np.array([len(each) for each in words], np.int64)
    for length in np.unique(lengths).tolist():
        windows, valid = _windows(codes, length)
        row_of, start_of = np.nonzero(valid)
        values = windows[row_of, start_of]
        of_length = np.flatnonzero(lengths == length)
        for is_reverse in (False, True):
            spelt = [words[i] for i in of_length]
            spelt = [mirrored(each) for each in spelt] if is_reverse else spelt
            kept, bases = np.array([_packed(each) for each in spelt], np.int64).T
            for mask in np.unique(kept):
                which = np.flatnonzero(kept == mask)
                order = which[np.argsort(bases[which])]
                read = values & mask
                at = np.minimum(np.searchsorted(bases[order], read), len(order) - 1)
                there = np.flatnonzero(bases[order][at] == read)
                row.append(row_of[there])
                start.append(start_of[there])
                word.append(of_length[order[at[there]]])
                reverse.append(np.full(len(there), is_reverse))
    return Hits(
        np.concatenate(row), np.concatenate(start), np.concatenate(word), np.concatenate(reverse)
    )


def _windows(codes: Codes, k: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Packed words of every window, (n, P - k + 1), and whether all their bases are known."""
    n_windows = max(codes.shape[1] - k + 1, 0)
    packed = np.zeros((len(codes), n_windows), np.int64)
    valid = np.ones((len(codes), n_windows), np.bool_)
    for i in range(k if n_windows else 0):
        some = codes[:, i : i + n_windows]
        packed = packed * 4 + (some & 3)
        valid &= some <= 3
    return packed, valid


def _packed(word: str) -> tuple[int, int]:
    """Which bits of a packed window a word reads, and what they are."""
    mask = bases = 0
    for letter in word:
        mask, bases = mask * 4 + (0 if letter == "N" else 3), bases * 4 + "ACGTN".index(letter) % 4
    return mask, bases
