"""`multinomial_nll` as PyTorch operators on the one form of `_layout`, with their gradient."""

from typing import Any

import torch
from torch import Tensor

from native_kernels._torch_op import define
from native_kernels.multinomial_nll._layout import empty_gradients, empty_results


def _forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from native_kernels.multinomial_nll import gpu

    return gpu.forward(*arguments)


def _backward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    from native_kernels.multinomial_nll import gpu

    return gpu.backward(*arguments)


def _fake_forward(
    logits: Tensor, _counts: Tensor, _bias: Any, predicted: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return empty_results(logits, predicted, joint=options[1])


def _fake_backward(
    _dloss: Tensor,
    _dtotal_loss: Tensor,
    logits: Tensor,
    _counts: Tensor,
    bias: Tensor | None,
    predicted: Tensor | None,
    *options: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    return empty_gradients(logits, bias, predicted, need_bias=options[-1])


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    logits, counts, bias, predicted, *options = inputs
    ctx.save_for_backward(logits, counts, bias, predicted, *output[2:])
    ctx.start, ctx.joint, ctx.per_profile, _, ctx.log_counts = options
    ctx.set_materialize_grads(False)


def _gradients(
    ctx: Any, dloss: Tensor | None, dtotal_loss: Tensor | None, *_: Any
) -> tuple[Tensor | None, ...]:
    logits, counts, bias, predicted, top, log_mass, total = ctx.saved_tensors
    zeros = torch.zeros_like(total) if dloss is None or dtotal_loss is None else total
    dlogits, dbias, dpredicted = multinomial_nll_backward(
        zeros if dloss is None else dloss,
        zeros if dtotal_loss is None else dtotal_loss,
        logits,
        counts,
        bias,
        predicted,
        top,
        log_mass,
        total,
        ctx.start,
        ctx.joint,
        ctx.per_profile,
        ctx.log_counts,
        ctx.needs_input_grad[2],
    )
    has_bias = ctx.needs_input_grad[2]
    has_predicted = predicted is not None
    gradients = (dlogits, None, dbias if has_bias else None, dpredicted if has_predicted else None)
    return *gradients, *[None] * 5


multinomial_nll_backward = define(
    "multinomial_nll_backward(Tensor dloss, Tensor dtotal_loss, Tensor logits, Tensor counts, "
    "Tensor? bias, Tensor? predicted, Tensor top, Tensor log_mass, Tensor total, int start, "
    "bool joint, bool per_profile, bool log_counts, bool need_bias) -> (Tensor, Tensor, Tensor)",
    _backward,
    _fake_backward,
)
multinomial_nll = define(
    "multinomial_nll(Tensor logits, Tensor counts, Tensor? bias, Tensor? predicted, int start, "
    "bool joint, bool per_profile, bool constant, bool log_counts) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _forward,
    _fake_forward,
    setup_context=_setup_context,
    backward=_gradients,
)
