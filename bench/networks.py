"""The networks that `bench.models` and `bench.gpu` measure, and the same of plain PyTorch.

BPNet of the modules of `native_kernels`, and it and bpAI-TAC of `torch.nn.Conv1d` on (regions,
channels, positions), with their losses written out. A network and its plain form have parameters
of the same names. All take one-hot bases (regions, 4, positions), as the loader gives them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from native_kernels.dilated_conv.block import Block, Conv
from native_kernels.multinomial_nll.loss import ProfileLoss

BPNET_LENGTH, BPNET_WINDOW, FILTERS, LAYERS = 2114, 1000, 64, 8
REACH = 37  # bp to each side that BPNet's last convolution sees
EDGE = (BPNET_LENGTH - BPNET_WINDOW) // 2 - REACH
POOL = 5  # bp, of bpAI-TAC's head of the totals

Outputs = tuple[Tensor, Tensor]  # logits (regions, tasks, bp), totals or their logs


class Sizes(NamedTuple):
    """Of bpAI-TAC; the paper's."""

    tasks: int = 90
    length: int = 998
    window: int = 250
    window_start: int = 374
    channels: int = 300
    blocks: int = 9


PAPER = Sizes()


class Inputs(NamedTuple):
    """One batch."""

    sequence: Tensor
    targets: tuple[Tensor, ...]


