"""How well scores tell 1 from 0.

Labels and scores are of one class, shape (n,), or of many, shape (n, classes); what is returned has
the shape () or (classes,). A class without a 1 or without a 0 has no such number: NaN, and
`has_both` counts them. scikit-learn's curves, of which ties are one step.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.metrics._rows import Floats

__all__ = ["PartialArea", "auprc", "auroc", "has_both", "pauc", "roc_points"]

Labels = npt.NDArray[np.bool_]


class PartialArea(NamedTuple):
    """Area under the ROC curve up to a false positive rate.

    Attributes
    ----------
    raw : float64, shape () or (classes,)
        The area over that rate: 0 to 1; half the rate by chance.
    mcclish : float64, shape () or (classes,)
        Moved so that chance is 0.5 and perfect is 1 (McClish 1989), as scikit-learn's `max_fpr`.
    """

    raw: Floats
    mcclish: Floats


def auroc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """Area under the receiver operating characteristic: 0.5 by chance.

    Parameters
    ----------
    labels : bool or 0 and 1, shape (n,) or (n, classes)
    scores : float, the same shape
        Higher for 1; any scale.

    Returns
    -------
    area : float64, shape () or (classes,)

    Raises
    ------
    ValueError
        Other labels, other shapes, or scores that are not finite.
    """

    def area(labels: Labels, scores: Floats) -> float:
        from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

        return float(roc_auc_score(labels, scores))

    return _by_class(area, labels, scores)


def auprc(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    method: Literal["average-precision", "trapezoid"] = "average-precision",
) -> Floats:
    """Area under the precision-recall curve; the share of 1 by chance.

    Parameters
    ----------
    labels : bool or 0 and 1, shape (n,) or (n, classes)
    scores : float, the same shape
    method : "average-precision" or "trapezoid"
        Steps (AgentBind's code), or straight lines between the points of the curve (Koo & Eddy),
        which is somewhat too high, and far too high of scores with many ties: of a constant it is
        (1 + the share of 1) / 2.

    Returns
    -------
    area : float64, shape () or (classes,)
    """

    def area(labels: Labels, scores: Floats) -> float:
        from sklearn.metrics import auc, average_precision_score, precision_recall_curve

        if method == "average-precision":
            return float(average_precision_score(labels, scores))
        precision, recall, _ = precision_recall_curve(labels, scores)
        return float(auc(recall, precision))

    if method not in ("average-precision", "trapezoid"):
        raise ValueError(f"method: found {method!r}, expected average-precision or trapezoid")
    return _by_class(area, labels, scores)


def pauc(labels: npt.ArrayLike, scores: npt.ArrayLike, max_fpr: float = 0.1) -> PartialArea:
    """Area under the receiver operating characteristic up to a false positive rate.

    Parameters
    ----------
    labels : bool or 0 and 1, shape (n,) or (n, classes)
    scores : float, the same shape
    max_fpr : float
        Above 0, at most 1.
    """

    def area(labels: Labels, scores: Floats) -> float:
        from sklearn.metrics import auc, roc_curve

        fpr, tpr, _ = roc_curve(labels, scores)
        within = int(np.searchsorted(fpr, max_fpr, side="right"))
        end = np.interp(max_fpr, fpr, tpr)
        return float(auc([*fpr[:within], max_fpr], [*tpr[:within], end]))

    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr: found {max_fpr}, expected above 0 and at most 1")
    found = _by_class(area, labels, scores)
    chance = max_fpr**2 / 2
    return PartialArea(
        np.asarray(found / max_fpr), np.asarray((1 + (found - chance) / (max_fpr - chance)) / 2)
    )


def roc_points(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The corners of a class's ROC curve: false and true positive rates, from (0, 0) to (1, 1).

    Equal scores are one step, a straight line between two corners. Corners on a line are left out.

    Raises
    ------
    ValueError
        As of `auroc`, and of a class without a 1 or without a 0.
    """
    from sklearn.metrics import roc_curve

    truth, given = _checked(labels, scores)
    if truth.ndim != 1 or not has_both(truth):
        raise ValueError(f"labels: found {truth.shape}, expected 0 and 1 of one class")
    fpr, tpr, _ = roc_curve(truth, given.astype(np.float64))
    return np.asarray(fpr, np.float64), np.asarray(tpr, np.float64)


def has_both(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether a class has a 1 and a 0, shape () or (classes,)."""
    given = _as_bool(labels)
    return np.asarray(given.any(axis=0) & ~given.all(axis=0))


def _by_class(
    area: Callable[[Labels, Floats], float], labels: npt.ArrayLike, scores: npt.ArrayLike
) -> Floats:
    truth, given = _checked(labels, scores)
    defined = has_both(truth)
    if truth.ndim == 1:
        return np.asarray(area(truth, given.astype(np.float64)) if defined else np.nan)
    found = np.full(truth.shape[1], np.nan)
    for i in np.flatnonzero(defined):
        found[i] = area(truth[:, i], given[:, i].astype(np.float64))
    return found


def _checked(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[Labels, npt.NDArray[np.generic]]:
    truth, given = _as_bool(labels), np.asarray(scores)
    if truth.shape != given.shape or truth.ndim not in (1, 2):
        raise ValueError(
            f"found labels of shape {truth.shape} and scores of {given.shape}, expected the same, "
            "(n,) or (n, classes)"
        )
    if not np.isfinite(given).all():
        raise ValueError("scores: found NaN or infinity, expected finite numbers")
    return truth, given


def _as_bool(labels: npt.ArrayLike) -> Labels:
    given = np.asarray(labels)
    if not ((given == 0) | (given == 1)).all():
        raise ValueError("labels: found others than 0 and 1, expected those alone")
    return given.astype(np.bool_)
