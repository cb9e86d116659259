# mypy: allow-untyped-calls
"""bpAI-TAC: totals and profiles of the cuts of many cell types, from DNA (Chandra et al. 2025).

    body     conv 4 -> C; then blocks x + relu(norm(conv(x))) of dilation 2, 4, 8, ...
    profile  conv C -> tasks over the window; logits summed in bins
    totals   three times [max pool -> relu(norm(conv(x)))]; dense layer; relu

Every convolution keeps the length of its input, with zeros beyond its ends. The paper's figure and
its released code differ; see `modelkit.recipes.bpaitac` for its presets.

B = regions, P = bp of sequence, C = channels, W = bp of the window, N = bins of it, T = tasks.
"""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from modelkit.config import Section
from modelkit.models.pool import MaxPool
from native_kernels.dilated_conv.block import Block, Conv

__all__ = ["BpAITAC", "NetworkOptions", "ProfileOutput", "in_bins"]

POOLS = {5: (3, 3, 3), 10: (2, 2, 3), 20: (1, 2, 3)}  # of the code, by size of the bins
MAX50 = 50
ACTIVATIONS = {"relu": nn.ReLU, "softplus": nn.Softplus, "none": nn.Identity}


def _odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError("a width must be odd, so that it has a middle")
    return width


Width = Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)]


class NetworkOptions(Section):
    """What the network is built of; the defaults are those of the released code.

    Attributes
    ----------
    tasks : int, optional
        Cell types or lineages; this and the next three come from the data set if they are None.
    length, window, window_start : int, optional
        bp of sequence, bp of the profiles, and where those start in the sequence.
    channels : int
    stem_width, head_width : int
        bp of the first convolution, and of that of the profiles; odd.
    stem_relu : bool
        A ReLU after the first convolution.
    blocks : int
        Block i has dilation 2 ** (i + 1), i from 0: 4 are "shallow", 0 are "base".
    block_norm : bool
        Batch norm in the blocks.
    total_head : "conv", "global-pool", "max50", "flat" or "none"
        Before the dense layer: three convolutions; the mean of all positions; maxima of 50 bp; or
        all positions as they are.
    total_activation : "relu", "softplus" or "none"
        After the dense layer. Behind a ReLU a task can be 0 in every region and stay so.
    pools : (int, int, int), optional
        bp of the three pools of "conv"; by default 5, 5, 5, and with bins what the code has there.
    profile_head : bool
    bin_size : int
        bp of a bin; what does not fill one is left out of the profile.
    """

    tasks: int | None = Field(default=None, ge=1)
    length: int | None = Field(default=None, ge=1)
    window: int | None = Field(default=None, ge=1)
    window_start: int | None = Field(default=None, ge=0)
    channels: int = Field(default=300, ge=1)
    stem_width: Width = 25
    stem_relu: bool = False
    blocks: int = Field(default=9, ge=0, le=20)
    block_norm: bool = True
    head_width: Width = 25
    total_head: Literal["conv", "global-pool", "max50", "flat", "none"] = "conv"
    total_activation: Literal["relu", "softplus", "none"] = "relu"
    pools: tuple[int, int, int] | None = None
    profile_head: bool = True
    bin_size: int = Field(default=1, ge=1)

    @property
    def receptive_field(self) -> int:
        """bp of sequence that a position of the body depends on."""
        return self.stem_width + 2 * sum(2 << i for i in range(self.blocks))


class ProfileOutput(NamedTuple):
    """What is predicted; None of a head that the network has not."""

    logits: Tensor | None  # (B, T, N), without the bias
    totals: Tensor | None  # (B, T), cuts in the window


