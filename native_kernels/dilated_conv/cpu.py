"""`dilated_conv` on the CPU, by PyTorch's own convolution.

The array is handed over as it lies: (regions, positions, channels) is the channels-last form of
(regions, channels, 1, positions).
"""

import torch
from torch import Tensor
from torch.nn import functional

from native_kernels.dilated_conv._shapes import Padding, as_autocast_asks, check


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
    """`dilated_conv` by `conv2d` of channels-last arrays, differentiable any number of times."""
    window = check(x, weight, bias, dilation=dilation, padding=padding, residual=residual)
    x, weight = as_autocast_asks(x, weight)
    values = x
    if x.dtype == torch.uint8:
        values = (x[..., None] == torch.arange(4, device=x.device)).to(weight.dtype)
    if 0 in (x.shape[0], x.shape[1]):
        return values.new_zeros(x.shape[0], window.length, weight.shape[0]) * weight.sum()
    y = functional.conv2d(
        values.mT.unsqueeze(2),
        weight.to(values.dtype).unsqueeze(2),
        None if bias is None else bias.to(values.dtype),
        padding=(0, -window.start),
        dilation=(1, dilation),
    )
    y = y.squeeze(2).mT
    if relu:
        y = y.relu()
    if residual:
        y = y + x[:, window.middle : window.middle + window.length]
    return y
