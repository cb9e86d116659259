"""Sets of aligned k-mers of every k, and those of them that are not the same.

The seed of a set is the most enriched word, as long as it is significant after Bonferroni's
correction by the words that occur; the matches of the set are masked before the next seed is looked
for. Of the sets of all k, the most enriched is kept, and each further one unless half or more of
its places in positives overlap those of one that is kept.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from modelkit.baselines.kmer_align import (
    Aligned,
    Bits,
    Groups,
    Learnt,
    align,
    best_of_rows,
    bits_of,
    groups_of,
    positive_bits,
)
from modelkit.baselines.kmer_words import (
    Codes,
    Floats,
    Hits,
    Ints,
    enriched_words,
    find_words,
    log10_enrichment,
)

__all__ = ["KmerSetOptions", "Motif", "best_matches", "learn"]

MAX_K = 24  # letters of a word: what two bits each leave of 64
SEED_P = 0.05  # after Bonferroni's correction
SAME = 0.5  # of a set's places in positives, and of the shorter of two places


@dataclass(frozen=True, kw_only=True)
class KmerSetOptions:
    """How sets are made.

    Attributes
    ----------
    k_min, k_max : int
        Bases of a word, without its gap; 5 and 13 in AgentBind's comparison.
    k_top : int
        Seeds of each k, at most.
    log10_p : float
        Of an enriched word, at most.
    most_words : int
        Enriched words of each k that can be in sets, the most significant ones.
    combine : "max" or "sum"
        Of the scores of several sets in a sequence.
    """

    k_min: int = 5
    k_max: int = 13
    k_top: int = 10
    log10_p: float = -3.0
    most_words: int = 2000
    combine: Literal["max", "sum"] = "max"

    def __post_init__(self) -> None:
        if not 3 <= self.k_min <= self.k_max <= MAX_K:
            raise InputError(
                f"k: found {self.k_min} to {self.k_max}, expected 3 or more, {MAX_K} or less, and "
                "k_min not above k_max"
            )
        for name in ("k_top", "most_words"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: found {getattr(self, name)}, expected 1 or more")
        if not self.log10_p < 0:
            raise InputError(f"log10_p: found {self.log10_p}, expected less than 0")
        if self.combine not in ("max", "sum"):
            raise InputError(f"combine: found {self.combine!r}, expected max or sum")


class Motif(NamedTuple):
    """One set.

    Attributes
    ----------
    words : list of str
        In the direction of the set; the first grew to it.
    offsets : int64, shape (m,)
        bp from base 0 of the set to each.
    bits : uint64, shape (m, b)
        Training sequences with each: the positives, then the others.
    log10_p : float
        Enrichment of the positives by the set's scores, at the best of these.
    threshold : float
        That score.
    """

    words: list[str]
    offsets: Ints
    bits: Bits
    log10_p: float
    threshold: float

    @property
    def span(self) -> tuple[int, int]:
        """Where its words begin and end, bp from base 0 of the set, half-open."""
        return span_of(self.words, self.offsets)


def learn(
    codes: Codes, positive: npt.NDArray[np.bool_], options: KmerSetOptions
) -> tuple[list[Motif], dict[int, dict[str, int]]]:
    """Sets, the most enriched first, and the numbers of words of each k.

    Parameters
    ----------
    codes : uint8, shape (n, P)
    positive : bool, shape (n,)
        The positives are first.
    """
    found: list[Motif] = []
    counts = {}
    for k in range(options.k_min, min(options.k_max, codes.shape[1]) + 1):
        made, counts[k] = _sets_of(codes, positive, k, options)
        found += made
    return _distinct(found, codes, int(positive.sum())), counts


def best_matches(motif: Motif, sequences: Codes, n_positives: int, n: int) -> Groups:
    """The best match of a set in each sequence that has one.

    `n_positives` of the `n` training sequences of `motif.bits` are positive, the first ones.
    """
    groups = groups_of(
        find_words(sequences, motif.words), motif.words, motif.offsets, motif.bits,
        positive_bits(n_positives, n), n,
    )  # fmt: skip
    return best_of_rows(groups)


def _sets_of(
    codes: Codes, positive: npt.NDArray[np.bool_], k: int, options: KmerSetOptions
) -> tuple[list[Motif], dict[str, int]]:
    """Sets of words of k bases, from the best seeds that are left."""
    pool = enriched_words(codes, positive, k, log10_p=options.log10_p, most=options.most_words)
    counts = {"tested": pool.n_tested, "enriched": pool.n_enriched, "used": len(pool.words)}
    limit = np.log10(SEED_P / max(pool.n_tested, 1))
    logs = pool.log10_p.copy()
    learnt = _learnt(codes, positive, pool.words, find_words(codes, pool.words))
    found: list[Motif] = []
    for _ in range(options.k_top):
        seed = int(logs.argmin()) if len(logs) else 0
        if not len(logs) or logs[seed] > limit:
            break
        made, bits, matches = align(learnt, seed)
        if made.log10_p > limit:
            logs[seed] = 0.0
            continue
        found.append(Motif(made.words, made.offsets, bits, made.log10_p, made.threshold))
        learnt = _masked(learnt, made, matches)
        logs = _enrichment(learnt)
    return found, counts


def span_of(words: list[str], offsets: Ints) -> tuple[int, int]:
    """Where the words of a set begin and end, bp from its base 0."""
    ends = [offset + len(word) for word, offset in zip(words, offsets.tolist(), strict=True)]
    return int(offsets.min()), max(ends)


def _learnt(codes: Codes, positive: npt.NDArray[np.bool_], words: list[str], hits: Hits) -> Learnt:
    return Learnt(
        codes, positive, words, hits, bits_of(hits.row, hits.word, len(words), len(codes))
    )


def _masked(learnt: Learnt, made: Aligned, matches: Groups) -> Learnt:
    """Without the bases of a set's matches, and without the words that lie there."""
    width = learnt.codes.shape[1]
    first, last = span_of(made.words, made.offsets)
    codes = learnt.codes.copy()
    start = np.where(matches.reverse, matches.at + 1 - last, matches.at + first)
    for column in range(last - first):
        inside = (start + column >= 0) & (start + column < width)
        codes[matches.row[inside], start[inside] + column] = 255
    hits = learnt.hits
    ends = hits.start + np.array([len(each) for each in learnt.words], np.int64)[hits.word]
    unknown = np.zeros((len(codes), width + 1), np.int64)
    np.cumsum(codes > 3, axis=1, out=unknown[:, 1:])
    kept = unknown[hits.row, ends] == unknown[hits.row, hits.start]
    return _learnt(codes, learnt.positive, learnt.words, hits.take(kept))


