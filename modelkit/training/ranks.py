"""The processes that train together: one, or those that torchrun started."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError

__all__ = ["Ranks", "joined"]

TIMEOUT = timedelta(minutes=10)  # of a rank that is there and does not answer


class Ranks:
    """This process among `ranks`; the only one by default."""

    def __init__(self, rank: int = 0, ranks: int = 1) -> None:
        self.rank, self.ranks = rank, ranks

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.ranks > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.ranks > 1:
            torch.distributed.barrier()

    def share(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """This process's part of rows; together they are all of them."""
        return rows[self.rank :: self.ranks]

    def gather(self, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Arrays of all processes end to end, in order of their `row`; the same everywhere."""
        parts = [arrays]
        if self.ranks > 1:
            parts = [{} for _ in range(self.ranks)]
            torch.distributed.all_gather_object(parts, arrays)
            parts = [part for part in parts if part]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(joined["row"], kind="stable")
        return {name: array[order] for name, array in joined.items()}

    def synchronise_norms(self, model: nn.Module) -> None:
        """Have batch norms add up their statistics over all processes."""
        if self.ranks == 1:
            return
        held: set[nn.Module] = set()  # by those that can synchronise them
        for module in model.modules():
            if hasattr(module, "group"):
                setattr(module, "group", torch.distributed.group.WORLD)  # noqa: B010
                held |= set(module.children())
        for name, module in model.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module not in held:
                raise InputError(
                    f"model: its batch norm {name} cannot be synchronised over ranks; expected "
                    "those of native_kernels; train it on one"
                )


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes of torchrun, if it started this one.

    Raises
    ------
    InputError
        Another process has ended or does not answer.
    """
    ranks = _number("WORLD_SIZE", 1)
    if ranks == 1 or torch.distributed.is_initialized():
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
        else:
            yield Ranks()
        return
    rank = _number("RANK", -1)
    if not 0 <= rank < ranks or "MASTER_ADDR" not in os.environ:
        raise InputError(
            f"WORLD_SIZE: found {ranks}, but no RANK below it and MASTER_ADDR; start with torchrun"
        )
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        torch.distributed.init_process_group(backend, timeout=TIMEOUT)
        yield Ranks(rank, ranks)
    except RuntimeError as error:
        if not _is_of_another_rank(error):
            raise
        reason = str(error).strip().partition("\n")[0][-160:]
        raise InputError(
            f"rank {rank} of {ranks}: another rank has ended or does not answer ({reason}); the "
            "run stops here, go on with --resume"
        ) from error
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
            # Networks still hold the group, in cycles. Its threads must end before Python does:
            # one that lets go of a tensor later has no interpreter, and aborts the process.
            gc.collect()


def _number(name: str, default: int) -> int:
    """An environment variable of torchrun."""
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError as error:
        raise InputError(
            f"{name}: found {text!r}, expected a number; start with torchrun"
        ) from error


def _is_of_another_rank(error: RuntimeError) -> bool:
    text = str(error).lower()
    signs = ("gloo", "nccl", "connection reset", "connection closed", "connection refused",
             "broken pipe", "tcpstore", "watchdog", "timed out")  # fmt: skip
    return isinstance(error, torch.distributed.DistError) or any(sign in text for sign in signs)
