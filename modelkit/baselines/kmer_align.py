"""One set of aligned k-mers, grown from an enriched word.

A *site* is where a set lies in a sequence: the strand and the forward position of the set's base 0.
A *component* is a word that starts at `offset` from there, in the direction of the set.

    1. sites: the seed, and the enriched words one base from it, where they lie in positives
    2. matrix of the sites; the best place of each sequence by it; those of positives from the
       score on at which positives are most enriched are the sites
    3. components: enriched words that lie at one offset from the sites in half or more of the
       sites' sequences that hold them
    4. the best groups of components in positives are the sites: 2 and 3 again, while enrichment
       of the positives by the set's own scores grows

A group are the components that put a set at one site. Its score is -log10 of the hypergeometric
chance that so many of the training sequences with any of its words are positive. (Their odds ratio,
which KMAC can take too, is as good for a rare word alone as for all words of a motif together.)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.baselines.kmer_words import Codes, Floats, Hits, Ints, log10_enrichment, mirrored

__all__ = ["Aligned", "Groups", "Learnt", "align", "best_of_rows", "bits_of", "groups_of",
           "log10_of_scores", "positive_bits"]  # fmt: skip

MOST_ROUNDS = 5
LEAST_SITES = 3  # in which a component lies at its offset
SHARE = 0.5  # of the sites' sequences with a word, those with it at one offset
PSEUDOCOUNT = 1.0  # of a matrix, shared by the bases
INFORMATIVE = 0.1  # bits of a matrix's column that is read
_CHUNK = 4096  # rows of bits at a time

Bits = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


class Sites(NamedTuple):
    """At most one of a sequence; int64 of shape (s,) and bool."""

    row: Ints
    at: Ints
    reverse: Bools


class Groups(NamedTuple):
    """Where a set lies, by sequence; shape (g,)."""

    row: Ints
    at: Ints
    reverse: Bools
    score: Floats

    def take(self, chosen: Ints | Bools) -> "Groups":
        """Some of them."""
        row, at, reverse, score = self
        return Groups(row[chosen], at[chosen], reverse[chosen], score[chosen])


class Aligned(NamedTuple):
    """A set of aligned k-mers.

    Attributes
    ----------
    words : list of str
        In the direction of the set; the first is the seed.
    offsets : int64, shape (m,)
        bp from base 0 of the set.
    log10_p : float
        Enrichment of the positives that were learnt from, at the best score.
    threshold : float
        That score.
    """

    words: list[str]
    offsets: Ints
    log10_p: float
    threshold: float


class Learnt(NamedTuple):
    """What all sets of one k are made of."""

    codes: Codes
    positive: Bools  # the first ones
    words: list[str]
    hits: Hits  # of these words
    bits: Bits  # sequences with each word, (m, n / 64)


def bits_of(row: Ints, word: Ints, n_words: int, n: int) -> Bits:
    """The sequences with each word as bits, uint64 (m, ceil(n / 64)), of where they lie."""
    there = np.zeros((n_words, -(-n // 64) * 64), np.bool_)
    there[word, row] = True
    return np.packbits(there, axis=1, bitorder="little").view(np.uint64)


def positive_bits(n_positives: int, n: int) -> Bits:
    """The first `n_positives` of n sequences as bits."""
    first = np.arange(n_positives)
    found: Bits = bits_of(first, np.zeros_like(first), 1, n)[0]
    return found


def groups_of(
    hits: Hits, words: list[str], offsets: Ints, bits: Bits, positives: Bits, n: int
) -> Groups:
    """Groups of components, by sequence.

    Parameters
    ----------
    hits : Hits
        Of the components alone, by their number.
    words, offsets
        Of the components.
    bits : uint64, shape (m, b)
        Sequences of the training set that hold each of them.
    positives : uint64, shape (b,)
        Which of those are positive.
    n : int
        Sequences of the training set.
    """
    lengths = np.array([len(each) for each in words], np.int64)
    offset, length = offsets[hits.word], lengths[hits.word]
    at = np.where(hits.reverse, hits.start + length - 1 + offset, hits.start - offset)
    order = np.lexsort((hits.word, at, hits.reverse, hits.row))
    row, at, reverse = hits.row[order], at[order], hits.reverse[order]
    word = hits.word[order]
    if not len(row):
        return Groups(row, at, reverse, np.empty(0))
    first = np.ones(len(row), np.bool_)
    first[1:] = (row[1:] != row[:-1]) | (reverse[1:] != reverse[:-1]) | (at[1:] != at[:-1])
    begin = np.flatnonzero(first)
    # groups of the same words have the same score: a random number stands for each word
    numbers = np.random.default_rng(0).integers(0, 1 << 63, len(words), dtype=np.uint64)
    with np.errstate(over="ignore"):
        names = np.add.reduceat(numbers[word], begin)
    _, example, back = np.unique(names, return_index=True, return_inverse=True)
    size = np.diff(begin, append=len(row))
    scores = np.empty(len(example))
    n_positives = int(np.bitwise_count(positives).sum())
    for low in range(0, len(example), _CHUNK):
        some = example[low : low + _CHUNK]
        ends = np.cumsum(size[some])
        starts = ends - size[some]
        member = np.arange(ends[-1]) - np.repeat(starts - begin[some], size[some])
        any_of = np.bitwise_or.reduceat(bits[word[member]], starts, axis=0)
        n_all = np.bitwise_count(any_of).sum(1, dtype=np.int64)
        n_in = np.bitwise_count(any_of & positives).sum(1, dtype=np.int64)
        scores[low : low + _CHUNK] = -log10_enrichment(n_in, n_all, n_positives, n)
    return Groups(row[begin], at[begin], reverse[begin], scores[back.reshape(-1)])


def best_of_rows(groups: Groups) -> Groups:
    """The best group of each sequence that has one; of equal ones the first."""
    order = np.lexsort((-groups.score, groups.row))
    first = np.ones(len(order), np.bool_)
    first[1:] = np.diff(groups.row[order]) > 0
    return groups.take(order[first])


def log10_of_scores(scores: Floats, positive: Bools) -> tuple[float, float]:
    """Enrichment of positives at the score at which it is greatest, and that score.

    Only scores above the lowest are asked for: at that one all sequences are in.
    """
    values, place = np.unique(scores, return_inverse=True)
    n_all = np.cumsum(np.bincount(place)[::-1])[:-1]
    n_in = np.cumsum(np.bincount(place, weights=positive)[::-1].astype(np.int64))[:-1]
    if not len(n_all):
        return 0.0, float(values[0])
    some = np.unique(np.linspace(0, len(n_all) - 1, 256).astype(np.int64))
    logs = log10_enrichment(n_in[some], n_all[some], int(positive.sum()), len(positive))
    best = int(np.argmin(logs))
    return float(logs[best]), float(values[::-1][some[best]])


def align(learnt: Learnt, seed: int) -> tuple[Aligned, Bits, Groups]:
    """The set that grows from word number `seed`, the sequences with each of its words, and its
    matches of the threshold or more.
    """
    sites = _first_sites(learnt, seed)
    n = len(learnt.codes)
    positives = positive_bits(int(learnt.positive.sum()), n)
    none = np.empty(0, np.int64)
    found = Aligned([learnt.words[seed]], np.zeros(1, np.int64), 0.0, 0.0)
    bits, matches = learnt.bits[[seed]], Groups(none, none, none.astype(np.bool_), np.empty(0))
    for _ in range(MOST_ROUNDS):
        sites = _sites_by_matrix(learnt, sites, len(learnt.words[seed]))
        number, flipped, offsets = _components(learnt, sites, seed)
        hits = _turned(learnt.hits, number, flipped, len(learnt.words))
        words = [
            mirrored(learnt.words[i]) if turn else learnt.words[i]
            for i, turn in zip(number.tolist(), flipped.tolist(), strict=True)
        ]
        own = learnt.bits[number]
        groups = groups_of(hits, words, offsets, own, positives, n)
        best = best_of_rows(groups)
        scores = np.zeros(n)
        scores[best.row] = best.score
        log10_p, threshold = log10_of_scores(scores, learnt.positive)
        if log10_p >= found.log10_p:
            break
        found, bits = Aligned(words, offsets, log10_p, threshold), own
        matches = groups.take(groups.score >= threshold)
        kept = learnt.positive[best.row] & (best.score >= threshold)
        sites = Sites(best.row[kept], best.at[kept], best.reverse[kept])
    return found, bits, matches


def _first_sites(learnt: Learnt, seed: int) -> Sites:
    """The first place of the seed, or else of a word one base from it, in each positive."""
    word = learnt.words[seed]
    # 0 the seed, 1 its neighbours, 2 others; words of the pool may be written on the other strand
    rank = np.full((len(learnt.words), 2), 2, np.int64)
    for i, other in enumerate(learnt.words):
        for on_other, spelt in enumerate((other, mirrored(other))):
            if len(spelt) == len(word):
                n_other = sum(a != b for a, b in zip(word, spelt, strict=True))
                rank[i, on_other] = min(n_other, 2)
    hits = learnt.hits
    kept = learnt.positive[hits.row]
    rows, starts, reverse = hits.row[kept], hits.start[kept], hits.reverse[kept]
    ranks = rank[hits.word[kept]]
    turned = ranks[:, 1] < ranks[:, 0]
    strand = reverse ^ turned
    at = np.where(strand, starts + len(word) - 1, starts)
    near = ranks.min(1)
    order = np.lexsort((near, rows))
    order = order[near[order] < 2]
    first = np.ones(len(order), np.bool_)
    first[1:] = np.diff(rows[order]) > 0
    chosen = order[first]
    return Sites(rows[chosen], at[chosen], strand[chosen])


def _sites_by_matrix(learnt: Learnt, sites: Sites, length: int) -> Sites:
    """The best places of positives by the matrix of the sites, from the best threshold on."""
    codes = learnt.codes
    flank = length // 2
    columns = np.arange(-flank, length + flank)
    counts = np.full((len(columns), 4), PSEUDOCOUNT / 4)
    sign = np.where(sites.reverse, -1, 1)
    for i, column in enumerate(columns):
        place = sites.at + sign * column
        inside = np.flatnonzero((place >= 0) & (place < codes.shape[1]))
        bases = codes[sites.row[inside], place[inside]]
        known = bases <= 3
        read = np.where(sites.reverse[inside], 3 - bases, bases)[known]
        counts[i] += np.bincount(read, minlength=4)
    ground = np.bincount(codes[codes <= 3], minlength=4) + 1.0
    ground = (ground + ground[::-1]) / (2 * ground.sum())  # of both strands
    odds = np.log2(counts / counts.sum(1, keepdims=True) / ground)
    bits = (counts / counts.sum(1, keepdims=True) * odds).sum(1)
    read = bits >= INFORMATIVE
    if not read.any():
        return sites
    low, high = int(np.argmax(read)), len(read) - int(np.argmax(read[::-1]))
    best, at, reverse = _best_places(codes, odds[low:high])
    _, threshold = log10_of_scores(best, learnt.positive)
    rows = np.flatnonzero(learnt.positive & (best >= threshold))
    # base 0 of the set again, of the matrix's first column or, on the other strand, its last
    first = int(columns[low])
    moved = np.where(reverse, at + (high - low - 1) + first, at - first)
    return Sites(rows, moved[rows], reverse[rows])


def _best_places(codes: Codes, odds: Floats) -> tuple[Floats, Ints, Bools]:
    """Best score of a matrix (w, 4) in each sequence, where it begins, and whether reversed."""
    n_windows = codes.shape[1] - len(odds) + 1
    if n_windows < 1:
        none = np.zeros(len(codes), np.int64)
        return np.zeros(len(codes)), none, none.astype(np.bool_)
    both = []
    for matrix in (odds, odds[::-1, ::-1]):
        scores = np.zeros((len(codes), n_windows), np.float32)
        for i, column in enumerate(matrix.astype(np.float32)):
            of_code = np.full(256, column.min(), np.float32)  # of a base that is not known
            of_code[:4] = column
            scores += of_code[codes[:, i : i + n_windows]]
        both.append(scores)
    scores = np.stack(both, 1).reshape(len(codes), -1)
    place = scores.argmax(1)
    best = scores[np.arange(len(codes)), place].astype(np.float64)
    return best, place % n_windows, place >= n_windows


def _components(learnt: Learnt, sites: Sites, seed: int) -> tuple[Ints, Bools, Ints]:
    """Words with an offset of their own: numbers, whether turned, offsets; the seed first."""
    n = len(learnt.codes)
    at, reverse, has = np.zeros(n, np.int64), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    at[sites.row], reverse[sites.row], has[sites.row] = sites.at, sites.reverse, True
    hits = learnt.hits
    here = np.flatnonzero(has[hits.row])
    row, word = hits.row[here], hits.word[here]
    turned = hits.reverse[here] ^ reverse[row]
    lengths = np.array([len(each) for each in learnt.words], np.int64)
    start, last = hits.start[here], hits.start[here] + lengths[word] - 1
    offset = np.where(reverse[row], at[row] - last, start - at[row])
    k = len(learnt.words[seed])  # words further from base 0 are of no set
    m, width = len(learnt.words), 2 * k + 1
    seen = np.unique(word * n + row)
    n_with = np.bincount(seen // n, minlength=m)
    near = np.abs(offset) <= k
    cell = (word[near] * 2 + turned[near]) * width + offset[near] + k
    counts = np.bincount(cell, minlength=m * 2 * width).reshape(m, -1)
    mode = counts.argmax(1)
    most = counts[np.arange(m), mode]
    kept = (most >= LEAST_SITES) & (most >= SHARE * n_with)
    kept[seed] = True  # in any case, where it mostly lies
    mode[seed] = mode[seed] if most[seed] else k
    number = np.concatenate([[seed], np.flatnonzero(kept & (np.arange(m) != seed))])
    return number, mode[number] >= width, mode[number] % width - k


def _turned(hits: Hits, number: Ints, flipped: Bools, n_words: int) -> Hits:
    """Hits of the components, by their place among them and in their direction."""
    place = np.full(n_words, -1)
    place[number] = np.arange(len(number))
    kept = np.flatnonzero(place[hits.word] >= 0)
    word = place[hits.word[kept]]
    return Hits(hits.row[kept], hits.start[kept], word, hits.reverse[kept] ^ flipped[word])
