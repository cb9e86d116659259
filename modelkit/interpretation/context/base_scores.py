"""One score for each base: the contribution of the base that stands there.

AgentBind (Zheng et al. 2021) scores bases so; of Grad-CAM, its code divides the scores of a
sequence by the sum of their absolute values:

    score of base j = contribution_j / sum_i |contribution_i|

A sequence without any score has no such quotient. There the authors' code leaves the sequence out,
and its places with it; here it is a row of NaN, so that rows are those of the attributions.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from modelkit.interpretation.attribution.attributions import Attributions

__all__ = ["base_scores", "target_number"]

DIVIDED = ("gradcam",)  # methods whose scores are shares of a sequence's
CHUNK_BYTES = 64 << 20  # of hypothetical scores that are read at a time

Floats = npt.NDArray[np.float64]


def base_scores(attributions: Attributions | str | Path, target: int | str = 0) -> Floats:
    """Score of each base of each example.

    Parameters
    ----------
    attributions : Attributions or path
        n examples of P bp.
    target : int or str
        Number or name of the output that was explained.

    Returns
    -------
    scores : float64, shape (n, P)
        Of the observed bases along the sequence, whatever the region's strand. An unknown base has
        a score of 0. Of Grad-CAM, |scores| of an example sum to 1. An example without any score,
        or with one that is no number, is a row of NaN.

    Raises
    ------
    InputError
        The attributions cannot be read, or have no such target.

    Notes
    -----
    `modelkit.attribute` has divided Grad-CAM's scores before. It counts what unknown bases of an
    input of 0.25 have; the authors' code does too. Without them |scores| sum to 1.
    """
    known = (
        attributions if isinstance(attributions, Attributions) else Attributions.open(attributions)
    )
    number = target_number(known, target)
    n, length = known.sequence.shape
    scores = np.empty((n, length))
    rows = max(1, CHUNK_BYTES // max(1, known.hypothetical[:1].nbytes))
    for low in range(0, n, rows):
        part = slice(low, min(low + rows, n))
        scores[part] = known.contributions(part)[:, number]
    size = np.abs(scores).sum(1, keepdims=True)
    none = (size == 0) | ~np.isfinite(size)
    if known.method in DIVIDED:
        scores /= np.where(none, 1.0, size)
    scores[none[:, 0]] = np.nan
    return scores


def target_number(attributions: Attributions, target: int | str) -> int:
    """The number of a target; InputError if there is none."""
    if isinstance(target, str):
        return attributions.target(target)
    n = len(attributions.targets)
    if not 0 <= target < n:
        raise InputError(
            f"{attributions.path}: found target {target}, expected 0 to {n - 1}, or a name"
        )
    return target
