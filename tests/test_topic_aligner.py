"""Alignments of short words, against all alignments there are."""

import math
from collections import Counter
from itertools import product

import numpy as np
import oracles
import pytest

from kmerengine import InputError
from modelkit.interpretation.topics.aligner import align, log_likelihood

Place = tuple[str, int] | None  # the word as it lies, and the column of its first base


def coded(texts: list[str]) -> np.ndarray:
    return np.array([oracles.codes_of(text) for text in texts], np.uint8)


def slow_bits(places: list[Place], c: int = 1) -> float:
    """Log2 of P(words | one motif) / P(words | uniform), one base after the other."""
    columns: dict[int, dict[str, int]] = {}
    total = 0.0
    for place in places:
        if place is None:
            continue
        word, first = place
        for i, base in enumerate(word, first):
            if base == "N":
                continue
            seen = columns.setdefault(i, dict.fromkeys("ACGT", 0))
            total += math.log2(4 * (seen[base] + c / 4) / (sum(seen.values()) + c))
            seen[base] += 1
    return total


def every_alignment(texts: list[str], most: int):
    """All ways to lay words on each other or to leave them out; the first word stays."""
    choices: list[list[Place]] = [[(texts[0], 0)]]
    for text in texts[1:]:
        strands = (text, oracles.mirrored(text))
        shifts = range(-most, most + 1)
        choices.append([None, *((word, shift) for word in strands for shift in shifts)])
    return map(list, product(*choices))


def places_of(texts: list[str], made) -> list[Place]:
    return [
        (oracles.mirrored(text) if minus else text, int(offset)) if aligned else None
        for text, aligned, offset, minus in zip(
            texts, made.aligned, made.offset, made.minus, strict=True
        )
    ]


def column_counts(places: list[Place], width: int) -> list[list[int]]:
    counts = [[0] * 4 for _ in range(width)]
    for word, first in filter(None, places):
        for i, base in enumerate(word, first):
            if base != "N":
                counts[i]["ACGT".index(base)] += 1
    return counts


# ------------------------------------------------------------------------------ what is optimised


def test_the_likelihood_is_that_of_one_base_after_the_other():
    texts = ["ACGT", "ACNT", "TTTT", "ACGA"]
    places = [(text, shift) for text, shift in zip(texts, (0, 0, 2, 1), strict=True)]
    for c in (1, 3):
        counts = np.array(column_counts(places, 6))
        assert log_likelihood(counts, c) == pytest.approx(slow_bits(places, c), abs=1e-9)
    assert log_likelihood(np.zeros((3, 4), int)) == pytest.approx(0)
    assert log_likelihood(np.array([[5, 0, 0, 0]])) > log_likelihood(np.array([[2, 1, 1, 1]]))


