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

# Position of the one set bit of a power of two p: BIT_AT[p % 67] (2 generates the units mod 67).
BIT_AT = np.zeros(67, np.int64)
for _bit in range(64):
    BIT_AT[(1 << _bit) % 67] = _bit


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
    n_features: int,
    out_indptr: I64,
    out_features: U32,
    out_counts: U32,
) -> int:
    """Append each row of ``exact @ P``, features ascending.

    Element j of the exact counts meets row ``entries[j]`` of P. Sums go to a table of all
    features; two levels of bitmap find the touched ones in order.
    """
    one, six = np.uint64(1), np.uint64(6)
    low6, modulus = np.uint64(63), np.uint64(67)
    table = np.zeros(n_features, np.uint32)
    touched = np.zeros((n_features + 63) // 64, np.uint64)
    groups = np.zeros((touched.shape[0] + 63) // 64, np.uint64)
    filled = 0
    for row in range(indptr.shape[0] - 1):
        for j in range(indptr[row], indptr[row + 1]):
            entry = np.int64(entries[j])
            n = counts[j]
            for at in range(p_indptr[entry], p_indptr[entry + 1]):
                feature = np.uint64(p_features[at])
                table[feature] += n
                block = feature >> six
                touched[block] |= one << (feature & low6)
                groups[block >> six] |= one << (block & low6)
        for group in range(groups.shape[0]):
            blocks = groups[group]
            groups[group] = 0
            while blocks != 0:
                lowest = blocks & (~blocks + one)
                blocks ^= lowest
                block_at = 64 * group + BIT_AT[lowest % modulus]
                bits = touched[block_at]
                touched[block_at] = 0
                while bits != 0:
                    lowest = bits & (~bits + one)
                    bits ^= lowest
                    found = 64 * block_at + BIT_AT[lowest % modulus]
                    out_features[filled] = found
                    out_counts[filled] = table[found]
                    table[found] = 0
                    filled += 1
        out_indptr[row + 1] = filled
    return filled


@jit
def sum_all(entries: Words, counts: U64, p_indptr: I64, p_features: I32, totals: U64) -> None:
    """Add ``counts @ P`` to `totals`, uint64 (n_features,)."""
    for j in range(entries.shape[0]):
        entry = np.int64(entries[j])
        for at in range(p_indptr[entry], p_indptr[entry + 1]):
            totals[p_features[at]] += counts[j]
