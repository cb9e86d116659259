"""One call for every method, network and target.

    explainer = Explainer(explained, AttributionOptions(method="deepshap"))
    for x_BCP, rows in batches:
        explanation = explainer(x_BCP, rows)

A sequence's scores do not depend on those beside it in the batch.
"""

import copy

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kmerengine.errors import InputError
from modelkit.interpretation.explained import Explained
from modelkit.interpretation.explanation import Explanation
from modelkit.interpretation.gradients import saliency
from modelkit.interpretation.options import METHODS, AttributionOptions

__all__ = ["METHODS", "AttributionOptions", "Explainer", "Explanation", "explain"]

Numbers = npt.NDArray[np.int64]


def explain(
    explained: Explained,
    x_BCP: Tensor,
    options: AttributionOptions | None = None,
    numbers: Numbers | None = None,
) -> Explanation:
    """Attributions of one batch; `Explainer` is the same for many.

    Parameters
    ----------
    explained : Explained
        A network with a readout; it is left as it is.
    x_BCP : Tensor, float, shape (B, C, P)
        One-hot bases, an all-zero column where none is known, then signals.
    options : AttributionOptions, optional
    numbers : int64, shape (B,), optional
        What stands for each sequence in the draw of its shuffles, such as its row of the data set;
        by default its place in the batch.
    """
    return Explainer(explained, options or AttributionOptions())(x_BCP, numbers)


class Explainer:
    """A copy of a network, made ready for one method.

    Parameters
    ----------
    explained : Explained
        It is copied, evaluates, and keeps its weights.
    options : AttributionOptions
    """

    def __init__(self, explained: Explained, options: AttributionOptions) -> None:
        self.options = options
        self.explained = copy.deepcopy(explained).eval().requires_grad_(requires_grad=False)

    def __call__(self, x_BCP: Tensor, numbers: Numbers | None = None) -> Explanation:
        """Explain a batch; see `explain`."""
        if x_BCP.ndim != 3 or x_BCP.shape[1] < 4 or not x_BCP.is_floating_point():
            raise ValueError(
                "x must be floats (sequences, channels, bp) with the bases first, got "
                f"{x_BCP.dtype} {tuple(x_BCP.shape)}"
            )
        if numbers is None:
            numbers = np.arange(len(x_BCP), dtype=np.int64)
        if numbers.dtype != np.int64 or numbers.shape != (len(x_BCP),):
            raise ValueError(
                f"numbers must be int64 of {(len(x_BCP),)}, got {numbers.dtype} {numbers.shape}"
            )
        if self.options.method == "saliency":
            return saliency(self.explained, x_BCP, self.options)
        if self.options.method == "ism":
            from modelkit.interpretation.ism import ism  # (explained, x, options) -> Explanation

            return ism(self.explained, x_BCP, self.options)
        raise InputError(f"method: {self.options.method} is not there yet")
