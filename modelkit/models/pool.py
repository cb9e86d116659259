"""Max pooling of (regions, positions, channels)."""

from torch import Tensor, nn

__all__ = ["MaxPool"]


class MaxPool(nn.Module):
    """Maxima of `size` positions each; a rest is left out. The gradient has the same bits always,
    which PyTorch's pools on a GPU do not promise.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x_BPC: Tensor) -> Tensor:
        """(B, P, C) to (B, P // size, C)."""
        n = x_BPC.shape[1] // self.size
        kept_BPC = x_BPC[:, : n * self.size]
        return kept_BPC.reshape(len(x_BPC), n, self.size, x_BPC.shape[2]).amax(2)