class PlainBlock(nn.Module):
    """``relu(norm(conv(x)))``, added to x if it is residual."""

    def __init__(
        self, channels: int, dilation: int, *, norm: bool = True, residual: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(channels) if norm else None
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(regions, channels, positions) to the same."""
        z = self.conv(x)
        z = (z if self.norm is None else self.norm(z)).relu()
        return x + z if self.residual else z


class BPNet(nn.Module):
    """BPNet of Conv and Block, channels last; outputs logits and logs of the totals."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(4, FILTERS, 21, relu=True)
        self.blocks = nn.Sequential(*[Block(FILTERS, dilation=2 << i) for i in range(LAYERS)])
        self.head = Conv(FILTERS, 1, 2 * REACH + 1, padding="valid")
        self.total = nn.Linear(FILTERS, 1)

    def forward(self, sequence: Tensor) -> Outputs:
        """Logits (regions, 1, BPNET_WINDOW), logs of totals (regions, 1)."""
        return self.heads(self.blocks(self.stem(sequence.mT)))

    def body(self) -> list[nn.Module]:
        """The layers below the heads, in order."""
        return [self.stem, *self.blocks]

    def heads(self, x: Tensor) -> Outputs:
        """Both outputs from what the body makes."""
        inner = x[:, EDGE : BPNET_LENGTH - EDGE]
        return self.head(inner).mT, self.total(inner.mean(1))

    def heads_see(self) -> tuple[int, int]:
        """Positions that the heads look at."""
        return EDGE, BPNET_LENGTH - EDGE


class PlainBPNet(nn.Module):
    """The same of `torch.nn.Conv1d`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, FILTERS, 21, padding=10)
        self.blocks = nn.Sequential(
            *[PlainBlock(FILTERS, 2 << i, norm=False) for i in range(LAYERS)]
        )
        self.head = nn.Conv1d(FILTERS, 1, 2 * REACH + 1)
        self.total = nn.Linear(FILTERS, 1)

    def forward(self, sequence: Tensor) -> Outputs:
        """As BPNet."""
        inner = self.blocks(self.stem(sequence).relu())[..., EDGE : BPNET_LENGTH - EDGE]
        return self.head(inner), self.total(inner.mean(2))


class PlainTotals(nn.Module):
    """bpAI-TAC's head of the totals."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        channels, positions = sizes.channels, sizes.length // POOL // POOL // POOL
        self.convs = nn.ModuleList(PlainBlock(channels, 1, residual=False) for _ in range(3))
        self.dense = nn.Linear(positions * channels, sizes.tasks)

    def forward(self, x: Tensor) -> Tensor:
        """(regions, channels, positions) to totals (regions, tasks)."""
        for conv in self.convs:
            x = conv(functional.max_pool1d(x, POOL))
        y: Tensor = self.dense(x.flatten(1))
        return y.relu()


class PlainBpAITAC(nn.Module):
    """bpAI-TAC, preset `code`, of `torch.nn.Conv1d`."""

    def __init__(self, sizes: Sizes = PAPER) -> None:
        super().__init__()
        self.sizes, channels = sizes, sizes.channels
        self.stem = nn.Conv1d(4, channels, 25, padding=12)
        self.blocks = nn.ModuleList(PlainBlock(channels, 2 << i) for i in range(sizes.blocks))
        self.profile = nn.Conv1d(channels, sizes.tasks, 25)
        self.total = PlainTotals(sizes)

    def forward(self, sequence: Tensor) -> Outputs:
        """Logits (regions, tasks, window), totals (regions, tasks)."""
        return self.heads(self.body(sequence))

    def body(self, sequence: Tensor) -> Tensor:
        """(regions, channels, positions)."""
        x: Tensor = self.stem(sequence)
        for block in self.blocks:
            x = block(x)
        return x

    def heads(self, x: Tensor) -> Outputs:
        """Both outputs from what the body makes."""
        first = self.sizes.window_start - 12
        seen = x[..., first : first + self.sizes.window + 24]
        return self.profile(seen), self.total(x)


def bpnet_loss(logits: Tensor, log_totals: Tensor, counts: Tensor) -> Tensor:
    """The whole likelihood of the profiles, and the squared error of the logs, by our op."""
    parts = ProfileLoss(
        profile_weight=1, total_weight=1, per_profile=False, constant=True, log_counts=True
    )
    return parts(logits, counts, log_totals).loss


def plain_bpnet_loss(logits: Tensor, log_totals: Tensor, counts: Tensor) -> Tensor:
    """`bpnet_loss` of PyTorch's functions."""
    n = counts.sum(-1)
    likelihood = (n + 1).lgamma() - (counts + 1).lgamma().sum(-1)
    likelihood = likelihood + (counts * logits.float().log_softmax(-1)).sum(-1)
    return (log_totals.float() - n.log1p()).square().mean() - likelihood.mean()


def bpaitac_loss(logits: Tensor, totals: Tensor, counts: Tensor, bias: Tensor) -> Tensor:
    """Half the cross entropy, half the squared error of log(1 + total), by our op."""
    return ProfileLoss()(logits, counts, totals, bias).loss


def plain_bpaitac_loss(logits: Tensor, totals: Tensor, counts: Tensor, bias: Tensor) -> Tensor:
    """`bpaitac_loss` of PyTorch's functions."""
    n = counts.sum(-1)
    shares = counts / n.clamp(min=1)[..., None]
    logs = (logits.float() + bias[:, None]).log_softmax(-1)
    entropy = -(shares * logs).sum(-1)
    return (entropy.mean() + (totals.float().log1p() - n.log1p()).square().mean()) / 2


def modelkit_bpaitac(sizes: Sizes = PAPER) -> nn.Module:
    """modelkit's network, preset `code`."""
    from modelkit.models.bpaitac import BpAITAC, NetworkOptions

    return BpAITAC(NetworkOptions.model_validate(sizes._asdict()))


def bpnet_inputs(batch: int) -> Inputs:
    """Random bases, and a cut at a bp on average."""
    counts = torch.poisson(torch.ones(batch, 1, BPNET_WINDOW))
    return Inputs(one_hot(batch, BPNET_LENGTH), (counts,))


def bpaitac_inputs(batch: int, sizes: Sizes = PAPER) -> Inputs:
    """Random bases, 12 cuts in a window on average, and logits of a bias."""
    counts = torch.poisson(torch.full((batch, sizes.tasks, sizes.window), 12 / sizes.window))
    return Inputs(one_hot(batch, sizes.length), (counts, torch.randn(batch, sizes.window)))


def one_hot(batch: int, length: int) -> Tensor:
    """Random bases, float32 of shape (batch, 4, length)."""
    codes = torch.randint(0, 4, (batch, length))
    return nn.functional.one_hot(codes, 4).mT.float().contiguous()