@pytest.mark.parametrize("seed", range(8))
def test_no_alignment_of_few_words_is_likelier(seed):
    """Four words that share 4 bp, and none of all 20,000 alignments with more bits."""
    rng = np.random.default_rng(seed)
    core = "".join(rng.choice(list("ACGT"), 4))
    texts = []
    for _ in range(4):
        left = int(rng.integers(0, 3))
        ends = "".join(rng.choice(list("ACGT"), 2))
        text = ends[:left] + core + ends[left:]
        texts.append(text if rng.random() < 0.5 else oracles.mirrored(text))
    made = align(coded(texts), overlap=3)
    best = max(map(slow_bits, every_alignment(texts, 3)))
    assert made.bits == pytest.approx(slow_bits(places_of(texts, made)), abs=1e-9)
    # the first word's frame bounds both, but here another may be the beginning
    assert made.bits >= best - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_no_word_fits_better_elsewhere(seed):
    """Taken out and laid anywhere else, or left out, no word adds more: by the slow sum."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ACGT"), 6)) for _ in range(9)]
    texts += ["".join(rng.choice(list("ACGN"), 6)) for _ in range(3)]
    made = align(coded(texts))
    places = places_of(texts, made)
    assert made.counts.tolist() == column_counts(places, len(made.counts))
    best = slow_bits(places)
    assert made.bits == pytest.approx(best, abs=1e-9)
    # the strip is as wide as two halves of a word beside the first one: not known, so where words
    # lie already
    shifts = range(0, len(made.counts) - 5)
    for i, text in enumerate(texts):
        for other in (None, *product((text, oracles.mirrored(text)), shifts)):
            moved = [*places[:i], other, *places[i + 1 :]]
            assert slow_bits(moved) <= best + 1e-6


# ---------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("seed", range(5))
def test_words_of_one_motif_lie_on_each_other(seed):
    rng = np.random.default_rng(seed)
    core, texts, at = "GATAAGC", [], []
    for _ in range(60):
        left = int(rng.integers(0, 4))
        ends = "".join(rng.choice(list("ACGT"), 3))
        word = list(core)
        word[int(rng.integers(0, 7))] = str(rng.choice(list("ACGT")))  # a mismatch in most
        text = ends[:left] + "".join(word) + ends[left:]
        minus = rng.random() < 0.5
        texts.append(oracles.mirrored(text) if minus else text)
        at.append((minus, left))
    made = align(coded(texts))
    assert made.aligned.all()
    # by strand, and by the column that the core begins in
    strands = Counter(bool(m != minus) for m, (minus, _) in zip(made.minus, at, strict=True))
    (flipped, n_strand), *_ = strands.most_common()
    starts = Counter(
        int(offset) + (3 - left if flipped else left)
        for offset, (_, left) in zip(made.offset, at, strict=True)
    )
    (start, n_start), *_ = starts.most_common()
    assert min(n_strand, n_start) >= 54  # a mismatch may make another place better
    truth = [
        (oracles.mirrored(text) if minus else text, 3 - left)
        for text, (minus, left) in zip(texts, at, strict=True)
    ]
    assert made.bits >= slow_bits(truth) - 1e-9
    consensus = "".join("ACGT"[b] for b in made.counts.argmax(1))
    assert consensus[start : start + 7] == (oracles.mirrored(core) if flipped else core)


def test_a_word_that_fits_nowhere_is_left_out():
    texts = ["ACCGGAAGTG"] * 20 + ["TATATATATA"]
    made = align(coded(texts))
    assert made.aligned.tolist() == [True] * 20 + [False]
    assert made.counts.sum() == 200
    assert made.offset[20] == 0


def test_the_beginning_is_the_word_that_is_most_like_the_others():
    """A first word like no other does not decide."""
    texts = ["TATATATATA"] + ["ACCGGAAGTG"] * 3 + ["ACCGGATGTG"] * 3
    made = align(coded(texts))
    assert made.aligned.tolist() == [False] + [True] * 6


def test_wildcards_say_nothing():
    texts = ["GATAAGGC", "GATANNGC", "NGATAAGG", "GCCTTATC"]
    made = align(coded(texts))
    assert made.offset.tolist() == [1, 1, 0, 1]
    assert made.minus.tolist() == [False, False, False, True]
    assert made.counts.sum() == 8 + 6 + 7 + 8
    assert made.counts[0].sum() == 0


def test_one_word_and_equal_words():
    made = align(coded(["ACGTT"]))
    assert (made.offset.tolist(), made.minus.tolist()) == ([0], [False])
    assert made.counts.argmax(1).tolist() == [0, 1, 2, 3, 3]
    palindrome = align(coded(["ACGT"] * 3))
    assert not palindrome.minus.any()
    assert palindrome.counts.shape == (4, 4)


def test_numbers_out_of_range_are_refused():
    words = coded(["ACGT"])
    with pytest.raises(InputError, match="words: found shape"):
        align(words[:0])
    with pytest.raises(InputError, match="overlap: found 5, expected 1 to 4"):
        align(words, overlap=5)
    with pytest.raises(InputError, match="pseudocount: found 0"):
        align(words, pseudocount=0)
