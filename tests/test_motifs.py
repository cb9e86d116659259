"""The Motif type, and its scores and p-values against FIMO's and an enumeration of all words."""

from itertools import product
from math import ceil, floor, log2

import numpy as np
import pytest

from kmerengine import InputError, Motif
from kmerengine.motifs.motif import BASES
from kmerengine.motifs.scores import MotifScores

COUNTS = [
    [12, 2, 3, 3],
    [0, 19, 1, 0],
    [18, 1, 0, 1],
    [1, 15, 2, 2],
    [0, 0, 20, 0],
    [2, 3, 4, 11],
    [1, 0, 18, 1],
]
SKEWED = (0.4, 0.1, 0.2, 0.3)


def motif(counts=COUNTS, **others):
    return Motif.from_counts("M1", counts, **others)


def test_counts_become_probabilities_without_pseudocounts():
    made = Motif.from_counts("M1", [[1, 3, 0, 0], [0, 0, 5, 5]], alt_name="box")
    assert made.probabilities.tolist() == [[0.25, 0.75, 0, 0], [0, 0, 0.5, 0.5]]
    assert made.counts is not None
    assert made.counts.tolist() == [[1, 3, 0, 0], [0, 0, 5, 5]]
    assert made.nsites == 10
    assert (made.name, made.alt_name, len(made)) == ("M1", "box", 2)
    assert made.background.tolist() == [0.25] * 4
    assert Motif.from_counts("M1", [[1, 3, 0, 0]], nsites=7).nsites == 7


def test_it_cannot_be_changed_and_does_not_change_with_its_source():
    source = np.array(COUNTS, float)
    made = Motif.from_counts("M1", source)
    source[0] = 99
    assert made.counts is not None
    assert made.counts[0].tolist() == [12, 2, 3, 3]
    for array in (made.probabilities, made.counts, made.background):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        made.name = "other"  # type: ignore[misc]


def test_information_by_hand():
    made = Motif(
        name="m",
        probabilities=[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4, [0, 0, 0.125, 0.875]],
    )
    last = 2 + 0.125 * log2(0.125) + 0.875 * log2(0.875)
    assert made.information == pytest.approx([2, 1, 0, last])
    assert made.total_information == pytest.approx(3 + last)
    skewed = Motif(name="m", probabilities=[[1, 0, 0, 0], SKEWED], background=SKEWED)
    assert skewed.information == pytest.approx([log2(1 / 0.4), 0])
    assert made.consensus == "AAAT"


def test_trimming_keeps_what_lies_between():
    weak, strong = [1, 1, 1, 1], [0, 4, 0, 0]
    made = motif([weak, weak, strong, weak, strong, weak])
    cut = made.trimmed(0.5)
    assert cut.consensus == "CAC"
    assert cut.counts is not None
    assert cut.counts.tolist() == [strong, weak, strong]
    assert made.trimmed(0).consensus == made.consensus
    assert motif([strong]).trimmed(2).consensus == "C"
    with pytest.raises(InputError, match=r"no position of 2\.1 bits, the highest has 2"):
        made.trimmed(2.1)


def test_the_reverse_complement_reads_the_other_strand():
    made = motif(background=SKEWED, nsites=9)
    other = made.reverse_complement()
    assert (made.consensus, other.consensus) == ("ACACGTG", "CACGTGT")
    for j, base in product(range(len(made)), range(4)):
        assert other.probabilities[j, base] == made.probabilities[len(made) - 1 - j, 3 - base]
    assert other.background.tolist() == list(SKEWED[::-1])
    assert (other.name, other.nsites) == ("M1", 9)
    np.testing.assert_array_equal(other.reverse_complement().probabilities, made.probabilities)
    assert other.reverse_complement().counts.tolist() == COUNTS  # type: ignore[union-attr]


