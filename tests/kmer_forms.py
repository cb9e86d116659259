"""The forms of exact counting, one suite for all, and what they count spelled out."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import oracles
import pytest
from hypothesis import strategies as st

from native_kernels.kmer_count import cpu, word_dtype

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
