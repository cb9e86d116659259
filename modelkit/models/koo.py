# mypy: allow-untyped-calls
"""Koo and Eddy's networks: how pools and widths decide what the first filters learn (2019).

    twice, or three times: conv -> batch norm -> ReLU -> max pool -> dropout
    dense -> batch norm -> ReLU -> dropout -> dense

They differ in the widths of the convolutions and in the pools (`ARCHITECTURES`), the product of
whose strides is 100: the dense layers are the same for all. Convolutions in front of a batch norm
have no bias; every convolution and pool keeps positions over the ends ("SAME").

B = sequences, P = bp, C = channels, K = classes.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from modelkit.models.pool import MaxPool
from modelkit.tasks.label_config import LabelNetwork, check_one_each
from native_kernels.dilated_conv.block import Block

__all__ = ["ARCHITECTURES", "KooCNN", "KooNetwork"]


def _of(
    widths: tuple[int, ...], *pools: int, strides: tuple[int, ...] | None = None
) -> Mapping[str, Any]:
    filters = (30, 128, 128)[: len(widths)]
    options = {"filters": filters, "widths": widths, "pools": pools, "strides": strides}
    return MappingProxyType(options)


# Table 1, with the parameters at 200 bp and 12 classes that go with its dense layers
ARCHITECTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cnn-2": _of((19, 5), 2, 50),
        "cnn-4": _of((19, 5), 4, 25),
        "cnn-10": _of((19, 5), 10, 10),
        "cnn-25": _of((19, 5), 25, 4),
        "cnn-50": _of((19, 5), 50, 2),
        "cnn-100": _of((19, 5), 100, 1),
        "cnn9-4": _of((9, 5), 4, 25),
        "cnn9-25": _of((9, 5), 25, 4),
        "cnn3-2": _of((3, 5), 2, 50),
        "cnn3-50": _of((3, 5), 50, 2),
        "cnn-50-2": _of((19, 5), 50, 50, strides=(2, 50)),
        "cnn19-1-2": _of((19, 1), 2, 50),
        # of the released code alone, which is of a later version of the paper
        "cnn-1": _of((19, 5), 1, 100),
        "cnn-1-3": _of((19, 5, 5), 1, 10, 10),
    }
)


def _odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError("a width must be odd, so that it has a middle")
    return width


Width = Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)]
Size = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class KooNetwork(LabelNetwork):
    """What the network is built of; the defaults are those of CNN-25.

    Attributes
    ----------
    filters, widths, pools : tuples of int
        Of each convolution: channels, bp (odd), and positions that a maximum is of.
    strides : tuple of int, optional
        Positions between two maxima; by default as many as each is of.
    dense : int
        Hidden units.
    dense_norm : bool
        Batch norm of the hidden units too, as in the released code; the paper names it for the
        convolutions.
    conv_dropout, dense_dropout : float
    initial : "he" or "glorot"
        Distribution of the first weights: normal of variance 2 / inputs (the paper), or uniform of
        variance 2 / (inputs + outputs) (what the code does).
    """

    filters: tuple[Size, ...] = (30, 128)
    widths: tuple[Width, ...] = (19, 5)
    pools: tuple[Size, ...] = (25, 4)
    strides: tuple[Size, ...] | None = None
    dense: int = Field(default=512, ge=1)
    dense_norm: bool = True
    conv_dropout: Share = 0.1
    dense_dropout: Share = 0.5
    initial: Literal["he", "glorot"] = "he"

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        check_one_each(
            filters=self.filters, widths=self.widths, pools=self.pools, strides=self.steps
        )
        if any(step > size for step, size in zip(self.steps, self.pools, strict=True)):
            raise ValueError("network: strides must not be larger than pools")
        return self

    @property
    def steps(self) -> tuple[int, ...]:
        """The stride of each pool."""
        return self.pools if self.strides is None else self.strides


class KooCNN(nn.Module):
    """The network.

    Attributes
    ----------
    convs : ModuleList of Block
        Their filters are `conv.weight`, shape (filters, channels in, width).
    pools : ModuleList of MaxPool
        One for each convolution.
    """

    def __init__(self, options: KooNetwork) -> None:
        super().__init__()
        if options.classes is None or options.length is None:
            raise ValueError("classes or length are not known; config.for_dataset has them")
        self.options = options
        self.convs, self.pools = nn.ModuleList(), nn.ModuleList()
        channels, positions = 4, options.length
        shapes = zip(options.filters, options.widths, options.pools, options.steps, strict=True)
        for filters, width, pool, stride in shapes:
            self.convs.append(_layer(channels, filters, width))
            self.pools.append(MaxPool(pool, stride, "same"))
            channels, positions = filters, -(-positions // stride)
        self.conv_dropout = nn.Dropout(options.conv_dropout)
        self.dense = _layer(positions * channels, options.dense, norm=options.dense_norm)
        self.dense_dropout = nn.Dropout(options.dense_dropout)
        self.output = nn.Linear(options.dense, options.classes)
        self._initialise()

    def forward(self, sequence_B4P: Tensor) -> Tensor:
        """Logits (B, K), at least float32, of one-hot bases (B, 4, P)."""
        if sequence_B4P.shape[1:] != (4, self.options.length):
            raise ValueError(
                f"the sequence must be (sequences, 4, {self.options.length}), "
                f"got {tuple(sequence_B4P.shape)}"
            )
        x_BPC = sequence_B4P.mT
        for conv, pool in zip(self.convs, self.pools, strict=True):
            x_BPC = self.conv_dropout(pool(conv(x_BPC)))
        x_B1C = self.dense_dropout(self.dense(x_BPC.flatten(1).unsqueeze(1)))
        logits_BK: Tensor = self.output(x_B1C.squeeze(1))
        return logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))

    @torch.no_grad()
    def _initialise(self) -> None:
        for module in self.modules():
            weight = getattr(module, "weight", None)
            if weight is None or weight.ndim < 2:
                continue
            inputs, outputs = weight[0].numel(), weight.shape[0] * math.prod(weight.shape[2:])
            if self.options.initial == "he":
                weight.normal_(0, math.sqrt(2 / inputs))
            else:
                most = math.sqrt(6 / (inputs + outputs))
                weight.uniform_(-most, most)
            bias = getattr(module, "bias", None)
            if bias is not None:
                bias.zero_()


def _layer(channels_in: int, channels: int, width: int = 1, *, norm: bool = True) -> Block:
    """conv -> batch norm -> ReLU; of width 1 and one position a dense layer."""
    return Block(
        channels,
        channels_in=channels_in,
        width=width,
        bias=not norm,
        batch_norm=norm,
        eps=1e-8,
        momentum=0.01,  # the code's, which says it as a decay of 0.99
        residual=False,
    )
