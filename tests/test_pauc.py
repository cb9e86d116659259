"""ROC curves and partial areas, against fractions and against McClish's formula written out."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics

from modelkit.metrics import pauc
from modelkit.metrics.labels import roc_points


def corners(labels, scores):
    """False and true positive rates at every threshold, as fractions, (0, 0) first."""
    ones, zeros = sum(labels), len(labels) - sum(labels)
    found = [(Fraction(0), Fraction(0))]
    for threshold in sorted(set(scores), reverse=True):
        above = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        found.append((Fraction(len(above) - sum(above), zeros), Fraction(sum(above), ones)))
    return found


def area_below(points, end):
    """Of straight lines between the corners, from 0 to `end`; exact."""
    total = Fraction(0)
    for (x0, y0), (x1, y1) in pairwise(points):
        low, high = min(x0, end), min(x1, end)
        if high > low:
            slope = (y1 - y0) / (x1 - x0)
            at = [y0 + slope * (x - x0) for x in (low, high)]
            total += (high - low) * sum(at) / 2
    return total


CASES = {
    "no ties": (120, 10**6, 0.3),
    "ties": (120, 4, 0.3),
    "few zeros": (15, 10**6, 0.8),  # the first false positive is beyond 0.1
    "few ones": (90, 30, 0.05),
}


@pytest.mark.parametrize("case", CASES)
def test_partial_areas_are_those_of_the_exact_curve(case):
    n, levels, share = CASES[case]
    rng = np.random.default_rng(3)
    labels = (rng.random(n) < share).astype(int)
    scores = rng.integers(0, levels, n) + labels * levels // 3
    points = corners(labels.tolist(), scores.tolist())
    for end in (Fraction(1, 10), Fraction(1, 3), Fraction(1)):
        area = area_below(points, end)
        found = pauc(labels, scores, float(end))
        assert found.raw == pytest.approx(float(area / end), abs=1e-12)
        # McClish (1989), as scikit-learn has it: chance becomes 1/2 and the best 1
        least, most = end * end / 2, end
        mcclish = float(Fraction(1, 2) * (1 + (area - least) / (most - least)))
        assert found.mcclish == pytest.approx(mcclish, abs=1e-12)
        theirs = sklearn.metrics.roc_auc_score(labels, scores, max_fpr=float(end))
        assert found.mcclish == pytest.approx(theirs, abs=1e-12)
    assert found.raw == pytest.approx(sklearn.metrics.roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_curve_has_all_corners_but_those_on_a_line(case):
    n, levels, share = CASES[case]
    rng = np.random.default_rng(4)
    labels = (rng.random(n) < share).astype(int)
    scores = rng.integers(0, levels, n) + labels * levels // 3
    fpr, tpr = roc_points(labels, scores.astype(np.float32))
    exact = corners(labels.tolist(), scores.tolist())
    known = {(float(x), float(y)) for x, y in exact}
    assert set(zip(fpr.tolist(), tpr.tolist(), strict=True)) <= known
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    for x, y in exact:  # the others lie on it
        if (fpr == float(x)).any():
            heights = tpr[fpr == float(x)]
            assert heights.min() - 1e-12 <= float(y) <= heights.max() + 1e-12
        else:
            assert np.interp(float(x), fpr, tpr) == pytest.approx(float(y), abs=1e-12)


def test_a_curve_needs_both_labels_of_one_class():
    for labels in ([1, 1], [0, 0], [[0, 1], [1, 0]]):
        with pytest.raises(ValueError, match="expected 0 and 1 of one class"):
            roc_points(labels, np.zeros(np.shape(labels)))
    with pytest.raises(ValueError, match="scores: found NaN"):
        roc_points([0, 1], [0, np.nan])