def test_log_odds_by_the_formula():
    made = motif()
    odds = made.log_odds(0.1, SKEWED)
    for j, row in enumerate(COUNTS):
        for base, n in enumerate(row):
            smoothed = (n + 0.1 * SKEWED[base]) / 20.1
            assert odds[j, base] == pytest.approx(log2(smoothed / SKEWED[base]))
    assert made.log_odds(0)[1, 0] == -np.inf
    unknown = Motif(name="m", probabilities=[[1, 0, 0, 0]])  # counts as 20 sites
    assert unknown.smoothed(1).tolist() == [pytest.approx([20.25 / 21] + [0.25 / 21] * 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "found the name '', expected one word"),
        ({"name": "a b"}, "found the name 'a b'"),
        ({"probabilities": []}, r"motif 'm': found numbers of shape \(0,\), expected"),
        ({"probabilities": np.zeros((0, 4))}, r"shape \(0, 4\)"),
        ({"probabilities": [[0.5, 0.5]]}, r"shape \(1, 2\)"),
        ({"probabilities": [[1, 0, 0, 0], [0.5, 0.4, 0, 0]]}, "sum to 0.9 at position 2, expected"),
        ({"probabilities": [[1.5, -0.5, 0, 0]]}, "found -0.5 at position 1"),
        ({"probabilities": [[np.nan, 1, 0, 0]]}, "found nan at position 1"),
        ({"probabilities": [[np.inf, 1, 0, 0]]}, "found inf at position 1"),
        ({"background": (0.5, 0.5, 0, 0)}, "expected four frequencies above 0 that sum to 1"),
        ({"background": (0.3, 0.3, 0.3, 0.3)}, "four frequencies"),
        ({"background": (0.5, 0.5)}, "four frequencies"),
        ({"nsites": -1}, "motif 'm': found nsites -1, expected a number of 0 or more"),
        ({"nsites": np.inf}, "found nsites inf"),
        ({"e_value": np.nan}, "found e_value nan"),
        ({"counts": [[1, 2, 3, 4]] * 2}, "found counts of 2 positions, expected 1"),
    ],
)
def test_what_is_no_motif_is_refused(change, message):
    good = {"name": "m", "probabilities": [[1, 0, 0, 0]]}
    assert Motif(**good).consensus == "A"
    with pytest.raises(InputError, match=message):
        Motif(**(good | change))


def test_a_position_without_counts_is_refused():
    with pytest.raises(InputError, match="motif 'M1': found no counts at position 2"):
        motif([[1, 0, 0, 0], [0, 0, 0, 0]])


# -------------------------------------------------------------------------- scores, p-values


@pytest.mark.parametrize("background", [(0.25,) * 4, SKEWED])
@pytest.mark.parametrize("pseudocount", [0.1, 1])
def test_p_values_equal_the_enumeration_of_all_words(background, pseudocount):
    made = motif()
    scores = MotifScores.of(made, background, pseudocount)
    bits = [
        [
            log2((n + pseudocount * b) / (20 + pseudocount) / b)
            for n, b in zip(row, background, strict=True)
        ]
        for row in COUNTS
    ]
    lowest, highest = min(map(min, bits)), max(map(max, bits))
    scale = floor(1000 / (highest - floor(lowest)))
    assert (scores.scale, scores.offset) == (scale, floor(lowest))
    chances: dict[int, float] = {}
    for word in product(range(4), repeat=7):
        score = sum(
            floor((bits[j][base] - floor(lowest)) * scale + 0.5) for j, base in enumerate(word)
        )
        chance = 1.0
        for base in word:
            chance *= background[base]
        chances[score] = chances.get(score, 0) + chance
    above = 0.0
    for score in sorted(chances, reverse=True):
        above += chances[score]
        assert scores.tail[score] == pytest.approx(above, rel=1e-11)
    assert max(chances) == len(scores.tail) - 1
    for p in (1e-4, 0.01, 0.3, above):
        least = scores.lowest_score(p)
        assert scores.tail[least] <= p
        assert least == 0 or scores.tail[least - 1] > p


def test_no_score_reaches_a_p_value_below_the_best_word_s():
    scores = MotifScores.of(motif(), [0.25] * 4)
    assert scores.tail[-1] == pytest.approx(4.0**-7)
    assert scores.tail[scores.lowest_score(4.0**-7)] == scores.tail[-1]
    assert scores.lowest_score(4.0**-7 * (1 - 1e-9)) == len(scores.tail)


def test_bits_are_those_of_the_word_to_the_rounding():
    made = motif()
    scores = MotifScores.of(made, SKEWED)
    odds = made.log_odds(background=SKEWED)
    word = [BASES.index(base) for base in "ACACGTG"]
    score = sum(scores.weights[j, base] for j, base in enumerate(word))
    exact = sum(odds[j, base] for j, base in enumerate(word))
    assert float(scores.bits(np.array(score))) == pytest.approx(exact, abs=7 * 0.5 / scores.scale)
    assert scores.weights.min() >= 0
    assert scores.weights.max() <= 1000


def test_a_matrix_of_one_value_and_one_of_infinite_scores():
    flat = MotifScores.of(Motif(name="m", probabilities=[[0.25] * 4] * 2), [0.25] * 4)
    assert flat.tail[int(flat.weights[:, 0].sum())] == pytest.approx(1)
    assert float(flat.bits(flat.weights[:, 0].sum())) == 0
    assert ceil(flat.scale) == 1000
    with pytest.raises(InputError, match="pseudocount: found 0 and probabilities of 0 in motif"):
        MotifScores.of(motif(), [0.25] * 4, 0)


def test_a_motif_too_long_for_its_distribution_is_refused():
    long = Motif(name="m", probabilities=[[0.7, 0.1, 0.1, 0.1]] * 1001)
    with pytest.raises(
        InputError, match="motif 'm': found 1,001 positions, expected at most 1,000"
    ):
        MotifScores.of(long, [0.25] * 4)
