"""Where tests run Triton's kernels: compiled on a CUDA device, or interpreted on the CPU.

Triton decides when a kernel is decorated, that is, at the import of its module and of Triton's own
library. So the interpreter is chosen here, before either, wherever there is no device.
"""

import mmap
import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

ASKED = os.environ.get("TRITON_INTERPRET") == "1"
INTERPRETED = ASKED or not torch.cuda.is_available()

if INTERPRETED and not ASKED and "triton" in sys.modules:
    raise RuntimeError("Triton was imported before its interpreter was chosen; TRITON_INTERPRET=1")

with pytest.MonkeyPatch.context() as patch:
    if INTERPRETED:
        patch.setenv("TRITON_INTERPRET", "1")
    import native_kernels.dilated_conv.gpu
    import native_kernels.dilated_conv.norm.gpu
    import native_kernels.dilated_conv.weights.gpu
    import native_kernels.multinomial_nll.gpu  # noqa: F401

MAP_NORESERVE = 0x4000  # Linux; in the module `mmap` from Python 3.13 on

DEVICES = [pytest.param("cuda", marks=pytest.mark.gpu)]
if INTERPRETED:
    DEVICES = [pytest.param("cpu", id="interpreter"), *DEVICES]
ON_THE_CPU = pytest.mark.skipif(not INTERPRETED, reason="address space without memory: CPU only")
LARGE = pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_properties(0).total_memory < 40e9,
    reason="needs 40 GB of device memory",
)
ON_EVERY_DEVICE = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the interpreter reads while a kernel runs; a GPU says nothing of 0 / 0 either."""
    if INTERPRETED:
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
        yield


def spread(shape: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Zeros in a reach of address space of which only the pages that are touched exist.

    An offset that wraps at 2**31 stays inside, on other elements.
    """
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    size = torch.empty(0, dtype=dtype).element_size()
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    memory = mmap.mmap(-1, 2 * reach * size, flags=flags)
    return torch.frombuffer(memory, dtype=dtype).as_strided(shape, strides, reach - 1)
