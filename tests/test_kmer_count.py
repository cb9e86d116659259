"""Exact counts: one suite over the slow twin, the loops compiled and not, and the array twin."""

from collections import Counter

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kmer_forms import (
    EDGES,
    EVERY_K,
    SEQUENCES,
    encoded,
    implementations,
    joined,
    on_numpy,
    spelled,
    tables,
)

from native_kernels import kmer_count
from native_kernels.kmer_count import (
    Tally,
    count_rows,
    count_rows_reference,
    count_words,
    count_words_reference,
    cpu,
    gpu,
)

# --------------------------------------------------------------------------------- rows


@implementations(count_rows_reference, count_rows, gpu.count_rows_arrays)
@given(st.lists(SEQUENCES, max_size=5), EVERY_K, st.booleans(), st.data())
@settings(deadline=None, max_examples=60)
def test_rows_equal_the_oracle(count, sequences, k, stranded, data):
    check_rows(count, sequences, k, stranded, data.draw(st.lists(st.booleans(), min_size=5)))


@implementations(count_rows_reference, count_rows, gpu.count_rows_arrays)
@pytest.mark.parametrize("stranded", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 8, 9, 10, 11, 12, 13, 15, 16, 17, 31, 32])
def test_rows_of_edges_equal_the_oracle(count, k, stranded):
    check_rows(count, EDGES, k, stranded, [True, False] * 4)
    check_rows(count, EDGES, k, stranded, [False, True] * 4)
    check_rows(count, [], k, stranded, [])
    check_rows(count, ["", "", ""], k, stranded, [False] * 3)


def check_rows(count, sequences, k, stranded, reverse):
    codes, offsets = joined(sequences)
    reverse = np.array(reverse[: len(sequences)], np.bool_)
    found = count(codes, offsets, k, stranded=stranded, reverse=reverse)
    assert tables(found, k) == [
        dict(oracles.exact(sequence, k, stranded=stranded, reverse=bool(flag)))
        for sequence, flag in zip(sequences, reverse, strict=True)
    ]
    assert tables(count(codes, offsets, k, stranded=stranded), k) == [
        dict(oracles.exact(sequence, k, stranded=stranded)) for sequence in sequences
    ]


@implementations(count_rows_reference, count_rows, gpu.count_rows_arrays)
def test_rows_may_start_late_and_end_early(count):
    codes, offsets = encoded("ACGTTTGACC"), np.array([2, 5, 5, 9], np.int64)
    assert tables(count(codes, offsets, 3), 3) == [
        dict(oracles.exact(sequence, 3)) for sequence in ("GTT", "", "TGAC")
    ]


@pytest.mark.parametrize(
    ("sequences", "k", "loop"),
    [
        (["ACGTAC" * 3], 2, "count_rows_in_table"),  # 18 bases > 4**2 words
        (["ACGTACGTACGTACGT"], 2, "count_rows_by_sorting"),
        (["ACGT" * 17], 3, "count_rows_in_table"),
        (["ACGT" * 16], 3, "count_rows_by_sorting"),
        (["ACGTT" * 13200], 8, "count_rows_in_table"),
        (["ACGTT" * 13100], 8, "count_rows_by_sorting"),
        (["ACGT" * 100], 13, "count_rows_by_sorting"),
        # the table is read once for each row: one long row does not pay for many short ones
        (["ACGT" * 17, *["ACGT"] * 30], 3, "count_rows_by_sorting"),
        (["ACGT" * 17, "ACGT", "ACGT" * 15], 3, "count_rows_by_sorting"),
        (["ACGT" * 17, "ACGT", "ACGT" * 31], 3, "count_rows_in_table"),
    ],
)
def test_the_loop_that_suits_the_rows_is_used(sequences, k, loop, monkeypatch):
    used = []
    for name in ("count_rows_in_table", "count_rows_by_sorting"):
        real = getattr(cpu, name)
        monkeypatch.setattr(
            cpu, name, lambda *args, real=real, name=name: used.append(name) or real(*args)
        )
    check_rows(count_rows, sequences, k, False, [False] * len(sequences))
    assert used == [loop, loop]


# -------------------------------------------------------------------------------- words


@implementations(count_words_reference, count_words, gpu.count_words_arrays)
@given(SEQUENCES, st.one_of(st.integers(1, 7), st.integers(13, 32)), st.booleans())
@settings(deadline=None, max_examples=40)
@example("", 1, False)
@example("", 13, False)
@example("A" * 12, 13, True)
@example("ACGT" * 17, 16, False)
@example("ACGT" * 17, 32, False)
def test_words_equal_the_oracle(count, sequence, k, stranded):
    check_words(count, sequence, k, stranded)


@pytest.mark.parametrize(
    "count", [count_words, on_numpy(gpu.count_words_arrays)], ids=["numba", "arrays on numpy"]
)
@pytest.mark.parametrize("stranded", [False, True])
@pytest.mark.parametrize("k", [8, 9, 10, 11, 12])
def test_words_of_large_tables_equal_the_oracle(count, k, stranded):
    check_words(count, "N".join(EDGES) + "ACCTGGAAC" * 5, k, stranded)


