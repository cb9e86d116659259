"""Exact counts: one suite over the slow twin, the loops compiled and not, and the array twin."""

from collections import Counter
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels import kmer_count
from native_kernels.kmer_count import (
    Tally,
    count_rows,
    count_rows_reference,
    count_words,
    count_words_reference,
    cpu,
    gpu,
    word_dtype,
)

PIECES = st.one_of(
    st.text("ACGT", max_size=40),
    st.sampled_from(
        ["A", "T", "GAATTC", "ACGTACGT", "N", "a", "acgtn", "R-*Y", "A" * 40, "T" * 35, "ACGT" * 9]
    ),
)
SEQUENCES = st.lists(PIECES, max_size=6).map("".join)  # with repeats, palindromes, non-bases
EDGES = ["", "A", "N", "ACNGT", "acgtACGT", "A" * 70, "ACGT" * 17, "N" * 40 + "GAATTC" * 6]
EVERY_K = st.one_of(
    st.integers(1, 6), st.sampled_from([8, 9, 10, 15, 16, 17, 31, 32]), st.integers(1, 32)
)


@contextmanager
def uncompiled():
    """The loops of `cpu` as plain Python."""
    with pytest.MonkeyPatch.context() as patch:
        for name, loop in vars(cpu).copy().items():
            if hasattr(loop, "py_func"):
                patch.setattr(cpu, name, loop.py_func)
        yield


def not_compiled(count):
    def counted(*args, **kwargs):
        with uncompiled():
            return count(*args, **kwargs)

    return counted


def on_numpy(count):
    def counted(*args, **kwargs):
        return count(np, *args, **kwargs)

    return counted


def on_gpu(count):
    def counted(*args, **kwargs):
        return count(*args, device="cuda", **kwargs)

    return counted


def implementations(reference, count, arrays):
    return pytest.mark.parametrize(
        "count",
        [
            pytest.param(reference, id="reference"),
            pytest.param(count, id="numba"),
            pytest.param(not_compiled(count), id="py_func"),
            pytest.param(on_numpy(arrays), id="arrays on numpy"),
            pytest.param(on_gpu(count), id="cupy", marks=pytest.mark.gpu("cupy")),
        ],
    )


LOOPS = pytest.mark.parametrize("form", ["compiled", "py_func"])


def loop_of(name, form):
    loop = getattr(cpu, name)
    return loop.py_func if form == "py_func" else loop


def encoded(sequence):
    return np.array(oracles.codes_of(sequence), np.uint8)


def joined(sequences):
    offsets = np.cumsum([0, *map(len, sequences)]).astype(np.int64)
    return encoded("".join(sequences)), offsets


def spelled(words, counts, k):
    """Counts by text, after what every result must hold: ascending words of the right type."""
    assert words.dtype == word_dtype(k)
    assert all(a < b for a, b in pairwise(words.tolist()))
    texts = [oracles.text_of(word, k) for word in words.tolist()]
    return dict(zip(texts, counts.tolist(), strict=True))


def tables(found, k):
    indptr, words, counts = found
    assert (indptr.dtype, counts.dtype) == (np.int64, np.uint32)
    assert indptr[0] == 0
    assert indptr[-1] == len(words) == len(counts)
    return [spelled(words[a:b], counts[a:b], k) for a, b in pairwise(indptr.tolist())]


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


@LOOPS
@pytest.mark.parametrize("k", [1, 3, 4, 5])
@given(st.lists(SEQUENCES, max_size=4), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=20)
@example(EDGES, False, False)
@example(EDGES, True, True)
def test_both_row_loops_fill_the_same_table(form, k, sequences, stranded, flag):
    codes, offsets = joined(sequences)
    reverse = np.full(len(sequences), flag, np.bool_)
    expected = [
        dict(oracles.exact(sequence, k, stranded=stranded, reverse=flag)) for sequence in sequences
    ]
    longest = max(map(len, sequences), default=0)
    for name in ("count_rows_in_table", "count_rows_by_sorting"):
        indptr = np.zeros(len(offsets), np.int64)
        words, counts = np.zeros(len(codes), np.uint32), np.zeros(len(codes), np.uint32)
        scratch = np.empty((2, longest), np.uint32)
        scratches = (scratch[0], scratch[1]) if name == "count_rows_by_sorting" else ()
        n = loop_of(name, form)(
            codes, offsets, k, stranded, reverse, *scratches, indptr, words, counts
        )
        assert tables((indptr, words[:n], counts[:n]), k) == expected


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


