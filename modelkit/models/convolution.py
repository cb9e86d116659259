# mypy: allow-untyped-calls
"""Convolutions of any width of (regions, positions, channels), batch norm behind them or not.

The kernels of `native_kernels.dilated_conv` have a middle and so an odd width; the networks of
AgentBind have widths of 26 and 8. "same" keeps the positions as TensorFlow does: of an even width,
one more of the positions read beyond the ends lies on the right.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from native_kernels.dilated_conv.block import folded

__all__ = ["Convolution", "draw_normal"]

FEW_CHANNELS = 16  # up to so many, the windows are written out for one matrix product


class Convolution(nn.Module):
    """``norm(conv(x))`` or ``conv(x)``; a ReLU is a module of its own.

    While it evaluates, the norm is folded into the convolution.

    Parameters
    ----------
    channels_in, channels_out, width : int
        Of width 1 and one position it is a dense layer.
    padding : "same" or "valid"
    batch_norm : bool
    eps, momentum : float
        Of the batch norm, as of `torch.nn.BatchNorm1d`.

    Attributes
    ----------
    weight : Parameter, shape (channels out, channels in, width)
    bias : Parameter, shape (channels out,)
    norm : BatchNorm1d or None
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int = 1,
        *,
        padding: str = "same",
        batch_norm: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', got {padding!r}")
        held = nn.Conv1d(channels_in, channels_out, width)
        self.weight, self.bias = held.weight, held.bias
        self.padding = padding
        self.norm = nn.BatchNorm1d(channels_out, eps, momentum) if batch_norm else None

    @property
    def before(self) -> int:
        """Positions before the first one of the input that its first window begins."""
        return (self.weight.shape[2] - 1) // 2 if self.padding == "same" else 0

    def forward(self, x_BPC: Tensor) -> Tensor:
        """(B, P, C in) to (B, P or P - width + 1, C out)."""
        assert self.bias is not None
        width = self.weight.shape[2]
        if self.padding == "same":
            x_BPC = functional.pad(x_BPC, (0, 0, self.before, width - 1 - self.before))
        if x_BPC.shape[1] < width:
            raise ValueError(f"found {x_BPC.shape[1]} positions, expected at least {width}")
        if self.norm is None:
            return _convolved(x_BPC, self.weight, self.bias)
        if self.training:
            return self._normalised(x_BPC, self.norm, self.bias)
        return _convolved(x_BPC, *folded(self.weight, self.bias, self.norm))

    def _normalised(self, x_BPC: Tensor, norm: nn.BatchNorm1d, bias: Tensor) -> Tensor:
        """With the statistics of the batch, which take the bias away again.

        So its gradient is 0: exactly, not what rounding leaves, which Adam would follow. The
        running mean knows the bias.
        """
        assert norm.running_mean is not None  # Convolution's track them
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        z = _convolved(x_BPC, self.weight, None)
        # the batch norm keeps what it is given until the gradient: its own copies
        mean, variance = norm.running_mean - bias.detach(), norm.running_var.clone()
        y = functional.batch_norm(
            z.flatten(0, 1),
            mean,
            variance,
            norm.weight,
            norm.bias + 0 * bias,
            training=True,
            momentum=norm.momentum or 0.0,
            eps=norm.eps,
        )
        norm.running_mean.copy_(mean + bias.detach())
        norm.running_var.copy_(variance)
        return y.view_as(z)


def _convolved(x_BPC: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Of the windows that lie within.

    Processor seconds of one core with AVX2, forwards and backwards. 4 channels to 320, 26 bp, of
    128 x 1,000: written out 0.46, `conv2d` of channels-last arrays 0.66, `conv1d` 0.82. 480 to 960,
    8 positions, of 32 x 63: a product a tap 0.59, written out 0.55, `conv2d` 0.93; and of 320 to
    480, of 32 x 250, 0.78, 0.82 and 0.97.
    """
    _, c_in, width = weight.shape
    if width == 1:
        return functional.linear(x_BPC, weight.squeeze(2), bias)
    if x_BPC.is_cuda or torch.is_autocast_enabled("cpu"):  # sums of taps would be rounded
        y = functional.conv2d(x_BPC.mT.unsqueeze(2), weight.unsqueeze(2), bias)
        return y.squeeze(2).mT
    if c_in <= FEW_CHANNELS:
        windows = x_BPC.unfold(1, width, 1).flatten(2)
        return functional.linear(windows, weight.flatten(1), bias)
    n = x_BPC.shape[1] - width + 1
    z = functional.linear(x_BPC[:, :n], weight[..., 0], bias)
    for tap in range(1, width):
        z.add_(functional.linear(x_BPC[:, tap : tap + n], weight[..., tap]))
    return z


@torch.no_grad()
def draw_normal(layer: nn.Module, sd: float, *, truncated: bool) -> None:
    """First weights of a convolution or dense layer: normal, or without what lies beyond two
    standard deviations (TensorFlow's `truncated_normal`); biases of 0.
    """
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    if truncated:
        nn.init.trunc_normal_(weight, std=sd, a=-2 * sd, b=2 * sd)
    else:
        weight.normal_(0, sd)
    bias.zero_()
