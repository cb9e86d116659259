"""Score matrices over sequences: the loops, compiled and not, against strings and enumeration."""

from contextlib import contextmanager, nullcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels import motif_scan as op
from native_kernels.motif_scan import (
    MotifScanner,
    count_windows,
    cpu,
    motif_scan_reference,
    tail_probabilities,
    tail_reference,
)

BASES = "ACGT"
SEQUENCES = st.lists(st.text("ACGTN", max_size=60), min_size=1, max_size=4)


@contextmanager
def uncompiled():
    with pytest.MonkeyPatch.context() as patch:
        for name, loop in vars(cpu).copy().items():
            if hasattr(loop, "py_func"):
                patch.setattr(cpu, name, loop.py_func)
        yield


def encoded(sequences):
    codes = np.array([BASES.find(base) % 256 for s in sequences for base in s], np.uint8)
    return codes, np.cumsum([0, *map(len, sequences)]).astype(np.int64)


def word_matrix(word):
    """1 for each base of the word in its place: the score counts agreements."""
    return np.array([[int(base == letter) for base in BASES] for letter in word])


def random_matrix(rng, length, largest=1000):
    return rng.integers(0, largest + 1, (length, 4))


def by_strings(sequences, words, least):
    """Every place where at least `least` letters agree with a word, and no letter is N."""
    return sorted(
        (i, start, number, score)
        for i, sequence in enumerate(sequences)
        for number, word in enumerate(words)
        for start in range(len(sequence) - len(word) + 1)
        for window in [sequence[start : start + len(word)]]
        for score in [sum(a == b for a, b in zip(window, word, strict=True))]
        if "N" not in window and score >= least
    )


def as_tuples(hits):
    columns = (hits.sequence, hits.start, hits.matrix, hits.score)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(deadline=None, max_examples=80)
@given(
    SEQUENCES, st.lists(st.text("ACGT", min_size=1, max_size=22), min_size=1, max_size=4), st.data()
)
@example(
    ["ACGTACGT", "ACGTACGT"], ["ACGTACGTACGTACGT", "ACGTACGT"], None
)  # blocks end at the border
@example(
    ["ACGTACGT" * 3, "", "ACGTACG"],
    ["ACGTACGT", "ACGTACGTA", "ACGTACG", "ACGTACGTACGTACGTAC"],
    None,
)
def test_hits_equal_those_of_strings(sequences, words, data):
    least = 6 if data is None else data.draw(st.integers(0, 8))
    codes, offsets = encoded(sequences)
    matrices = [word_matrix(word) for word in words]
    expected = by_strings(sequences, words, least)
    assert as_tuples(MotifScanner(matrices, [least] * len(words)).scan(codes, offsets)) == expected


@settings(deadline=None, max_examples=25)
@given(SEQUENCES, st.lists(st.text("ACGT", min_size=1, max_size=12), min_size=1, max_size=2))
@example(["ACGTACGT" * 3, "", "ACGTACG"], ["ACGTACGTA", "ACGTACG"])
def test_hits_of_the_loops_uncompiled_equal_those_of_strings(sequences, words):
    codes, offsets = encoded(sequences)
    scanner = MotifScanner([word_matrix(word) for word in words], [2] * len(words))
    with uncompiled():
        assert as_tuples(scanner.scan(codes, offsets)) == by_strings(sequences, words, 2)


def test_an_index_made_by_the_loops_uncompiled_is_the_same():
    matrices, cuts = [random_matrix(np.random.default_rng(2), n) for n in (3, 5)], [1500, 3000]
    made = MotifScanner(matrices, cuts)._indexes
    with uncompiled():
        slowly = MotifScanner(matrices, cuts)._indexes
    assert [each.k for each in made] == [each.k for each in slowly] == [3, 5]
    for each, other in zip(made, slowly, strict=True):
        assert len(each.entries) > 0
        np.testing.assert_array_equal(each.index, other.index)
        np.testing.assert_array_equal(each.entries, other.entries)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 25, 31])
@pytest.mark.parametrize("strict", [0.0, 0.5, 0.7])
def test_hits_of_any_length_equal_the_reference(length, strict):
    rng = np.random.default_rng([length, int(10 * strict)])
    codes = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), 400, p=[0.24, 0.25, 0.25, 0.25, 0.01])
    offsets = np.array([3, 3, 120, 125, 390], np.int64)
    matrices = [random_matrix(rng, length), random_matrix(rng, length), random_matrix(rng, 10)]
    cuts = [int(strict * matrix.max(axis=1).sum()) for matrix in matrices]
    expected = [
        (i, start - int(offsets[i]), number, score)
        for i, start, number, score in motif_scan_reference(codes, offsets, matrices, cuts)
    ]
    assert expected
    assert as_tuples(MotifScanner(matrices, cuts).scan(codes, offsets)) == expected


def test_the_cut_itself_is_a_hit_and_one_more_is_not():
    matrix = random_matrix(np.random.default_rng(1), 11, 4095)
    codes = matrix.argmax(axis=1).astype(np.uint8)
    offsets = np.array([0, 11], np.int64)
    best = int(matrix.max(axis=1).sum())
    assert as_tuples(MotifScanner([matrix], [best]).scan(codes, offsets)) == [(0, 0, 0, best)]
    assert as_tuples(MotifScanner([matrix], [best + 1]).scan(codes, offsets)) == []
    assert len(MotifScanner([], []).scan(codes, offsets).start) == 0


