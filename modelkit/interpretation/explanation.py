"""What a method says of a batch of sequences."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Explanation"]


class Explanation(NamedTuple):
    """Attributions of a batch; on the device of its input, without gradients.

    B = sequences, K = targets, C = channels of the input (4 of the bases, then signals), P = bp.

    Attributes
    ----------
    hypothetical : Tensor, float32 (float64 of a float64 network), shape (B, K, C, P)
        Of a base: the score that it would get if it stood there. Of a signal: the score of what
        does.
    delta : Tensor, float64, shape (B, K)
        How far the scores are from adding up to what they must: sum of (x - reference) times
        multiplier, less f(x) - mean f(reference). No number for a method that promises no sum.
    prediction : Tensor, float64, shape (B, K)
        f(x).
    """

    hypothetical: Tensor
    delta: Tensor
    prediction: Tensor

    def contributions(self, x_BCP: Tensor) -> Tensor:
        """Scores of the bases that stand in `x`, (B, K, P); 0 where none does."""
        bases = x_BCP[:, None, :4].to(self.hypothetical.dtype)
        return (self.hypothetical[:, :, :4] * bases).sum(2)
