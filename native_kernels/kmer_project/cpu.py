"""Numba loops of `kmer_project`. Each is self-contained; one thread runs one call."""

from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Words = npt.NDArray[Any]


@jit
def expand(
    words: Words,
    k: int,
    stranded: bool,
    high: I32,
    low: I32,
    first: I64,
    feature_of: I32,
    indptr: I64,
    features: I32,
) -> int:
    """Append the set of features of each word.

    Group g keeps some positions of the word. What is left, packed, is
    ``high[g, leading half] | low[g, trailing half]``, and its feature is
    ``feature_of[first[g] + packed]``. A word and its reverse complement reach the same group;
    where both reach the same feature it is listed once.
    """
    half = np.uint64(2 * (k // 2))
    low_mask = (np.uint64(1) << half) - np.uint64(1)
    filled = 0
    for i in range(words.shape[0]):
        word = np.uint64(words[i])
        rest = word
        mirror = np.uint64(0)
        for _ in range(k):
            mirror = (mirror << np.uint64(2)) | (np.uint64(3) - (rest & np.uint64(3)))
            rest >>= np.uint64(2)
        for group in range(first.shape[0]):
            left = high[group, word >> half] | low[group, word & low_mask]
            feature = feature_of[first[group] + left]
            features[filled] = feature
            filled += 1
            if stranded:
                continue
            left = high[group, mirror >> half] | low[group, mirror & low_mask]
            other = feature_of[first[group] + left]
            if other != feature:
                features[filled] = other
                filled += 1
        indptr[i + 1] = filled
    return filled


@jit
def sum_rows(
    indptr: I64,
    entries: Words,
    counts: U32,
    p_indptr: I64,
    p_features: I32,
    half_bits: int,
    table: U32,
    unsorted: I32,
    sorted_by_digit: I32,
    out_indptr: I64,
    out_features: U32,
    out_counts: U32,
) -> int:
    """Append each row of ``exact @ P``, features ascending.

    Element j of the exact counts meets row ``entries[j]`` of P. A row's features are listed, each
    as often as it is met, sorted by their lower and then their upper `half_bits`, and collapsed:
    for 3,088 of 112,800 in two thirds of the time that a bitmap over all features takes. A row
    that meets more than fit in `unsorted` adds them up in `table` (n_features, all zero) instead.
    """
    low = np.int32((1 << half_bits) - 1)
    heads = np.zeros((2, 1 << half_bits), np.int32)
    filled = 0
    for row in range(indptr.shape[0] - 1):
        n = 0
        for j in range(indptr[row], indptr[row + 1]):
            entry = np.int64(entries[j])
            n += np.int64(counts[j]) * (p_indptr[entry + 1] - p_indptr[entry])
        if n > unsorted.shape[0]:
            for j in range(indptr[row], indptr[row + 1]):
                entry = np.int64(entries[j])
                for at in range(p_indptr[entry], p_indptr[entry + 1]):
                    table[p_features[at]] += counts[j]
            for feature in range(table.shape[0]):
                if table[feature] > 0:
                    out_features[filled] = feature
                    out_counts[filled] = table[feature]
                    table[feature] = 0
                    filled += 1
            out_indptr[row + 1] = filled
            continue
        heads[:] = 0
        n = 0
        for j in range(indptr[row], indptr[row + 1]):
            entry = np.int64(entries[j])
            for _ in range(counts[j]):
                for at in range(p_indptr[entry], p_indptr[entry + 1]):
                    found = p_features[at]
                    unsorted[n] = found
                    n += 1
                    heads[0, found & low] += 1
                    heads[1, found >> half_bits] += 1
        for digit in range(2):
            start = 0
            for bucket in range(heads.shape[1]):
                size = heads[digit, bucket]
                heads[digit, bucket] = start
                start += size
        for i in range(n):
            found = unsorted[i]
            sorted_by_digit[heads[0, found & low]] = found
            heads[0, found & low] += 1
        for i in range(n):
            found = sorted_by_digit[i]
            unsorted[heads[1, found >> half_bits]] = found
            heads[1, found >> half_bits] += 1
        for i in range(n):
            if i == 0 or unsorted[i] != unsorted[i - 1]:
                out_features[filled] = unsorted[i]
                out_counts[filled] = 0
                filled += 1
            out_counts[filled - 1] += np.uint32(1)
        out_indptr[row + 1] = filled
    return filled


@jit
def sum_all(entries: Words, counts: U64, p_indptr: I64, p_features: I32, totals: U64) -> None:
    """Add ``counts @ P`` to `totals`, uint64 (n_features,)."""
    for j in range(entries.shape[0]):
        entry = np.int64(entries[j])
        for at in range(p_indptr[entry], p_indptr[entry + 1]):
            totals[p_features[at]] += counts[j]
