# mypy: allow-untyped-calls
"""Gradients of targets by the input, and what follows from them alone.

B = sequences, N = rows, C = channels of the input, P = bp, K = targets.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.explanation import Explanation, Sums
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.interpretation.methods.references import Numbers, references

__all__ = [
    "anchored",
    "by_target",
    "calculating",
    "integrated_gradients",
    "logo_heights",
    "parts",
    "saliency",
]


def calculating(x: Tensor, options: AttributionOptions) -> AbstractContextManager[object]:
    """The type that the network calculates in."""
    return torch.autocast(x.device.type, torch.bfloat16, enabled=options.bfloat16)


def parts(n: int, most: int) -> Iterator[slice]:
    """0 to n in slices of nearly the same size, at most `most`."""
    pieces = -(-n // most)
    for i in range(pieces):
        yield slice(i * n // pieces, (i + 1) * n // pieces)


@torch.no_grad()
def anchored(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Tensor:
    """Targets (B, K) of sequences, which the readout takes as given from now on: of one pass."""
    output: list[Any] = []
    hook = explained.network.register_forward_hook(lambda _, __, given: output.append(given))
    try:
        with calculating(x_BCP, options):
            explained.anchor(x_BCP)
            return explained.read(output[0])
    finally:
        hook.remove()


def by_target(values_NK: Tensor, x_NCP: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Number and gradient (N, C, P) of each target; 0 where it does not depend on the input.

    A row's targets must depend on that row alone.
    """
    last = values_NK.shape[1] - 1
    for k in range(last + 1):
        (found,) = torch.autograd.grad(
            values_NK[:, k].sum(), x_NCP, retain_graph=k < last, materialize_grads=True
        )
        yield k, found


def saliency(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Explanation:
    """Gradients as they are; guided backpropagation if the network's modules follow that rule."""
    found = []
    explained.anchor(None)
    for part in parts(len(x_BCP), options.max_rows):
        x = x_BCP[part].detach().requires_grad_()
        with torch.enable_grad(), calculating(x, options):
            values = explained(x)
        scores = torch.stack([gradient for _, gradient in by_target(values, x)], 1)
        found.append(Explanation.of_scores(scores, values.detach()))
    return Explanation.joined(found)


def integrated_gradients(
    explained: Explained, x_BCP: Tensor, options: AttributionOptions, numbers: Numbers
) -> Explanation:
    """Gradients in the middle of each of `steps` pieces of the way from a reference to x.

        m = 1/steps * sum_i grad f(r + (i + 1/2) / steps * (x - r))
        hypothetical of base b = m_b - sum_c r_c m_c;  of a signal (x - r) m

    Sundararajan et al. 2017; delta is what the steps leave out, and where ReLUs bend.
    """
    found = []
    steps = options.steps
    middles = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    for part in parts(len(x_BCP), max(1, options.max_rows // steps)):
        x_GCP = x_BCP[part].detach()
        r_GNCP = references(x_GCP, options, numbers[part])
        sums = Sums(x_GCP, anchored(explained, x_GCP, options))
        with torch.no_grad(), calculating(x_GCP, options):
            for some in parts(r_GNCP.shape[1], options.max_rows):
                values = explained(r_GNCP[:, some].flatten(0, 1))
                sums.see(values.unflatten(0, (len(x_GCP), -1)))
        for r in range(r_GNCP.shape[1]):
            for some in parts(steps, options.max_rows):
                away = middles[some].to(x_GCP)[:, None, None]
                from_, to = r_GNCP[:, r, None], x_GCP[:, None]
                on_way = (from_ + away * (to - from_)).flatten(0, 1).requires_grad_()
                with torch.enable_grad(), calculating(on_way, options):
                    values = explained(on_way)
                for k, gradient in by_target(values, on_way):
                    m = gradient.unflatten(0, (len(x_GCP), -1)).sum(1, keepdim=True) / steps
                    sums.add(k, m, from_)
        found.append(sums.explanation(r_GNCP.shape[1]))
    explained.anchor(None)
    return Explanation.joined(found)


def logo_heights(gradient_4P: Tensor) -> Tensor:
    """Heights of the letters of a logo of gradients, shape (..., 4, P), as Koo and Eddy 2019.

        S' = exp(3 S / max |S|), each position divided by its sum;  height = S' (2 + sum S' log2 S')

    The maximum is of a sequence's whole map.
    """
    largest = gradient_4P.abs().amax((-2, -1), keepdim=True)
    share = (3 * gradient_4P / largest.masked_fill(largest == 0, 1)).softmax(-2)
    bits: Tensor = torch.special.entr(share).sum(-2, keepdim=True) / math.log(2)
    return share * (2 - bits)
