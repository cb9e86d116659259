"""Which examples of a data set there are for a model, what its tasks are, and how they change."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kmerengine.datasets.splits import SPLITS, Windows, assign_splits
from kmerengine.errors import InputError
from modelkit.config import Section
from modelkit.data.loader import Core

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["DataOptions", "ExampleOptions", "Groups", "groups_of", "rows_of", "rows_of_splits"]

Rows = npt.NDArray[np.int64]


class ExampleOptions(Section):
    """Which examples there are and how they are changed.

    Attributes
    ----------
    split : str, optional
        A rule of `kmerengine.datasets.splits` in place of the data set's own split; shares are
        drawn with seed 0.
    reverse_complement : bool
        In training, reverse every other example.
    both_strands : bool
        Each example and its reverse complement: in training, in validation and where a model is
        measured, which counts both (AgentBind). Predictions and attributions are of the strand that
        the data set has.
    unknown : 0 or 0.25
        What all four channels have at a base that is not A C G T.
    core : "kept" or "blocked"
        Blocked: the bases of the motif that an example is of are unknown.
    jitter : int
        In training, move windows by up to so many bp.
    negatives : float, optional
        In training, so many negatives per peak in every epoch; by default all there are.
    workers : int
        Threads that make batches ahead.
    """

    split: str | None = None
    reverse_complement: bool = False
    both_strands: bool = False
    unknown: float = Field(default=0.0, ge=0, le=0.25, multiple_of=0.25)
    core: Core = "kept"
    jitter: int = Field(default=0, ge=0)
    negatives: float | None = Field(default=None, ge=0)
    workers: int = Field(default=1, ge=0)


class DataOptions(ExampleOptions):
    """Which examples of cuts there are and how they are changed.

    Attributes
    ----------
    groups : dict of str to list of str, optional
        Tasks and their samples, whose counts are averaged, such as the cell types of a lineage; by
        default each sample is a task.
    normalised : bool
        Quantile-normalised counts.
    outliers : (float, float), optional
        In training, leave out peaks with totals below and above these quantiles.
    min_cuts : int
        Leave out regions with fewer cuts in the window, of all samples of the tasks together.
    both_strands, unknown, core
        Of models of labels alone.
    """

    groups: dict[str, list[str]] | None = None
    normalised: bool = False
    outliers: tuple[float, float] | None = None
    min_cuts: int = Field(default=0, ge=0)
    both_strands: Literal[False] = False
    unknown: float = Field(default=0.0, ge=0, le=0)
    core: Literal["kept"] = "kept"


class Groups(NamedTuple):
    """Tasks: their names, and the samples of each by number."""

    names: tuple[str, ...]
    samples: tuple[tuple[int, ...], ...]

    @property
    def one_each(self) -> bool:
        """Whether the tasks are the samples as they are."""
        return self.samples == tuple((i,) for i in range(len(self.samples)))


def groups_of(dataset: "Dataset", options: DataOptions) -> Groups:
    """The tasks of a data set.

    Raises
    ------
    InputError
        A group that is empty, or of a sample that is not there or twice.
    """
    number = {name: i for i, name in enumerate(dataset.samples)}
    if options.groups is None:
        return Groups(dataset.samples, tuple((i,) for i in number.values()))
    for group, members in options.groups.items():
        strange = [name for name in members if name not in number]
        if strange:
            listed = ", ".join(dataset.samples[:5])
            more = ", ..." if len(dataset.samples) > 5 else ""
            raise InputError(
                f"data.groups.{group}: {dataset.path} has no sample {strange[0]!r}; it has "
                f"{listed}{more}"
            )
        if not members or len(set(members)) != len(members):
            raise InputError(f"data.groups.{group}: found {members}, expected samples, each once")
    if not options.groups:
        raise InputError("data.groups: found none, expected at least one group of samples")
    return Groups(
        tuple(options.groups),
        tuple(tuple(number[name] for name in members) for members in options.groups.values()),
    )


def rows_of_splits(
    dataset: "Dataset", options: ExampleOptions
) -> tuple[dict[str, Rows], dict[str, int]]:
    """Rows of each split, ascending, and of "all"; and those left out, by reason.

    Raises
    ------
    InputError
        A rule that cannot be read, or leaves a split empty that it names.
    """
    if options.split is None:
        found = {name: dataset.split(name) for name in SPLITS}
        return found | {"all": np.arange(len(dataset))}, {}
    low = min(span[0] for span in dataset.spans.values()) - dataset.margin
    high = max(span[1] for span in dataset.spans.values()) + dataset.margin
    table = dataset.regions
    chroms = table["chrom"].combine_chunks()
    start = table["start"].to_numpy().astype(np.int64)
    windows = Windows(
        tuple(chroms.dictionary.to_pylist()),
        chroms.indices.to_numpy().astype(np.int32),
        start + low,
        start + high,
    )
    of, skipped = assign_splits([options.split], windows, seed=0)
    rows = {name: np.flatnonzero(of == i) for i, name in enumerate(SPLITS)}
    return rows | {"all": np.flatnonzero(of >= 0)}, skipped


def rows_of(splits: Mapping[str, Rows], split: str) -> Rows:
    """The rows of one of the splits; InputError if there is no such split."""
    if split not in splits:
        raise InputError(f"split: found {split!r}, expected one of {', '.join(splits)}")
    return splits[split]