class BpAITAC(nn.Module):
    """The network. Weights start as PyTorch starts them."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.options = options
        tasks, length = _given(options, "tasks"), _given(options, "length")
        self.window_start = _given(options, "window_start")
        self.window_stop = self.window_start + _given(options, "window")
        if self.window_stop > length or options.bin_size > _given(options, "window"):
            raise ValueError(
                f"the window [{self.window_start}, {self.window_stop}) must lie in the {length} bp "
                f"of sequence and hold a bin of {options.bin_size} bp"
            )
        channels = options.channels
        self.stem = Conv(4, channels, options.stem_width, relu=options.stem_relu)
        self.blocks = nn.ModuleList(
            Block(channels, dilation=2 ** (i + 1), batch_norm=options.block_norm)
            for i in range(options.blocks)
        )
        self.profile: Conv | None = None
        if options.profile_head:
            self.profile = Conv(channels, tasks, options.head_width, padding="valid")
        self.total: TotalHead | None = None
        if options.total_head != "none":
            self.total = TotalHead(options, length, tasks)
        if self.profile is None and self.total is None:
            raise ValueError("the network must have a profile head or a head of the totals")

    def forward(self, sequence_B4P: Tensor) -> ProfileOutput:
        """Predict from one-hot bases (B, 4, P)."""
        if sequence_B4P.shape[1:] != (4, self.options.length):
            raise ValueError(
                f"the sequence must be (regions, 4, {self.options.length}), "
                f"got {tuple(sequence_B4P.shape)}"
            )
        x_BPC = sequence_B4P.mT
        for layer in self.body():
            x_BPC = layer(x_BPC)
        return self.heads(x_BPC)

    def body(self) -> list[Conv | Block]:
        """The layers below the heads, in order: position i depends on bases near i alone."""
        return [self.stem, *self.blocks]

    def heads(self, x_BPC: Tensor) -> ProfileOutput:
        """Predict from what the body makes of the sequence."""
        logits_BTN = None if self.profile is None else self._logits(x_BPC, self.profile)
        totals_BT = None if self.total is None else self.total(x_BPC)
        return ProfileOutput(logits_BTN, totals_BT)

    def _logits(self, x_BPC: Tensor, conv: Conv) -> Tensor:
        """Logits of the window: the convolution sees it and its own flanks, nothing else."""
        reach = conv.weight.shape[-1] // 2
        low, high = self.window_start - reach, self.window_stop + reach
        before, after = max(-low, 0), max(high - x_BPC.shape[1], 0)
        seen_BPC = x_BPC[:, max(low, 0) : high]
        if before or after:
            seen_BPC = functional.pad(seen_BPC, (0, 0, before, after))
        logits_BWT: Tensor = conv(seen_BPC)
        return in_bins(logits_BWT.mT, self.options.bin_size)


class TotalHead(nn.Module):
    """Cuts in the window of each task, from what the body makes of the sequence."""

    def __init__(self, options: NetworkOptions, length: int, tasks: int) -> None:
        super().__init__()
        self.kind = options.total_head
        sizes: tuple[int, ...] = (MAX50,) if self.kind == "max50" else ()
        if self.kind == "conv":
            sizes = options.pools or POOLS.get(options.bin_size, (5, 5, 5))
        positions = 1 if self.kind == "global-pool" else length
        for size in sizes:
            positions //= size
        if positions == 0:
            raise ValueError(f"{length} bp are too few for the pools of the totals, {sizes}")
        channels = options.channels
        self.pools = nn.ModuleList(MaxPool(size) for size in sizes)
        self.convs = nn.ModuleList(
            Block(channels, dilation=1, batch_norm=True, residual=False)
            for _ in (sizes if self.kind == "conv" else ())
        )
        self.dense = nn.Linear(positions * channels, tasks)
        self.activation = ACTIVATIONS[options.total_activation]()

    def forward(self, x_BPC: Tensor) -> Tensor:
        """(B, P, C) to (B, T), at least float32."""
        for i, pool in enumerate(self.pools):
            x_BPC = pool(x_BPC)
            if self.kind == "conv":
                x_BPC = self.convs[i](x_BPC)
        if self.kind == "global-pool":
            x_BPC = x_BPC.mean(1, keepdim=True)
        y_BT: Tensor = self.dense(
            x_BPC.mT.flatten(1)
        )  # channel by channel, as the code lays weights out
        y_BT = y_BT.to(torch.promote_types(y_BT.dtype, torch.float32))
        totals_BT: Tensor = self.activation(y_BT)
        return totals_BT


def in_bins(values: Tensor, size: int) -> Tensor:
    """Sums of `size` positions of the last axis each; a rest is left out."""
    if size == 1:
        return values
    n = values.shape[-1] // size
    wide = torch.promote_types(values.dtype, torch.float32)
    return values[..., : n * size].reshape(*values.shape[:-1], n, size).sum(-1, dtype=wide)


def _given(options: NetworkOptions, name: str) -> int:
    value: int | None = getattr(options, name)
    if value is None:
        raise ValueError(f"{name} is not known; config.for_dataset takes it from the data set")
    return value
