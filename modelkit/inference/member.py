"""A trained model beside the data that it is asked about."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.registry import MODELS
from modelkit.tasks.task import Task
from modelkit.training.run import Run

__all__ = ["ALL_EXAMPLES", "Member", "fitting_task"]

Rows = npt.NDArray[np.int64]

# of the data options: what a run learnt from, not what it predicts
ALL_EXAMPLES = {"groups": None, "normalised": False, "negatives": None, "outliers": None,
                "min_cuts": 0, "both_strands": False}  # fmt: skip


class Member:
    """A run, its task on some data, and the examples of a split.

    Attributes
    ----------
    run : Run
    tasks : tuple of str
        What it predicts, by name: that it learnt, whatever the data hold.
    task : Task
    rows : int64
        Of the data set: those of the split, also where training left them out.
    length : int
        bp of sequence.

    Raises
    ------
    InputError
        Data that do not fit the run, a split without examples.
    """

    def __init__(self, run: Run, dataset: Dataset, split: str) -> None:
        self.run = run
        run.check_cuts(dataset)
        run.check_split(dataset, split)
        network: Any = run.config.network
        options: Any = run.config.data
        low, high = dataset.spans["sequence"]
        self.length = high - low
        if getattr(network, "length", None) not in (None, self.length):
            raise InputError(
                f"{dataset.path}: has {self.length} bp of sequence, {run.path} takes "
                f"{network.length}; make the data set with that width"
            )
        self.tasks = tuple(getattr(options, "groups", None) or run.about.get("tasks", ()))
        for name in ("tasks", "classes"):
            if getattr(network, name, None) not in (None, len(self.tasks)):
                raise InputError(
                    f"{run.path}: names {len(self.tasks)} {name}, its network has "
                    f"{getattr(network, name)}; the folder is damaged, train again"
                )
        own_split = None if split == "all" else getattr(options, "split", None)
        changes = {**ALL_EXAMPLES, "split": own_split}
        every = options.model_copy(update={k: v for k, v in changes.items() if hasattr(options, k)})
        config = run.config.model_copy(update={"data": every})
        self.task: Task = MODELS[run.config.model].task(config, dataset)
        self.rows: Rows = self.task.rows(split)
        if not len(self.rows):
            raise InputError(f"{dataset.path}: has no example of {split!r}; choose another split")


def fitting_task(run: Run, data: Dataset) -> Task:
    """The run's task on these data; InputError unless they fit."""
    run.check_cuts(data)
    config = run.config.for_dataset(data)
    task = MODELS[config.model].task(config, data)
    learnt = tuple(run.about.get("tasks", ()))
    if task.names != learnt:
        raise InputError(
            f"{data.path}: has {', '.join(task.names[:5])}, {run.path} learnt "
            f"{', '.join(learnt[:5])}; expected the same in the same order"
        )
    return task
