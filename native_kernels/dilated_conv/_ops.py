"""`dilated_conv` as PyTorch operators, with their gradients.

`conv_relu` is the convolution with its epilogue; `conv_sums` adds the sums of each channel, which
are differentiable too, so that batch norm, and a sum over processes, compose from plain parts.
"""

from typing import Any

import torch
from torch import Tensor

from native_kernels._torch_op import define
from native_kernels.dilated_conv._shapes import Window, empty_results


def _conv_relu(
    x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor]:
    from native_kernels.dilated_conv import gpu

    *window, relu, residual, keep_mask, tf32 = options
    y, mask, _ = gpu.forward(
        x,
        weight,
        bias,
        Window(*window),
        relu=relu,
        residual=residual,
        keep_mask=keep_mask,
        statistics=False,
        tf32=tf32,
    )
    return y, mask


def _fake_conv_relu(
    x: Tensor, weight: Tensor, _bias: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor]:
    *window, _relu, _residual, keep_mask, _tf32 = options
    return empty_results(x, weight, Window(*window), keep_mask=keep_mask, statistics=False)[:2]


def _conv_sums(
    x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor]:
    from native_kernels.dilated_conv import gpu

    *window, tf32 = options
    z, _, sums = gpu.forward(
        x,
        weight,
        bias,
        Window(*window),
        relu=False,
        residual=False,
        keep_mask=False,
        statistics=True,
        tf32=tf32,
    )
    return z, sums


def _fake_conv_sums(
    x: Tensor, weight: Tensor, _bias: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor]:
    window = Window(*options[:4])
    z, _, sums = empty_results(x, weight, window, keep_mask=False, statistics=True)
    return z, sums


def _backward(
    dy: Tensor, x: Tensor, weight: Tensor, mask: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    from native_kernels.dilated_conv import gpu
    from native_kernels.dilated_conv.weights.gpu import weight_gradient

    *sizes, residual, need_x, need_weight, need_bias, tf32 = options
    window = Window(*sizes)
    dy, x = dy.contiguous(), x.contiguous()
    dx = dy.new_empty(0)
    dweight, dbias = (dy.new_empty(0, dtype=torch.float32) for _ in range(2))
    if need_x:
        dx = gpu.input_gradient(dy, x.shape, weight, mask, window, residual=residual, tf32=tf32)
    if need_weight or need_bias:
        dweight, dbias = weight_gradient(dy, x, weight, mask, window, tf32=tf32)
    return dx, dweight, dbias


def _fake_backward(
    dy: Tensor, x: Tensor, weight: Tensor, _mask: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *_, need_x, need_weight, need_bias, _tf32 = options
    parameters = need_weight or need_bias
    dx = dy.new_empty(x.shape if need_x else (0,))
    c_out, c_in, width = weight.shape
    dweight = dy.new_empty((width, c_in, c_out) if parameters else (0,), dtype=torch.float32)
    dbias = dy.new_empty((c_out,) if parameters else (0,), dtype=torch.float32)
    return dx, dweight, dbias


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, bias, *window, relu, residual, keep_mask, tf32 = inputs
    ctx.save_for_backward(x, weight, bias, output[1] if keep_mask else None)
    ctx.window, ctx.relu, ctx.residual, ctx.tf32 = window, relu, residual, tf32
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, dy: Tensor | None, *_: Any) -> tuple[Any, ...]:
    if dy is None:
        return (None,) * 11
    x, weight, bias, mask = ctx.saved_tensors
    if ctx.relu and mask is None:  # made again in place of kept
        options = {"relu": True, "residual": False, "keep_mask": True, "tf32": ctx.tf32}
        _, mask = conv_relu(x, weight, bias, *ctx.window, **options)
    return *_gradients(ctx, dy, x, weight, bias, mask, residual=ctx.residual), *[None] * 8


def _save_sums(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, bias, *window, tf32 = inputs
    ctx.save_for_backward(x, weight, bias, output[0])
    ctx.window, ctx.tf32 = window, tf32
    ctx.set_materialize_grads(False)


def _differentiate_sums(ctx: Any, dz: Tensor | None, dsums: Tensor | None) -> tuple[Any, ...]:
    x, weight, bias, z = ctx.saved_tensors
    if dsums is not None:
        dz = conv_sums_backward(dz, z, dsums)
    if dz is None:
        return (None,) * 8
    return *_gradients(ctx, dz, x, weight, bias, None, residual=False), *[None] * 5


def _gradients(
    ctx: Any,
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    *,
    residual: bool,
) -> tuple[Tensor | None, ...]:
    need_x, need_weight, need_bias = ctx.needs_input_grad[:3]
    dx, dweight, dbias = conv_backward(
        dy, x, weight, mask, *ctx.window, residual, need_x, need_weight, need_bias, ctx.tf32
    )
    return (
        dx if need_x else None,
        dweight.permute(2, 1, 0).to(weight.dtype) if need_weight else None,
        dbias.to(bias.dtype) if need_bias and bias is not None else None,
    )


def _conv_sums_backward(dz: Tensor | None, z: Tensor, dsums: Tensor) -> Tensor:
    from native_kernels.dilated_conv.norm import gpu

    return gpu.add_to_gradient(dz, z, dsums)


_WINDOW = "int start, int step, int middle, int length"

conv_backward = define(
    f"conv_backward(Tensor dy, Tensor x, Tensor weight, Tensor? mask, {_WINDOW}, bool residual, "
    "bool need_x, bool need_weight, bool need_bias, bool tf32) -> (Tensor, Tensor, Tensor)",
    _backward,
    _fake_backward,
)
conv_relu = define(
    f"conv_relu(Tensor x, Tensor weight, Tensor? bias, {_WINDOW}, bool relu, bool residual, "
    "bool keep_mask, bool tf32) -> (Tensor, Tensor)",
    _conv_relu,
    _fake_conv_relu,
    setup_context=_save,
    backward=_differentiate,
)
conv_sums_backward = define(
    "conv_sums_backward(Tensor? dz, Tensor z, Tensor dsums) -> Tensor",
    _conv_sums_backward,
    lambda _dz, z, _dsums: torch.empty_like(z),
)
conv_sums = define(
    f"conv_sums(Tensor x, Tensor weight, Tensor? bias, {_WINDOW}, bool tf32) -> (Tensor, Tensor)",
    _conv_sums,
    _fake_conv_sums,
    setup_context=_save_sums,
    backward=_differentiate_sums,
)
