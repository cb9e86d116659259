"""Second cuts: the loop equals its slow twin, and follows the law it is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native_kernels.second_cut import cpu, second_cut, second_cut_reference


def totals(weight, law, first):
    return np.array([(weight[x : x + len(law)] * law[: len(weight) - x]).sum() for x in first])


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 12), st.booleans())
def test_the_loop_equals_its_slow_twin(seed, n_bases, n_distances, compiled):
    rng = np.random.default_rng(seed)
    weight = rng.random(n_bases) * (rng.random(n_bases) < 0.6)
    law = rng.random(n_distances) * (rng.random(n_distances) < 0.7)
    first = rng.integers(0, n_bases, 50)
    total = totals(weight, law, first) * rng.choice([1, 1 + 1e-12, 1.2])
    uniform = np.append(rng.random(49), np.nextafter(1, 0))
    expected = second_cut_reference(weight, law, first, total, uniform)
    found = np.empty(50, np.int64)
    draw = cpu.draw if compiled else cpu.draw.py_func
    draw(weight, law, first, total, uniform, found)
    assert found.tolist() == expected.tolist()
    for x, y in zip(first, found, strict=True):
        terms = weight[x : x + n_distances] * law[: n_bases - x]
        assert y == -1 if not terms.any() else terms[y - x] > 0


def test_positions_are_drawn_as_often_as_the_law_says():
    weight = np.array([9, 1, 0, 4, 2, 5], np.float64)
    law = np.array([0, 1, 3, 2], np.float64)
    # from position 1: 0 * 1, 4 * 3, 2 * 2 at positions 2, 3, 4
    n = 20_000
    first = np.full(n, 1)
    rng = np.random.default_rng(1)
    second = second_cut(weight, law, first, np.full(n, 16.0), rng.random(n))
    share = np.bincount(second, minlength=6) / n
    assert share[[0, 1, 2, 5]].tolist() == [0] * 4
    assert abs(share[3] - 0.75) < 4 * np.sqrt(0.75 * 0.25 / n)


def test_arguments_that_do_not_fit():
    one, law = np.ones(4), np.ones(2)
    with pytest.raises(ValueError, match="one length"):
        second_cut(one, law, np.array([0]), np.ones(2), np.ones(1))
    for first in (-1, 4):
        with pytest.raises(ValueError, match="within the 4 bases"):
            second_cut(one, law, np.array([first]), np.ones(1), np.zeros(1))
    assert len(second_cut(one, law, np.zeros(0, np.int64), np.zeros(0), np.zeros(0))) == 0
