"""Dinucleotide shuffles: the counts of each, and that every one of a tiny case is as likely."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels.dinucleotide_shuffle import (
    dinucleotide_shuffle,
    dinucleotide_shuffle_reference,
)

BOTH = pytest.mark.parametrize(
    "shuffle", [dinucleotide_shuffle, dinucleotide_shuffle_reference], ids=["compiled", "reference"]
)


def coded(*texts):
    table = {letter: code for code, letter in enumerate("ACGT")}
    return np.array([[table.get(letter, 255) for letter in text] for text in texts], np.uint8)


def text(codes):
    return "".join("ACGT"[code] if code < 4 else "N" for code in codes.tolist())


def pairs(sequence):
    return Counter(pairwise(sequence))


def all_walks(sequence):
    """Every sequence with these dinucleotides and this first letter, by trying all."""
    found = set()

    def go(walk, left):
        if not left.total():
            found.add(walk)
        for (one, two), count in list(left.items()):
            if count and one == walk[-1]:
                go(walk + two, left - Counter([(one, two)]))

    go(sequence[0], pairs(sequence))
    return found


@BOTH
@settings(deadline=None, max_examples=80)
@given(st.text("ACGTN", min_size=1, max_size=60), st.integers(0, (1 << 64) - 1))
@example("A" * 30 + "C" * 30 + "G" * 30 + "T" * 30, 1)  # the ways out are rare
@example("AC", 3)
@example("NNNN", 3)
def test_dinucleotides_and_both_ends_stay(shuffle, sequence, seed):
    for made in shuffle(coded(sequence), seed=seed, n=3)[0]:
        assert pairs(text(made)) == pairs(sequence)
        assert (text(made)[0], text(made)[-1]) == (sequence[0], sequence[-1])


@pytest.mark.parametrize("sequence", ["AACACAGGA", "ACGATNCAGTA", "ACCAGCTAC"])
def test_every_walk_is_as_likely(sequence):
    walks = all_walks(sequence)
    n = 400 * len(walks)
    found = Counter(map(text, dinucleotide_shuffle(coded(sequence), seed=7, n=n)[0]))
    assert len(walks) > 3
    assert found.keys() == walks
    chi_square = sum((count - 400) ** 2 / 400 for count in found.values())
    freedom = len(walks) - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.text("ACGTN", min_size=17, max_size=17), min_size=1, max_size=4),
    st.integers(0, 1 << 63),
)
def test_the_loop_and_its_twin_draw_the_same(sequences, seed):
    numbers = np.array([5, 1 << 40, 0, 7], np.int64)[: len(sequences)]
    arguments = {"seed": seed, "n": 2, "numbers": numbers}
    codes = coded(*sequences)
    found = dinucleotide_shuffle(codes, **arguments)
    assert found.tolist() == dinucleotide_shuffle_reference(codes, **arguments).tolist()


def test_a_shuffle_depends_on_its_number_and_seed_alone():
    codes = np.random.default_rng(0).integers(0, 4, (6, 200)).astype(np.uint8)
    whole = dinucleotide_shuffle(codes, seed=3, n=4)
    part = dinucleotide_shuffle(codes[4:], seed=3, n=2, numbers=np.array([4, 5]))
    assert (part == whole[4:, :2]).all()
    assert (dinucleotide_shuffle(codes, seed=4, n=4) != whole).any(axis=-1).all()
    same = dinucleotide_shuffle(np.repeat(codes[:1], 2, axis=0), seed=3)
    assert (same[0] != same[1]).any()
    assert dinucleotide_shuffle(np.empty((2, 0), np.uint8), seed=0).shape == (2, 1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": np.zeros((2, 3), np.int8)}, "codes must be uint8"),
        ({"seed": -1}, "seed must be 0"),
        ({"seed": 1 << 64}, "seed must be 0"),
        ({"n": 0}, "n must be at least 1"),
        ({"numbers": np.zeros(3, np.int64)}, "numbers must be int64 of"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    arguments = {"codes": np.zeros((2, 3), np.uint8), "seed": 0} | change
    with pytest.raises(ValueError, match=message):
        dinucleotide_shuffle(**arguments)
