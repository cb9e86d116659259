"""Koo and Eddy's networks for `bench.models`, ours and the same of plain PyTorch."""

import torch
from torch import Tensor, nn

from bench.networks import Inputs, one_hot
from modelkit.models.koo import ARCHITECTURES, KooCNN, KooNetwork

LENGTH, CLASSES, POSITIVE = 200, 12, 0.15


def options_of(name: str) -> KooNetwork:
    """Of a network of Table 1, at 200 bp and 12 classes."""
    return KooNetwork(length=LENGTH, classes=CLASSES, **ARCHITECTURES[name])


def koo_inputs(batch: int) -> Inputs:
    """Random bases, and as many positives as the simulation has."""
    labels = (torch.rand(batch, CLASSES) < POSITIVE).float()
    return Inputs(one_hot(batch, LENGTH), (labels,))


def koo_network(name: str, by: str) -> nn.Module:
    """By our modules or by Conv1d, from the same weights."""
    torch.manual_seed(0)
    ours = KooCNN(options_of(name))
    if by == "modules":
        return ours
    plain = PlainKoo(options_of(name))
    plain.take(ours)
    return plain


class PlainKoo(nn.Module):
    """Koo and Eddy's networks of `torch.nn.Conv1d`, at 200 bp and 12 classes."""

    def __init__(self, options: KooNetwork) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        channels, positions = 4, LENGTH
        shapes = zip(options.filters, options.widths, options.pools, options.steps, strict=True)
        for filters, width, pool, stride in shapes:
            around = max(0, (-(-positions // stride) - 1) * stride + pool - positions)
            self.layers.extend(
                [
                    nn.Conv1d(channels, filters, width, padding=width // 2, bias=False),
                    nn.BatchNorm1d(filters, 1e-8, 0.01),
                    nn.ReLU(),
                    nn.MaxPool1d(pool, stride, around // 2),
                    nn.Dropout(options.conv_dropout),
                ]
            )
            channels, positions = filters, -(-positions // stride)
        self.layers.extend(
            [
                _Turned(),
                nn.Linear(channels * positions, options.dense, bias=False),
                nn.BatchNorm1d(options.dense, 1e-8, 0.01),
                nn.ReLU(),
                nn.Dropout(options.dense_dropout),
                nn.Linear(options.dense, CLASSES),
            ]
        )

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits (sequences, classes)."""
        logits: Tensor = self.layers(sequence)
        return logits

    def take(self, model: KooCNN) -> None:
        """The weights of our network, which come in the same order."""
        theirs = model.state_dict().values()
        for mine, weight in zip(self.state_dict().values(), theirs, strict=True):
            mine.copy_(weight.reshape(mine.shape))


class _Turned(nn.Module):
    """(sequences, channels, positions) to one row each, position by position."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(1)