def test_more_hits_than_there_is_room_for_are_all_listed(monkeypatch):
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 4, 3_000).astype(np.uint8)
    offsets = np.array([0, 1_000, 1_000, 3_000], np.int64)
    matrices = [random_matrix(rng, length) for length in (4, 9, 12)]
    whole = MotifScanner(matrices, [0, 0, 0]).scan(codes, offsets)
    assert len(whole.start) == 2 * 3_000 * 3 - 3_000 * 3 - 2 * (3 + 8 + 11)
    monkeypatch.setattr(op, "ROOM", 7)
    monkeypatch.setattr(op, "INDEX_ENTRIES", 70_000)  # an index for each matrix
    scanner = MotifScanner(matrices, [0, 0, 0])
    assert len(scanner._indexes) == 3
    assert as_tuples(scanner.scan(codes, offsets)) == as_tuples(whole)


@settings(deadline=None, max_examples=40)
@given(SEQUENCES, st.lists(st.text("AC", min_size=2, max_size=11), min_size=4, max_size=4))
@example(["ACACACAC"], ["AC", "AC", "CA", "GT"])
def test_best_is_the_first_of_the_highest_scores(sequences, words):
    codes, offsets = encoded(sequences)
    group = np.array([0, 0, 1, 1])
    hits = by_strings(sequences, words, 2)
    scanner = MotifScanner([word_matrix(word) for word in words], [2] * 4)
    for context in (nullcontext(), uncompiled()):
        with context:
            start, matrix, score = scanner.best(codes, offsets, group)
        for i in range(len(sequences)):
            for g in range(2):
                own = [(-s, x, m) for n, x, m, s in hits if n == i and m // 2 == g]
                found = (-score[i, g], start[i, g], matrix[i, g])
                assert found == min(own) if own else score[i, g] == -1


# ------------------------------------------------------------------------------- distribution


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("background", [(0.25, 0.25, 0.25, 0.25), (0.4, 0.1, 0.2, 0.3)])
def test_tails_equal_the_enumeration_of_all_words(length, background):
    rng = np.random.default_rng(length)
    matrix = random_matrix(rng, length, 12 if length % 2 else 1000)
    expected = tail_reference(matrix, np.array(background))
    tail = tail_probabilities(matrix, np.array(background))
    assert len(tail) == int(matrix.max(axis=1).sum()) + 1
    assert len(expected) > length
    for score, p in expected.items():
        assert tail[score] == pytest.approx(p, rel=1e-12)
    scores = sorted(expected)
    for below, score in pairwise(scores):  # nothing between two scores
        assert tail[below + 1] == tail[score]
    assert tail[0] == pytest.approx(1, abs=1e-12)
    assert tail.max() <= 1


def test_the_tail_of_a_long_matrix_keeps_its_digits():
    matrix = np.tile([1000, 0, 0, 0], (30, 1))
    tail = tail_probabilities(matrix, np.full(4, 0.25))
    assert tail[30_000] == pytest.approx(0.25**30, rel=1e-12)
    assert tail[29_001] == tail[30_000]
    assert tail[29_000] == pytest.approx((1 + 30 * 3) * 0.25**30, rel=1e-12)


# ------------------------------------------------------------------------------------ windows


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.lists(st.integers(1, 9), min_size=1, max_size=3), st.data())
@example(["ACGNAC", "", "N"], [1, 3, 9], None)
def test_windows_are_counted_with_and_without_other_bases(sequences, lengths, data):
    codes, offsets = encoded(sequences)
    sizes = [len(s) for s in sequences]
    starts = sizes if data is None else [data.draw(st.integers(0, size)) for size in sizes]
    windows = [
        [s[x : x + length] for s, n in zip(sequences, starts, strict=True) for x in range(n)]
        for length in lengths
    ]
    full = [[w for w in some if len(w) == n] for some, n in zip(windows, lengths, strict=True)]
    expected = [len(some) for some in full], [sum("N" not in w for w in some) for some in full]
    for context in (nullcontext(), uncompiled()):
        with context:
            found = count_windows(codes, offsets, np.array(lengths), np.array(starts))
        assert tuple(part.tolist() for part in found) == expected


# ----------------------------------------------------------------------------------- refusals

GOOD = np.ones((3, 4), np.int64)
CODES, OFFSETS = np.zeros(9, np.uint8), np.array([0, 9], np.int64)


@pytest.mark.parametrize(
    ("matrices", "cuts", "message"),
    [
        ([GOOD], [], "as many cuts as matrices, at most 65536, got 0 and 1"),
        ([GOOD.astype(float)], [1], r"of integers and \(length, 4\), got float64"),
        ([GOOD[:, :3]], [1], r"got int64 \(3, 3\)"),
        ([GOOD[:0]], [1], r"got int64 \(0, 4\)"),
        ([GOOD - 2], [1], "weights must be 0 to 4095, got -1 to -1"),
        ([GOOD * 4096], [1], "got 4096 to 4096"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(matrices, cuts, message):
    with pytest.raises(ValueError, match=message):
        MotifScanner(matrices, cuts)


@pytest.mark.parametrize(
    ("codes", "offsets", "message"),
    [
        (CODES.astype(np.int8), OFFSETS, "codes must be uint8"),
        (CODES, OFFSETS.astype(np.int32), "offsets must be int64"),
        (CODES, OFFSETS[:0], "offsets must be int64 of one dimension"),
        (CODES, OFFSETS + 1, "ascend from 0 to at most 9"),
        (CODES, OFFSETS - 1, "ascend from 0"),
        (CODES, np.array([0, 5, 4], np.int64), "ascend from 0"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, offsets, message):
    scanner = MotifScanner([GOOD], [1])
    for call in (
        lambda: scanner.scan(codes, offsets),
        lambda: scanner.best(codes, offsets, np.zeros(1, np.int64)),
        lambda: count_windows(codes, offsets, np.array([3])),
    ):
        with pytest.raises(ValueError, match=message):
            call()