# ----------------------------------------------------------------- loops of the word tables


def in_table(table, k):
    """What a table of all words holds, by text."""
    return {oracles.text_of(int(word), k): int(table[word]) for word in np.flatnonzero(table)}


@LOOPS
@given(SEQUENCES, st.integers(1, 10), st.sampled_from(["", "A", "N", "ACG"]))
@settings(deadline=None, max_examples=60)
@example("ACGTACGT" * 3 + "N" + "ACGTACGT" * 4, 8, "")  # a group of eight too soon after an N
@example("ACGTACG", 1, "")
@example("ACGTACGTA", 10, "")
def test_add_to_table_equals_the_oracle(form, sequence, k, lead):
    codes = encoded(lead + sequence)
    octets = codes[: len(codes) // 8 * 8].view(np.uint64)
    table = np.zeros(4**k, np.uint32)
    table[0] = 7
    loop_of("add_to_table", form)(codes, octets, k, table)
    expected = oracles.exact(lead + sequence, k, stranded=True) + Counter({"A" * k: 7})
    assert in_table(table, k) == dict(expected)


@pytest.mark.parametrize("k", [11, 12])
def test_add_to_table_takes_every_k_of_its_tables(k):
    sequence = "ACGTT" * 20 + "N" + "GGATC" * 9
    codes = encoded(sequence)
    table = np.zeros(4**k, np.uint32)
    cpu.add_to_table(codes, codes[: len(codes) // 8 * 8].view(np.uint64), k, table)
    assert in_table(table, k) == dict(oracles.exact(sequence, k, stranded=True))


@LOOPS
@pytest.mark.parametrize("k", [8, 9, 10, 11, 12])
def test_add_to_table_by_slices_equals_the_oracle(form, k):
    table = np.zeros(4**k, np.uint32)
    expected = Counter()
    heads = np.full(4 ** (k - 8), 99, np.int64)  # scratch: what was there does not matter
    for sequence in [*EDGES, "ACCTGGAACNTTGACATTTTTTTTTTTTTTTTGGATCCAN" * 5]:
        codes = encoded(sequence)
        tails = np.empty(len(codes), np.uint16)
        loop_of("add_to_table_by_slices", form)(codes, k, heads, tails, table)
        expected += oracles.exact(sequence, k, stranded=True)
    assert in_table(table, k) == dict(expected)


@given(st.lists(SEQUENCES, min_size=1, max_size=3), st.sampled_from([8, 9, 10]))
@settings(deadline=None, max_examples=20)
def test_slices_fill_the_table_as_one_pass_does(sequences, k):
    flat, sliced = np.zeros(4**k, np.uint32), np.zeros(4**k, np.uint32)
    heads = np.empty(4 ** (k - 8), np.int64)
    for sequence in sequences:
        codes = encoded(sequence)
        cpu.add_to_table(codes, codes[: len(codes) // 8 * 8].view(np.uint64), k, flat)
        cpu.add_to_table_by_slices(codes, k, heads, np.empty(len(codes), np.uint16), sliced)
    assert np.array_equal(flat, sliced)


@pytest.mark.parametrize(
    ("form", "k"),
    [("compiled", k) for k in range(1, 10)] + [("py_func", k) for k in range(1, 7)],
)
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_fold_strands_equals_the_oracle(form, k, dtype):
    rng = np.random.default_rng(k)
    table = rng.integers(0, 3, 4**k).astype(dtype) * rng.integers(0, 1000, 4**k).astype(dtype)
    words = oracles.all_words(k)
    expected = dict.fromkeys(words, 0)
    for word, n in zip(words, table.tolist(), strict=True):
        expected[oracles.canonical(word)] += n
    loop_of("fold_strands", form)(table, k)
    assert table.tolist() == list(expected.values())


@pytest.mark.parametrize("k", [10, 11, 12])
def test_fold_strands_of_large_tables(k):
    rng = np.random.default_rng(k)
    words = [oracles.text_of(int(word), k) for word in rng.integers(0, 4**k, 500)]
    words += [word[: k // 2] + oracles.mirrored(word[: k // 2]) for word in words if k % 2 == 0]
    words += [oracles.mirrored(word) for word in words[::2]]
    table = np.zeros(4**k, np.uint32)
    for word in words:
        table[sum(oracles.codes_of(base)[0] * 4 ** (k - 1 - i) for i, base in enumerate(word))] += 1
    cpu.fold_strands(table, k)
    assert in_table(table, k) == dict(Counter(map(oracles.canonical, words)))


@LOOPS
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_collect_table_lists_what_occurs(form, dtype):
    table = np.array([0, 3, 0, 1 << 31, 0, 0, 1, 0], dtype)
    words, counts = np.zeros(3, np.uint32), np.zeros(3, np.uint64)
    assert loop_of("collect_table", form)(table, words, counts) == 3
    assert words.tolist() == [1, 3, 6]
    assert counts.tolist() == [3, 1 << 31, 1]


# ------------------------------------------------------------- loops of the sorted words


@LOOPS
@given(
    SEQUENCES,
    st.sampled_from([1, 6, 13, 16, 17, 31, 32]),
    st.booleans(),
    st.integers(1, 12),
    st.data(),
)
@settings(deadline=None, max_examples=60)
@example("ACGT" * 17, 32, False, 12, None)
@example("T" * 40, 32, True, 12, None)
@example("T" * 40, 16, True, 1, None)
def test_words_are_dealt_to_buckets_of_their_leading_bits(form, sequence, k, stranded, bits, data):
    bits = min(bits, 2 * k)
    first, last = 0, 1 << bits
    if data is not None:
        first = data.draw(st.integers(0, (1 << bits) - 1))
        last = data.draw(st.integers(first, 1 << bits))
    codes = encoded(sequence)
    in_order = []
    for window in oracles.windows(sequence, k):
        word = window if stranded else oracles.canonical(window)
        in_order.append(sum("ACGT".index(base) << 2 * (k - 1 - i) for i, base in enumerate(word)))
    buckets = Counter(word >> (2 * k - bits) for word in in_order)
    sizes = np.zeros(1 << bits, np.int64)
    sizes[0] = 5
    loop_of("count_prefixes", form)(codes, k, stranded, bits, sizes)
    sizes[0] -= 5
    assert {i: n for i, n in enumerate(sizes.tolist()) if n} == dict(buckets)

    room = int(sizes[first:last].sum())
    words = np.zeros(room, word_dtype(k))
    heads = np.zeros(1 << bits, np.int64)
    heads[first:last] = np.cumsum(sizes[first:last]) - sizes[first:last]
    loop_of("deal_words", form)(codes, k, stranded, bits, first, last, heads, words)
    expected = [word for word in in_order if first <= word >> (2 * k - bits) < last]
    # within a bucket the words keep the order of the text
    assert words.tolist() == sorted(expected, key=lambda word: word >> (2 * k - bits))
    assert heads[first:last].tolist() == np.cumsum(sizes[first:last]).tolist()


@LOOPS
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@given(st.lists(st.integers(0, 9)), st.integers(0, (1 << 32) - 10))
@settings(deadline=None, max_examples=30)
@example([], 0)
@example([0, 0, 0], 0)
@example([9, 9, 8], (1 << 32) - 10)
def test_collapse_counts_runs(form, dtype, values, base):
    values = sorted(base + value for value in values)
    words = np.array(values, dtype)
    distinct, counts = np.empty_like(words), np.empty(len(words), np.uint64)
    n = loop_of("collapse", form)(words, distinct, counts)
    found = dict(zip(distinct[:n].tolist(), counts[:n].tolist(), strict=True))
    assert found == dict(Counter(values))
    assert distinct[:n].tolist() == sorted(set(values))


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
