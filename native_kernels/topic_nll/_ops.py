"""`topic_nll` of float32 on the CPU as PyTorch operators, with their gradient."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from native_kernels._adam import AdamStep
from native_kernels._threads import in_pieces
from native_kernels._torch_op import define
from native_kernels.topic_nll import cpu

PIECES = 16  # of the features, whose sums are added in order

Array = np.ndarray[Any, Any]


def _array(values: Tensor) -> Array:
    found: Array = values.detach().contiguous().numpy()
    return found


def _log_mass(logits: Array) -> Array:
    """Logarithm of the sum of exp(logits) over the features; float32, (M,)."""
    tops = np.empty((PIECES, logits.shape[1]), np.float32)
    totals = np.empty((PIECES, logits.shape[1]))
    in_pieces(
        lambda i, first, last: cpu.mass(logits, first, last, tops[i], totals[i]),
        len(logits),
        PIECES,
    )
    top = tops.max(0).astype(np.float64)
    total = np.zeros(logits.shape[1])
    with np.errstate(invalid="ignore"):  # infinite logits: the loss says so
        for i in range(PIECES):
            total += totals[i] * np.exp(tops[i] - top)
        found: Array = (np.log(total) + top).astype(np.float32)
    return found


def _forward(
    proportions: Tensor, logits: Tensor, starts: Tensor, rows: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    z, x = _array(proportions), _array(logits)
    columns = (_array(starts), _array(rows), _array(counts))
    log_mass = _log_mass(x)
    ratios = np.empty(len(columns[1]), np.float32)
    losses = np.zeros((PIECES, len(z)))
    slopes = np.zeros((PIECES, *z.shape), np.float32)
    in_pieces(
        lambda i, first, last: cpu.likelihood(
            z, x, log_mass, *columns, first, last, ratios, losses[i], slopes[i]
        ),
        len(x),
        PIECES,
    )
    loss, slope = losses[0], slopes[0]
    for i in range(1, PIECES):
        loss += losses[i]
        slope += slopes[i]
    found = (loss.astype(np.float32), slope, log_mass, ratios)
    loss_, slope_, log_mass_, ratios_ = map(torch.from_numpy, found)
    return loss_, slope_.clone(), log_mass_, ratios_  # an operator's results own their memory


def _pulled(dloss: Tensor, z: Tensor, slope: Tensor) -> tuple[Array, Array]:
    """z times the loss's gradient of each row, and the sum over features of theta times its own."""
    scaled = z * dloss[:, None]
    pull = (scaled.double() * slope.double()).sum(0)
    return _array(scaled), _array(pull.float())


def _backward(
    dloss: Tensor,
    z: Tensor,
    logits: Tensor,
    starts: Tensor,
    rows: Tensor,
    slope: Tensor,
    log_mass: Tensor,
    ratios: Tensor,
) -> Tensor:
    scaled, pull = _pulled(dloss, z, slope)
    x, mass = _array(logits), _array(log_mass)
    columns = (_array(starts), _array(rows), _array(ratios))
    dlogits = torch.empty(logits.shape)
    written = dlogits.numpy()
    in_pieces(
        lambda _, first, last: cpu.logit_gradient(
            scaled, x, mass, *columns, pull, first, last, written
        ),
        len(written),
    )
    return dlogits


def take_step(
    logits: Tensor,
    mean: Tensor,
    square: Tensor,
    dloss: Tensor,
    z: Tensor,
    columns: tuple[Tensor, Tensor, Tensor],
    made: tuple[Tensor, Tensor, Tensor],
    step: AdamStep,
) -> None:
    """Adam's step on `logits`, in place; `made` is what the operator made beside the loss."""
    slope, log_mass, ratios = made
    scaled, pull = _pulled(dloss, z, slope)
    mass = _array(log_mass)
    starts, rows, by_p = _array(columns[0]), _array(columns[1]), _array(ratios)
    w, m, s = (each.detach().numpy() for each in (logits, mean, square))  # no copies
    factors = step.factors()
    in_pieces(
        lambda _, first, last: cpu.adam(
            scaled, mass, starts, rows, by_p, pull, first, last, w, m, s, factors
        ),
        len(logits),
    )


def _fake_forward(
    z: Tensor, logits: Tensor, _starts: Tensor, rows: Tensor, _counts: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    of_rows, of_topics = z.new_empty(len(z)), logits.new_empty(logits.shape[1])
    return of_rows, z.new_empty(z.shape), of_topics, logits.new_empty(len(rows))


def _fake_backward(_dloss: Tensor, _z: Tensor, logits: Tensor, *_: Any) -> Tensor:
    return logits.new_empty(logits.shape)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    z, logits, starts, rows, _ = inputs
    ctx.save_for_backward(z, logits, starts, rows, *output[1:])


def _gradients(ctx: Any, dloss: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    z, logits, starts, rows, slope, log_mass, ratios = ctx.saved_tensors
    dz = slope * dloss[:, None] if ctx.needs_input_grad[0] else None
    dlogits = None
    if ctx.needs_input_grad[1]:
        dlogits = topic_nll_gradient(dloss, z, logits, starts, rows, slope, log_mass, ratios)
    return dz, dlogits, None, None, None


topic_nll_gradient = define(
    "topic_nll_gradient(Tensor dloss, Tensor z, Tensor logits, Tensor starts, Tensor rows, "
    "Tensor slope, Tensor log_mass, Tensor ratios) -> Tensor",
    _backward,
    _fake_backward,
)
topic_nll = define(
    "topic_nll(Tensor z, Tensor logits, Tensor starts, Tensor rows, Tensor counts) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _forward,
    _fake_forward,
    setup_context=_setup_context,
    backward=_gradients,
)
