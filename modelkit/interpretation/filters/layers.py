# mypy: allow-untyped-calls
"""The filters of a network's layer: how much they answer, and to which bases.

A network shows its filters by two lists, `convs` and `pools`: convolutions (`Block` without
residual, or `Convolution`, which a ReLU follows) and pools (`MaxPool`) that take turns from the
bases on. Of a network with a first convolution `stem` that one is known. A network that takes a
part of its input's channels alone says which, `seen`.

B = sequences, P = bp, N = positions of the layer, C = channels, F = filters.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.models.convolution import Convolution
from modelkit.models.pool import MaxPool
from native_kernels.dilated_conv.block import Block, Conv, folded

__all__ = ["Field", "FilterLayer"]

Layer = Block | Conv | Convolution
Below = list[tuple[Layer, MaxPool]]

N_BASES = 4


class Field(NamedTuple):
    """The bases that position i depends on: [first + i step, first + i step + width), in bp.

    Some of them may lie beyond the ends of the sequence.
    """

    first: int = 0
    width: int = 1
    step: int = 1

    def above(self, offset: int, size: int, stride: int = 1) -> "Field":
        """Of a layer on this one, whose position i depends on `size` positions of this one from
        ``i stride + offset`` on.
        """
        return Field(
            self.first + self.step * offset,
            self.width + self.step * (size - 1),
            self.step * stride,
        )


class FilterLayer:
    """A layer's filters.

    Attributes
    ----------
    number : int
        From 0, the layer on the bases.
    n_filters : int
    field : Field
    possible : float64, shape (F,); or None
        The largest activation there can be, of a layer on the four bases alone: the sum of the
        largest weights of each position, batch norm and bias included, or 0. Only sequences with
        other letters than A C G T, and windows beyond an end, may have more.

    Raises
    ------
    InputError
        A network whose convolutions are not known, that has fewer, or that sees no bases.
    """

    def __init__(self, network: nn.Module, number: int, length: int, where: object) -> None:
        self.number = number
        self._seen: slice = getattr(network, "seen", slice(None))
        if (self._seen.start or 0) >= N_BASES:
            raise InputError(
                f"{where}: sees cuts alone, expected a network that sees bases, whose filters can "
                "be shown as motifs"
            )
        self._below, self._conv = _layers(network, number, where)
        field, positions = Field(), length
        for conv, pool in self._below:
            field, positions = _after_conv(field, positions, _inner(conv))
            field, positions = _after_pool(field, positions, pool)
        inner = _inner(self._conv)
        self.field, _ = _after_conv(field, positions, inner)
        self.n_filters = int(inner.weight.shape[0])
        self.possible: npt.NDArray[np.float64] | None = None
        if not self._below and inner.weight.shape[1] == N_BASES:
            self.possible = _possible(self._conv)

    def __call__(self, x_BCP: Tensor) -> Tensor:
        """Activations (B, N, F) of what the network takes, not below 0."""
        x_BNC = x_BCP[:, self._seen].mT
        for conv, pool in self._below:
            x_BNC = pool(conv(x_BNC).clamp(min=0))
        found: Tensor = self._conv(x_BNC)
        return found.clamp(min=0)  # the ReLU may be a module of its own; a stem may have none


def _layers(network: nn.Module, number: int, where: object) -> tuple[Below, Layer]:
    """The convolutions and pools below a layer, and its convolution."""
    convs: Any = getattr(network, "convs", ())
    pools: Any = getattr(network, "pools", ())
    stem: Any = getattr(network, "stem", None)
    every = list(convs) or ([stem] if isinstance(stem, Conv) else [])
    if not every:
        raise InputError(
            f"{where}: is a {type(network).__name__}, whose convolutions are not known; expected a "
            "network with lists convs and pools, such as koo, or with a first convolution, stem"
        )
    if not 0 <= number < len(every):
        last = len(every) - 1
        known = "0" if last == 0 else f"0 to {last}"
        raise InputError(f"layer: found {number}, {where} has filters of layer {known}")
    return list(zip(convs, pools, strict=True))[:number], every[number]


def _inner(layer: Layer) -> Conv | Convolution:
    """What has the weights."""
    return layer.conv if isinstance(layer, Block) else layer


def _after_conv(field: Field, positions: int, conv: Conv | Convolution) -> tuple[Field, int]:
    dilation = conv.dilation if isinstance(conv, Conv) else 1
    size = dilation * (int(conv.weight.shape[2]) - 1) + 1
    if conv.padding == "same":
        before = size // 2 if isinstance(conv, Conv) else conv.before
        return field.above(-before, size), positions
    return field.above(0, size), positions - size + 1


def _after_pool(field: Field, positions: int, pool: MaxPool) -> tuple[Field, int]:
    if pool.padding == "valid":
        return field.above(0, pool.size, pool.stride), pool.windows(positions)
    n = -(-positions // pool.stride)
    lacking = max(0, (n - 1) * pool.stride + pool.size - positions)
    return field.above(-(lacking // 2), pool.size, pool.stride), n


@torch.no_grad()
def _possible(layer: Layer) -> npt.NDArray[np.float64]:
    conv = _inner(layer)
    weight, bias = conv.weight, conv.bias
    norm = None if isinstance(layer, Conv) else layer.norm
    if norm is not None:
        # folded first: a batch norm of negative scale turns the order of the weights round
        weight, bias = folded(weight, bias, norm)
    most = weight.double().amax(1).sum(1)
    if bias is not None:
        most = most + bias.double()
    return most.clamp(min=0).cpu().numpy()
