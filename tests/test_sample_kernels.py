"""GC of windows and windows that do not overlap: the loops against strings and their slow twins."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels.disjoint_windows import cpu as disjoint_cpu
from native_kernels.disjoint_windows import take_disjoint, take_disjoint_reference
from native_kernels.gc_windows import cpu as gc_cpu
from native_kernels.gc_windows import gc_windows, gc_windows_reference

LETTERS = {"A": 0, "C": 1, "G": 2, "T": 3, "N": 255, "x": 4}


def compiled(codes, start, width):
    return gc_windows(codes, start, width)


def interpreted(codes, start, width):
    gc, known = np.full((2, len(start)), -7, np.int32)
    gc_cpu.count_windows.py_func(codes, start, width, gc, known)
    return gc, known


@pytest.mark.parametrize("count", [compiled, interpreted, gc_windows_reference])
@settings(deadline=None, max_examples=60)
@given(
    letters=st.text("ACGTNx", min_size=1, max_size=40),
    width=st.integers(1, 40),
    picks=st.lists(st.floats(0, 1), max_size=6),
)
@example(letters="G", width=1, picks=[0.0])
@example(letters="NNGC", width=4, picks=[1.0, 1.0])
def test_gc_windows_are_what_strings_say(count, letters, width, picks):
    width = min(width, len(letters))
    start = np.array([round(pick * (len(letters) - width)) for pick in picks], np.int64)
    codes = np.array([LETTERS[letter] for letter in letters], np.uint8)
    gc, known = count(codes, start, width)
    windows = [letters[first : first + width] for first in start.tolist()]
    assert gc.tolist() == [window.count("G") + window.count("C") for window in windows]
    assert known.tolist() == [sum(letter in "ACGT" for letter in window) for window in windows]
    assert (gc.dtype, known.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize(
    ("codes", "start", "width", "words"),
    [
        (np.zeros(4, np.int64), np.zeros(1, np.int64), 1, "uint8"),
        (np.zeros(4, np.uint8), np.zeros(1, np.int32), 1, "int64"),
        (np.zeros(4, np.uint8), np.zeros(1, np.int64), 0, "at least 1"),
        (np.zeros(4, np.uint8), np.array([2]), 3, "within 4 bases"),
        (np.zeros(4, np.uint8), np.array([-1]), 3, "within 4 bases"),
    ],
)
def test_windows_outside_are_refused(codes, start, width, words):
    with pytest.raises(ValueError, match=words):
        gc_windows(codes, start, width)


def take_interpreted(position, free, order, width, most):
    taken = np.empty(min(most, len(order)), np.int64)
    return taken[: disjoint_cpu.take.py_func(position, free, order, width, taken)]


@pytest.mark.parametrize("take", [take_disjoint, take_interpreted])
@settings(deadline=None, max_examples=100)
@given(
    gaps=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    width=st.integers(1, 12),
    most=st.integers(0, 30),
    seed=st.integers(0, 1000),
)
@example(gaps=[0, 5, 5], width=5, most=9, seed=0)  # windows that touch do not overlap
@example(gaps=[0, 4, 5], width=5, most=9, seed=0)
def test_windows_taken_are_apart_and_in_order(take, gaps, width, most, seed):
    rng = np.random.default_rng(seed)
    position = np.cumsum(gaps)
    order = rng.permutation(len(gaps))[: rng.integers(0, len(gaps) + 1)]
    before = rng.random(len(gaps)) < 0.8
    free, expected_free = before.copy(), before.copy()
    taken = take(position, free, order, width, most)
    expected = take_disjoint_reference(position, expected_free, order, width, most)
    assert taken.tolist() == expected.tolist()
    assert free.tolist() == expected_free.tolist()
    starts = sorted(position[taken].tolist())
    assert all(b - a >= width for a, b in pairwise(starts))
    assert before[taken].all()
    if len(taken) < most:  # nothing that could be taken is left
        assert not free[order].any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.arange(3), np.ones(2, bool), np.arange(1), 1, 1), "one shape"),
        ((np.arange(3), np.ones(3, bool), np.arange(4), 1, 1), "3 candidates"),
        ((np.arange(3), np.ones(3, bool), np.array([-1]), 1, 1), "3 candidates"),
        ((np.arange(3), np.ones(3, bool), np.arange(1), 0, 1), "at least 1"),
        ((np.arange(3), np.ones(3, bool), np.arange(1), 1, -1), "at least 0"),
    ],
)
def test_what_cannot_be_taken_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        take_disjoint(*arguments)
