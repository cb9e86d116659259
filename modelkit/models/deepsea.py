# mypy: allow-untyped-calls
"""AgentBind's variant of DeepSEA (Zheng et al. 2021; Zhou and Troyanskaya 2015).

    three times: conv -> batch norm -> ReLU -> max pool, but behind the last -> dropout
    dense -> batch norm -> ReLU -> dense

Convolutions and pools keep positions over the ends ("SAME"); the original has neither that nor
batch norms. 60,878,421 parameters at 1,000 bp and one class.

B = sequences, P = bp, C = channels, K = classes.
"""

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from modelkit.models.convolution import Convolution, draw_normal
from modelkit.models.pool import MaxPool
from modelkit.tasks.label_config import LabelNetwork, check_one_each

__all__ = ["DeepSEA", "DeepSEANetwork"]

EPS, MOMENTUM = 1e-3, 0.01  # TensorFlow's defaults; it says the second as a decay of 0.99

Size = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class DeepSEANetwork(LabelNetwork):
    """What the network is built of.

    Attributes
    ----------
    filters, widths, pools, dropouts : tuples
        Of each convolution: channels, bp, positions that a maximum is of (1: there is no pool), and
        the share that is left out behind it.
    dense : int
        Hidden units.
    initial : "normal" or "truncated"
        Distribution of the first weights: as in the paper, or without what lies beyond two
        standard deviations, as in the code.
    initial_sd : float
        Its standard deviation.
    """

    filters: tuple[Size, ...] = (320, 480, 960)
    widths: tuple[Size, ...] = (8, 8, 8)
    pools: tuple[Size, ...] = (4, 4, 1)
    dropouts: tuple[Share, ...] = (0.2, 0.2, 0.5)
    dense: Size = 925
    initial: Literal["normal", "truncated"] = "normal"
    initial_sd: float = Field(default=1e-2, gt=0)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        check_one_each(
            filters=self.filters, widths=self.widths, pools=self.pools, dropouts=self.dropouts
        )
        return self


class DeepSEA(nn.Module):
    """The network.

    Attributes
    ----------
    convs : ModuleList of Convolution
    pools : ModuleList of MaxPool
        One for each convolution.
    dense : Convolution
        Of width 1: its weight is (hidden units, positions times channels, 1).
    output : Linear
    transferred : tuple of str
        Parameters that another network may begin with, by the beginning of their name: of the batch
        norms scale and offset, since their running statistics are none.
    """

    transferred: ClassVar[tuple[str, ...]] = ("convs.",)

    def __init__(self, options: DeepSEANetwork) -> None:
        super().__init__()
        if options.classes is None or options.length is None:
            raise ValueError("classes or length are not known; config.for_dataset has them")
        self.options = options
        self.convs, self.pools = nn.ModuleList(), nn.ModuleList()
        self.conv_relus, self.dropouts = nn.ModuleList(), nn.ModuleList()
        channels, positions = 4, options.length
        layers = zip(options.filters, options.widths, options.pools, options.dropouts, strict=True)
        for filters, width, pool, dropout in layers:
            self.convs.append(_layer(channels, filters, width))
            self.conv_relus.append(nn.ReLU(inplace=True))
            self.pools.append(MaxPool(pool, padding="same"))
            self.dropouts.append(nn.Dropout(dropout))
            channels, positions = filters, -(-positions // pool)
        self.dense = _layer(positions * channels, options.dense, 1)
        self.dense_relu = nn.ReLU(inplace=True)
        self.output = nn.Linear(options.dense, options.classes)
        for layer in (*self.convs, self.dense, self.output):
            draw_normal(layer, options.initial_sd, truncated=options.initial == "truncated")

    def forward(self, sequence_B4P: Tensor) -> Tensor:
        """Logits (B, K), at least float32, of one-hot bases (B, 4, P)."""
        if sequence_B4P.shape[1:] != (4, self.options.length):
            raise ValueError(
                f"the sequence must be (sequences, 4, {self.options.length}), "
                f"got {tuple(sequence_B4P.shape)}"
            )
        x_BPC = sequence_B4P.mT
        layers = zip(self.convs, self.conv_relus, self.pools, self.dropouts, strict=True)
        for conv, relu, pool, dropout in layers:
            x_BPC = dropout(pool(relu(conv(x_BPC))))
        x_B1C = self.dense_relu(self.dense(x_BPC.flatten(1).unsqueeze(1)))
        logits_BK: Tensor = self.output(x_B1C.squeeze(1))
        return logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))


def _layer(channels_in: int, channels: int, width: int) -> Convolution:
    """conv -> batch norm."""
    return Convolution(channels_in, channels, width, batch_norm=True, eps=EPS, momentum=MOMENTUM)
