# mypy: allow-untyped-calls
"""Nonlinear modules with another backward pass, put in place in a copy of a network.

Of DeepLIFT see `modelkit.interpretation.methods.rescale`. Guided backpropagation (Springenberg et
al. 2014) lets a ReLU pass what is positive alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelkit.models.pool import MaxPool
from native_kernels.dilated_conv import dilated_conv
from native_kernels.dilated_conv.block import Block, Conv, folded

__all__ = ["SMOOTH", "Function", "Guided", "Pool", "Rule", "swap"]

Function = Callable[[Tensor], Tensor]

SMOOTH = (nn.Softplus, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.Mish, nn.LogSigmoid)
KINKED = (
    nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid,
    nn.Hardswish, nn.Softsign,
)  # fmt: skip


class Rule(Protocol):
    """What happens where a network is not linear."""

    def relu(self, module: nn.Module, z: Tensor) -> Tensor:
        """ReLU; a new tensor."""

    def elementwise(self, module: nn.Module, function: Function, z: Tensor) -> Tensor:
        """Any other function of each value by itself."""

    def maximum(self, module: nn.Module, pool: "Pool", z: Tensor) -> Tensor:
        """Maxima of windows."""


class Pool(Protocol):
    """Maxima, and where they are: an index of `axis` of what `laid` makes of the input."""

    axis: int

    def laid(self, z: Tensor) -> Tensor:
        """The input as a view."""

    def maxima(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Values and indices, of a laid input."""

    def finished(self, y: Tensor) -> Tensor:
        """The output."""


def swap(network: nn.Module, rule: Rule) -> None:
    """Let the modules of `network` whose type is known follow `rule`.

    Types are compared, not their parents: what a subclass does is not known.
    """
    for module in network.modules():
        forward = _forward(module, rule)
        if forward is not None:
            vars(module)["forward"] = forward


def _forward(module: nn.Module, rule: Rule) -> Function | None:
    kind = type(module)
    if isinstance(module, Conv) and kind is Conv:
        return partial(_conv, module, rule) if module.relu else None
    if isinstance(module, Block) and kind is Block:
        return partial(_block, module, rule, *_folded(module))
    if kind is nn.ReLU:
        return partial(rule.relu, module)
    if isinstance(module, MaxPool) and kind is MaxPool:
        return partial(rule.maximum, module, _Windows(module))
    if isinstance(module, nn.MaxPool1d) and kind is nn.MaxPool1d:
        return partial(rule.maximum, module, _Pool1d(module))
    if kind in SMOOTH or kind in KINKED:
        if hasattr(module, "inplace"):
            vars(module)["inplace"] = False
        return partial(rule.elementwise, module, module.forward)
    return None


def _folded(block: Block) -> tuple[Tensor, Tensor | None]:
    with torch.no_grad():
        if block.norm is None:
            return block.conv.weight, block.conv.bias
        return folded(block.conv.weight, block.conv.bias, block.norm)


def _linear(conv: Conv, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    return dilated_conv(
        x, weight, bias, dilation=conv.dilation, padding=conv.padding, tf32=conv.tf32
    )


def _conv(conv: Conv, rule: Rule, x: Tensor) -> Tensor:
    return rule.relu(conv, _linear(conv, conv.weight, conv.bias, x))


def _block(block: Block, rule: Rule, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    y = rule.relu(block, _linear(block.conv, weight, bias, x))
    if not block.residual:
        return y
    middle = (x.shape[1] - y.shape[1]) // 2
    return y + x[:, middle : middle + y.shape[1]]


class _Windows:
    """Of `MaxPool`, which has the channels last."""

    axis = 2

    def __init__(self, module: MaxPool) -> None:
        self.laid = module.laid

    def maxima(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found = z.max(2, keepdim=True)
        return found.values, found.indices

    def finished(self, y: Tensor) -> Tensor:
        return y.squeeze(2)


class _Pool1d:
    """Of `torch.nn.MaxPool1d`."""

    axis = -1

    def __init__(self, module: nn.MaxPool1d) -> None:
        self.options: dict[str, Any] = {
            "kernel_size": module.kernel_size,
            "stride": module.stride,
            "padding": module.padding,
            "dilation": module.dilation,
            "ceil_mode": module.ceil_mode,
        }

    def laid(self, z: Tensor) -> Tensor:
        return z

    def maxima(self, z: Tensor) -> tuple[Tensor, Tensor]:
        values, indices = functional.max_pool1d(z, **self.options, return_indices=True)
        return values, indices

    def finished(self, y: Tensor) -> Tensor:
        return y


class Guided:
    """Guided backpropagation; what is no ReLU keeps its gradient.

    Attributes
    ----------
    is_met : bool
        A ReLU has run; else there is nothing to guide, and gradients are those of saliency.
    """

    is_met = False

    def relu(self, _: nn.Module, z: Tensor) -> Tensor:
        self.is_met = True
        y: Tensor = _GuidedReLU.apply(z)
        return y

    def elementwise(self, _: nn.Module, function: Function, z: Tensor) -> Tensor:
        return function(z)

    def maximum(self, _: nn.Module, pool: Pool, z: Tensor) -> Tensor:
        return pool.finished(pool.maxima(pool.laid(z))[0])


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        y = z.relu()
        ctx.save_for_backward(z > 0)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (open_,) = ctx.saved_tensors
        passed: Tensor = gradients[0].clamp(min=0) * open_
        return passed
