# mypy: allow-untyped-calls
"""The layers of a profile model: the first and last convolution, and the residual block between."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from native_kernels.dilated_conv import conv_with_sums, dilated_conv
from native_kernels.dilated_conv._shapes import Padding
from native_kernels.dilated_conv.norm import norm_relu


class Conv(nn.Module):
    """A convolution of (regions, positions, channels), or of uint8 codes, with or without ReLU.

    Parameters and their initial values are those of `torch.nn.Conv1d`, under the same names.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int,
        *,
        dilation: int = 1,
        padding: Padding = "same",
        bias: bool = True,
        relu: bool = False,
        recompute: bool = False,
        tf32: bool = False,
    ) -> None:
        super().__init__()
        held = nn.Conv1d(channels_in, channels_out, width, bias=bias)
        self.weight, self.bias = held.weight, held.bias
        self.dilation = dilation
        self.padding: Padding = padding
        self.relu = relu
        self.recompute = recompute
        self.tf32 = tf32

    def forward(self, x: Tensor) -> Tensor:
        """(regions, positions, channels in) or codes to (regions, positions out, channels out)."""
        return dilated_conv(
            x,
            self.weight,
            self.bias,
            dilation=self.dilation,
            padding=self.padding,
            relu=self.relu,
            recompute=self.recompute,
            tf32=self.tf32,
        )


class Block(nn.Module):
    """``x + relu(conv(x))``, or ``x + relu(norm(conv(x)))`` with `batch_norm`; or without ``x +``.

    The parameters are those of `torch.nn.Conv1d` and `torch.nn.BatchNorm1d`, under the names
    `conv` and `norm`. While it evaluates, the norm is folded into the convolution: one launch.

    Parameters
    ----------
    channels, dilation, width : int
    channels_in : int, optional
        By default `channels`; a residual needs as many.
    bias : bool
        Of the convolution; in front of a batch norm it changes nothing.
    batch_norm : bool
        Statistics of the batch while training, as `torch.nn.BatchNorm1d`.
    eps, momentum : float
        Of the batch norm.
    residual : bool
        Add the input; without it the block is the ReLU alone, as bpAI-TAC's accessibility head has.
    group : torch.distributed process group, optional
        Add the statistics up over its processes, as `torch.nn.SyncBatchNorm`; gloo will do.
    padding, recompute, tf32
        As of `dilated_conv`.
    """

    def __init__(
        self,
        channels: int,
        *,
        dilation: int = 1,
        width: int = 3,
        channels_in: int | None = None,
        bias: bool = True,
        batch_norm: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
        residual: bool = True,
        group: Any = None,
        padding: Padding = "same",
        recompute: bool = False,
        tf32: bool = False,
    ) -> None:
        super().__init__()
        self.conv = Conv(
            channels if channels_in is None else channels_in,
            channels,
            width,
            dilation=dilation,
            padding=padding,
            bias=bias,
            relu=True,
            recompute=recompute,
            tf32=tf32,
        )
        self.norm = nn.BatchNorm1d(channels, eps, momentum) if batch_norm else None
        self.residual = residual
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """(regions, positions, channels) to the same, shorter by the window with "valid"."""
        weight, bias = self.conv.weight, self.conv.bias
        if self.norm is not None:
            if self.training:
                return self._normalise(x, self.norm)
            weight, bias = folded(weight, bias, self.norm)
        return dilated_conv(
            x,
            weight,
            bias,
            dilation=self.conv.dilation,
            padding=self.conv.padding,
            relu=True,
            residual=self.residual,
            recompute=self.conv.recompute,
            tf32=self.conv.tf32,
        )

    def _normalise(self, x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
        if self.group is None and not x.is_cuda and x.shape[0] * x.shape[1] > 1:
            return self._normalise_cpu(x, norm)
        return self._normalise_by_sums(x, norm)

    def _normalise_by_sums(self, x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
        """By the sums of the convolution's own launch, which can be added up over processes."""
        conv, bias = self.conv, self._bias(norm)
        z, sums = conv_with_sums(
            x,
            conv.weight,
            None,  # the mean takes any bias away again
            dilation=conv.dilation,
            padding=conv.padding,
            tf32=conv.tf32,
        )
        n = torch.full((1,), z.shape[0] * z.shape[1], dtype=torch.float64, device=z.device)
        if self.group is not None:
            everywhere = _SumOverProcesses.apply(torch.cat([n, sums.flatten()]), self.group)
            n, sums = everywhere[:1].detach(), everywhere[1:].view(2, -1)
        n = n.clamp(min=1)
        # so the gradient of the bias is 0: exactly, not what rounding leaves, which Adam would
        # follow; the running mean knows the bias, as of torch.nn.BatchNorm1d after a convolution
        mean = sums[0] / n + 0 * bias
        variance = (sums[1] / n - mean.square()).clamp(min=0)
        _track(norm, mean.detach() + bias.detach(), variance.detach(), n)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        return norm_relu(z, mean, scale, norm.bias, self._beside(z, x))

    def _normalise_cpu(self, x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
        """The same by PyTorch's batch norm of rows: 16 ms in place of 78, of 20 x 998 x 300."""
        conv, bias = self.conv, self._bias(norm)
        z = dilated_conv(x, conv.weight, dilation=conv.dilation, padding=conv.padding)
        assert norm.running_mean is not None  # BatchNorm1d of Block tracks them
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        # the batch norm keeps what it is given until the gradient: its own copies
        mean, variance = norm.running_mean - bias.detach(), norm.running_var.clone()
        rows = functional.batch_norm(
            z.flatten(0, 1),
            mean,
            variance,
            norm.weight,
            norm.bias + 0 * bias,  # its gradient is 0, as in `_normalise_by_sums`
            training=True,
            momentum=norm.momentum or 0.0,
            eps=norm.eps,
        )
        norm.running_mean.copy_(mean + bias.detach())
        norm.running_var.copy_(variance)
        y = rows.view_as(z).relu()
        added = self._beside(z, x)
        return y if added is None else y + added

    def _bias(self, norm: nn.BatchNorm1d) -> Tensor:
        """The convolution's bias, or zeros."""
        bias = self.conv.bias
        return torch.zeros_like(norm.bias, requires_grad=False) if bias is None else bias

    def _beside(self, z: Tensor, x: Tensor) -> Tensor | None:
        """The positions of `x` that are added, if any are."""
        middle = (x.shape[1] - z.shape[1]) // 2
        return x[:, middle : middle + z.shape[1]] if self.residual else None


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since each of them uses the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: Any) -> Tensor:
        ctx.group = group
        values = values.clone()
        torch.distributed.all_reduce(values, group=group)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone()
        torch.distributed.all_reduce(gradient, group=ctx.group)
        return gradient, None


def folded(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that equals one followed by `norm` as it evaluates."""
    assert norm.running_mean is not None  # BatchNorm1d of Block tracks them
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = -norm.running_mean if bias is None else bias - norm.running_mean
    return weight * scale[:, None, None], offset * scale + norm.bias


@torch.no_grad()
def _track(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, n: Tensor) -> None:
    """Running statistics as `torch.nn.BatchNorm1d` keeps them: the unbiased variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    momentum = norm.momentum
    assert momentum is not None  # a number, of Block
    unbiased = variance * (n / (n - 1).clamp(min=1))
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), momentum)
