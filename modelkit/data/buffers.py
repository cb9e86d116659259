"""Memory for the tensors of one batch, which is filled again and again."""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Encoding = Literal["float32", "bfloat16", "uint8"]

Shape = tuple[int, ...]

# bits of 0, of 1 and of 0.25 in each type of the one-hot bases; bfloat16 is a type of PyTorch alone
BITS: dict[str, npt.NDArray[Any]] = {
    "float32": np.array([0, 1, 0.25], np.float32),
    "bfloat16": np.array([0, 0x3F80, 0x3E80], np.uint16),
    "uint8": np.array([0, 1, 0], np.uint8),
}


class Batch(NamedTuple):
    """Examples as a model takes them; None where the data set has no such thing.

    B = examples, P = bp of sequence, T = tracks: samples, or plus and minus strand of each, L = bp
    of counts, S = samples, K = labels.
    """

    sequence: Tensor  # (B, 4, P), one-hot A C G T
    counts: Tensor | None  # (B, T, L), float32
    totals: Tensor | None  # (B, S), float32: of the stored window, not of the jittered one
    bias: Tensor | None  # (B, L), or (B, 2, L) of two strands, float32
    labels: Tensor | None  # (B, K), float32, 0 or 1
    rows: Tensor  # (B,), int64, of the data set


class Buffer:
    """Tensors of a batch in memory, pinned for a GPU, and the same memory as NumPy arrays."""

    def __init__(self, shapes: dict[str, Shape], encoding: Encoding, *, pinned: bool) -> None:
        types = {"sequence": getattr(torch, encoding), "rows": torch.int64}
        self.tensors = {
            name: torch.empty(shape, dtype=types.get(name, torch.float32), pin_memory=pinned)
            for name, shape in shapes.items()
        }
        self.arrays: dict[str, npt.NDArray[Any]] = {
            name: _as_array(tensor) for name, tensor in self.tensors.items()
        }
        self._copied: Any = None  # an event: the GPU has read what is here

    def wait(self) -> None:
        """Return when what was in the buffer is no longer needed."""
        if self._copied is not None:
            self._copied.synchronize()
            self._copied = None

    def batch(self, n: int, device: torch.device) -> Batch:
        """The first n examples; on a GPU a copy, which later fills leave alone."""
        found = {name: tensor[:n] for name, tensor in self.tensors.items()}
        if device.type == "cuda":
            with torch.cuda.device(device):
                found = {name: t.to(device, non_blocking=True) for name, t in found.items()}
                self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
                self._copied.record()
        bias = found.get("bias")
        return Batch(
            sequence=found["sequence"],
            counts=found.get("counts"),
            totals=found.get("totals"),
            bias=bias[:, 0] if bias is not None and bias.shape[1] == 1 else bias,
            labels=found.get("labels"),
            rows=found["rows"],
        )


def _as_array(tensor: Tensor) -> npt.NDArray[Any]:
    if tensor.dtype == torch.bfloat16:
        bits: npt.NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(np.uint16)
    array: npt.NDArray[Any] = tensor.numpy()
    return array
