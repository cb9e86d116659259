"""Quantile normalisation of total counts across samples, and of the profiles they belong to.

    M[r]             = mean over the samples of their r-th smallest total
    normalised[i, s] = M[rank of total[i, s] among sample s]
    profile[i, s]    is multiplied by normalised[i, s] / total[i, s]: its shape stays

Equal totals of one sample are ranked in the order of the regions, so that afterwards every sample
has exactly the same set of values.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError

__all__ = ["quantile_normalise", "rescale"]


def quantile_normalise(totals: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Give every sample the same distribution of totals, keeping the order of its regions.

    Parameters
    ----------
    totals : integer or float, shape (n_regions, n_samples)

    Returns
    -------
    normalised : float64, shape (n_regions, n_samples)

    Raises
    ------
    InputError
        A total is no number: it would have no rank.
    """
    if totals.ndim != 2 or totals.dtype.kind not in "iuf":
        raise InputError(
            f"totals: found {totals.dtype} of shape {totals.shape}, "
            "expected numbers of shape (regions, samples)"
        )
    if not np.isfinite(totals).all():
        row, sample = np.argwhere(~np.isfinite(totals))[0]
        raise InputError(
            f"totals: found {totals[row, sample]} in region {row} of sample {sample}, "
            "expected finite numbers; leave such regions out"
        )
    n_regions, n_samples = totals.shape
    normalised = np.empty((n_regions, n_samples), np.float64)
    mean = np.zeros(n_regions, np.float64)
    for sample in range(n_samples):  # by columns: no more than the result is held
        mean += np.sort(totals[:, sample])
    mean /= max(1, n_samples)
    for sample in range(n_samples):
        normalised[np.argsort(totals[:, sample], kind="stable"), sample] = mean
    return normalised


def rescale(
    profiles: npt.NDArray[Any],
    totals: npt.NDArray[Any],
    normalised: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Profiles whose sums are the normalised totals where `totals` are their sums.

    Parameters
    ----------
    profiles : numbers, shape (n_regions, n_samples, bp) or (n_regions, n_samples, 2, bp)
        Counts per base, of both strands together or of each.
    totals, normalised : shape (n_regions, n_samples)
        Before and after `quantile_normalise`, of all of a profile or of its centre.

    Returns
    -------
    rescaled : float64, the shape of `profiles`

    Notes
    -----
    No factor makes anything of a total of 0: such profiles stay as they are, so that cuts which
    lie outside the centre are neither lost nor infinite.
    """
    if profiles.ndim < 3 or not profiles.shape[:2] == totals.shape == normalised.shape:
        raise InputError(
            f"profiles: found shape {profiles.shape} with totals of {totals.shape} and "
            f"{normalised.shape}, expected (regions, samples, ..., bp) and (regions, samples)"
        )
    factors = np.ones(totals.shape, np.float64)
    np.divide(normalised, totals, out=factors, where=totals != 0)
    factors = factors.reshape(factors.shape + (1,) * (profiles.ndim - 2))
    rescaled: npt.NDArray[np.float64] = profiles * factors
    return rescaled
