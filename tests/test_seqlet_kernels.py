"""Loops under seqlets and their clusters, against lists, sets, padded matrices and SciPy."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from native_kernels.aligned_correlation import (
    Correlations,
    align,
    aligned_correlation_reference,
)
from native_kernels.complete_linkage import complete_linkage, complete_linkage_reference
from native_kernels.significant_runs import significant_runs, significant_runs_reference

# ----------------------------------------------------------------------------------------- runs


def runs_of(text, max_gap=1, least=4):
    """Runs of a row written as marks: + - significant, p m large but not, . none, P M huge."""
    value = {"+": 2, "-": -2, "p": 0.9, "m": -0.9, ".": 0, "P": 9, "M": -9}
    values = np.array([[value[mark] for mark in text]], np.float32)
    found = significant_runs(values, 1.0, max_gap, least)
    slow = significant_runs_reference(values, 1.0, max_gap, least)
    assert found.tolist() == slow.tolist()
    assert set(found[:, 0]) <= {0}
    return [tuple(row[1:]) for row in found.tolist()]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("++++", [(0, 4, 1, 4)]),
        ("..----..", [(2, 6, -1, 4)]),
        ("+++", []),
        ("++.++", [(0, 5, 1, 4)]),  # one position left out
        ("+.+.+.+", [(0, 7, 1, 4)]),  # as often as it likes
        ("++++..++++", [(0, 4, 1, 4), (6, 10, 1, 4)]),  # not two
        ("++++.", [(0, 4, 1, 4)]),  # ends with its last significant position
        (".++++", [(1, 5, 1, 4)]),
        ("PPpp.PP", [(0, 7, 1, 4)]),  # the first p has (9 + 0.9 + 0.9) / 3: it is no gap
        ("++.p.++", []),  # this one has 0.3
        ("PP.pP.PP", [(0, 8, 1, 5)]),
        ("++-++", [(0, 5, 1, 4)]),  # of the other sign: one may be left out
        ("PP-PP", [(0, 5, 1, 4)]),
        ("++++----", [(0, 4, 1, 4), (4, 8, -1, 4)]),  # the search goes on where the gap began
        ("++++.----", [(0, 4, 1, 4), (5, 9, -1, 4)]),
        ("PP-.PP", [(0, 6, 1, 4)]),  # means of (9 - 2) / 3: neither is a gap ...
        ("++-.++", []),  # ... here both are
        ("+-+-+-+-", [(0, 7, 1, 4)]),  # the sign of the first
    ],
)
def test_runs_by_hand(text, runs):
    assert runs_of(text) == runs


def test_gaps_and_sizes_that_are_asked_for():
    assert runs_of("++..++", max_gap=2) == [(0, 6, 1, 4)]
    assert runs_of("++.++", max_gap=0, least=2) == [(0, 2, 1, 2), (3, 5, 1, 2)]
    assert runs_of("+.+", least=1) == [(0, 3, 1, 2)]


def test_the_cutoff_itself_is_not_significant_but_a_mean_of_it_is_no_gap():
    values = np.array([[2, 2, 2, 1, 2, 2]], np.float32)
    assert significant_runs(values, 1.0, 1, 5).tolist() == [[0, 0, 6, 1, 5]]
    assert significant_runs(values, 1.0, 0, 5).tolist() == [[0, 0, 6, 1, 5]]  # 1 >= 1 alone
    assert significant_runs(values, 2.0, 1, 1).tolist() == []


VALUES = st.lists(
    st.lists(st.sampled_from([-9, -3, -2, -1.1, -1, -0.5, 0, 0.5, 1, 1.1, 2, 3, 9]), max_size=40),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(VALUES, st.integers(0, 3), st.integers(1, 5))
@example([[9, 9, -1.1, 0, 9, 9]], 1, 4)
def test_runs_equal_those_of_lists(rows, max_gap, least):
    length = max(map(len, rows))
    values = np.zeros((len(rows), length), np.float32)
    for row, each in enumerate(rows):
        values[row, : len(each)] = each
    found = significant_runs(values, 1.0, max_gap, least)
    assert found.tolist() == significant_runs_reference(values, 1.0, max_gap, least).tolist()
    for row, low, high, sign, n in found.tolist():  # and what is promised of each
        part = values[row, low:high]
        assert part[0] * sign > 1
        assert part[-1] * sign > 1
        assert n == np.sum(part * sign > 1) >= least


# ---------------------------------------------------------------------------------- correlation


def some_matrices(seed, lengths, *, centred=True):
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(length, 4)).astype(np.float32) for length in sorted(lengths)]
    return [each - each.mean(1, keepdims=True) if centred else each + 1 for each in made]


def tables_of(correlations, step=1e-3):
    """Scores that tell the union and r apart: 1000 union + sqrt(-log(1 - r^2))."""
    at = np.arange(20_001) * step
    unions = np.arange(correlations.longest_union + 1)
    return at[None] + 1000.0 * unions[:, None], step


@pytest.mark.parametrize("centred", [True, False])
def test_scores_of_all_pairs_are_those_of_padded_matrices(centred):
    lengths = [1, 2, 3, 4, 4, 5, 7, 7, 9, 14, 29]
    matrices = some_matrices(0, lengths, centred=centred)
    correlations = Correlations(matrices)
    tables, step = tables_of(correlations)
    out = np.full(len(matrices) * (len(matrices) - 1) // 2, np.nan, np.float32)
    correlations.fill(0, 5, tables, step, out)
    correlations.fill(5, len(matrices), tables, step, out)
    checked = 0
    for i in range(len(matrices)):
        for j in range(i):
            r, union, _, _ = aligned_correlation_reference(matrices[i], matrices[j])
            if r <= 0:
                continue
            found = float(out[i * (i - 1) // 2 + j])
            assert round(found / 1000) == union, (i, j)
            found -= 1000 * union
            assert found == pytest.approx(np.sqrt(-np.log(1 - r * r)), rel=1e-3, abs=1e-3)
            checked += 1
    assert checked > 40


def test_scores_do_not_depend_on_how_rows_are_shared_out_or_on_blocks():
    matrices = some_matrices(1, [5] * 150 + [6] * 140)
    correlations = Correlations(matrices)
    tables, step = tables_of(correlations)
    n = len(matrices) * (len(matrices) - 1) // 2
    whole, parts = np.full(n, np.nan, np.float32), np.full(n, np.nan, np.float32)
    correlations.fill(0, 290, tables, step, whole)
    for low in range(0, 290, 7):
        correlations.fill(low, min(low + 7, 290), tables, step, parts)
    np.testing.assert_array_equal(whole, parts)
    few = Correlations([matrices[3], matrices[149], matrices[150], matrices[289]])
    some = np.zeros(6, np.float32)
    few.fill(0, 4, tables, step, some)
    places = [149 * 148 // 2 + 3, 150 * 149 // 2 + 3, 150 * 149 // 2 + 149]
    np.testing.assert_array_equal(whole[places], some[:3])


def test_negative_correlations_have_a_distance_above_one():
    x = np.array([[3, -1, -1, -1]] * 4, np.float32)  # no offset or strand of -x is like it
    correlations = Correlations([x, -x])
    out = np.zeros(1, np.float32)
    tables = np.tile(np.linspace(0, 3, 4), (9, 1))
    correlations.fill(0, 2, tables, 1.0, out)
    r, *_ = aligned_correlation_reference(-x, x)
    assert r == pytest.approx(1 / 3)  # of the reverse complement
    palindrome = np.array([[3, -3, -3, 3]] * 4, np.float32)
    correlations = Correlations([palindrome, -palindrome])
    correlations.fill(0, 2, np.tile([0.0, np.log10(4)], (9, 1)), 1.0, out)
    assert 10 ** -float(out[0]) == pytest.approx(2 - 1 / 4)


def test_a_constant_matrix_correlates_with_nothing():
    flat = np.ones((4, 4), np.float32)
    other = some_matrices(3, [4])[0]
    correlations = Correlations([flat, other, flat], 4)
    out = np.ones(3, np.float32)
    correlations.fill(0, 3, np.tile([0.0, 5.0], (9, 1)), 1.0, out)
    assert np.all(np.abs(out) < 1e-4)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_the_best_alignment_is_that_of_padded_matrices(seed, n, m, least):
    x, y = some_matrices(seed, [n])[0], some_matrices(seed + 1, [m], centred=False)[0]
    offset, minus, r = align(x, [y, x[::-1, ::-1]], least)
    slow = aligned_correlation_reference(x, y, least)
    assert (offset[0], minus[0]) == slow[2:]
    assert r[0] == pytest.approx(slow[0], abs=1e-9)
    assert r[1] == pytest.approx(1)


def test_a_matrix_that_was_cut_out_is_put_back():
    seed = some_matrices(9, [20])[0]
    part = seed[3:11]
    offset, minus, _ = align(seed, [part, part[::-1, ::-1], seed[15:]])
    assert offset.tolist() == [3, 3, 15]
    assert minus.tolist() == [False, True, False]


# -------------------------------------------------------------------------------------- linkage


def pairs(n):
    return [(i, j) for i in range(n) for j in range(i)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 14), st.floats(0, 1))
def test_clusters_are_those_of_merging_the_most_similar_pair(seed, n, least):
    similarity = np.random.default_rng(seed).permutation(n * (n - 1) // 2).astype(np.float32)
    least *= max(1, len(similarity))
    slow = complete_linkage_reference(similarity, n, least)
    assert complete_linkage(similarity.copy(), n, least).tolist() == slow.tolist()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.9, 1.0])
def test_clusters_are_those_of_scipy(share):
    n = 300
    rng = np.random.default_rng(4)
    points = rng.normal(size=(n, 3))
    distance = np.linalg.norm(points[:, None] - points[None], axis=2).astype(np.float32)
    cut = float(np.quantile(distance, share)) * 1.0001
    ours = complete_linkage(np.array([-distance[i, j] for i, j in pairs(n)]), n, -cut)
    upper = distance[np.triu_indices(n, 1)].astype(np.float64)
    theirs = fcluster(linkage(upper, "complete"), cut, "distance")
    assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == len(set(ours.tolist()))
    assert len(set(ours.tolist())) == len(set(theirs.tolist()))


def test_clusters_hold_what_is_similar_enough_with_ties_too():
    n = 80
    rng = np.random.default_rng(5)
    similarity = rng.integers(0, 4, n * (n - 1) // 2).astype(np.float32)
    cluster = complete_linkage(similarity.copy(), n, 2.0)
    again = complete_linkage(similarity.copy(), n, 2.0)
    assert cluster.tolist() == again.tolist()
    assert list(dict.fromkeys(cluster.tolist())) == sorted(set(cluster.tolist()))
    value = {(i, j): s for (i, j), s in zip(pairs(n), similarity.tolist(), strict=True)}
    members = {c: np.flatnonzero(cluster == c).tolist() for c in set(cluster.tolist())}
    for each in members.values():
        assert all(value[i, j] >= 2 for i in each for j in each if j < i)
    for c, one in members.items():  # and no two clusters could still be merged
        for other in (members[d] for d in members if d < c):
            assert any(value[max(i, j), min(i, j)] < 2 for i in one for j in other)


def test_what_kernels_refuse():
    with pytest.raises(ValueError, match="float32"):
        significant_runs(np.zeros((1, 3)), 1.0)
    with pytest.raises(ValueError, match="cutoff must be more than 0"):
        significant_runs(np.zeros((1, 3), np.float32), 0.0)
    with pytest.raises(ValueError, match="ordered by length"):
        Correlations([np.zeros((3, 4), np.float32), np.zeros((2, 4), np.float32)])
    with pytest.raises(ValueError, match="of 3 pairs"):
        complete_linkage(np.zeros(2, np.float32), 3, 0)
