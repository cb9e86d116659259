"""Several trained models as one: checked against each other and the data, and averaged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.data.loader import Batch
from modelkit.inference.known import Known
from modelkit.inference.member import Member
from modelkit.inference.strands import check_middle
from modelkit.models.bpaitac import NetworkOptions
from modelkit.registry import MODELS
from modelkit.tasks.profile import ProfileTask
from modelkit.training.run import Run

__all__ = ["Ensemble", "Expected", "Kind", "shortened"]

Rows = npt.NDArray[np.int64]
Kind = Literal["with_bias", "without_bias"]


class Expected(NamedTuple):
    """What is expected of some regions.

    Attributes
    ----------
    totals : Tensor, float64, shape (B, T); or None
        Cuts in the window; None of models without totals.
    tracks : dict of kind to Tensor, float32, shape (B, T, W)
        Cuts per base: total times probability; of models without totals the probability.
    """

    totals: Tensor | None
    tracks: dict[Kind, Tensor]


class Ensemble:
    """Runs whose predictions are averaged.

    Attributes
    ----------
    runs : list of Run
    tasks : tuple of str
    window : (int, int)
        What is predicted, bp of the sequence.
    has_totals, has_profiles : bool
        What the models predict.
    uses_bias : bool
        Whether any of them learnt beside a bias.
    rows : int64
        Of the data set: those of the split.

    Raises
    ------
    InputError
        Runs that do not fit each other or the data.
    """

    def __init__(
        self, runs: Run | str | Path | Sequence[Run | str | Path], dataset: Dataset, split: str
    ) -> None:
        listed = [runs] if isinstance(runs, Run | str | Path) else list(runs)
        if not listed:
            raise InputError("runs: found none, expected at least one")
        self.runs = [each if isinstance(each, Run) else Run.open(each) for each in listed]
        members = [_Member(run, dataset, split) for run in self.runs]
        first = members[0]
        for other in members[1:]:
            _check_alike(first, other, split)
        self._predictors = [member.profile_task for member in members]
        self._networks: list[nn.Module] = []
        self.tasks, self.window, self.rows = first.tasks, first.window, first.rows
        self.has_totals = first.network.total_head != "none"
        self.has_profiles = first.network.profile_head
        self.uses_bias = any(task.objective.use_bias for task in self._predictors)

    def load(self, device: torch.device) -> None:
        """Read the weights."""
        self._networks = [run.network(device) for run in self.runs]

    def check_reversible(self, dataset: Dataset) -> None:
        """The window must be in the middle of the sequence."""
        low, high = dataset.spans["sequence"]
        advice = "expected reverse_complement=False with such data"
        check_middle(dataset.path, self.window, high - low, advice)

    @torch.inference_mode()
    def expected(
        self, batch: Batch, kinds: Sequence[Kind], *, reverse_complement: bool
    ) -> Expected:
        """Means over the runs, and over both strands if they are wanted."""
        totals: list[Tensor] = []
        tracks: dict[Kind, list[Tensor]] = {kind: [] for kind in kinds}
        strands = [batch, _reversed(batch)] if reverse_complement else [batch]
        for task, network in zip(self._predictors, self._networks, strict=True):
            for strand in strands:
                known = Known(network(strand.sequence))
                if known.output.totals is not None:
                    totals.append(known.output.totals.double().clamp(min=0))
                for kind in kinds:
                    found = task.predict(known, strand, bias=kind == "with_bias")
                    assert found.profiles is not None  # or no kind would be wanted
                    cuts = found.profiles.double()
                    if found.totals is not None:
                        cuts = cuts * found.totals.double()[..., None]
                    tracks[kind].append(cuts if strand is batch else cuts.flip(-1))
        means = {kind: torch.stack(each).mean(0).float() for kind, each in tracks.items()}
        return Expected(torch.stack(totals).mean(0) if totals else None, means)


class _Member(Member):
    """A run of a profile model beside the data that it predicts."""

    def __init__(self, run: Run, dataset: Dataset, split: str) -> None:
        if not isinstance(run.config.network, NetworkOptions):
            known = ", ".join(name for name, each in MODELS.items() if each.task is ProfileTask)
            raise InputError(f"{run.path}: is of {run.config.model}, expected one of {known}")
        self.network = run.config.network
        super().__init__(run, dataset, split)
        self.window = _window(run, self.network, dataset)
        self.normalised = bool(getattr(run.config.data, "normalised", False))
        assert isinstance(self.task, ProfileTask)
        self.profile_task = self.task


def _window(run: Run, network: NetworkOptions, dataset: Dataset) -> tuple[int, int]:
    """What the network predicts, bp of the sequence; the data must have the same."""
    assert network.window_start is not None  # trained: the data have filled it in
    assert network.window is not None
    window = (network.window_start, network.window_start + network.window)
    if dataset.window_in_sequence not in (None, window):
        raise InputError(
            f"{dataset.path}: its window is {list(dataset.window_in_sequence or ())} of the "
            f"sequence, that of {run.path} {list(window)}; make the data set with the same"
        )
    return window


def _check_alike(first: _Member, other: _Member, split: str) -> None:
    for what, mine, yours in (
        ("tasks", first.tasks, other.tasks),
        ("window", first.window, other.window),
        ("data.normalised", first.normalised, other.normalised),
        ("total_head", first.network.total_head != "none", other.network.total_head != "none"),
        ("profile_head", first.network.profile_head, other.network.profile_head),
    ):
        if mine != yours:
            raise InputError(
                f"{other.run.path}: {what}: found {shortened(yours)}, {first.run.path} has "
                f"{shortened(mine)}; expected runs of the same to average"
            )
    if not np.array_equal(first.rows, other.rows):
        raise InputError(
            f"{other.run.path}: its split {split!r} is not that of {first.run.path}, which may "
            "have learnt from it; expected runs of the same split, or --split all"
        )


def shortened(value: object) -> str:
    """At most 60 letters of a value."""
    listed = isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    text = ", ".join(value) if listed else str(value)  # type: ignore[arg-type]
    return text if len(text) <= 60 else text[:57] + "..."


def _reversed(batch: Batch) -> Batch:
    """The other strand: bases complemented and backwards, the bias backwards."""
    bias = None if batch.bias is None else batch.bias.flip(-1)
    return batch._replace(sequence=batch.sequence.flip(1, 2), bias=bias)
