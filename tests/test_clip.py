"""Which part of a motif is informative: by hand, and against a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.interpretation.filters.clip import informative_span


@pytest.mark.parametrize(
    ("bits", "span"),
    [
        ([0, 0, 0, 0, 2, 0.1, 1, 0, 0, 0, 0], (1, 10)),
        ([0.5] * 6, None),  # as much is not above
        ([0.5, 0.5001, 0.5], (0, 3)),
        ([2, 0, 0, 0, 0, 0], (0, 4)),  # the released code keeps this whole
        ([0, 0, 0, 0, 0, 2], (2, 6)),
        ([1], (0, 1)),
        ([0, 0, 1, 0, 0], (0, 5)),
    ],
)
def test_from_the_first_to_the_last_with_three_more(bits, span):
    assert informative_span(np.array(bits, float)) == span


def test_the_numbers_are_options():
    bits = np.array([0.2, 0, 0.9, 0, 0, 0.3, 0])
    assert informative_span(bits, margin=0) == (2, 3)
    assert informative_span(bits, above=0.1, margin=1) == (0, 7)
    assert informative_span(bits, above=0.25, margin=0) == (2, 6)


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.4, 0.5, 0.6, 2.0]), min_size=1, max_size=30),
       st.integers(0, 5))  # fmt: skip
def test_a_loop_finds_the_same(bits, margin):
    first = last = None
    for position, value in enumerate(bits):
        if value > 0.5:
            first = position if first is None else first
            last = position
    expected = None
    if first is not None:
        kept = [i for i in range(len(bits)) if first - margin <= i <= last + margin]
        expected = (kept[0], kept[-1] + 1)
    assert informative_span(np.array(bits), margin=margin) == expected
