"""Cuts of each task in the window of a region, and how they lie there: bpAI-TAC's training.

    loss = (1 - lambda) * mean of (ln(1 + y^) - ln(1 + n))**2 + lambda * mean of the profile loss

over regions and tasks; n = cuts that are counted, y^ = those predicted (Chandra et al. 2025).
"""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.data.loader import Batch, Loader
from modelkit.data.options import DataOptions, groups_of, rows_of, rows_of_splits
from modelkit.metrics import cv_quartile, is_constant, pearson, spearman
from modelkit.models.bpaitac import NetworkOptions, ProfileOutput, in_bins
from modelkit.tasks import profile_losses
from modelkit.tasks.profile_config import ObjectiveOptions, ProfileConfig
from modelkit.tasks.readouts import ProfileReadout, Readout, TotalReadout
from modelkit.tasks.task import Losses, Observed, Rows
from native_kernels.multinomial_nll import multinomial_nll

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["Predicted", "ProfileTask"]

ACROSS_TASKS = 8  # tasks at least, for a correlation across them to say anything


class Predicted(NamedTuple):
    """Predictions; None where the network has no such head.

    Attributes
    ----------
    totals : Tensor, shape (B, T)
        Cuts in the window, not below 0: a dense layer alone may say less.
    profiles : Tensor, shape (B, T, W)
        Probabilities of each bp of the window; a bin's is shared among its bp, and 0 beyond the
        last bin.
    """

    totals: Tensor | None
    profiles: Tensor | None


class Target(NamedTuple):
    """What was counted.

    Attributes
    ----------
    counts : Tensor, shape (B, T, N); or None
        Cuts in each bin of the window.
    totals : Tensor, shape (B, T)
        Cuts in the window.
    """

    counts: Tensor | None
    totals: Tensor


