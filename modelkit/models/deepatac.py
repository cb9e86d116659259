# mypy: allow-untyped-calls
"""DeepATAC: which factors bind, from bases and the cuts of ATAC-seq (Hiranuma et al. 2017).

    three times: conv -> batch norm -> ReLU -> max pool -> dropout
    dense -> ReLU -> dense

The paper leaves pools, padding and first weights open: here convolutions keep positions over the
ends, pools are of 4, and first weights are Glorot's. 2,201,683 parameters at 200 bp and 163
factors; the same network on bases alone, which the paper calls DeepSEA, has 2,199,123.

B = sequences, P = bp, C = channels, K = classes.
"""

import math
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from modelkit.models.convolution import Convolution
from modelkit.models.pool import MaxPool
from modelkit.tasks.binding_config import BindingNetwork
from modelkit.tasks.label_config import check_one_each

__all__ = ["DeepATAC", "DeepATACNetwork"]

EPS = 1e-3  # Keras's default

# channels of the input that a network sees
SEEN = {"both": slice(0, 6), "dna": slice(0, 4), "atac": slice(4, 6)}

Size = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class DeepATACNetwork(BindingNetwork):
    """What the network is built of.

    Attributes
    ----------
    filters, widths, pools, dropouts : tuples
        Of each convolution: channels, bp, positions that a maximum is of (a rest that fills none
        is left out), and the share that is left out behind it.
    dense : int
        Hidden units.
    norm_momentum : float
        Share of a batch in the running statistics; Keras says its default as 0.99 of what was.
    """

    filters: tuple[Size, ...] = (160, 240, 480)
    widths: tuple[Size, ...] = (8, 8, 8)
    pools: tuple[Size, ...] = (4, 4, 4)
    dropouts: tuple[Share, ...] = (0.2, 0.2, 0.5)
    dense: Size = 600
    norm_momentum: float = Field(default=0.01, gt=0, le=1)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        check_one_each(
            filters=self.filters, widths=self.widths, pools=self.pools, dropouts=self.dropouts
        )
        return self


class DeepATAC(nn.Module):
    """The network.

    Attributes
    ----------
    convs : ModuleList of Convolution
    pools : ModuleList of MaxPool
        One for each convolution.
    dense, output : Linear
        The first takes position by position, each with all its channels.
    seen : slice
        Channels of the input that it takes.
    """

    def __init__(self, options: DeepATACNetwork) -> None:
        super().__init__()
        if options.classes is None or options.length is None:
            raise ValueError("classes or length are not known; config.for_dataset has them")
        self.options = options
        self.seen = SEEN[options.inputs]
        self.convs, self.pools = nn.ModuleList(), nn.ModuleList()
        self.conv_relus, self.dropouts = nn.ModuleList(), nn.ModuleList()
        channels, positions = self.seen.stop - self.seen.start, options.length
        layers = zip(options.filters, options.widths, options.pools, options.dropouts, strict=True)
        for filters, width, pool, dropout in layers:
            conv = Convolution(
                channels, filters, width, batch_norm=True, eps=EPS, momentum=options.norm_momentum
            )
            self.convs.append(conv)
            self.conv_relus.append(nn.ReLU(inplace=True))
            self.pools.append(MaxPool(pool))
            self.dropouts.append(nn.Dropout(dropout))
            channels, positions = filters, positions // pool
        if not positions:
            raise ValueError(
                f"found {options.length} bp of sequence, expected at least the "
                f"{math.prod(options.pools)} that pools {list(options.pools)} need"
            )
        self.dense = nn.Linear(positions * channels, options.dense)
        self.dense_relu = nn.ReLU(inplace=True)
        self.output = nn.Linear(options.dense, options.classes)
        for layer in (*self.convs, self.dense, self.output):
            _draw_glorot(layer)

    def forward(self, x_BCP: Tensor) -> Tensor:
        """Logits (B, K), at least float32, of bases and cuts (B, 6, P); bases (B, 4, P) are enough
        for a network that sees no cuts.
        """
        least, length = self.seen.stop, self.options.length
        if x_BCP.ndim != 3 or x_BCP.shape[1] not in {least, 6} or x_BCP.shape[2] != length:
            raise ValueError(
                f"the input must be (sequences, {least}, {length}), got {tuple(x_BCP.shape)}"
            )
        x_BPC = x_BCP[:, self.seen].mT
        layers = zip(self.convs, self.conv_relus, self.pools, self.dropouts, strict=True)
        for conv, relu, pool, dropout in layers:
            x_BPC = dropout(pool(relu(conv(x_BPC))))
        logits_BK: Tensor = self.output(self.dense_relu(self.dense(x_BPC.flatten(1))))
        return logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))


@torch.no_grad()
def _draw_glorot(layer: nn.Module) -> None:
    """First weights of a convolution or dense layer: uniform, of variance 2 / (inputs + outputs);
    biases of 0.
    """
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    nn.init.xavier_uniform_(weight)
    bias.zero_()
