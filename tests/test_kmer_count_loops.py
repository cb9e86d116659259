"""The Numba loops of exact counting, each alone, compiled and not."""

from collections import Counter

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kmer_forms import EDGES, LOOPS, SEQUENCES, encoded, joined, loop_of, tables

from native_kernels.kmer_count import cpu, word_dtype

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


# ------------------------------------------------------------------------- loops of rows


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
