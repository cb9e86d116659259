"""Labels of sequences, such as which factors bind: each is there or not, by itself.

    loss = mean over sequences and classes of -(y ln p + (1 - y) ln(1 - p)),  p = sigmoid(logit)
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from modelkit.data.loader import Batch, Loader
from modelkit.data.options import ExampleOptions, rows_of, rows_of_splits
from modelkit.metrics import auprc, auroc
from modelkit.tasks.label_config import LabelConfig, LabelObjective
from modelkit.tasks.readouts import LogitReadout, ProbabilityReadout, Readout
from modelkit.tasks.task import Losses, Observed, Rows

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["LabelTask"]


class LabelTask:
    """Batches, loss and metrics of networks that give logits (B, K).

    Attributes
    ----------
    names : tuple of str
        Of the classes.
    select, better, heads
        See `modelkit.tasks.task.Task`.
    skipped : dict of str to int
        Rows of the data set that are left out, by reason.
    """

    select = "loss"

    def __init__(self, config: LabelConfig, dataset: "Dataset") -> None:
        self.objective: LabelObjective = config.objective
        self.data: ExampleOptions = config.data
        self.dataset = dataset
        self.names = dataset.label_names
        self.better: dict[str, Literal["max", "min"]] = {
            "loss": "min", "auroc": "max", "auprc": "max",
        }  # fmt: skip
        self.heads: dict[str, Readout] = {
            "logit": LogitReadout(),
            "probability": ProbabilityReadout(),
        }
        self._rows, self.skipped = rows_of_splits(dataset, self.data)

    def rows(self, split: str) -> Rows:
        """Examples of a split that can be used, ascending."""
        return rows_of(self._rows, split)

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
    ) -> Loader:
        """Batches of these rows: shuffled and augmented for training, else as they are and all."""
        data = self.data
        return Loader(
            self.dataset,
            rows,
            batch_size=batch_size,
            seed=seed,
            shuffle=training,
            jitter=data.jitter if training else 0,
            reverse_complement=data.reverse_complement and training,
            both_strands=data.both_strands,
            unknown=data.unknown,
            core=data.core,
            negatives=data.negatives if training else None,
            workers=data.workers,
            rank=rank,
            ranks=ranks,
            device=device,
        )

    def inputs(self, batch: Batch) -> Tensor:
        """One-hot bases (B, 4, P)."""
        return batch.sequence

    def losses(self, model: nn.Module, batch: Batch) -> Losses:
        """The loss of a batch."""
        return Losses(self._losses(model(self.inputs(batch)), batch).mean(), {})

    @torch.no_grad()
    def observe(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """What `metrics` needs.

        Returns
        -------
        row, loss : (B,)
            With both strands each row is there twice, and counts twice.
        label, logit : (B, K)
        """
        logits_BK, labels_BK = model(self.inputs(batch)), _labels(batch)
        return {
            "row": batch.rows,
            "loss": self._losses(logits_BK, batch).mean(1),
            "label": labels_BK.to(torch.uint8),
            "logit": logits_BK,
        }

    def metrics(self, observed: Observed) -> dict[str, float]:
        """Numbers that judge a model on examples.

        Returns
        -------
        loss
            Mean over the examples, as training has it.
        auroc, auprc
            Means over the classes that have both 0 and 1.
        n_undefined
            The number of other classes.
        """
        of_classes = self.by_name(observed)
        has = np.isfinite(of_classes["auroc"])
        found = {"loss": float(np.mean(observed["loss"], dtype=np.float64))}
        for name, values in of_classes.items():
            found[name] = float(values[has].mean()) if has.any() else float("nan")
        return found | {"n_undefined": float((~has).sum())}

    def by_name(self, observed: Observed) -> Observed:
        """Areas under the two curves of each class, (K,); no number without both 0 and 1."""
        labels, logits = observed["label"], observed["logit"]
        return {
            "auroc": auroc(labels, logits),
            "auprc": auprc(labels, logits, method=self.objective.auprc),
        }

    def by_example(self, observed: Observed) -> Observed:
        """The loss of each sequence, (n,); of both strands the mean, and which `row` it is of."""
        loss = observed["loss"].astype(np.float64)
        if not self.data.both_strands:
            return {"loss": loss}
        rows, number = np.unique(observed["row"], return_inverse=True)
        return {"row": rows, "loss": np.bincount(number, loss) / np.bincount(number)}

    def _losses(self, logits_BK: Tensor, batch: Batch) -> Tensor:
        labels_BK = _labels(batch).to(logits_BK.dtype)
        found: Tensor = functional.binary_cross_entropy_with_logits(
            logits_BK, labels_BK, reduction="none"
        )
        return found


def _labels(batch: Batch) -> Tensor:
    assert batch.labels is not None  # for_dataset saw that the data set has them
    return batch.labels