def _enrichment(learnt: Learnt) -> Floats:
    """Of each word that is left, in the sequences that hold it."""
    n, n_positives = len(learnt.codes), int(learnt.positive.sum())
    with_word = np.bitwise_count(learnt.bits).sum(1, dtype=np.int64)
    positives = learnt.bits & positive_bits(n_positives, n)
    in_positives = np.bitwise_count(positives).sum(1, dtype=np.int64)
    return log10_enrichment(in_positives, with_word, n_positives, n)


def _distinct(motifs: list[Motif], codes: Codes, n_positives: int) -> list[Motif]:
    """The most enriched, and each further one that mostly lies elsewhere."""
    kept: list[Motif] = []
    places: list[tuple[Ints, int]] = []
    positives, n = codes[:n_positives], len(codes)
    for motif in sorted(motifs, key=lambda each: each.log10_p):
        best = best_matches(motif, positives, n_positives, n)
        strong = best.score >= motif.threshold
        row, at, reverse = best.row[strong], best.at[strong], best.reverse[strong]
        first, last = motif.span
        start = np.full(n_positives, -1 << 40)
        start[row] = np.where(reverse, at + 1 - last, at + first)
        length = last - first
        for other_start, other_length in places:
            shared = np.minimum(start[row] + length, other_start[row] + other_length)
            shared -= np.maximum(start[row], other_start[row])
            same = shared >= SAME * min(length, other_length)
            if same.sum() >= SAME * len(row):
                break
        else:
            kept.append(motif)
            places.append((start, length))
    return kept
