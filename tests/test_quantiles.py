"""Quantile normalisation by tables worked out by hand, and by what it must keep."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kmerengine.cut_profiles.quantiles import quantile_normalise, rescale
from kmerengine.errors import InputError

TOTALS = arrays.arrays(
    np.int64,
    st.tuples(st.integers(0, 12), st.integers(1, 5)),
    elements=st.integers(0, 6) | st.integers(0, 1 << 40),  # with ties
)


def by_hand(table):
    """The definition on lists: sort, average, put back; exact fractions, rounded once."""
    columns = [list(column) for column in zip(*table, strict=True)]
    ordered = [sorted(range(len(table)), key=lambda row, c=c: (c[row], row)) for c in columns]
    means = [
        Fraction(
            sum(c[order[rank]] for c, order in zip(columns, ordered, strict=True)), len(columns)
        )
        for rank in range(len(table))
    ]
    return [[float(means[order.index(row)]) for order in ordered] for row in range(len(table))]


def test_table_without_ties():
    # sorted: A 2 3 4 5, B 1 2 4 6, C 3 4 6 8 -> means 2, 3, 14/3, 19/3
    totals = np.array([[5, 4, 3], [2, 1, 4], [3, 6, 6], [4, 2, 8]])
    third, fourth = 14 / 3, 19 / 3
    expected = [[fourth, third, 2], [2, 2, 3], [3, fourth, third], [third, 3, fourth]]
    assert quantile_normalise(totals).tolist() == expected


def test_equal_totals_are_ranked_in_the_order_of_the_regions():
    # sorted: A 0 7 7 9, B 1 2 3 4 -> means 0.5, 4.5, 5, 6.5
    totals = np.array([[7, 4], [9, 3], [7, 2], [0, 1]])
    assert quantile_normalise(totals).tolist() == [[4.5, 6.5], [6.5, 5], [5, 4.5], [0.5, 0.5]]
    many = np.zeros((100, 2), np.int64)
    many[:, 1] = np.arange(100)  # long enough for a sort that is not stable to show
    assert quantile_normalise(many)[:, 0].tolist() == [i / 2 for i in range(100)]


def test_one_sample_stays_as_it_is():
    totals = np.array([[3], [0], [8], [3]], np.int16)
    found = quantile_normalise(totals)
    assert found.dtype == np.float64
    assert found.tolist() == totals.tolist()


@settings(deadline=None)
@given(TOTALS)
def test_totals_equal_the_definition(totals):
    found = quantile_normalise(totals)
    assert found.shape == totals.shape
    assert found.tolist() == by_hand(totals.tolist())


@settings(deadline=None)
@given(TOTALS)
def test_samples_get_one_distribution_and_keep_their_order(totals):
    found = quantile_normalise(totals)
    for sample in range(totals.shape[1]):
        assert np.sort(found[:, sample]).tolist() == np.sort(found[:, 0]).tolist()
        order = np.argsort(totals[:, sample], kind="stable")
        assert (np.diff(found[order, sample]) >= 0).all()


def test_real_totals_that_are_no_integers():
    totals = np.array([[0.5, 2.5], [0.25, -1.0]])
    assert quantile_normalise(totals).tolist() == [[1.5, 1.5], [-0.375, -0.375]]


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        (np.array([[1.0, np.nan]]), "found nan in region 0 of sample 1"),
        (np.array([[1.0], [np.inf]]), "found inf in region 1 of sample 0"),
        (np.array([1, 2]), r"found int64 of shape \(2,\)"),
        (np.array([["1"]]), "expected numbers"),
    ],
)
def test_totals_without_a_rank_are_refused(totals, message):
    with pytest.raises(InputError, match=message):
        quantile_normalise(totals)


def test_profiles_are_scaled_region_by_region_and_sample_by_sample():
    profiles = np.array([[[1, 2, 1], [0, 0, 5]], [[3, 0, 0], [1, 1, 0]]], np.int16)
    totals = profiles.sum(-1)
    normalised = np.array([[8.0, 2.5], [1.5, 2.0]])
    expected = [[[2, 4, 2], [0, 0, 2.5]], [[1.5, 0, 0], [1, 1, 0]]]
    assert rescale(profiles, totals, normalised).tolist() == expected


def test_strands_of_a_profile_have_one_factor():
    profiles = np.array([[[[1, 0], [2, 1]]]])
    found = rescale(profiles, np.array([[4]]), np.array([[10.0]]))
    assert found.tolist() == [[[[2.5, 0], [5, 2.5]]]]


def test_a_total_of_zero_leaves_its_profile():
    profiles = np.array([[[0, 0, 0], [4, 0, 0]]])  # the second has cuts outside the centre alone
    found = rescale(profiles, np.array([[0, 0]]), np.array([[3.0, 3.0]]))
    assert found.tolist() == [[[0, 0, 0], [4, 0, 0]]]


@settings(deadline=None)
@given(arrays.arrays(np.int16, (6, 3, 7), elements=st.integers(0, 50)))
def test_sums_become_the_normalised_totals_and_shapes_stay(profiles):
    centre = slice(2, 5)
    totals = profiles[:, :, centre].sum(-1)
    normalised = quantile_normalise(totals)
    found = rescale(profiles, totals, normalised)
    some = totals > 0
    assert np.allclose(found[:, :, centre].sum(-1)[some], normalised[some], rtol=1e-12)
    assert np.allclose(found[some] * totals[some, None], profiles[some] * normalised[some, None])
    assert (found[~some] == profiles[~some]).all()


@pytest.mark.parametrize("shape", [(2,), (2, 3), (3, 2, 9)])
def test_profiles_of_other_regions_are_refused(shape):
    with pytest.raises(InputError, match=r"expected \(regions, samples, ..., bp\)"):
        rescale(np.zeros(shape), np.ones((2, 3)), np.ones((2, 3)))
