"""`gapped_linear` of float32 on the CPU as a PyTorch operator, with its gradient."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from native_kernels._adam import AdamStep
from native_kernels._threads import in_pieces
from native_kernels._torch_op import define
from native_kernels.gapped_linear import cpu
from native_kernels.gapped_linear.columns import Columns

Array = np.ndarray[Any, Any]


def _array(values: Tensor) -> Array:
    found: Array = values.detach().contiguous().numpy()
    return found


def _forward(
    indptr: Tensor,
    words: Tensor,
    counts: Tensor,
    weight: Tensor,
    p_indptr: Tensor,
    p_features: Tensor,
    starts: Tensor | None,
    rows: Tensor,
    totals: Tensor,
) -> Tensor:
    y = np.zeros((len(indptr) - 1, weight.shape[1]), np.float32)
    weights = _array(weight)
    if starts is None:
        exact = (_array(indptr), _array(words), _array(counts))
        p = (_array(p_indptr), _array(p_features))
        in_pieces(
            lambda _, first, last: cpu.forward_words(*exact, weights, *p, first, last, y),
            y.shape[1],
        )
    else:
        columns = (_array(starts), _array(rows), _array(totals))
        in_pieces(
            lambda _, first, last: cpu.forward_columns(*columns, weights, first, last, y),
            y.shape[1],
        )
    return torch.from_numpy(y)


def _weight_gradient(dy: Tensor, starts: Tensor, rows: Tensor, totals: Tensor) -> Tensor:
    columns, upstream = (_array(starts), _array(rows), _array(totals)), _array(dy)
    dweight = torch.empty(len(starts) - 1, dy.shape[1])
    written = dweight.numpy()
    in_pieces(
        lambda _, first, last: cpu.weight_gradient(*columns, upstream, first, last, written),
        len(written),
    )
    return dweight


def take_step(
    weight: Tensor, mean: Tensor, square: Tensor, columns: Columns, dy: Tensor, step: AdamStep
) -> None:
    """Adam's step on `weight`, in place, of the gradient that `dy` gives."""
    starts, rows, counts = map(_array, columns)
    upstream = _array(dy)
    w, m, s = (each.detach().numpy() for each in (weight, mean, square))  # no copies
    factors = step.factors()
    in_pieces(
        lambda _, first, last: cpu.adam(
            starts, rows, counts, upstream, first, last, w, m, s, factors
        ),
        len(weight),
    )


def _fake_forward(indptr: Tensor, _words: Any, _counts: Any, weight: Tensor, *_: Any) -> Tensor:
    return weight.new_empty(len(indptr) - 1, weight.shape[1])


def _fake_weight_gradient(dy: Tensor, starts: Tensor, _rows: Tensor, _totals: Tensor) -> Tensor:
    return dy.new_empty(len(starts) - 1, dy.shape[1])


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs[6:])


def _gradients(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    return None, None, None, weight_gradient(dy, *ctx.saved_tensors), *[None] * 5


weight_gradient = define(
    "gapped_linear_weight_gradient(Tensor dy, Tensor starts, Tensor rows, Tensor totals) -> Tensor",
    _weight_gradient,
    _fake_weight_gradient,
)
gapped_linear = define(
    "gapped_linear(Tensor indptr, Tensor words, Tensor counts, Tensor weight, Tensor p_indptr, "
    "Tensor p_features, Tensor? starts, Tensor? rows, Tensor? totals) -> Tensor",
    _forward,
    _fake_forward,
    setup_context=_setup_context,
    backward=_gradients,
)
