"""What tests of training share: configs, and runs against each other."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from small_data import SMALL

from kmerengine import Dataset
from modelkit.config import Config
from modelkit.config_files import read_config
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.run import Run


def config(*changes: str, model: str = "bpaitac") -> Config:
    return read_config(model=model, changes=[*SMALL, *changes])


def state(run: Run, name: str = "last.safetensors") -> dict[str, torch.Tensor]:
    return read_checkpoint(run.path / name)[0]


def same(one: Run, other: Run, name: str = "last.safetensors") -> bool:
    a, b = state(one, name), state(other, name)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def assert_close(one: Run, other: Run) -> None:
    """The same weights, but for rounding; of the profiles' bias, which adds the same to all logits
    and has no gradient, Adam makes steps of what rounding leaves.
    """
    for name, value in state(one).items():
        if "profile.bias" not in name and name != "sums":
            torch.testing.assert_close(state(other)[name], value, rtol=1e-3, atol=1e-5, msg=name)


def rows(run: Run) -> list[dict[str, Any]]:
    timed = ("seconds", "validation_seconds", "examples_per_second")
    read: list[dict[str, Any]] = pq.read_table(run.path / "metrics.parquet").to_pylist()
    return [{k: v for k, v in row.items() if k not in timed} for row in read]


def command(data: Dataset, output: Path, *changes: str) -> list[str]:
    sets = [part for change in [*SMALL, *changes] for part in ("--set", change)]
    return ["train", "--model", "bpaitac", "--data", str(data.path), "-o", str(output), *sets]
