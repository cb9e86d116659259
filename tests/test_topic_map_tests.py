"""The tests of a map of topics against those of scipy and by loops."""

import math
from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from modelkit import topic_map
from modelkit.interpretation.topics.mann_whitney import top_mann_whitney, top_of


def tops(share: str, n: int) -> int:
    return int((Decimal(share) * n).to_integral_value(ROUND_CEILING))


def by_loops(
    values: np.ndarray, labels: list[int], t: int, m: int, share: str
) -> tuple[float, float]:
    """U and p of one factor and topic."""
    a = [values[i, m] for i, label in enumerate(labels) if label == t]
    b = sorted((values[i, m] for i, label in enumerate(labels) if label != t), reverse=True)
    with np.errstate(all="ignore"):  # of values that are all equal
        found = mannwhitneyu(
            a, b[: tops(share, len(b))], alternative="greater", method="asymptotic"
        )
    return float(found.statistic), float(found.pvalue)


@st.composite
def labelled_values(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    n_factors = draw(st.integers(2, 5))
    labels = draw(
        st.permutations(
            [*range(n_factors), *draw(st.lists(st.integers(0, n_factors - 1), max_size=60))]
        )
    )
    largest = draw(st.integers(0, 12))  # few values: many ties
    cells = st.integers(0, largest)
    rows = st.lists(cells, min_size=2, max_size=2)
    values = draw(st.lists(rows, min_size=len(labels), max_size=len(labels)))
    return np.array(values, np.float64) / 7, list(labels)


@settings(deadline=None, max_examples=80)
@given(labelled_values(), st.sampled_from(["0.05", "0.3", "1.0", "0.001"]))
@example((np.ones((4, 2)), [0, 1, 0, 1]), "0.05")  # all equal: nothing deviates
@example((np.array([[3.0, 0], [2, 0], [2, 1], [1, 1]]), [0, 1, 1, 0]), "1.0")
def test_tests_are_those_of_scipy_one_by_one(
    made: tuple[np.ndarray, list[int]], share: str
) -> None:
    values, labels = made
    n = max(labels) + 1
    found = top_mann_whitney(values, np.array(labels), n, float(share))
    for t in range(n):
        for m in range(values.shape[1]):
            u, p = by_loops(values, labels, t, m, share)
            assert found.u[t, m] == u
            assert found.p[t, m] == pytest.approx(p, rel=1e-12, abs=1e-300)
            n_a = labels.count(t)
            assert found.effect[t, m] == pytest.approx(u / n_a / tops(share, len(labels) - n_a))


def test_larger_data_with_and_without_ties_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 12, 3000)
    values = np.stack(
        [
            rng.gamma(0.3, size=3000) + 0.1,
            np.maximum(rng.normal(size=3000), 0.1),  # half of them are at the clip
            np.round(rng.gamma(1, size=3000) + 0.3 * (labels == 4), 1),
        ],
        1,
    )
    found = top_mann_whitney(values, labels, 12, 0.05)
    for t in range(12):
        for m in range(3):
            u, p = by_loops(values, labels.tolist(), t, m, "0.05")
            assert found.u[t, m] == u
            assert found.p[t, m] == pytest.approx(p, rel=1e-12)


def test_a_test_by_hand() -> None:
    """a = 5 3; b = the top 3 of 6 4 3 1 0 0, with a tie of two threes."""
    values = np.array([[5.0], [3], [6], [4], [3], [1], [0], [0]]).repeat(2, 1)
    found = top_mann_whitney(values, np.array([0, 0, 1, 1, 1, 1, 1, 1]), 2, 0.5)
    assert found.u[0, 0] == 2.5  # 5 > 4, 5 > 3, 3 = 3
    variance = 2 * 3 / 12 * (6 - 6 / (5 * 4))
    assert found.p[0, 0] == pytest.approx(
        math.erfc((2.5 - 3 - 0.5) / math.sqrt(variance) / math.sqrt(2)) / 2, rel=1e-14
    )
    assert found.effect[0, 0] == 2.5 / 6


@given(st.integers(1, 10**6), st.integers(1, 1000))
@example(140, 50)  # 0.05 * 140 is a little more than 7
def test_a_share_is_what_is_written(n: int, thousandths: int) -> None:
    share = thousandths / 1000
    assert top_of(share, np.array([n]))[0] == tops(
        f"0.{thousandths:03d}" if thousandths < 1000 else "1", n
    )


@pytest.mark.parametrize("share", [1 / 3, 0.1 + 0.2, 2 / 3, 5e-324, 1e-300, 1 - 2**-53])
def test_a_share_of_many_digits_does_not_run_over(share: float) -> None:
    """54,000 thirds: the product of 16 digits and the probes has more than int64."""
    n = [1, 100, 54_000, 10**9]
    with localcontext(prec=400):
        assert top_of(share, np.array(n)).tolist() == [tops(repr(share), each) for each in n]


def test_values_that_are_all_equal_are_never_mapped() -> None:
    """(n + 1) - (n^3 - n) / (n (n - 1)) is below 0 by rounding at 330,292 probes."""
    n = 330_292
    found = top_mann_whitney(np.full((n, 2), 0.1), np.arange(n) % 7, 7, 1.0)
    assert (found.p == 1).all()
    assert (found.effect == 0.5).all()


def test_a_probe_with_as_much_of_two_topics_has_most_of_neither() -> None:
    values = [[0.1, 0.1, 0.1], [0.1, 0.4, 0.1], [0.3, 0.3, 0.1], [0.1, 0.1, 0.1], [0.5, 0.1, 0.1]]
    made = topic_map(values, ["a", "a", "a", "b", "b"])
    assert made.share.tolist() == [[0, 1 / 3, 0], [1 / 2, 0, 0]]
