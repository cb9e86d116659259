"""Koo and Eddy's Fig. 1: what a second layer can know of motifs whose parts a first layer sees.

60 bp of A and T hold CACGTG, GTGCAC and CACNNGTG. Two first-layer filters of width 7 see the parts
alone, GTG and CAC. After pools of 3 a second-layer filter of width 3 tells each pattern by how many
cells GTG lies behind CAC: 1, -1 or 2. After pools of 20 there is nothing left to tell them by.
"""

from itertools import permutations, product

import pytest
import torch
from torch.nn.functional import conv1d

from modelkit.models.pool import MaxPool

PATTERNS = ("CACGTG", "GTGCAC", "CACATGTG")  # A T for N N: no part of theirs
PLACES = (7, 27, 46)
LENGTH = 60
PARTS = ("GTG", "CAC")

# Taps of each second-layer filter on (GTG, CAC) of three cells in a row, for each of `PATTERNS`.
SECOND = torch.tensor(
    [
        [[0.0, 1, 0], [1, 0, 0]],  # GTG one cell behind CAC
        [[1, 0, 0], [0, 1, 0]],  # one before
        [[0, 0, 1], [1, 0, 0]],  # two behind
    ]
)


def toy(patterns=PATTERNS, places=PLACES):
    """A and T in turn, with a pattern laid in at each place."""
    sequence = "AT" * (LENGTH // 2)
    for pattern, place in zip(patterns, places, strict=True):
        sequence = sequence[:place] + pattern + sequence[place + len(pattern) :]
    return sequence


def one_hot(sequence):
    return torch.tensor([[[float(x == base) for x in sequence] for base in "ACGT"]])


def first_layer(sequence):
    """Activations (1, P, 2) of a filter of width 7 for each part, 1 where all three bases match."""
    weight = torch.zeros(2, 4, 7)
    for number, part in enumerate(PARTS):
        for i, base in enumerate(part):
            weight[number, "ACGT".index(base), 2 + i] = 1
    found = conv1d(one_hot(sequence), weight, torch.full((2,), -2.0), padding=3)
    return found.relu().mT


def pooled(sequence, size):
    """Maxima of `size` bp each, (60 / size, 2)."""
    return MaxPool(size)(first_layer(sequence))[0]


def second_layer(sequence, size):
    """The first cells of the windows where each of the three filters answers."""
    found = conv1d(pooled(sequence, size).mT[None], SECOND, torch.full((3,), -1.0)).relu()
    return [torch.nonzero(each).flatten().tolist() for each in found[0]]


def cells(place, size):
    """Cells of GTG and CAC of the pattern at `place` of the toy, by its letters."""
    found = []
    for part in PARTS:
        at = toy().find(part, place) + 1  # a filter's centre lies on that of its part
        found.append(at // size)
    return tuple(found)


def test_the_filters_answer_at_the_patterns_alone():
    sequence = toy()
    assert len(sequence) == LENGTH
    rest = sequence
    for pattern, place in zip(PATTERNS, PLACES, strict=True):
        assert sequence[place : place + len(pattern)] == pattern
        rest = rest[:place] + "-" * len(pattern) + rest[place + len(pattern) :]
    assert set(rest) == set("AT-")
    found = first_layer(sequence)[0]
    assert found.shape == (LENGTH, 2)
    centres = [(torch.nonzero(found[:, i]).flatten() - 1).tolist() for i in range(2)]
    assert centres == [[10, 27, 51], [7, 30, 46]]  # first bases of GTG, and of CAC
    assert set(found.flatten().tolist()) == {0.0, 1.0}


def test_pools_of_3_keep_how_far_the_parts_lie_apart():
    here = pooled(toy(), 3)
    gtg, cac = (torch.nonzero(here[:, i]).flatten().tolist() for i in range(2))
    assert (gtg, cac) == ([3, 9, 17], [2, 10, 15])
    assert [a - b for a, b in zip(gtg, cac, strict=True)] == [1, -1, 2]
    assert list(zip(gtg, cac, strict=True)) == [cells(place, 3) for place in PLACES]


def test_a_second_layer_of_width_3_tells_the_patterns_after_pools_of_3():
    assert second_layer(toy(), 3) == [[2], [9], [15]]
    for chosen in product(range(3), repeat=3):  # also where a pattern is there twice, or not
        answers = second_layer(toy([PATTERNS[i] for i in chosen]), 3)
        for number in range(3):
            assert len(answers[number]) == chosen.count(number)
        by_cell = sorted((cell, number) for number in range(3) for cell in answers[number])
        assert tuple(number for _, number in by_cell) == chosen


def test_no_second_layer_can_after_pools_of_20():
    """Every order of the patterns, and three of any, are the same to all that follows."""
    here = pooled(toy(), 20)
    assert here.tolist() == [[1.0, 1.0]] * 3  # one pair of maxima for all three patterns
    assert [cells(place, 20) for place in PLACES] == [(0, 0), (1, 1), (2, 2)]
    for chosen in (*permutations(PATTERNS), *product(PATTERNS, repeat=3)):
        assert torch.equal(pooled(toy(chosen), 20), here)
    assert len({toy(chosen) for chosen in product(PATTERNS, repeat=3)}) == 27


@pytest.mark.parametrize(
    ("start", "apart", "looks_like"),
    [(45, 2, "CACATGTG"), (46, 2, "CACATGTG"), (47, 1, "CACGTG")],
)
def test_at_one_of_three_phases_a_pattern_looks_like_another(start, apart, looks_like):
    """Parts 5 bp apart are 2 cells of 3 apart, but 1 where CAC's centre begins its cell.

    Of the starts 45, 46 and 47 it is at 47: CACNNGTG answers to the filter of CACGTG there, and not
    to its own.
    """
    sequence = toy(places=(7, 27, start))
    here = pooled(sequence, 3)
    gtg, cac = (torch.nonzero(here[:, i]).flatten().tolist() for i in range(2))
    assert [a - b for a, b in zip(gtg, cac, strict=True)] == [1, -1, apart]
    answers = second_layer(sequence, 3)
    assert [len(each) for each in answers] == ([1, 1, 1] if apart == 2 else [2, 1, 0])
    assert answers[PATTERNS.index(looks_like)][-1] == cac[-1]
    assert ((start + 1) % 3 == 0) == (apart == 1)