def check_words(count, sequence, k, stranded):
    words, counts = count(encoded(sequence), k, stranded=stranded)
    assert counts.dtype == np.uint64
    assert spelled(words, counts, k) == dict(oracles.exact(sequence, k, stranded=stranded))


@pytest.mark.parametrize("k", [1, 4, 7, 11, 14])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("sequence", [*EDGES, "ACCTGGAACNTTGACA" * 9])
def test_words_do_not_depend_on_threads(sequence, threads, k):
    words, counts = count_words(encoded(sequence), k, threads=threads)
    assert spelled(words, counts, k) == dict(oracles.exact(sequence, k))


# -------------------------------------------------------------------------------- tally


@pytest.mark.parametrize("stranded", [False, True])
@pytest.mark.parametrize("k", [1, 3, 8, 10, 11, 12])
def test_a_tally_of_pieces_equals_the_oracle(k, stranded):
    pieces = [*EDGES, "ACCTGGAACNTTGACA" * 9]
    found = {}
    for slots in (1, 3):
        tally = Tally(k, stranded=stranded, slots=slots)
        for number, piece in enumerate(pieces):
            tally.add(encoded(piece), number % slots)
        found[slots] = spelled(*tally.result(), k)
    expected = sum((oracles.exact(piece, k, stranded=stranded) for piece in pieces), Counter())
    assert found == {1: dict(expected), 3: dict(expected)}


@pytest.mark.parametrize("size", [8, 13, 16, 1 << 26])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_a_long_piece_is_counted_in_parts(k, size, monkeypatch):
    monkeypatch.setattr(kmer_count, "MAX_PIECE", size)
    sequence = "ACGTTGCANNACCAGGTTTTAACC" * 6
    tally = Tally(k)
    tally.add(encoded(sequence))
    assert spelled(*tally.result(), k) == dict(oracles.exact(sequence, k))


@pytest.mark.parametrize("slots", [1, 3])
def test_counters_are_emptied_before_they_wrap(slots):
    most = ((1 << 32) - 1) // slots  # windows that each of the uint32 tables may hold
    tally = Tally(2, slots=slots)
    for slot in range(slots):
        tally._tables[slot][0] = most - 20  # as if so many AA had been counted
        tally._windows[slot] = most - 20
        tally.add(encoded("A" * 15), slot)
        tally.add(encoded("A" * 15), slot)
        tally.add(encoded("T" * 15), slot)
    expected = slots * (most - 20 + 3 * 14)
    assert expected > (1 << 32) - 1
    assert spelled(*tally.result(), 2) == {"AA": expected}


@pytest.mark.parametrize("slots", [1, 64, 100, 1000])
def test_no_slot_takes_more_windows_than_its_share(slots, monkeypatch):
    taken = []
    monkeypatch.setattr(cpu, "add_to_table", lambda piece, *_: taken.append(len(piece)))
    tally = Tally(3, slots=slots)
    tally.add(np.zeros((1 << 26) + 5, np.uint8))
    assert sum(taken) >= (1 << 26) + 5
    assert max(taken) * slots < 1 << 32


def test_emptying_at_every_piece_changes_nothing():
    tally = Tally(3, slots=2)
    tally._most = 60
    sequence = "ACCTGGAACNTTGACATTTGGC"
    for number in range(50):
        tally.add(encoded(sequence), number % 2)
    assert tally._total is not None
    expected = {word: 50 * n for word, n in oracles.exact(sequence, 3).items()}
    assert spelled(*tally.result(), 3) == expected


# ------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("k", [0, 33])
def test_k_out_of_range_is_refused(k):
    codes = encoded("ACGT")
    with pytest.raises(ValueError, match=f"k must be 1 to 32, got {k}"):
        count_rows(codes, np.array([0, 4]), k)
    with pytest.raises(ValueError, match=f"k must be 1 to 32, got {k}"):
        count_words(codes, k)


@pytest.mark.parametrize("k", [0, 13])
def test_a_tally_of_too_large_words_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be 1 to 12 for a table of counters, got {k}"):
        Tally(k)


@pytest.mark.parametrize(
    "offsets",
    [np.array([0, 4], np.int32), np.array([], np.int64), [-1, 4], [0, 3, 2], [0, 5]],
    ids=["int32", "empty", "negative", "descending", "past the end"],
)
def test_offsets_that_leave_the_codes_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets must"):
        count_rows(encoded("ACGT"), np.asarray(offsets), 2)


@pytest.mark.parametrize("codes", [np.zeros(4, np.int64), np.zeros((2, 2), np.uint8)])
def test_codes_of_another_kind_are_refused(codes):
    with pytest.raises(ValueError, match="codes must be uint8 of one dimension"):
        count_words(codes, 2)
