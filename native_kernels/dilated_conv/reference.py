"""The slow twin of `dilated_conv`: one shifted matrix product for each tap."""

import torch
from torch import Tensor

from native_kernels.dilated_conv._shapes import Padding, check


def dilated_conv_reference(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    padding: Padding = "same",
    relu: bool = False,
    residual: bool = False,
) -> Tensor:
    """`dilated_conv`, differentiable any number of times; sums in the type of the inputs."""
    window = check(x, weight, bias, dilation=dilation, padding=padding, residual=residual)
    values = x
    if x.dtype == torch.uint8:
        values = (x[..., None] == torch.arange(4, device=x.device)).to(weight.dtype)
    z = values.new_zeros(x.shape[0], window.length, weight.shape[0])
    if bias is not None:
        z = z + bias.to(z.dtype)
    for j in range(weight.shape[-1]):
        shift = window.start + j * window.step
        low = min(max(0, -shift), window.length)  # outputs whose tap lies in the region
        high = max(low, min(window.length, x.shape[1] - shift))
        part = values[:, low + shift : high + shift] @ weight[:, :, j].T.to(z.dtype)
        z = z + torch.nn.functional.pad(part, (0, 0, low, window.length - high))
    y = z.relu() if relu else z
    if residual:
        y = y + values[:, window.middle : window.middle + window.length]
    return y