class ProfileTask:
    """A profile model's batches, loss and metrics.

    Attributes
    ----------
    names : tuple of str
        Of the tasks.
    select, better, heads
        See `modelkit.tasks.task.Task`.
    skipped : dict of str to int
        Rows of the data set that are left out, by reason.
    """

    def __init__(self, config: ProfileConfig, dataset: "Dataset") -> None:
        self.network: NetworkOptions = config.network
        self.objective: ObjectiveOptions = config.objective
        self.data: DataOptions = config.data
        self.dataset = dataset
        self.groups = groups_of(dataset, self.data)
        self.names = self.groups.names
        across = len(self.names) >= ACROSS_TASKS and self.network.total_head != "none"
        self.select = "pearson_across_tasks" if across else "loss"
        self.better = self._better()
        self.heads: dict[str, Readout] = {}
        if self.network.total_head != "none":
            self.heads["totals"] = TotalReadout()
        if self.network.profile_head:
            self.heads["profile"] = ProfileReadout()
        self._rows, self.skipped = rows_of_splits(dataset, self.data)
        self._leave_out_few_cuts()
        self._rest = (self.network.window or 0) % self.network.bin_size  # bp in no bin
        self._members: dict[torch.device, list[Tensor]] = {}

    def _better(self) -> dict[str, Literal["max", "min"]]:
        """Of the metrics that this network has on these data."""
        found: dict[str, Literal["max", "min"]] = {"loss": "min"}
        if self.network.profile_head and "counts" in self.dataset.spans:
            found |= {"cross_entropy": "min", "jsd": "min", "profile_pearson": "max"}
        if self.network.total_head != "none":
            names = ["pearson_across_regions", "spearman_across_regions"]
            names.append("log_pearson_across_regions")
            if len(self.names) >= ACROSS_TASKS:
                names += ["pearson_across_tasks", "spearman_across_tasks"]
            found |= dict.fromkeys(names, "max")
        return found

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
        loader = Loader(
            self.dataset,
            rows,
            batch_size=batch_size,
            seed=seed,
            shuffle=training,
            jitter=data.jitter if training else 0,
            reverse_complement=data.reverse_complement and training,
            centre=self.dataset.window is not None,  # else there are sequences alone
            normalised=data.normalised,
            negatives=data.negatives if training else None,
            outliers=data.outliers if training else None,
            workers=data.workers,
            rank=rank,
            ranks=ranks,
            device=device,
        )
        self.skipped |= loader.skipped
        return loader

    def inputs(self, batch: Batch) -> Tensor:
        """One-hot bases (B, 4, P)."""
        return batch.sequence

    def losses(self, model: nn.Module, batch: Batch) -> Losses:
        """The loss of a batch, and its two parts where it has those."""
        loss_BT, parts = self._losses(model(batch.sequence), self.bias(batch), self.target(batch))
        return Losses(loss_BT.mean(), {name: part.mean() for name, part in parts.items()})

    @torch.no_grad()
    def observe(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """What `metrics` needs.

        Returns
        -------
        row, loss : (B,)
        n_total, predicted_total : (B, T)
            Cuts in the window, counted and predicted.
        cross_entropy, jsd, profile_pearson : (B, T)
            Nats, bits and correlation of the profiles, no number where there is no cut.
        """
        output, bias, target = model(batch.sequence), self.bias(batch), self.target(batch)
        loss_BT, _ = self._losses(output, bias, target)
        found = {"row": batch.rows, "loss": loss_BT.mean(1), "n_total": target.totals}
        if output.totals is not None:
            found["predicted_total"] = output.totals
        if output.logits is not None and target.counts is not None:
            logits = _biased(output.logits, bias)
            none = ~(target.counts.sum(-1) > 0)
            entropy = multinomial_nll(logits, target.counts, per_profile=True).profile
            for name, value in {
                "cross_entropy": entropy,
                "jsd": profile_losses.jensen_shannon(logits, target.counts),
                "profile_pearson": profile_losses.profile_pearson(logits, target.counts),
            }.items():
                found[name] = value.masked_fill(none, torch.nan)
        return found

    def metrics(self, observed: Observed) -> dict[str, float]:
        """Numbers that judge a model on examples.

        Returns
        -------
        loss
            Mean over the examples, as training has it.
        cross_entropy, jsd, profile_pearson
            Means over the profiles with a cut; `n_without_cuts` is the number of the others.
        pearson_across_tasks, spearman_across_tasks
            Of the totals of a region, mean over regions; only of 8 tasks or more. `n_constant` is
            the number of regions with one prediction for all tasks, whose correlation is 0.
        pearson_across_regions, spearman_across_regions, log_pearson_across_regions
            Of the totals of a task, mean over tasks; the last of log(1 + total).
        """
        found = {"loss": float(np.mean(observed["loss"], dtype=np.float64))}
        n = observed["n_total"].astype(np.float64)
        if "cross_entropy" in observed:
            has = np.isfinite(observed["cross_entropy"])
            found["n_without_cuts"] = float((~has).sum())
            for name in ("cross_entropy", "jsd", "profile_pearson"):
                values = observed[name][has]
                found[name] = float(values.mean(dtype=np.float64)) if has.any() else float("nan")
        if "predicted_total" in observed:
            y = observed["predicted_total"].astype(np.float64)
            if n.shape[1] >= ACROSS_TASKS:
                found["pearson_across_tasks"] = float(pearson(y, n).mean())
                found["spearman_across_tasks"] = float(spearman(y, n).mean())
                found["n_constant"] = float(is_constant(y).sum())
            for name, values in self.by_name(observed).items():
                found[name] = float(values.mean())
        return found

    def by_name(self, observed: Observed) -> Observed:
        """Correlations of the totals of each task across regions, (T,); {} without totals."""
        if "predicted_total" not in observed:
            return {}
        y, n = (observed[name].astype(np.float64).T for name in ("predicted_total", "n_total"))
        return {
            "pearson_across_regions": pearson(y, n),
            "spearman_across_regions": spearman(y, n),
            "log_pearson_across_regions": pearson(np.log1p(y.clip(min=0)), np.log1p(n)),
        }

    def by_example(self, observed: Observed) -> Observed:
        """Measures of each region, whose means over regions are those of a model.

        Returns
        -------
        cross_entropy, jsd, profile_pearson : (n,)
            Means over the tasks with a cut; no number where there is none.
        cross_entropy_top, jsd_top, profile_pearson_top : (n,)
            Of the task with most cuts.
        pearson_across_tasks, spearman_across_tasks, cv_quartile : (n,)
            Of 8 tasks or more; the quartile is of the coefficient of variation, 0 to 3.
        """
        found: Observed = {}
        n = observed["n_total"].astype(np.float64)
        top = n.argmax(1)[:, None]
        for name in ("cross_entropy", "jsd", "profile_pearson"):
            if name not in observed:
                continue
            values = observed[name].astype(np.float64)
            has = np.isfinite(values)
            total = np.where(has, values, 0).sum(1)
            none = np.full(len(n), np.nan)
            found[name] = np.divide(total, has.sum(1), out=none, where=has.any(1))
            found[f"{name}_top"] = np.take_along_axis(values, top, 1)[:, 0]
        if "predicted_total" in observed and n.shape[1] >= ACROSS_TASKS:
            y = observed["predicted_total"].astype(np.float64)
            found["pearson_across_tasks"] = pearson(y, n)
            found["spearman_across_tasks"] = spearman(y, n)
            found["cv_quartile"] = cv_quartile(n)
        return found

    @torch.no_grad()
    def predict(self, model: nn.Module, batch: Batch, *, bias: bool = True) -> Predicted:
        """Predictions for each bp, with the data set's bias or (False) without any."""
        output: ProfileOutput = model(batch.sequence)
        totals = None if output.totals is None else output.totals.clamp(min=0)
        if output.logits is None:
            return Predicted(totals, None)
        logits = _biased(output.logits, self.bias(batch) if bias else None)
        profiles = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1)
        size = self.network.bin_size
        if size > 1:
            profiles = profiles.repeat_interleave(size, -1) / size
            assert self.network.window is not None  # for_dataset has filled it in
            rest = self.network.window - profiles.shape[-1]
            profiles = nn.functional.pad(profiles, (0, rest))
        return Predicted(totals, profiles)

    def bias(self, batch: Batch) -> Tensor | None:
        """Logits of the bias, in bins, shape (B, N); None if the objective is without."""
        if not (self.objective.use_bias and self.network.profile_head):
            return None
        assert batch.bias is not None  # for_dataset saw that the data set has it
        return in_bins(batch.bias, self.network.bin_size)

    def target(self, batch: Batch) -> Target:
        """The cuts of each task, in bins."""
        if batch.counts is None:
            assert batch.totals is not None  # for_dataset saw that the data set has it
            return Target(None, self._in_tasks(batch.totals))
        counts = batch.counts
        if self.dataset.strands == "split":
            counts = counts[:, 0::2] + counts[:, 1::2]
        counts = self._in_tasks(counts)
        return Target(in_bins(counts, self.network.bin_size), counts.sum(-1))

    def _in_tasks(self, values: Tensor) -> Tensor:
        """Means over the samples (axis 1) of each task."""
        if self.groups.one_each:
            return values
        if values.device not in self._members:
            self._members[values.device] = [
                torch.tensor(each, device=values.device) for each in self.groups.samples
            ]
        return torch.stack([values[:, each].mean(1) for each in self._members[values.device]], 1)

    def _losses(
        self, output: ProfileOutput, bias: Tensor | None, target: Target
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of each region and task, shape (B, T), and its parts."""
        kind, weight = self.objective.loss, self.objective.lambda_
        logits, predicted, counts = output.logits, output.totals, target.counts
        if kind in ("poisson", "mse"):
            assert logits is not None
            assert predicted is not None
            assert counts is not None
            run = profile_losses.poisson if kind == "poisson" else profile_losses.count_error
            return run(_biased(logits, bias), counts, predicted), {}
        parts: dict[str, Tensor] = {}
        log_totals = None if predicted is None else profile_losses.log_total(predicted)
        if logits is not None and counts is not None and kind == "jsd":
            parts["profile"] = profile_losses.jensen_shannon(_biased(logits, bias), counts)
        elif logits is not None and counts is not None:
            profile, total = multinomial_nll(
                logits,
                counts,
                bias,
                log_totals,
                per_profile=kind == "cross-entropy",
                log_counts=True,
            )
            parts["profile"] = profile
            if total is not None and not self._rest:
                parts["total"] = total
        if log_totals is not None and "total" not in parts:
            parts["total"] = (log_totals - target.totals.log1p()).square()
        weights = {"profile": weight, "total": 1 - weight}
        weighted = [weights[name] * part for name, part in parts.items()]
        return torch.stack(weighted).sum(0), parts

    def _leave_out_few_cuts(self) -> None:
        least = self.data.min_cuts
        if not least:
            return
        totals = self.dataset.totals
        if totals is None:
            raise InputError(
                f"{self.dataset.path}: has no totals, expected them for data.min_cuts={least}"
            )
        used = sorted({sample for each in self.groups.samples for sample in each})
        enough = totals[:, used].sum(axis=1) >= least
        few = int((~enough[self._rows["all"]]).sum())
        if few:
            self.skipped[f"fewer than {least} cuts in the window"] = few
        self._rows = {name: rows[enough[rows]] for name, rows in self._rows.items()}


def _biased(logits: Tensor, bias: Tensor | None) -> Tensor:
    return logits if bias is None else logits + bias[:, None]
