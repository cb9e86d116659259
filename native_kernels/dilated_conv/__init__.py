"""Dilated 1-D convolution of (regions, positions, channels) arrays, with what follows it.

    z[l] = bias + sum_j weight[:, :, j] @ x[l + start + j * dilation]        j = 0 .. width - 1
    y[l] = x[l + middle] + relu(z[l])                            each part only if it is asked for

`padding="same"` reads zeros outside a region and keeps its length; `"valid"` keeps the positions
whose whole window lies inside, and `middle` is the window's centre. `x` may be the bases
themselves, uint8 codes A C G T = 0 1 2 3: anything else is an all-zero column.

Every channel sees every channel (BPNet, Avsec et al. 2021; bpAI-TAC, Chandra et al. 2025). Arrays
have the channels last, so that a row of them is one piece of memory.
"""

import torch
from torch import Tensor

from native_kernels.dilated_conv import _ops
from native_kernels.dilated_conv._shapes import Padding, as_autocast_asks, check
from native_kernels.dilated_conv.cpu import dilated_conv_cpu
from native_kernels.dilated_conv.reference import dilated_conv_reference

__all__ = [
    "conv_with_sums",
    "conv_with_sums_triton",
    "dilated_conv",
    "dilated_conv_cpu",
    "dilated_conv_reference",
    "dilated_conv_triton",
]


def dilated_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    relu: bool = False,
    residual: bool = False,
    recompute: bool = False,
    tf32: bool = False,
) -> Tensor:
    """Convolve, differentiable once in floating `x`, `weight` and `bias`.

    CUDA tensors run the Triton kernels; all others, and float64, PyTorch's own convolution.

    Parameters
    ----------
    x : float, shape (regions, positions, channels in), or uint8 codes, (regions, positions)
    weight : float, shape (channels out, channels in, width)
        As of `torch.nn.Conv1d`; the width is odd. Taken in the type of `x`.
    bias : float, shape (channels out,), optional
    dilation : int
        bp between taps; may pass the length.
    padding : "same" or "valid"
    relu, residual : bool
        The parts of the formula; a residual needs as many channels out as in.
    recompute : bool
        Keep nothing for the gradient but `x`, and convolve once more. Otherwise ReLU's sign is
        kept, one bit for each value.
    tf32 : bool
        Round float32 products to TF32. Sums are float32 in every type.

    Returns
    -------
    y : type of `x` (of codes: of `weight`; under autocast: its type), (regions, positions out,
        channels out)
    """
    on_gpu = x.is_cuda and x.dtype != torch.float64
    if on_gpu:
        return dilated_conv_triton(
            x,
            weight,
            bias,
            dilation=dilation,
            padding=padding,
            relu=relu,
            residual=residual,
            recompute=recompute,
            tf32=tf32,
        )
    return dilated_conv_cpu(
        x, weight, bias, dilation=dilation, padding=padding, relu=relu, residual=residual
    )


def dilated_conv_triton(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    relu: bool = False,
    residual: bool = False,
    recompute: bool = False,
    tf32: bool = False,
) -> Tensor:
    """`dilated_conv` by the kernels, whatever the device: Triton's interpreter has them too."""
    window = check(x, weight, bias, dilation=dilation, padding=padding, residual=residual)
    x, weight = as_autocast_asks(x, weight)
    keep = (
        relu
        and not recompute
        and torch.is_grad_enabled()
        and any(one is not None and one.requires_grad for one in (x, weight, bias))
    )
    y: Tensor = _ops.conv_relu(x, weight, bias, *window, relu, residual, keep, tf32)[0]
    return y


def conv_with_sums(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    tf32: bool = False,
) -> tuple[Tensor, Tensor]:
    """The convolution alone, and the sum and the sum of squares of each channel of it.

    The sums, float64 of shape (2, channels out), come from the same launch. They may be added up
    over processes before use; gradients flow through them.
    """
    on_gpu = x.is_cuda and x.dtype != torch.float64
    if on_gpu:
        return conv_with_sums_triton(x, weight, bias, dilation=dilation, padding=padding, tf32=tf32)
    z = dilated_conv_cpu(x, weight, bias, dilation=dilation, padding=padding)
    wide = z.double()
    return z, torch.stack([wide.sum((0, 1)), wide.square().sum((0, 1))])


def conv_with_sums_triton(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    tf32: bool = False,
) -> tuple[Tensor, Tensor]:
    """`conv_with_sums` by the kernels, whatever the device."""
    window = check(x, weight, bias, dilation=dilation, padding=padding, residual=False)
    x, weight = as_autocast_asks(x, weight)
    z, sums = _ops.conv_sums(x, weight, bias, *window, tf32)
    return z, sums
