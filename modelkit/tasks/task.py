"""What a model is trained for, as the trainer sees it: batches, a loss, and numbers that judge."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelkit.tasks.readouts import Readout

__all__ = ["Batches", "Losses", "Observed", "Task"]

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Observed = dict[str, Array]


class Losses(NamedTuple):
    """Losses of a batch, means over its examples.

    Attributes
    ----------
    loss : Tensor, shape ()
        What is minimised.
    parts : dict of str to Tensor of shape ()
        What it is made of, for the record.
    """

    loss: Tensor
    parts: dict[str, Tensor]


class Batches(Protocol):
    """Batches of an epoch, such as `modelkit.data.Loader`."""

    n_examples: int
    batch_size: int

    def __len__(self) -> int:
        """Batches of an epoch."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch from number `first` on, the same every time."""


class Task(Protocol):
    """Made of (config, dataset).

    Attributes
    ----------
    names : tuple of str
        What is predicted of an example: samples, lineages, labels.
    skipped : dict of str to int
        Examples that are left out, by reason.
    select : str
        Metric of validation whose best weights are kept, unless the config says otherwise.
    better : dict of str to "max" or "min"
        Which value of each metric is better, of those that weights can be chosen by.
    heads : dict of str to Readout
        What attributions can be of; the first is the default.
    """

    names: tuple[str, ...]
    skipped: dict[str, int]
    select: str
    better: dict[str, Literal["max", "min"]]
    heads: dict[str, Readout]

    def rows(self, split: str) -> Rows:
        """Examples of a split ("train", "validation", "test" or "all") that can be used."""

    def batches(
        self,
        rows: Rows,
        *,
        training: bool,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device,
    ) -> Batches:
        """Batches of these rows: shuffled and augmented for training, else as they are and all."""

    def inputs(self, batch: Any) -> Tensor:
        """What the network takes of a batch, (B, C, P): channels of the bases, then signals."""

    def losses(self, model: nn.Module, batch: Any) -> Losses:
        """Losses of a batch."""

    def observe(self, model: nn.Module, batch: Any) -> dict[str, Tensor]:
        """What `metrics` needs of each example: any arrays with one row per example, and `row`."""

    def metrics(self, observed: Observed) -> dict[str, float]:
        """Numbers that judge a model on examples, whatever batches and ranks they came from.

        `loss` is among them: the mean over the examples, as training has it.
        """

    def by_name(self, observed: Observed) -> Observed:
        """Measures of each of `names`, whose means are among `metrics`, (n names,) each."""

    def by_example(self, observed: Observed) -> Observed:
        """Measures of each example, whose means are among `metrics` or beside them, (n,) each.

        Where an example is observed more than once there is `row` among them: what it is of.
        """
