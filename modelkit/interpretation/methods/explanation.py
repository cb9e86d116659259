"""What a method says of a batch of sequences, and the sums over references that it comes from.

B = sequences, K = targets, C = channels of the input (4 of the bases, then signals), P = bp,
N = references of a sequence.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Explanation", "Sums"]


class Explanation(NamedTuple):
    """Attributions of a batch; on the device of its input, without gradients.

    Attributes
    ----------
    hypothetical : Tensor, float32 (float64 of a float64 input), shape (B, K, C, P)
        Of a base: the score that it would get if it stood there. Of a signal: the score of what
        does; its gradient, where a method's scores are gradients.
    delta : Tensor, float64, shape (B, K)
        How far the scores are from adding up to what they must: sum of (x - reference) times
        multiplier, less f(x) - mean f(reference). No number for a method that promises no sum.
    prediction : Tensor, float64, shape (B, K)
        f(x).
    spread : Tensor, float64, shape (B, K)
        Mean over the references of |f(x) - f(reference)|, which `delta` is small against or not.
    """

    hypothetical: Tensor
    delta: Tensor
    prediction: Tensor
    spread: Tensor

    def contributions(self, x_BCP: Tensor) -> Tensor:
        """Scores of the bases that stand in `x`, (B, K, P); 0 where none does."""
        bases = x_BCP[:, None, :4].to(self.hypothetical.dtype)
        return (self.hypothetical[:, :, :4] * bases).sum(2)

    @classmethod
    def of_scores(cls, hypothetical: Tensor, prediction: Tensor) -> "Explanation":
        """Of a method that promises no sum."""
        none = torch.full_like(prediction, torch.nan, dtype=torch.float64)
        return cls(hypothetical, none, prediction.double(), none.clone())

    @classmethod
    def joined(cls, some: Sequence["Explanation"]) -> "Explanation":
        """Of the sequences of all, in order."""
        return cls(*(torch.cat(each) for each in zip(*some, strict=True)))


class Sums:
    """Sums over the references of some sequences.

    Parameters
    ----------
    x_BCP : Tensor
    prediction : Tensor, shape (B, K)
        f(x).
    """

    def __init__(self, x_BCP: Tensor, prediction: Tensor) -> None:
        self.x_BCP, self.prediction = x_BCP, prediction.double()
        shape = (len(x_BCP), prediction.shape[1])
        self.scores = x_BCP.new_zeros((*shape, *x_BCP.shape[1:]))
        self.explained = torch.zeros_like(self.prediction)
        self.differences = torch.zeros_like(self.prediction)
        self.spread = torch.zeros_like(self.prediction)

    def see(self, values_BNK: Tensor) -> None:
        """What the network says of references; every reference once."""
        away = self.prediction[:, None] - values_BNK.double()
        self.differences += away.sum(1)
        self.spread += away.abs().sum(1)

    def add(self, target: int, m_BNCP: Tensor, r_BNCP: Tensor) -> None:
        """Multipliers of references, by the sequences less the references."""
        bases, signals = m_BNCP[:, :, :4], m_BNCP[:, :, 4:]
        of_reference = (bases * r_BNCP[:, :, :4]).sum(2, keepdim=True)
        self.scores[:, target, :4] += (bases - of_reference).sum(1)
        by_base = (bases * self.x_BCP[:, None, :4]).sum(2, keepdim=True) - of_reference
        total = by_base.double().sum((1, 2, 3))
        if signals.shape[2]:
            by_signal = signals * (self.x_BCP[:, None, 4:] - r_BNCP[:, :, 4:])
            self.scores[:, target, 4:] += by_signal.sum(1)
            total = total + by_signal.double().sum((1, 2, 3))
        self.explained[:, target] += total

    def explanation(self, n: int) -> Explanation:
        """Means, of `n` references of each sequence."""
        delta = (self.explained - self.differences) / n
        return Explanation(self.scores / n, delta, self.prediction, self.spread / n)
