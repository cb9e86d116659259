"""AgentBind's networks for `bench.models`, ours and the same of plain PyTorch."""

import torch
from torch import Tensor, nn

from bench.networks import Inputs, one_hot
from modelkit.models.danq import DanQ, DanQNetwork
from modelkit.models.deepsea import EPS, MOMENTUM, DeepSEA, DeepSEANetwork

LENGTH = 1000


def agentbind_inputs(batch: int) -> Inputs:
    """Random bases, of which half are bound."""
    return Inputs(one_hot(batch, LENGTH), ((torch.rand(batch, 1) < 0.5).float(),))


def danq(by: str) -> nn.Module:
    """By our modules or by Conv1d, from the same weights."""
    torch.manual_seed(0)
    ours = DanQ(DanQNetwork(classes=1, length=LENGTH))
    return ours if by == "modules" else PlainDanQ(ours)


def deepsea(by: str) -> nn.Module:
    """By our modules or by Conv1d, from the same weights."""
    torch.manual_seed(0)
    ours = DeepSEA(DeepSEANetwork(classes=1, length=LENGTH))
    return ours if by == "modules" else PlainDeepSEA(ours)


class PlainDanQ(nn.Module):
    """DanQ of `torch.nn.Conv1d`, channels first up to the LSTM."""

    def __init__(self, ours: DanQ) -> None:
        super().__init__()
        conv = nn.Conv1d(4, 320, 26)
        conv.load_state_dict(ours.convs[0].state_dict())
        self.conv = nn.Sequential(conv, nn.ReLU(), nn.MaxPool1d(13), nn.Dropout(0.2))
        self.lstm, self.dropout = ours.lstm, nn.Dropout(0.5)
        self.dense = nn.Sequential(nn.Flatten(), ours.dense, nn.ReLU(), ours.output)

    def forward(self, x_B4P: Tensor) -> Tensor:
        """Logits (B, 1)."""
        held: Tensor = self.dense(self.dropout(self.lstm(self.conv(x_B4P).mT)[0]))
        return held


class PlainDeepSEA(nn.Module):
    """DeepSEA of `torch.nn.Conv1d`, channels first."""

    def __init__(self, ours: DeepSEA) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        channels = 4
        for i, (filters, rate) in enumerate(((320, 0.2), (480, 0.2), (960, 0.5))):
            conv = nn.Conv1d(channels, filters, 8)
            norm = nn.BatchNorm1d(filters, EPS, MOMENTUM)
            conv.load_state_dict(
                {name: getattr(ours.convs[i], name).detach() for name in ("weight", "bias")}
            )
            pool = nn.MaxPool1d(4, padding=i) if i < 2 else nn.Identity()  # 1,000, 250 and 63
            self.layers.extend(
                [nn.ConstantPad1d((3, 4), 0), conv, norm, nn.ReLU(), pool, nn.Dropout(rate)]
            )
            channels = filters
        dense = nn.Linear(63 * 960, 925)
        dense.load_state_dict(
            {"weight": ours.dense.weight.detach()[:, :, 0], "bias": ours.dense.bias.detach()}
        )
        norm = nn.BatchNorm1d(925, EPS, MOMENTUM)
        self.dense = nn.Sequential(nn.Flatten(), dense, norm, nn.ReLU(), ours.output)

    def forward(self, x_B4P: Tensor) -> Tensor:
        """Logits (B, 1)."""
        held: Tensor = self.dense(self.layers(x_B4P).mT)
        return held
