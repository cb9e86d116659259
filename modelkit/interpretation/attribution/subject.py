"""A trained model beside the data that it is explained on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.arrays import let_go
from modelkit.inference.member import Member
from modelkit.inference.strands import check_bases_alone, check_middle
from modelkit.interpretation.methods.explained import Explained
from modelkit.training.run import Run

__all__ = ["Subject"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LOGIT = "logit"  # the head of labels


class Subject:
    """A run, one of its heads, and the examples of a split.

    Attributes
    ----------
    tasks : tuple of str
    head : str
    rows : int64
        Of the data set: those of the split, ascending.
    length, channels : int
        bp and channels of the network's input.

    Raises
    ------
    InputError
        Data that do not fit the run, a head that it has not, a split without examples.
    """

    def __init__(self, run: Run, dataset: Dataset, head: str | None, split: str) -> None:
        member = Member(run, dataset, split)
        self._run, self._dataset, self._task = run, dataset, member.task
        self.tasks, self.rows, self.length = member.tasks, member.rows, member.length
        self.head = next(iter(self._task.heads)) if head is None else head
        if self.head not in self._task.heads:
            raise InputError(
                f"head: found {head!r}, {run.path} has {', '.join(self._task.heads)}; expected one "
                "of these"
            )
        one = next(self.batches(self.rows[:1], 1, torch.device("cpu")))
        self.channels = one.shape[1]

    def check_reversible(self) -> None:
        """The input must be of bases alone, and the window in the middle."""
        network: Any = self._run.config.network
        start, width = getattr(network, "window_start", None), getattr(network, "window", None)
        if start is not None:
            advice = "expected reverse_complement=False with such a model"
            check_middle(self._run.path, (start, start + width), self.length, advice)
        check_bases_alone(self._run.path, self.channels)

    def explained(self, weights: Tensor, device: torch.device) -> Explained:
        """The network from its input to the targets, with the weights (T, K) of each task."""
        network = self._run.network(device)
        return Explained(network, self._task.heads[self.head], weights).to(device).eval()

    def probabilities(self, rows: Rows, batch_size: int, device: torch.device) -> Floats:
        """Of each label, float64 (n, K), on the strand that the data have; InputError if the run
        predicts no labels.
        """
        if LOGIT not in self._task.heads:
            raise InputError(
                f"at_least: found with {self._run.path}, which predicts no labels, and so no "
                "probabilities; leave it out"
            )
        network = self._run.network(device)
        found = []
        with torch.inference_mode():
            for x_BCP in self.batches(rows, batch_size, device):
                logits_BK = self._task.heads[LOGIT](network(x_BCP))
                found.append(logits_BK.double().sigmoid().cpu().numpy())
        return np.concatenate(found)

    @property
    def blocked(self) -> Rows | None:
        """Bases of each row of the data set that the network is not shown, (N, 2) from the first of
        the sequence; None if it is shown all.
        """
        if getattr(self._run.config.data, "core", "kept") != "blocked":
            return None
        assert self._dataset.cores is not None  # the loader saw that the data set has them
        return self._dataset.cores - self._dataset.spans["sequence"][0]

    def batches(self, rows: Rows, batch_size: int, device: torch.device) -> Iterator[Tensor]:
        """What the network takes of some rows, (B, C, P) each; overwritten by the next.

        Of the data set's files no more than a few batches stay in memory.
        """
        found = self._task.batches(rows, training=False, batch_size=batch_size, device=device)
        for batch in found.batches(0):
            yield self._task.inputs(batch)
            for name in self._dataset.spans:
                let_go(self._dataset.stored(name)[0])
