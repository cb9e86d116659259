"""What makes filters answer: their largest activations, and the windows of the high ones.

Sequences pass twice, batch by batch: first for the thresholds, then for the windows. No activation
is kept, so that memory does not grow with their number.

B = sequences, P = bp, N = positions of the layer, C = channels, F = filters.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from modelkit.interpretation.filters.alignment import NONE, Windows
from modelkit.interpretation.filters.layers import FilterLayer

__all__ = ["FEWEST", "Thresholds", "add_windows", "thresholds"]

FEWEST = 10  # sequences that make a motif of what reaches a share of the possible

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Thresholds(NamedTuple):
    """Of each filter, shape (F,).

    Attributes
    ----------
    value : float64
        Activation that windows need.
    observed : float64
        The largest activation.
    fallback : bool
        Whether the value is a share of the observed one for want of sequences.
    """

    value: Floats
    observed: Floats
    fallback: npt.NDArray[np.bool_]


def thresholds(
    layer: FilterLayer, batches: Iterable[Tensor], share: float, *, possible: bool
) -> Thresholds:
    """Activations that are high for each filter.

    Parameters
    ----------
    layer : FilterLayer
    batches : iterable of Tensor, shape (B, C, P)
    share : float
        Of the largest possible activation, or of the observed one.
    possible : bool
        Go by the possible one where it is known, and fewer than `FEWEST` sequences do not say
        otherwise.
    """
    by_possible = layer.possible if possible else None
    wanted = np.full(layer.n_filters, np.inf) if by_possible is None else share * by_possible
    observed = np.zeros(layer.n_filters)
    reach = np.zeros(layer.n_filters, np.int64)
    for x_BCP in batches:
        most_BF = layer(x_BCP).amax(1).double().cpu().numpy()
        observed = np.maximum(observed, most_BF.max(0))
        reach += ((most_BF >= wanted) & (most_BF > 0)).sum(0)
    fallback = np.zeros(layer.n_filters, np.bool_)
    if by_possible is not None:
        fallback = (reach < FEWEST) & (observed > 0)
        return Thresholds(np.where(fallback, share * observed, wanted), observed, fallback)
    return Thresholds(share * observed, observed, fallback)


def add_windows(
    layer: FilterLayer,
    batches: Iterable[Tensor],
    value: Floats,
    windows: Windows,
    *,
    every: bool,
) -> Ints:
    """Add the windows of high activations, in the middle of what the filter sees there.

    Parameters
    ----------
    layer : FilterLayer
    batches : iterable of Tensor, shape (B, C, P)
    value : float64, shape (F,)
        Thresholds.
    windows : Windows
        They are added here.
    every : bool
        All positions above the threshold, weighted by their activation; else the first maximum of
        each sequence, if it reaches the threshold.

    Returns
    -------
    passed : int64, shape (F,)
        Sequences of each filter that have a window.
    """
    field = layer.field
    first = field.first + (field.width - windows.width) // 2
    passed = np.zeros(layer.n_filters, np.int64)
    for x_BCP in batches:
        a_BNF = layer(x_BCP)
        high = torch.from_numpy(value).to(a_BNF.device)
        if every:
            row, position, of = torch.nonzero(a_BNF > high, as_tuple=True)
            weight = a_BNF[row, position, of].double().cpu().numpy()
            kept_BF = (a_BNF > high).any(1)
        else:
            most_BF = a_BNF.amax(1)
            kept_BF = (most_BF >= high) & (most_BF > 0)
            row, of = torch.nonzero(kept_BF, as_tuple=True)
            position = _first_of(a_BNF, most_BF)[row, of]
            weight = np.ones(len(row))
        passed += kept_BF.sum(0).cpu().numpy()
        start = first + field.step * position
        windows.add(_codes(x_BCP), row.cpu().numpy(), start.cpu().numpy(), of.cpu().numpy(), weight)
    return passed


def _first_of(a_BNF: Tensor, most_BF: Tensor) -> Tensor:
    """The first position of each maximum; of equal ones argmax gives any."""
    at = torch.arange(a_BNF.shape[1], device=a_BNF.device)[None, :, None]
    return torch.where(a_BNF == most_BF[:, None], at, a_BNF.shape[1]).amin(1)


def _codes(x_BCP: Tensor) -> npt.NDArray[np.uint8]:
    """Codes (B, P) of the bases that the network takes, `NONE` for other letters."""
    is_one = x_BCP[:, :4] == 1
    codes = torch.where(is_one.any(1), is_one.to(torch.uint8).argmax(1), NONE)
    return codes.to(torch.uint8).cpu().numpy()
