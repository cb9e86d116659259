# mypy: allow-untyped-calls
"""AgentBind's variant of DanQ (Zheng et al. 2021; Quang and Xie 2016).

    conv -> ReLU -> max pool -> dropout
    LSTM of both directions, side by side -> dropout
    dense -> ReLU -> dense

The convolution and the pool leave out what fills no window. Unlike the published DanQ, whose layers
these are, there is no dropout after the first dense layer. 46,076,411 parameters at 1,000 bp and
one class.

B = sequences, P = bp, N = positions behind the pool, C = channels, K = classes.
"""

import math
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from modelkit.models.convolution import Convolution, draw_normal
from modelkit.models.pool import MaxPool
from modelkit.tasks.label_config import LabelNetwork

__all__ = ["DanQ", "DanQNetwork"]

Size = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class DanQNetwork(LabelNetwork):
    """What the network is built of.

    Attributes
    ----------
    filters, width, pool : int
        Of the convolution: channels, bp, and positions that a maximum is of.
    lstm : int
        Hidden units of each direction.
    dense : int
        Hidden units behind it.
    conv_dropout, lstm_dropout : float
    initial : "normal" or "truncated"
        Distribution of the first weights of the convolution and the dense layers: as in the paper,
        or without what lies beyond two standard deviations, as in the code.
    initial_sd : float
        Its standard deviation.
    forget_bias : float
        First bias of the forget gates: TensorFlow's cells add 1 to one of 0.
    """

    filters: Size = 320
    width: Size = 26
    pool: Size = 13
    lstm: Size = 320
    dense: Size = 925
    conv_dropout: Share = 0.2
    lstm_dropout: Share = 0.5
    initial: Literal["normal", "truncated"] = "normal"
    initial_sd: float = Field(default=1e-2, gt=0)
    forget_bias: float = 1.0


class DanQ(nn.Module):
    """The network.

    Attributes
    ----------
    convs : ModuleList of Convolution
    pools : ModuleList of MaxPool
        One of each.
    lstm : LSTM
    dense, output : Linear
    transferred : tuple of str
        Parameters that another network may begin with, by the beginning of their name.
    """

    transferred: ClassVar[tuple[str, ...]] = ("convs.", "lstm.")

    def __init__(self, options: DanQNetwork) -> None:
        super().__init__()
        if options.classes is None or options.length is None:
            raise ValueError("classes or length are not known; config.for_dataset has them")
        self.options = options
        positions = (options.length - options.width + 1) // options.pool
        if positions < 1:
            raise ValueError(
                f"{options.length} bp leave no window of {options.pool} positions behind a "
                f"convolution of {options.width} bp"
            )
        conv = Convolution(4, options.filters, options.width, padding="valid")
        self.convs = nn.ModuleList([conv])
        self.conv_relu = nn.ReLU(inplace=True)
        self.pools = nn.ModuleList([MaxPool(options.pool)])
        self.conv_dropout = nn.Dropout(options.conv_dropout)
        self.lstm = _with_one_bias(
            nn.LSTM(options.filters, options.lstm, batch_first=True, bidirectional=True)
        )
        self.lstm_dropout = nn.Dropout(options.lstm_dropout)
        self.dense = nn.Linear(positions * 2 * options.lstm, options.dense)
        self.dense_relu = nn.ReLU(inplace=True)
        self.output = nn.Linear(options.dense, options.classes)
        self._initialise()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002
        """As of every module, but for the LSTM, which is the same in both modes: without its mode
        of training cuDNN makes no gradients, and attributions need some.
        """
        super().train(mode)
        self.lstm.train()
        return self

    def forward(self, sequence_B4P: Tensor) -> Tensor:
        """Logits (B, K), at least float32, of one-hot bases (B, 4, P)."""
        if sequence_B4P.shape[1:] != (4, self.options.length):
            raise ValueError(
                f"the sequence must be (sequences, 4, {self.options.length}), "
                f"got {tuple(sequence_B4P.shape)}"
            )
        x_BPC = self.conv_relu(self.convs[0](sequence_B4P.mT))
        x_BNC = self.conv_dropout(self.pools[0](x_BPC))
        x_BNC = self.lstm_dropout(self.lstm(x_BNC)[0])
        x_BC = self.dense_relu(self.dense(x_BNC.flatten(1)))
        logits_BK: Tensor = self.output(x_BC)
        return logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))

    @torch.no_grad()
    def _initialise(self) -> None:
        options = self.options
        for layer in (*self.convs, self.dense, self.output):
            draw_normal(layer, options.initial_sd, truncated=options.initial == "truncated")
        # Glorot's of input and hidden units together, to all gates: TensorFlow's one kernel
        most = math.sqrt(6 / (options.filters + 5 * options.lstm))
        for name, each in self.lstm.named_parameters():
            if name.startswith("weight"):
                each.uniform_(-most, most)
            else:
                each.zero_()
            if name.startswith("bias_ih"):
                each[options.lstm : 2 * options.lstm] = options.forget_bias


def _with_one_bias(lstm: nn.LSTM) -> nn.LSTM:
    """The gates' second bias, which PyTorch has for cuDNN's sake, is no parameter of the model: it
    stays 0, and who counts parameters counts those that require a gradient.
    """
    for name, each in lstm.named_parameters():
        if name.startswith("bias_hh"):
            each.requires_grad = False
    return lstm
