# mypy: allow-untyped-calls
"""Max pooling of (regions, positions, channels)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MaxPool"]


class MaxPool(nn.Module):
    """Maxima of `size` positions each, every `stride` positions. The gradient has the same bits
    always, which PyTorch's pools on a GPU do not promise.

    Parameters
    ----------
    size : int
    stride : int, optional
        By default `size`.
    padding : "valid" or "same"
        Leave out a rest that fills no window, or have a window for each `stride` positions or part
        of them, over the ends where need be (TensorFlow's "SAME").
    """

    def __init__(self, size: int, stride: int | None = None, padding: str = "valid") -> None:
        super().__init__()
        self.size = size
        self.stride = size if stride is None else stride
        self.padding = padding
        if not 1 <= self.stride <= size or padding not in ("valid", "same"):
            raise ValueError(
                f"found a pool of {size} with stride {stride} and padding {padding!r}, expected "
                "1 <= stride <= size, and valid or same"
            )

    def forward(self, x_BPC: Tensor) -> Tensor:
        """(B, P, C) to (B, n, C), n = P // size or, with "same", P / stride rounded up."""
        if self.stride == self.size:
            return self.laid(x_BPC).amax(2)
        x_BPC = self._padded(x_BPC)
        n = self.windows(x_BPC.shape[1])
        if n == 0:
            return x_BPC[:, :0]
        y = x_BPC[:, : (n - 1) * self.stride + self.size]
        step = self.stride if self.size % self.stride == 0 else 1
        if step > 1:
            y = y.unflatten(1, (-1, step)).amax(2)
        reach, size = 1, self.size // step
        while reach < size:  # y: maxima of `reach` positions from each on
            more = min(reach, size - reach)
            y = torch.maximum(y[:, : y.shape[1] - more], y[:, more:])
            reach += more
        return y[:, :: self.stride // step]

    def laid(self, x_BPC: Tensor) -> Tensor:
        """The windows, (B, n, size, C)."""
        x_BPC = self._padded(x_BPC)
        if self.stride == self.size:
            n = self.windows(x_BPC.shape[1])
            laid: Tensor = x_BPC[:, : n * self.size].unflatten(1, (n, self.size))
            return laid
        return x_BPC.unfold(1, self.size, self.stride).mT

    def windows(self, length: int) -> int:
        """How many there are of so many positions, those of "same" padding among them."""
        return max(0, (length - self.size) // self.stride + 1)

    def _padded(self, x_BPC: Tensor) -> Tensor:
        length = x_BPC.shape[1]
        n = -(-length // self.stride)
        lacking = max(0, (n - 1) * self.stride + self.size - length)
        if self.padding == "valid" or not lacking:
            return x_BPC
        before = lacking // 2
        return functional.pad(x_BPC, (0, 0, before, lacking - before), value=-torch.inf)
