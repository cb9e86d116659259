"""Numbers that judge predictions, against SciPy, scikit-learn and loops."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from modelkit import metrics
from modelkit.metrics import _rows

TIED = arrays(np.float64, 6, elements=st.integers(-3, 3))


def loop_r(x, y):
    n, mean_x, mean_y = len(x), sum(x) / len(x), sum(y) / len(y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        return 0.0
    covariance = sum((x[i] - mean_x) * (y[i] - mean_y) for i in range(n))
    squares = sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)
    return covariance / math.sqrt(squares)


def loop_ranks(x):
    """How many are lower, and half of the other equal ones."""
    return [sum(b < a for b in x) + (sum(b == a for b in x) - 1) / 2 for a in x]


@settings(deadline=None)
@given(TIED, TIED)
@example(np.full(6, 0.1), np.arange(6.0))  # its mean is not 0.1
@example(np.arange(6.0), np.full(6, 1e300))
def test_correlations_equal_loops(x, y):
    assert metrics.pearson(x, y) == pytest.approx(loop_r(x.tolist(), y.tolist()), abs=1e-12)
    expected = loop_r(loop_ranks(x.tolist()), loop_ranks(y.tolist()))
    assert metrics.spearman(x, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_correlations_equal_scipy_along_any_axis(axis):
    rng = np.random.default_rng(0)
    x, y = rng.poisson(3, (7, 11, 13)), rng.normal(size=(7, 11, 13)).astype(np.float32)
    for ours, theirs in (
        (metrics.pearson, scipy.stats.pearsonr),
        (metrics.spearman, scipy.stats.spearmanr),
    ):
        rows_x, rows_y = (np.moveaxis(each, axis, -1).reshape(-1, x.shape[axis]) for each in (x, y))
        expected = [theirs(a, b).statistic for a, b in zip(rows_x, rows_y, strict=True)]
        found = ours(x, y, axis=axis)
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-7)
        assert found.shape == np.moveaxis(x, axis, -1).shape[:-1]


def test_tied_ranks_are_averages_and_not_an_order():
    x, y = [0, 0, 0, 5, 7], [2, 1, 0, 9, 9]
    by_order = np.corrcoef(np.argsort(np.argsort(x)), np.argsort(np.argsort(y)))[0, 1]
    expected = np.corrcoef([1, 1, 1, 3, 4], [2, 1, 0, 3.5, 3.5])[0, 1]
    assert metrics.spearman(x, y) == pytest.approx(expected)
    assert abs(by_order - expected) > 0.1


def test_a_constant_row_is_zero_and_counted_and_what_is_missing_stays_so():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 9))
    y = x + rng.normal(size=(5, 9))
    y[1], y[2, 4], y[3, 0] = 0.1, np.nan, np.inf
    for r in (metrics.pearson(x, y), metrics.spearman(x, y), metrics.pearson(y, x)):
        assert r[1] == 0.0
        assert np.isnan(r).tolist() == [False, False, True, True, False]
    assert metrics.is_constant(y).tolist() == [False, True, False, False, False]
    assert metrics.is_constant(y.T, axis=0).tolist() == [False, True, False, False, False]
    assert metrics.pearson([3.0], [4.0]) == 0.0
    for n, value in ((3, 0.1), (10, 0.1), (250, 1 / 250), (7, 1e300)):  # means that are rounded
        assert metrics.pearson(np.full(n, value), np.arange(n)) == 0.0


@pytest.mark.parametrize("factor", [1e-200, 1e-5, 1e150])
def test_the_scale_does_not_matter_and_r_stays_in_its_bounds(factor):
    x = np.random.default_rng(2).normal(size=(200, 5))
    assert metrics.pearson(x * factor, x) == pytest.approx(np.ones(200))
    assert np.abs(metrics.pearson(x * factor, -x)).max() <= 1.0
    assert metrics.pearson(x + 1e6, x) == pytest.approx(np.ones(200), abs=1e-9)


def test_a_row_against_many_is_spread_over_them():
    rng = np.random.default_rng(3)
    counts, profile = rng.poisson(2, (4, 3, 20)), rng.random(20)
    for function in (metrics.pearson, metrics.spearman, metrics.jensen_shannon):
        expected = [[function(counts[i, j], profile) for j in range(3)] for i in range(4)]
        np.testing.assert_array_equal(function(counts, profile), expected)


def test_blocks_give_what_one_piece_gives(monkeypatch):
    rng = np.random.default_rng(4)
    x, y = rng.poisson(1, (5, 3, 2, 8)), rng.random((5, 3, 2, 8))
    for axis in range(4):
        whole = metrics.pearson(x, y, axis=axis), metrics.jensen_shannon(x, y, axis=axis)
        for block in (1, 10, 16, 20, 100):
            monkeypatch.setattr(_rows, "BLOCK", block)
            np.testing.assert_array_equal(metrics.pearson(x, y, axis=axis), whole[0])
            np.testing.assert_array_equal(metrics.jensen_shannon(x, y, axis=axis), whole[1])
        monkeypatch.undo()


def test_large_arrays_are_not_copied():
    x = np.random.default_rng(5).random((2000, 90, 50), np.float32)
    tracemalloc.start()
    for function in (metrics.pearson, metrics.jensen_shannon, metrics.cross_entropy):
        function(x, x)
    function(x.transpose(2, 0, 1), x.transpose(2, 0, 1), axis=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes, f"{peak / 1e6:.0f} MB of {x.nbytes / 1e6:.0f}"


def test_no_rows_and_no_values():
    assert metrics.pearson(np.zeros((0, 5)), np.zeros((0, 5))).shape == (0,)
    with pytest.raises(ValueError, match=r"axis -1 of \(5, 0\) has no values"):
        metrics.pearson(np.zeros((5, 0)), np.zeros((5, 0)))


def test_the_divergence_equals_scipys_distance_squared():
    rng = np.random.default_rng(6)
    p, q = rng.poisson(0.5, (50, 30)), rng.random((50, 30))
    p[:, 0] += 1
    expected = jensenshannon(p, q, base=2, axis=1) ** 2
    np.testing.assert_allclose(metrics.jensen_shannon(p, q), expected, atol=1e-14)
    np.testing.assert_allclose(metrics.jensen_shannon(q, 7 * p), expected, atol=1e-14)
    assert metrics.jensen_shannon([1, 0, 0], [0, 5, 0]) == 1.0
    assert metrics.jensen_shannon([3, 1], [0.75, 0.25]) == 0.0


def test_the_cross_entropy_equals_a_loop_and_has_its_anchors():
    rng = np.random.default_rng(7)
    counts, q = rng.poisson(0.7, (20, 250)), rng.dirichlet(np.ones(250), 20)
    q[0] = 0.0
    q[0, np.flatnonzero(counts[0] == 0)[0]] = 1.0  # nothing where the counts are
    expected = []
    for k, row in zip(counts.tolist(), q.tolist(), strict=True):
        total = sum(row) + 250e-15
        expected.append(
            -sum(n / sum(k) * math.log((p + 1e-15) / total) for n, p in zip(k, row, strict=True))
        )
    np.testing.assert_allclose(metrics.cross_entropy(counts, q), expected, rtol=1e-12)
    assert expected[0] == pytest.approx(34.54, abs=0.01)
    assert metrics.cross_entropy(counts[1], np.ones(250)) == pytest.approx(5.521, abs=1e-3)
    nll = -scipy.stats.multinomial.logpmf(counts[1], counts[1].sum(), q[1])
    constant = math.lgamma(counts[1].sum() + 1) - sum(math.lgamma(k + 1) for k in counts[1])
    found = counts[1].sum() * metrics.cross_entropy(counts[1], q[1])
    assert found == pytest.approx(nll + constant)


def test_rows_without_counts():
    counts, q = np.zeros((2, 4)), np.full((2, 4), 0.25)
    counts[1, 2] = 1
    np.testing.assert_array_equal(metrics.jensen_shannon(counts, q)[:1], [np.nan])
    assert metrics.cross_entropy(counts, q)[0] == 0.0
    assert np.isfinite(metrics.cross_entropy(counts, q[::-1] * 0)).all()
    totals = np.array([[0, 0], [1, 1], [1, 3], [0, 9]])
    np.testing.assert_array_equal(metrics.coefficient_of_variation(totals), [np.nan, 0, 0.5, 1])
    assert metrics.cv_quartile(totals).tolist() == [-1, 0, 1, 3]
    assert metrics.cv_quartile(np.zeros((3, 2))).tolist() == [-1] * 3
    for function in (metrics.jensen_shannon, metrics.cross_entropy):
        with pytest.raises(ValueError, match=r"found -1\.0, expected counts or probabilities"):
            function([-1, 2], [0.5, 0.5])


def test_quartiles_are_equal_parts_of_the_population_deviation_over_the_mean():
    totals = np.random.default_rng(8).gamma(2, 5, (400, 9)) + 1
    deviation = [math.sqrt(sum((v - sum(r) / 9) ** 2 for v in r) / 9) for r in totals.tolist()]
    variation = np.array(deviation) / totals.mean(axis=1)
    place = np.argsort(np.argsort(variation))
    np.testing.assert_array_equal(metrics.cv_quartile(totals), place // 100)


def loop_auroc(labels, scores):
    """The share of (1, 0) pairs in which the 1 scores higher; equal ones count half."""
    pairs = [
        (a > b) + (a == b) / 2
        for a, label in zip(scores, labels, strict=True)
        for b, other in zip(scores, labels, strict=True)
        if label and not other
    ]
    return sum(pairs) / len(pairs) if pairs else math.nan


@settings(deadline=None, max_examples=40)
@given(arrays(np.int8, (12, 3), elements=st.integers(0, 1)), arrays(np.int8, (12, 3)))
def test_auroc_equals_all_pairs_and_undefined_classes_are_nan(labels, scores):
    expected = [loop_auroc(labels[:, i], scores[:, i].tolist()) for i in range(3)]
    found = metrics.auroc(labels, scores)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(metrics.has_both(labels), ~np.isnan(expected))
    np.testing.assert_array_equal(np.isnan(metrics.auprc(labels, scores)), np.isnan(expected))
    np.testing.assert_array_equal(np.isnan(metrics.pauc(labels, scores).raw), np.isnan(expected))


@pytest.mark.parametrize("levels", [5, 10**6])
@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.37, 1.0])
def test_areas_equal_scikit_learns(levels, max_fpr):
    rng = np.random.default_rng(9)
    labels = rng.random(300) < 0.2
    scores = rng.integers(0, levels, 300) + labels * levels / 3
    found = metrics.pauc(labels, scores, max_fpr)
    expected = sklearn.metrics.roc_auc_score(labels, scores, max_fpr=max_fpr)
    assert found.mcclish == pytest.approx(expected, abs=1e-12)
    grid = np.linspace(0, max_fpr, 200_001)  # brute force: the curve's mean height
    fpr = [(scores[~labels] >= t).mean() for t in np.unique(scores)[::-1]]
    tpr = [(scores[labels] >= t).mean() for t in np.unique(scores)[::-1]]
    fpr, last = np.unique([0, *fpr], return_index=True)
    low = np.array([0, *tpr])[last]
    high = np.array([*([0, *tpr][i - 1] for i in last[1:]), 1.0])
    at = np.searchsorted(fpr, grid, side="right").clip(1, len(fpr) - 1)
    share = (grid - fpr[at - 1]) / (fpr[at] - fpr[at - 1])
    height = high[at - 1] + share * (low[at] - high[at - 1])
    assert found.raw == pytest.approx(height.mean(), abs=1e-4)
    expected = sklearn.metrics.average_precision_score(labels, scores)
    assert metrics.auprc(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_chance_and_perfect_partial_areas():
    labels = np.repeat([True, False], 500)
    perfect = metrics.pauc(labels, labels)
    assert (perfect.raw, perfect.mcclish) == (1.0, 1.0)
    chance = metrics.pauc(labels, np.zeros(1000))
    assert chance.raw == pytest.approx(0.05)
    assert chance.mcclish == pytest.approx(0.5)


def test_the_precision_recall_area_in_both_ways():
    labels, scores = [1, 0, 1, 0], [4, 3, 2, 1]  # precision 1, 1/2, 2/3, 1/2 at recall 1/2, 1
    assert metrics.auprc(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    trapezoid = 0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2
    assert metrics.auprc(labels, scores, method="trapezoid") == pytest.approx(trapezoid)


def test_labels_and_scores_that_cannot_be_judged():
    with pytest.raises(ValueError, match="labels: found others than 0 and 1"):
        metrics.auroc([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="scores: found NaN"):
        metrics.auroc([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match=r"labels of shape \(2,\) and scores of \(3,\)"):
        metrics.auroc([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="max_fpr: found 0"):
        metrics.pauc([0, 1], [0.1, 0.2], 0)
    with pytest.raises(ValueError, match="method: found 'steps'"):
        metrics.auprc([0, 1], [0.1, 0.2], method="steps")


def test_the_bootstrap_is_as_wide_as_theory_and_as_its_seed_says():
    values = np.random.default_rng(10).normal(5, 2, 400)
    found = metrics.bootstrap(values, n=4000, seed=1)
    assert found.value == values.mean()
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)
    assert metrics.bootstrap(values, n=4000, seed=1) == found
    assert metrics.bootstrap(values, n=4000, seed=2) != found
    theirs = scipy.stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=4000, rng=3
    ).confidence_interval
    ours = metrics.bootstrap(values, np.median, 4000, seed=3)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    inside = 0
    for seed in range(200):
        _, low, high = metrics.bootstrap(rng.normal(size=60), n=300, seed=seed, level=0.8)
        inside += low < 0 < high
    assert 0.8 - 0.09 < inside / 200 < 0.8 + 0.09  # 3 standard errors


def test_the_bootstrap_draws_examples_whole():
    labels = np.random.default_rng(12).random(80) < 0.5
    both = np.column_stack([labels, labels * 2.0])  # a perfect score in every resample
    found = metrics.bootstrap(both, lambda rows: metrics.auroc(rows[:, 0], rows[:, 1]), 50)
    assert found == (1.0, 1.0, 1.0)
    single = np.array([[1, 0.5], [0, 0.1]])  # every other resample has one label alone: NaN
    found = metrics.bootstrap(single, lambda rows: metrics.auroc(rows[:, 0], rows[:, 1]), 50)
    assert found == (1.0, 1.0, 1.0)
    assert np.isnan(metrics.bootstrap(np.zeros(0))).all()


@pytest.mark.parametrize("n", [12, 300])
def test_the_paired_difference_is_scipys_test(n):
    rng = np.random.default_rng(13)
    a = rng.random(n)
    b = a + rng.normal(0.05, 0.1, n)
    expected = scipy.stats.wilcoxon(a, b)
    missing = a.copy()
    found = metrics.paired_difference(np.append(missing, [np.nan, 1]), np.append(b, [1, np.nan]))
    assert found.p == expected.pvalue
    assert found.mean == pytest.approx((a - b).mean())
    assert found.low < found.mean < found.high
    assert (found.n, found.left_out) == (n, 2)
    turned = metrics.paired_difference(b, a)
    assert (turned.mean, turned.low, turned.high) == pytest.approx(
        (-found.mean, -found.high, -found.low), abs=0.01
    )


def test_equal_models_differ_by_nothing():
    a = np.random.default_rng(14).random(30)
    assert metrics.paired_difference(a, a) == (0.0, 0.0, 0.0, 1.0, 30, 0)
    none = metrics.paired_difference([np.nan], [1.0])
    assert np.isnan(none[:4]).all()
    assert (none.n, none.left_out) == (0, 1)
    with pytest.raises(ValueError, match=r"shapes \(1,\) and \(2,\)"):
        metrics.paired_difference([1.0], [1.0, 2.0])


def test_the_two_spreads_are_not_the_same():
    values = np.array([[0.9, 0.5, 0.7], [0.92, 0.52, 0.72]])
    found = metrics.spread(values)
    assert found.mean == pytest.approx(0.71)
    assert found.across_classes == pytest.approx(math.sqrt(0.08 / 3))  # 0.91, 0.51, 0.71
    assert found.across_trials == pytest.approx(0.01)  # 0.70, 0.72
    values[0, 1] = np.nan
    found = metrics.spread(values)
    assert found.mean == pytest.approx((0.91 + 0.52 + 0.71) / 3)
    assert found.across_trials == pytest.approx((0.8 - 0.72) / 2)
    assert np.isnan(metrics.spread(np.full((2, 2), np.nan))).all()
