"""The slow twins of `kmer_count`: a dict of integers, one window at a time."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[Any]


def window_words(
    codes: npt.NDArray[np.uint8], k: int, *, stranded: bool, reverse: bool = False
) -> Counter[int]:
    """The words of one sequence's windows and how often each occurs."""
    found: Counter[int] = Counter()
    for start in range(len(codes) - k + 1):
        window = [int(code) for code in codes[start : start + k]]
        if max(window) > 3:
            continue
        forward = backward = 0
        for code in window:
            forward = 4 * forward + code
        for code in reversed(window):
            backward = 4 * backward + 3 - code
        if stranded:
            found[backward if reverse else forward] += 1
        else:
            found[min(forward, backward)] += 1
    return found


def count_rows_reference(
    codes: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    k: int,
    *,
    stranded: bool = False,
    reverse: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.int64], Words, npt.NDArray[np.uint32]]:
    """`count_rows`, slowly."""
    indptr, words, counts = [0], [], []
    for row in range(len(offsets) - 1):
        found = window_words(
            codes[offsets[row] : offsets[row + 1]],
            k,
            stranded=stranded,
            reverse=reverse is not None and bool(reverse[row]),
        )
        for word in sorted(found):
            words.append(word)
            counts.append(found[word])
        indptr.append(len(words))
    dtype = np.uint32 if k <= 16 else np.uint64
    return np.array(indptr, np.int64), np.array(words, dtype), np.array(counts, np.uint32)


def count_words_reference(
    codes: npt.NDArray[np.uint8], k: int, *, stranded: bool = False
) -> tuple[Words, npt.NDArray[np.uint64]]:
    """`count_words`, slowly."""
    found = window_words(codes, k, stranded=stranded)
    words = sorted(found)
    dtype = np.uint32 if k <= 16 else np.uint64
    return np.array(words, dtype), np.array([found[word] for word in words], np.uint64)
