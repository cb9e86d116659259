"""How sure a number is: over examples, over pairs, over classes and trials."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.metrics._rows import Floats

__all__ = ["Interval", "PairedDifference", "Spread", "bootstrap", "paired_difference", "spread"]


class Interval(NamedTuple):
    """A number and the ends of its confidence interval."""

    value: float
    low: float
    high: float


class PairedDifference(NamedTuple):
    """What `paired_difference` found.

    Attributes
    ----------
    mean : float
        Of a - b.
    low, high : float
        The ends of its confidence interval.
    p : float
        Wilcoxon's signed-rank test, two-sided; NaN without a pair, 1 where all pairs are equal.
    n : int
        Pairs used.
    left_out : int
        Pairs of which one or both are NaN.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int
    left_out: int


class Spread(NamedTuple):
    """Mean and population standard deviations of trials x classes.

    Attributes
    ----------
    mean : float
    across_classes : float
        Of the classes' means over trials.
    across_trials : float
        Of the trials' means over classes.
    """

    mean: float
    across_classes: float
    across_trials: float


def bootstrap(
    values: npt.ArrayLike,
    statistic: Callable[[npt.NDArray[Any]], Any] = np.mean,
    n: int = 1000,
    seed: int = 0,
    *,
    level: float = 0.95,
) -> Interval:
    """A statistic with its percentile interval over resampled examples (Efron 1979).

    Parameters
    ----------
    values : array, shape (examples, ...)
        Examples are drawn whole, with replacement: columns that belong together, such as labels
        and scores, are columns of one array.
    statistic : callable
        Of an array like `values`, to a number. Resamples of which it is NaN are left out of the
        interval (such as those without a positive).
    n : int
        Resamples.
    seed : int
    level : float
        Of confidence.

    Returns
    -------
    Interval
        NaN throughout without examples.
    """
    given = np.asarray(values)
    if n < 1 or not 0 < level < 1:
        raise ValueError(f"found {n} resamples and level {level}, expected 1 or more and 0 to 1")
    if not len(given):
        return Interval(np.nan, np.nan, np.nan)
    random = np.random.default_rng(seed)
    found = np.array(
        [float(statistic(given[random.integers(0, len(given), len(given))])) for _ in range(n)]
    )
    found = found[~np.isnan(found)]
    tail = (1 - level) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) if len(found) else (np.nan, np.nan)
    return Interval(float(statistic(given)), float(low), float(high))


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, seed: int = 0, *, n: int = 1000, level: float = 0.95
) -> PairedDifference:
    """How far two models differ on the same examples.

    Parameters
    ----------
    a, b : float, shape (examples,)
        A measure of each example, such as its Jensen-Shannon divergence. A pair with a NaN is left
        out, and counted.
    seed, n, level
        As of `bootstrap`, of the mean difference.

    Raises
    ------
    ValueError
        Not one value of each for every example.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"found shapes {first.shape} and {second.shape}, expected (n,) twice")
    difference: Floats = first - second
    missing = np.isnan(difference)
    difference = difference[~missing]
    mean, low, high = bootstrap(difference, n=n, seed=seed, level=level)
    p = _signed_rank_p(difference) if len(difference) else np.nan
    return PairedDifference(mean, low, high, p, len(difference), int(missing.sum()))


def spread(values: npt.ArrayLike) -> Spread:
    """Both spreads that papers give, which differ several times: never one for the other.

    Parameters
    ----------
    values : float, shape (trials, classes)
        Such as AUROC of each; a class that is NaN in a trial is left out of that trial's mean.
    """
    given = np.asarray(values, np.float64)
    if given.ndim != 2:
        raise ValueError(f"found shape {given.shape}, expected (trials, classes)")
    classes, trials = _means(given.T), _means(given)
    return Spread(float(_means(classes[None])[0]), _deviation(classes), _deviation(trials))


def _signed_rank_p(difference: Floats) -> float:
    from scipy.stats import wilcoxon

    if not difference.any():
        return 1.0
    return float(wilcoxon(difference).pvalue)


def _means(rows: Floats) -> Floats:
    """Of the numbers of each row that are not NaN; NaN without any."""
    known = ~np.isnan(rows)
    n = known.sum(axis=1)
    found: Floats = np.where(known, rows, 0.0).sum(axis=1) / np.where(n == 0, np.nan, n)
    return found


def _deviation(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else np.nan
