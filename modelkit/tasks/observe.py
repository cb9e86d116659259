"""What a task observes of many examples, as arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelkit.tasks.task import Observed, Task

__all__ = ["as_arrays", "joined", "observe_all"]


def observe_all(task: Task, network: nn.Module, batches: Iterator[Any]) -> Observed:
    """What a task observes of each example of some batches; {} of none."""
    network.eval()
    with torch.inference_mode():
        return joined([as_arrays(task.observe(network, batch)) for batch in batches])


def as_arrays(observed: dict[str, Tensor]) -> Observed:
    """Copies as arrays: batches are overwritten."""
    return {
        name: (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy().copy()
        for name, value in observed.items()
    }


def joined(parts: list[Observed]) -> Observed:
    """Batches end to end."""
    names = parts[0] if parts else ()
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
