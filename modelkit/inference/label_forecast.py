"""Probabilities of labels, means over several runs and both strands."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import logsigmoid

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.data.loader import Batch
from modelkit.inference.forecast import Asked
from modelkit.inference.member import Member
from modelkit.inference.strands import check_bases_alone
from modelkit.registry import MODELS
from modelkit.tasks.binding import BindingTask
from modelkit.tasks.labels import LabelTask
from modelkit.training.run import Run

__all__ = ["LabelForecast"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

OF_LABELS = (LabelTask, BindingTask)


class LabelForecast:
    """A `Forecast` of models of labels. What is averaged are probabilities; the logit that is
    written is that of their mean.
    """

    def __init__(self, runs: Sequence[Run], dataset: Dataset, asked: Asked) -> None:
        if asked.genome is not None:
            raise InputError(
                f"genome: found {asked.genome}, but {runs[0].path} predicts labels, of which there "
                "are no bigWigs; leave it out"
            )
        self._members = [_member(run, dataset, asked.split) for run in runs]
        first = self._members[0]
        for other in self._members[1:]:
            _check_alike(first, other, asked.split)
        self.tasks, self.rows = first.tasks, first.rows
        self.document: dict[str, Any] = {
            "values": ["logit", "probability"], "files": {}, "window": None,
        }  # fmt: skip
        self._both = asked.reverse_complement
        if self._both:
            self._check_reversible()
        self._networks: list[nn.Module] = []
        shape = (len(self.rows), len(self.tasks))
        self._found = {"logit": np.zeros(shape), "probability": np.zeros(shape)}

    def load(self, device: torch.device) -> None:
        """Read the weights."""
        self._networks = [member.run.network(device) for member in self._members]

    def begin(self, folder: Path) -> Rows:  # noqa: ARG002
        """The rows as they are."""
        return np.arange(len(self.rows))

    def batches(self, order: Rows, batch_size: int, device: torch.device) -> Iterator[Batch]:
        """As for measuring."""
        task = self._members[0].task
        rows = self.rows[order]
        return task.batches(rows, training=False, batch_size=batch_size, device=device).batches(0)

    @torch.inference_mode()
    def take(self, places: Rows, batch: Batch) -> None:
        """Means of p and of 1 - p, by their logarithms: neither of them becomes 0."""
        found = []
        for member, network in zip(self._members, self._networks, strict=True):
            x_BCP = member.task.inputs(batch)
            for strand in (x_BCP, x_BCP.flip(1, 2)) if self._both else (x_BCP,):
                found.append(network(strand).double())
        logits_RBK = torch.stack(found)
        one, zero = (logsigmoid(x).logsumexp(0) for x in (logits_RBK, -logits_RBK))
        self._found["logit"][places] = (one - zero).cpu().numpy()
        self._found["probability"][places] = (one.exp() / len(found)).cpu().numpy()

    def finish(self, folder: Path) -> Mapping[str, Floats]:  # noqa: ARG002
        """Logits and probabilities."""
        return self._found

    def _check_reversible(self) -> None:
        """All must take bases alone."""
        one = next(self.batches(np.zeros(1, np.int64), 1, torch.device("cpu")))
        for member in self._members:
            check_bases_alone(member.run.path, member.task.inputs(one).shape[1])


def _member(run: Run, dataset: Dataset, split: str) -> Member:
    if MODELS[run.config.model].task not in OF_LABELS:
        known = ", ".join(name for name, each in MODELS.items() if each.task in OF_LABELS)
        raise InputError(f"{run.path}: is of {run.config.model}, expected one of {known}")
    return Member(run, dataset, split)


def _check_alike(first: Member, other: Member, split: str) -> None:
    if first.tasks != other.tasks:
        mine, yours = (", ".join(each.tasks[:5]) for each in (first, other))
        raise InputError(
            f"{other.run.path}: predicts {yours}, {first.run.path} {mine}; expected runs of the "
            "same labels to average"
        )
    if not np.array_equal(first.rows, other.rows):
        raise InputError(
            f"{other.run.path}: its split {split!r} is not that of {first.run.path}, which may "
            "have learnt from it; expected runs of the same split, or --split all"
        )
