"""The second pass of a block with batch norm: normalise, ReLU and residual at once.

y = x + relu((z - mean) * scale + shift)            mean, scale and shift of each channel
"""

from typing import Any

import torch
from torch import Tensor

from native_kernels._torch_op import define

__all__ = ["norm_relu", "norm_relu_reference", "norm_relu_triton"]


def norm_relu(
    z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, x: Tensor | None = None
) -> Tensor:
    """Normalise `z`, differentiable once in every argument.

    CUDA tensors run the Triton kernels, which work in float32; all others, and float64, the
    reference.

    Parameters
    ----------
    z, x : float, shape (regions, positions, channels)
    mean, scale, shift : float, shape (channels,)

    Returns
    -------
    y : type and shape of `z`
    """
    if z.is_cuda and z.dtype != torch.float64:
        return norm_relu_triton(z, mean, scale, shift, x)
    return norm_relu_reference(z, mean, scale, shift, x)


def norm_relu_reference(
    z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, x: Tensor | None = None
) -> Tensor:
    """`norm_relu` by whole arrays."""
    real = torch.promote_types(z.dtype, torch.float32)
    y = ((z.to(real) - mean.to(real)) * scale.to(real) + shift.to(real)).relu()
    return (y if x is None else y + x).to(z.dtype)


def norm_relu_triton(
    z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, x: Tensor | None = None
) -> Tensor:
    """`norm_relu` by the kernels, whatever the device: Triton's interpreter has them too."""
    y: Tensor = _norm_relu(z, mean, scale, shift, x)
    return y


def _forward(*arguments: Any) -> Tensor:
    from native_kernels.dilated_conv.norm import gpu

    return gpu.forward(*arguments)


def _backward(*arguments: Any) -> tuple[Tensor, Tensor]:
    from native_kernels.dilated_conv.norm import gpu

    return gpu.backward(*arguments)


def _fake_backward(_dy: Tensor, z: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
    z = z.contiguous()
    return torch.empty_like(z), z.new_empty((2, z.shape[-1]), dtype=torch.float32)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs[:4])


def _differentiate(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    z, mean, scale, shift = ctx.saved_tensors
    dz, sums = _norm_relu_backward(dy, z, mean, scale, shift)
    dmean = (-scale.float() * sums[0]).to(mean.dtype)
    dscale, dshift = sums[1].to(scale.dtype), sums[0].to(shift.dtype)
    return dz, dmean, dscale, dshift, dy if ctx.needs_input_grad[4] else None


_norm_relu_backward = define(
    "norm_relu_backward(Tensor dy, Tensor z, Tensor mean, Tensor scale, Tensor shift) "
    "-> (Tensor, Tensor)",
    _backward,
    _fake_backward,
)
_norm_relu = define(
    "norm_relu(Tensor z, Tensor mean, Tensor scale, Tensor shift, Tensor? x) -> Tensor",
    _forward,
    lambda z, *_: torch.empty_like(z.contiguous()),
    setup_context=_save,
    backward=_differentiate,
)
