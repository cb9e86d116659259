"""Numbers that judge predictions: NumPy arrays in, float64 out."""

from modelkit.metrics.correlation import is_constant, pearson, spearman
from modelkit.metrics.labels import PartialArea, auprc, auroc, has_both, pauc
from modelkit.metrics.profiles import (
    coefficient_of_variation,
    cross_entropy,
    cv_quartile,
    jensen_shannon,
)
from modelkit.metrics.uncertainty import (
    Interval,
    PairedDifference,
    Spread,
    bootstrap,
    paired_difference,
    spread,
)

__all__ = [
    "Interval",
    "PairedDifference",
    "PartialArea",
    "Spread",
    "auprc",
    "auroc",
    "bootstrap",
    "coefficient_of_variation",
    "cross_entropy",
    "cv_quartile",
    "has_both",
    "is_constant",
    "jensen_shannon",
    "paired_difference",
    "pauc",
    "pearson",
    "spearman",
    "spread",
]
