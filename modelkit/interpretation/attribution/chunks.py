"""Explanations of a chunk of examples, here or on a worker of a cluster."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.interpretation.attribution.subject import Subject
from modelkit.interpretation.methods.explain import Explainer, IncompleteWarning
from modelkit.interpretation.methods.explanation import Explanation
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.training.run import Run

__all__ = ["Explain", "ExplainOnWorker", "explained_chunk", "on_both_strands"]

Rows = npt.NDArray[np.int64]
Explain = Callable[[Tensor, Rows], Explanation]
Values = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]
Warned = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], str]


def on_both_strands(explain: Explain) -> Explain:
    """Means of the attributions of both strands, as they lie on the first."""

    def both(x_B4P: Tensor, numbers: Rows) -> Explanation:
        here, there = explain(x_B4P, numbers), explain(x_B4P.flip(1, 2), numbers)
        return Explanation(
            (here.hypothetical + there.hypothetical.flip(2, 3)) / 2,
            (here.delta + there.delta) / 2,
            (here.prediction + there.prediction) / 2,
            (here.spread + there.spread) / 2,
        )

    return both


def explained_chunk(explain: Explain, x_BCP: Tensor, rows: Rows) -> Values:
    """Hypothetical scores (B, K, C, P) of a chunk, and prediction, delta and spread (B, 3, K)."""
    found = explain(x_BCP, rows)
    finite = found.hypothetical[:, :, :4].flatten(1).isfinite().all(1)
    if not finite.all():
        row = rows[int(finite.int().argmin())]
        raise InputError(
            f"row {row} of the data set: its scores are no finite numbers; expected a network "
            "whose outputs are, evaluate it first"
        )
    numbers = torch.stack([found.prediction, found.delta, found.spread], 1).double()
    return found.hypothetical.float().cpu().numpy(), numbers.cpu().numpy()


@dataclass(frozen=True, eq=False)
class ExplainOnWorker:
    """Called on a worker: opens the run and the data set, for rows of its chunks.

    The function answers with the values of `explained_chunk` and the first warning, or "".
    """

    run: Path
    dataset: Path
    head: str
    split: str
    weights: npt.NDArray[np.float32]  # (T, K), of each task in the targets
    options: AttributionOptions
    reverse_complement: bool
    batch_size: int
    device: str

    def __call__(self) -> Callable[[Rows], Warned]:
        place = torch.device(self.device)
        subject = Subject(Run.open(self.run), Dataset.open(self.dataset), self.head, self.split)
        explain: Explain = Explainer(
            subject.explained(torch.from_numpy(self.weights), place), self.options
        )
        if self.reverse_complement:
            explain = on_both_strands(explain)
        alone = Lock()  # hooks of the network, and warnings, are of one thread

        def work(rows: Rows) -> Warned:
            with alone, warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                (x_BCP,) = subject.batches(rows, self.batch_size, place)
                scores, numbers = explained_chunk(explain, x_BCP, rows)
            said = [str(each.message) for each in warned if each.category is IncompleteWarning]
            return scores, numbers, said[0] if said else ""

        return work
