"""Gradients of targets by the input, and what follows from them alone.

B = sequences, N = rows, C = channels of the input, P = bp, K = targets.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from modelkit.interpretation.explained import Explained
from modelkit.interpretation.explanation import Explanation
from modelkit.interpretation.options import AttributionOptions

__all__ = ["calculating", "gradients", "parts", "saliency"]


def calculating(x: Tensor, options: AttributionOptions) -> AbstractContextManager[object]:
    """The type that the network calculates in."""
    return torch.autocast(x.device.type, torch.bfloat16, enabled=options.bfloat16)


def parts(n: int, size: int) -> Iterator[slice]:
    """0 to n in slices of at most `size`."""
    for low in range(0, n, size):
        yield slice(low, min(low + size, n))


def gradients(values_NK: Tensor, x_NCP: Tensor) -> Tensor:
    """Of each target by the input, shape (N, K, C, P); zeros where a target does not depend on it.

    A row's targets must depend on that row alone.
    """
    n_targets = values_NK.shape[1]
    out = x_NCP.new_empty((len(x_NCP), n_targets, *x_NCP.shape[1:]))
    for k in range(n_targets):
        (found,) = torch.autograd.grad(
            values_NK[:, k].sum(),
            x_NCP,
            retain_graph=k + 1 < n_targets,
            materialize_grads=True,
        )
        out[:, k] = found
    return out


def saliency(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Explanation:
    """Gradients as they are; guided backpropagation if the network's rules are so swapped."""
    scores, predictions = [], []
    explained.anchor(None)
    for part in parts(len(x_BCP), options.max_rows):
        x = x_BCP[part].detach().requires_grad_()
        with torch.enable_grad(), calculating(x, options):
            values_NK = explained(x)
        scores.append(gradients(values_NK, x))
        predictions.append(values_NK.detach().double())
    prediction = torch.cat(predictions)
    return Explanation(torch.cat(scores), torch.full_like(prediction, torch.nan), prediction)
