"""Which shift a file holds, and the cuts of its rows."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine.cut_sites.input_shift import (
    HELD,
    REACH,
    WANTED,
    Shift,
    choose,
    offset_histogram,
    remaining,
)
from kmerengine.io.fragments import FragmentFile
from native_kernels.end_offsets import cpu, end_offsets, reference

FILES = {
    "yeast/atac.bedpe.gz": ("none", -9, 61_539),
    "yeast/atac.fragments.tsv.gz": ("none", -9, 61_539),
    "scatac/chr22.fragments.tsv.gz": ("+4/-5", 0, 2_591),
}


def cut_bases(held, start, end, wanted=WANTED):
    """The two cuts of half-open rows."""
    plus, minus = remaining(held, wanted)
    return start + plus, end - 1 + minus


def test_one_fragment_in_three_notations_has_the_same_cuts():
    rows = {"none": (100, 200), "+4/-5": (104, 195), "+4/-4": (104, 196)}
    for held, (start, end) in rows.items():
        assert cut_bases(held, start, end) == (104, 195)
        no_shift = Shift(0, 0)  # the bases of the first and the last nucleotide that were read
        assert cut_bases(held, start, end, no_shift) == (100, 199)
        plus_five = Shift(4, -5)
        assert cut_bases(held, start, end, plus_five) == (104, 194)
    assert remaining("none") == (4, -4)
    assert remaining("+4/-5") == (0, 1)
    assert remaining("+4/-4") == (0, 0)


POSITIONS = st.lists(st.integers(0, 90), max_size=25)


@settings(deadline=None)
@given(POSITIONS, POSITIONS)
@example([5], [35])  # the borders of the window
@example([35], [5])
@example([0], [31])
@example([3] * 4, [3] * 4)  # exactly on a level
def test_the_histogram_counts_pairs_of_distinct_positions(left, right):
    expected = np.zeros((8, 61), int)
    for x in set(left):
        for y in set(right):
            for level in range(8):
                if abs(x - y) <= 30 and min(left.count(x), right.count(y)) >= 2**level:
                    expected[level, x - y + 30] += 1
    np.testing.assert_array_equal(
        offset_histogram(np.array(left, np.int64), np.array(right, np.int64)), expected
    )
    unique = [np.unique(np.array(side, np.int64), return_counts=True) for side in (left, right)]
    (x, n), (y, m) = unique
    np.testing.assert_array_equal(offset_histogram(x, y, n, m), expected)
    for loop in (cpu.count_offsets, cpu.count_offsets.py_func, reference.count_offsets):
        counts = np.zeros((8, 61), np.int64)
        loop(x, n, y, m, 30, counts)
        np.testing.assert_array_equal(counts, expected)


def test_positions_must_ascend():
    ones = np.ones(2, np.int64)
    with pytest.raises(ValueError, match="right positions must ascend"):
        end_offsets(np.arange(2), ones, np.array([3, 3]), ones, reach=5, n_levels=1)
    with pytest.raises(ValueError, match=r"left: \(2,\) positions have \(1,\) counts"):
        end_offsets(np.arange(2), ones[:1], np.arange(2), ones, reach=5, n_levels=1)


def read(path):
    file = FragmentFile.open(path)
    batches = list(file.batches())
    return [
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("contig", "start", "end", "weight")
    ]


def histogram_of(contig, start, end, weight=None):
    total = np.zeros((8, 2 * REACH + 1), np.int64)
    for i in np.unique(contig):
        here = contig == i
        n = None if weight is None else weight[here]
        total += offset_histogram(start[here], end[here], n, n)
    return total


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "added"),
    [(name, added) for name in FILES for added in HELD if "none" in (FILES[name][0], added)],
)
def test_real_files_say_what_they_hold(data, name, added):
    held, offset, pairs = FILES[name]
    contig, start, end, _ = read(data / name)
    plus, minus = HELD[added]
    histogram = histogram_of(contig, start + plus, end + minus)
    assert histogram[0, REACH + offset + plus - minus] == histogram[0].max() == pairs
    for kind in ("fragments", "bam"):
        found = choose(histogram, kind)
        assert found.held == (added if held == "none" else held)
        assert 0.3 < found.confidence < 0.7
        assert f"{pairs:,} pairs" in found.sentence
        assert "\n" not in found.sentence


@pytest.mark.data
def test_shifted_yeast_gives_the_cuts_of_unshifted_yeast(data):
    _, start, end, _ = read(data / "yeast/atac.bedpe.gz")
    for held, (plus, minus) in HELD.items():
        left, right = cut_bases(held, start + plus, end + minus)
        np.testing.assert_array_equal(left, start + 4)
        np.testing.assert_array_equal(right, end - 5)


@pytest.mark.data
def test_a_hundredth_of_the_yeast_fragments_is_enough_and_a_few_are_not(data):
    contig, start, end, weight = read(data / "yeast/atac.fragments.tsv.gz")
    kept = np.random.default_rng(0).random(len(start)) < 0.01
    few = choose(histogram_of(contig[kept], start[kept], end[kept], weight[kept]), "bedpe")
    assert few.held == "none"
    assert few.confidence > 0.3
    fewest = choose(histogram_of(contig[:30], start[:30] + 4, end[:30] - 5), "bedpe")
    assert (fewest.held, fewest.confidence) == ("none", 0.0)


def deep(background, rng):
    """Neighbours that meet at busy sites, and single ends at a share of all positions."""
    sites = rng.choice(200_000, 2_000, replace=False) + 100
    noise = [np.flatnonzero(rng.random(200_200) < background) for _ in range(2)]
    left = np.concatenate([np.repeat(sites, 6), noise[0]])
    right = np.concatenate([np.repeat(sites + 9, 6), noise[1]])
    return left, right


def test_deep_data_are_told_by_their_busy_positions():
    left, right = deep(0.8, np.random.default_rng(2))
    histogram = offset_histogram(left, right)
    assert choose(histogram[:1], "fragments").confidence == 0  # every position has an end
    found = choose(histogram, "fragments")
    assert found.held == "none"
    assert found.confidence > 0.3


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [10, 1000, 30_000])
def test_without_a_peak_the_kind_decides(seed, n):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 20 * n, n)
    histogram = offset_histogram(start, start + rng.integers(40, 600, n))
    for kind, held in (("fragments", "+4/-5"), ("bam", "none"), ("tagalign", "none")):
        found = choose(histogram, kind)
        assert (found.held, found.confidence) == (held, 0.0)
        assert "no clear distance" in found.sentence


def test_a_peak_elsewhere_is_said_and_the_kind_decides():
    left, right = deep(0.01, np.random.default_rng(2))
    found = choose(offset_histogram(left + 7, right), "cram")
    assert (found.held, found.confidence) == ("none", 0.0)
    assert found.sentence == (
        "its fragment ends meet at offset -2, which no known shift gives; taken as not shifted, "
        "as cram is by default; --input-shift says otherwise"
    )


def test_no_data_is_an_answer():
    empty = np.empty(0, np.int64)
    assert choose(offset_histogram(empty, empty), "fragments").held == "+4/-5"
    assert choose(np.zeros((8, 61), np.int64), "bam").held == "none"


@pytest.mark.parametrize("pairs", [11, 12])
def test_a_peak_needs_twelve_pairs_above_none(pairs):
    histogram = np.zeros((1, 61), np.int64)
    histogram[0, REACH - 1] = pairs
    assert choose(histogram, "bam").held == ("+4/-4" if pairs == 12 else "none")
