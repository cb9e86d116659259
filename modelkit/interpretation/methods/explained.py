"""What attributions are of: one number for each target, read off a network's output.

A task offers *readouts*: one number per task of the output, such as totals, a class logit, the
profile. Targets are tasks, or means or sums of several: those of a lineage.

B = sequences, C = channels of the input (4 of the bases, then signals), P = bp, T = tasks,
K = targets.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.tasks.readouts import Readout

__all__ = ["Combine", "Explained", "weights_of"]

Combine = Literal["mean", "sum"]


class Explained(nn.Module):
    """A network with one readout, from its input to one number for each target.

    Parameters
    ----------
    network : nn.Module
        (B, C, P) to an output.
    readout : Readout
    weights : Tensor, shape (T, K)
        Of each task in each target.
    """

    def __init__(self, network: nn.Module, readout: Readout, weights: Tensor) -> None:
        super().__init__()
        self.network, self.readout = network, readout
        self.weights: Tensor
        self.register_buffer("weights", weights, persistent=False)
        self._anchor: Any = None

    @torch.no_grad()
    def anchor(self, x_BCP: Tensor | None) -> None:
        """Hold what the head takes as given: a profile's probabilities are those of `x`, for its
        references and mutants too. None lets go of it; each input then has its own.
        """
        self._anchor = None if x_BCP is None else self.readout.anchor(self.network(x_BCP))

    def forward(self, x_NCP: Tensor) -> Tensor:
        """(N, C, P) to (N, K).

        While anchored to B sequences, N is a multiple of B: all rows of the first sequence, then
        all of the second.
        """
        return self.read(self.network(x_NCP))

    def read(self, output: Any) -> Tensor:
        """The targets (N, K) of what the network has put out, in float32 at least: a product in
        bfloat16 would leave 3 digits of them.
        """
        anchor = self._anchor
        if anchor is not None:
            n = _length(output) // len(anchor)
            anchor = anchor.repeat_interleave(n, 0) if n > 1 else anchor
        values_NT: Tensor = self.readout(output, anchor)
        wide_NT = values_NT.to(torch.promote_types(values_NT.dtype, torch.float32))
        with torch.autocast(wide_NT.device.type, enabled=False):
            return wide_NT @ self.weights.to(wide_NT.dtype)


def weights_of(
    tasks: Sequence[str],
    targets: dict[str, Sequence[str]] | Sequence[str] | None = None,
    combine: Combine = "mean",
) -> tuple[tuple[str, ...], Tensor]:
    """Names of the targets, and the weight of each task in each, float32 (T, K).

    Parameters
    ----------
    tasks : sequence of str
    targets : dict of str to sequence of str, or sequence of str, optional
        Tasks of each target; or a list of tasks that are targets by themselves and of texts
        NAME=TASK,TASK,... for targets of several; by default every task.
    combine : "mean" or "sum"
        bpAI-TAC's code takes means over the cell types of a lineage, its paper sums.

    Raises
    ------
    InputError
        No target, one that is named twice, tasks that are not there.
    """
    groups = _groups(tasks, list(tasks) if targets is None else targets)
    if not groups:
        raise InputError("targets: found none, expected at least one")
    number = {name: i for i, name in enumerate(tasks)}
    weights = torch.zeros(len(number), len(groups))
    for k, (name, members) in enumerate(groups.items()):
        strange = [each for each in members if each not in number]
        if strange or not members or len(set(members)) != len(members):
            found = strange[0] if strange else list(members)
            shown = ", ".join(list(number)[:5]) + (", ..." if len(number) > 5 else "")
            raise InputError(f"targets.{name}: found {found!r}, expected tasks, once: {shown}")
        for each in members:
            weights[number[each], k] = 1 / len(members) if combine == "mean" else 1.0
    return tuple(groups), weights


def _groups(
    tasks: Sequence[str], targets: dict[str, Sequence[str]] | Sequence[str]
) -> dict[str, Sequence[str]]:
    """Tasks of each target, by its name."""
    if isinstance(targets, dict):
        return targets
    groups: dict[str, Sequence[str]] = {}
    for text in targets:
        name, equals, members = text.partition("=")
        is_group = bool(equals) and text not in tasks
        name = name if is_group else text
        if not name:
            raise InputError(f"targets: found {text!r}, expected a task, or NAME=TASK,TASK")
        if name in groups:
            raise InputError(f"targets: found {name!r} twice, expected every target once")
        groups[name] = [each.strip() for each in members.split(",")] if is_group else [text]
    return groups


def _length(output: Any) -> int:
    """Rows of a tensor, or of those of a tuple or dict."""
    if isinstance(output, Tensor):
        return len(output)
    parts = output.values() if isinstance(output, dict) else output
    return next(len(part) for part in parts if part is not None)
