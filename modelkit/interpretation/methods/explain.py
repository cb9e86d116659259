"""One call for every method, network and target.

    explainer = Explainer(explained, AttributionOptions(method="deepshap"))
    for x_BCP, rows in batches:
        explanation = explainer(x_BCP, rows)

A sequence's scores do not depend on those beside it in the batch.
"""

import copy
import warnings

import numpy as np
import torch
from torch import Tensor

from kmerengine.errors import InputError
from modelkit.interpretation.methods import convergence
from modelkit.interpretation.methods.deepshap import deepshap
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.explanation import Explanation
from modelkit.interpretation.methods.gradcam import gradcam
from modelkit.interpretation.methods.gradients import integrated_gradients, parts, saliency
from modelkit.interpretation.methods.ism import ism
from modelkit.interpretation.methods.options import METHODS, AttributionOptions
from modelkit.interpretation.methods.references import Numbers, references
from modelkit.interpretation.methods.rescale import Rescale
from modelkit.interpretation.methods.rules import Guided, swap

__all__ = [
    "METHODS",
    "AttributionOptions",
    "Explainer",
    "Explanation",
    "IncompleteWarning",
    "explain",
]

NAMED = 3  # modules in a warning
LOOKED_AT = 8  # sequences of a batch, to find the modules by


class IncompleteWarning(UserWarning):
    """Contributions do not add up to the difference between predictions."""


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

    Warns
    -----
    IncompleteWarning
        Contributions add up to something else, by more than 1 % of the differences, 5 % for ig; it
        names the modules that have no rule.

    Raises
    ------
    InputError
        A method finds nothing to go by: guided no ReLU, gradcam no layer.
    """
    return Explainer(explained, options or AttributionOptions())(x_BCP, numbers)


class Explainer:
    """A copy of a network, made ready for one method.

    Parameters
    ----------
    explained : Explained
        It is copied, evaluates, and keeps its weights.
    options : AttributionOptions

    Attributes
    ----------
    incomplete : str or None
        What the first warning said, if there was one; there is no second.
    """

    def __init__(self, explained: Explained, options: AttributionOptions) -> None:
        self.options = options
        self.incomplete: str | None = None
        self._explained = copy.deepcopy(explained).eval().requires_grad_(requires_grad=False)
        self._rescale = Rescale()
        if options.method in ("deepshap", "deeplift"):
            swap(self._explained, self._rescale)
        self._guided = Guided()
        if options.method == "guided":
            swap(self._explained, self._guided)

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
        x_BCP = x_BCP.detach()
        found = self._explain(x_BCP, numbers)
        if self.options.is_complete and self.incomplete is None:
            off = convergence.incomplete(found)
            by_steps = self.options.method == "ig"
            if off > (convergence.BETWEEN_STEPS if by_steps else convergence.INCOMPLETE):
                worst = int(convergence.shares(found).argmax())
                self.incomplete = self._why(off, worst, x_BCP, numbers)
                warnings.warn(self.incomplete, IncompleteWarning, stacklevel=2)
        return found

    def _explain(self, x_BCP: Tensor, numbers: Numbers) -> Explanation:
        explained, options = self._explained, self.options
        if not len(x_BCP):
            scores = x_BCP.new_zeros(0, explained.weights.shape[1], *x_BCP.shape[1:])
            return Explanation.of_scores(scores, scores.new_zeros(scores.shape[:2]))
        match options.method:
            case "deepshap" | "deeplift":
                return deepshap(explained, self._rescale, x_BCP, options, numbers)
            case "ig":
                return integrated_gradients(explained, x_BCP, options, numbers)
            case "saliency":
                return saliency(explained, x_BCP, options)
            case "guided":
                found = saliency(explained, x_BCP, options)
                if not self._guided.is_met:
                    raise InputError(
                        "guided: the network has no ReLU that is a module, expected one to guide; "
                        "saliency is what is left"
                    )
                return found
            case "gradcam":
                return gradcam(explained, x_BCP, options)
            case "ism":
                return _mutagenesis(explained, x_BCP, options)

    def _why(self, off: float, worst: int, x_BCP: Tensor, numbers: Numbers) -> str:
        """A line about contributions that do not add up, least those of the target `worst`."""
        what = f"contributions are off by {off:.1%} of the differences between predictions"
        options = self.options
        if options.bfloat16:
            return f"{what}; float32 in place of bfloat16 brings them closer"
        if options.method == "ig":
            return f"{what}; more than {options.steps} steps bring them closer"
        x_BCP, numbers = x_BCP[:LOOKED_AT], numbers[:LOOKED_AT]
        r_BCP = references(x_BCP, options, numbers)[:, 0]
        found = convergence.leaks(self._explained, self._rescale, x_BCP, r_BCP, options, worst)
        if not found:
            return f"{what}; no module stands out: one may mix the rows of a batch"
        named = ", ".join(
            f"{leak.name} ({leak.kind}) by {leak.share:.1%}" for leak in found[:NAMED]
        )
        return f"{what}: {named}; no rule is known for what is not linear there, gradients stand in"


def _mutagenesis(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Explanation:
    """Targets with each base, less their mean over the four; signals are not changed, and have no
    number.
    """
    values_BKLP = ism(explained, x_BCP, options.max_rows)
    scores = x_BCP.new_full((*values_BKLP.shape[:2], *x_BCP.shape[1:]), np.nan)
    scores[:, :, :4] = values_BKLP - values_BKLP.mean(2, keepdim=True)
    return Explanation.of_scores(scores, _predicted(explained, x_BCP, options))


def _predicted(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Tensor:
    with torch.no_grad():
        found = [explained(x_BCP[part]) for part in parts(len(x_BCP), options.max_rows)]
    return torch.cat(found)
