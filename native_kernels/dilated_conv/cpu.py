"""`dilated_conv` on the CPU, by PyTorch's own operations.

Samples of eight blocks (64 channels, 2,114 bp, float32) per second of one core of an EPYC with
AVX2, predicting and training: `conv2d` of channels-last arrays 163 and 46, `conv1d` of (regions,
channels, positions) 119 and 37, one product on the joined taps 113 and 40, one product a tap 114
and 33. An array (regions, positions, channels) is the channels-last form of (regions, channels, 1,
positions) as it lies.
"""

import torch
from torch import Tensor
from torch.nn import functional

from native_kernels.dilated_conv._shapes import Padding, Window, as_autocast_asks, check

FEW_CHANNELS = (
    16  # below, in or out, the gradient of conv2d's weights takes as long as three blocks
)
MAX_PRODUCTS = 256  # of taps and channels out that _by_taps holds for each position


def dilated_conv_cpu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    relu: bool = False,
    residual: bool = False,
) -> Tensor:
    """`dilated_conv`, differentiable any number of times."""
    window = check(x, weight, bias, dilation=dilation, padding=padding, residual=residual)
    x, weight = as_autocast_asks(x, weight)
    values = x
    if x.dtype == torch.uint8:
        values = (x[..., None] == torch.arange(4, device=x.device)).to(weight.dtype)
    weight = weight.to(values.dtype)
    bias = None if bias is None else bias.to(values.dtype)
    c_out, c_in, width = weight.shape
    simple = dilation == 1 and 0 not in values.shape
    after = torch.relu_ if relu else _same  # in place: fresh memory costs more than arithmetic
    if simple and c_in < FEW_CHANNELS:
        y = after(_by_windows(values, weight, bias, window))
    elif simple and c_out < FEW_CHANNELS and width * c_out <= MAX_PRODUCTS:
        y = after(_by_taps(values, weight, bias, window))
    else:
        y = after(_by_conv2d(values, weight, bias, window)).squeeze(2).mT
    if residual:
        middle = x[:, window.middle : window.middle + window.length]
        y = y + middle if torch.is_grad_enabled() else y.add_(middle)
    return y


def _same(z: Tensor) -> Tensor:
    return z


def _by_windows(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """One matrix product on the windows, each written out."""
    edge = -window.start
    windows = functional.pad(x, (0, 0, edge, edge)).unfold(1, weight.shape[2], 1)
    return functional.linear(windows.flatten(2), weight.flatten(1), bias)


def _by_taps(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """Every tap's product at every position, then their sums along diagonals."""
    edge = -window.start
    x = functional.pad(x, (0, 0, edge, edge))
    c_out, c_in, width = weight.shape
    products = functional.linear(x, weight.permute(2, 0, 1).reshape(-1, c_in))
    row = width * c_out
    diagonals = products.as_strided(
        (x.shape[0], window.length, width, c_out), (x.shape[1] * row, row, row + c_out, 1)
    )
    z = diagonals.sum(2)
    return z if bias is None else z + bias


def _by_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """(regions, channels, 1, positions), channels last."""
    if x.shape[1] == 0:  # conv2d has no empty axis but that of the regions
        return x.new_zeros(x.shape[0], weight.shape[0], 1, 0) + 0 * weight.sum()
    return functional.conv2d(
        x.mT.unsqueeze(2),
        weight.unsqueeze(2),
        bias,
        padding=(0, -window.start),
        dilation=(1, window.step),
    )
