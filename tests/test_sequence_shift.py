"""The shift that a file holds, from the genome's sequence around its 5' bases."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine.cut_sites.input_shift import HELD, Shift
from kmerengine.cut_sites.sequence_shift import (
    CLEAR,
    FLANK,
    LARGEST,
    SequenceComposition,
    rank_shifts,
)
from kmerengine.io.fasta import Genome
from kmerengine.io.fragments import FragmentFile

COMPLEMENT = str.maketrans("ACGT", "TGCA")
PAIRS = [Shift(p, m) for p in range(-12, 13) for m in range(-12, 13)]


def codes_of(sequence):
    return np.array(["ACGT".find(base) % 256 for base in sequence], np.uint8)


def planted(n, *, seed=0, length=400_000, odd=True):
    """A random genome, and centres drawn by a preference that reads the same on both strands.

    With `odd` the preference has a middle base, as Tn5's; without, the centre is the boundary
    before the base returned, as of an enzyme that leaves blunt ends.
    """
    rng = np.random.default_rng(seed)
    genome = rng.integers(0, 4, length).astype(np.uint8)
    preference = rng.normal(0, 0.5, (13 if odd else 12, 4))
    preference += preference[::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(genome, len(preference))
    weight = np.exp(sum(row[windows[:, i]] for i, row in enumerate(preference)))
    at = rng.choice(len(windows), n, replace=False, p=weight / weight.sum())
    return genome, at + 6


def detect(genome, plus, minus, **options):
    composition = SequenceComposition()
    composition.add(genome, plus, "+")
    composition.add(genome, minus, "-")
    return rank_shifts(composition, **options)


@pytest.fixture(scope="module")
def cuts():
    genome, centre = planted(6_000)
    return genome, centre[::2], centre[1::2]


@pytest.mark.parametrize("plus", range(-LARGEST, LARGEST + 1, 4))
def test_every_planted_pair_is_found(cuts, plus):
    genome, left, right = cuts
    for minus in range(-LARGEST, LARGEST + 1):
        found = detect(genome, left - plus, right - minus, n_resamples=20)
        assert found.shift == (plus, minus)
        assert found.confidence == 1.0
        assert found.ranking[0].score > 1.5 * found.ranking[1].score


@settings(deadline=None, max_examples=20)
@given(st.integers(-8, 8), st.integers(-8, 8))
@example(8, -8)
def test_moving_a_strand_moves_its_shift_back(cuts, by_plus, by_minus):
    genome, left, right = cuts
    found = detect(genome, left - 4 + by_plus, right + 4 + by_minus, n_resamples=1)
    assert found.shift == (4 - by_plus, -4 - by_minus)


def test_sentences_and_what_is_held(cuts):
    genome, left, right = cuts
    expected = {
        (4, -4): ("none", "says +4/-4: the input is not shifted (confidence 1.00, next best "),
        (0, 1): ("+4/-5", "says 0/+1: already shifted by +4/-5 (confidence 1.00, next best "),
        (0, 0): ("+4/-4", "says 0/0: already shifted by +4/-4 (confidence 1.00, next best "),
        (5, -4): (None, "says +5/-4, which no known shift gives: nothing follows from it (conf"),
        (4, -5): (None, "says +4/-5, which no known shift gives: nothing follows from it (conf"),
    }
    for (plus, minus), (held, sentence) in expected.items():
        found = detect(genome, left - plus, right - minus)
        assert found.held == held
        assert found.sentence.startswith(f"the sequence around cuts {sentence}")
        assert "\n" not in found.sentence


def test_the_score_is_the_mean_of_four_views_less_what_they_differ_by(cuts):
    """Every pair's score, from strings, and from the formula as the module's docstring has it."""
    genome, left, right = cuts
    left, right = left[:300] - 4, right[:200] + 4
    composition = SequenceComposition()
    composition.add(genome, left, "+")
    composition.add(genome, right, "-")
    text = "".join("ACGT"[code] for code in genome)
    windows = [[text[x - 40 : x + 41] for x in side if x >= 40] for side in (left, right)]
    flanks = Counter(base for side in windows for w in side for base in w[:10] + w[-10:])
    background = {base: (flanks[base] + 1) / (flanks.total() + 4) for base in "ACGT"}
    odds = []
    for side in windows:
        columns = [Counter(column) for column in zip(*side, strict=True)]
        odds.append(
            [
                {
                    base: np.log(
                        (column[base] + 10 * background[base]) / (len(side) + 10) / background[base]
                    )
                    for base in "ACGT"
                }
                for column in columns
            ]
        )
    found = rank_shifts(composition)
    assert len(found.ranking) == 625
    assert {ranked.shift for ranked in found.ranking} == set(PAIRS)
    scores = [ranked.score for ranked in found.ranking]
    assert scores == sorted(scores, reverse=True)
    for (plus, minus), score in found.ranking[::20]:
        views = []
        for side, by in zip(odds, (plus, minus), strict=True):
            for sign in (1, -1):
                views.append(
                    [
                        side[40 + by + sign * i][base if sign == 1 else base.translate(COMPLEMENT)]
                        for i in range(-10, 11)
                        for base in "ACGT"
                    ]
                )
        mean = [sum(values) / 4 for values in zip(*views, strict=True)]
        differ = [
            sum((value - m) ** 2 for value, m in zip(view, mean, strict=True)) for view in views
        ]
        assert score == pytest.approx(sum(m**2 for m in mean) - sum(differ) / 4, abs=1e-9)
    np.testing.assert_allclose(found.background, [background[base] for base in "ACGT"])


def counts_by_strings(contigs):
    """Counts by part, strand, offset and base, and how many positions leave or hold others."""
    counts, skipped = Counter(), Counter()
    for text, positions, strand in contigs:
        for x in set(positions):
            if x < FLANK or x + FLANK >= len(text):
                skipped["leave"] += 1
                continue
            window = text[x - FLANK : x + FLANK + 1]
            if set(window) - set("ACGT"):
                skipped["other"] += 1
                continue
            for offset, base in enumerate(window):
                counts[(x // 1000) % 20, "+-".index(strand), offset, "ACGT".index(base)] += 1
    return counts, skipped


LETTERS = st.sampled_from("ACGT" * 30 + "N")


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.text(LETTERS, max_size=300),
            st.lists(st.integers(-50, 350), max_size=30),
            st.sampled_from("+-"),
        ),
        max_size=3,
    )
)
@example([("A" * 81, [40, 40, 39, 41], "+"), ("A" * 80, [40], "-")])
@example([("A" * 40 + "N" + "C" * 120, [0, 40, 80, 81, 120, 121], "-")])
def test_counts_equal_those_of_strings(contigs):
    composition = SequenceComposition()
    for text, positions, strand in contigs:
        composition.add(codes_of(text), np.array(positions, np.int64), strand)
    counts, skipped = counts_by_strings(contigs)
    expected = np.zeros_like(composition.counts)
    for cell, n in counts.items():
        expected[cell] = n
    np.testing.assert_array_equal(composition.counts, expected)
    assert list(composition.skipped.values()) == [skipped["leave"], skipped["other"]]
    assert 0 <= rank_shifts(composition, n_resamples=2).confidence <= 1


def test_counts_of_many_positions_and_parts():
    """More positions than are taken at a time, over blocks of every part."""
    rng = np.random.default_rng(3)
    text = "".join(rng.choice(list("ACGT"), 45_000))
    positions = rng.permutation(np.arange(20, 44_990, 2))
    composition = SequenceComposition()
    composition.add(codes_of(text), positions, "-")
    counts, skipped = counts_by_strings([(text, positions.tolist(), "-")])
    assert {cell: composition.counts[cell] for cell in counts} == counts
    assert composition.counts.sum() == counts.total()
    assert list(composition.skipped.values()) == [skipped["leave"], 0]


def test_a_busy_position_counts_once(cuts):
    genome, left, right = cuts
    once = detect(genome, left - 4, right + 4)
    busy = detect(genome, np.repeat(left - 4, 7)[::-1], np.tile(right + 4, 5))
    assert busy.ranking == once.ranking
    assert busy.n == once.n == (np.sum(left - 4 >= 40), np.sum(right + 4 < len(genome) - 40))


def test_the_motif_runs_along_the_reads_about_the_centre(cuts):
    genome, left, right = cuts
    found = detect(genome, left - 4, right + 4)
    inside = [x for x in left if 44 <= x < len(genome) - 36]
    other = [x for x in right if 36 <= x < len(genome) - 44]
    text = "".join("ACGT"[code] for code in genome)
    for row in (0, 10, 15, 17, 30):
        column = Counter(text[x + row - 15] for x in inside)
        column += Counter(text[x - row + 15].translate(COMPLEMENT) for x in other)
        expected = [column[base] / (len(inside) + len(other)) for base in "ACGT"]
        np.testing.assert_allclose(found.motif[row], expected, atol=1e-12)
    assert found.motif.shape == (31, 4)
    np.testing.assert_allclose(found.background, 0.25, atol=0.01)


EMPTY = np.empty(0, np.int64)
SOME = np.arange(100, 900, 7)


@pytest.mark.parametrize(
    ("genome", "plus", "minus", "words"),
    [
        ("ACGT" * 250, EMPTY, EMPTY, "no plus and minus 5' base has a whole window"),
        ("ACGT" * 250, SOME, EMPTY, "no minus 5' base has a whole window"),
        ("ACGT" * 250, np.array([3]), SOME, "no plus 5' base has a whole window"),
        ("N" * 1000, SOME, SOME, "no plus and minus 5' base"),
        ("", SOME, SOME, "no plus and minus 5' base"),
        ("A" * 1000, SOME, SOME, "the same at every offset"),
        ("AC" * 500, SOME, SOME, "the same at every offset"),
        ("AACC" * 250, np.arange(100, 900, 8), np.arange(102, 900, 8), "the same at every"),
    ],
    ids=[
        "nothing",
        "plus only",
        "minus only",
        "all N",
        "no sequence",
        "one base",
        "repeat",
        "in phase",
    ],
)
def test_unusual_data_are_an_answer(genome, plus, minus, words):
    found = detect(codes_of(genome), plus, minus)
    assert words in found.sentence
    assert (found.shift, found.held, found.confidence) == (None, None, 0.0)
    np.testing.assert_array_equal(found.motif, 0.25)
    assert len(found.ranking) == 625


@pytest.mark.parametrize("n", [1, 2, 50, 5_000])
def test_cuts_at_random_tell_nothing(n):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        genome = rng.integers(0, 4, 100_000).astype(np.uint8)
        plus, minus = rng.integers(50, 99_900, (2, n))
        found = detect(genome, plus, minus)
        assert found.held is None
        assert found.confidence < 0.8  # a single position is in one part: absent or alone
        assert "tells no shift" in found.sentence


@pytest.mark.parametrize("seed", range(8))
def test_blunt_ends_are_not_taken_for_shifted_tn5(seed):
    """Their centre lies between two bases, so no pair is far ahead of the next."""
    genome, boundary = planted(20_000, seed=seed, length=100_000, odd=False)
    found = detect(genome, boundary[::2], boundary[1::2] - 1)
    if seed == 2:  # neither the pair nor the confidence gives it away
        assert found.shift == (0, 0)
        assert found.confidence > CLEAR
    assert found.held is None
    assert found.ranking[0].score < 1.15 * found.ranking[1].score
    assert "nothing follows" in found.sentence


def test_swapped_strands_are_said_to_be_unusual(cuts):
    genome, left, right = cuts
    found = detect(genome, right + 4, left - 4)
    assert (found.shift, found.held) == ((-4, 4), None)
    assert "which no known shift gives" in found.sentence


def test_same_seed_same_answer():
    rng = np.random.default_rng(0)
    genome, (plus, minus) = (
        rng.integers(0, 4, 9_000).astype(np.uint8),
        rng.integers(50, 8_900, (2, 99)),
    )
    noisy = [detect(genome, plus, minus, seed=seed) for seed in (1, 1, 2, 3)]
    assert noisy[0].confidence == noisy[1].confidence
    assert len({found.confidence for found in noisy}) > 1
    assert len({found.ranking for found in noisy}) == 1


def test_n_parts_and_strand_are_checked():
    with pytest.raises(ValueError, match="n_parts must be at least 2, got 1"):
        SequenceComposition(n_parts=1)
    with pytest.raises(KeyError):
        SequenceComposition().add(codes_of("A" * 100), SOME, ".")


@pytest.fixture(scope="module")
def yeast(data):
    file = FragmentFile.open(data / "yeast/atac.bedpe.gz")
    batches = list(file.batches())
    contig, start, end = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("contig", "start", "end")
    )
    with Genome.open(data / "yeast/sacCer3.fa.gz") as genome:
        at = np.array([list(genome.contigs).index(name) for name in file.contigs])
        lengths = np.array([genome.contigs[name] for name in file.contigs])
        codes, offsets = genome.fetch(at, np.zeros(len(at), np.int64), lengths)
    contigs = {name: codes[offsets[i] : offsets[i + 1]] for i, name in enumerate(file.contigs)}
    return contigs, contig, start, end


def detect_yeast(yeast, rows, plus, minus, leave_out=""):
    contigs, contig, start, end = yeast
    composition = SequenceComposition()
    for i, (name, codes) in enumerate(contigs.items()):
        if name != leave_out:
            here = rows[contig[rows] == i]
            composition.add(codes, start[here] + plus, "+")
            composition.add(codes, end[here] + minus - 1, "-")
    return rank_shifts(composition)


@pytest.mark.data
@pytest.mark.parametrize("held", list(HELD))
@pytest.mark.parametrize("leave_out", ["", "chrM"])
def test_real_cuts_say_what_a_file_holds(yeast, held, leave_out):
    found = detect_yeast(yeast, np.arange(len(yeast[1])), *HELD[held], leave_out)
    assert (found.held, found.confidence) == (held, 1.0)
    assert found.ranking[0].score > 2.5 * found.ranking[1].score
    assert min(found.n) > 200_000
    palindrome = found.motif - found.motif[::-1, ::-1]
    assert np.abs(palindrome).max() < 0.05
    assert np.abs(found.motif - found.background).max() > 0.1


@pytest.mark.data
@pytest.mark.parametrize("n", [300, 2_000, 10_000, 50_000])
def test_some_hundred_real_fragments_are_enough(yeast, n):
    rng = np.random.default_rng(n)
    for plus, minus in [*HELD.values(), (-3, 2), (5, 5), (8, -8)]:
        rows = np.sort(rng.choice(len(yeast[1]), n, replace=False))
        found = detect_yeast(yeast, rows, plus, minus)
        assert found.shift == (4 - plus, -4 - minus)
        assert found.confidence > 0.95
