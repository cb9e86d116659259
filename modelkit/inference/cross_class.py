"""One class of a model, on the data of one label: whatever both are called."""

from typing import Any

from torch import Tensor, nn

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.registry import MODELS
from modelkit.tasks.labels import LabelTask
from modelkit.training.run import Run

__all__ = ["OneClass", "class_of", "task_of_one_class"]


class OneClass(nn.Module):
    """A network of K classes that says one of them, (B, 1)."""

    def __init__(self, network: nn.Module, number: int) -> None:
        super().__init__()
        self.network, self.number = network, number

    def forward(self, inputs: Tensor) -> Tensor:
        logits_BK: Tensor = self.network(inputs)
        return logits_BK[:, self.number : self.number + 1]


def class_of(run: Run, data: Dataset, name: str | None) -> int:
    """Number of the class by which a run is judged on data of one label.

    Parameters
    ----------
    run : Run
    data : Dataset
    name : str or None
        Of a class of the run. None: the only one it has, whatever its name, or that with the name
        of the data's label.

    Raises
    ------
    InputError
        A run that is not of labels, data of several labels or of none, a class that is not there.
    """
    if not _is_of_labels(MODELS[run.config.model].task):
        known = ", ".join(n for n, e in MODELS.items() if _is_of_labels(e.task))
        raise InputError(f"{run.path}: is of {run.config.model}, expected one of {known}")
    if len(data.label_names) != 1:
        raise InputError(
            f"{data.path}: has {len(data.label_names):,} labels, expected one by which a class is "
            "judged"
        )
    classes = tuple(map(str, run.about.get("tasks", ())))
    if name is None and len(classes) == 1:
        return 0
    wanted = data.label_names[0] if name is None else name
    if wanted not in classes:
        shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
        raise InputError(f"{run.path}: has no class {wanted!r}; it has {shown}; name one of them")
    return classes.index(wanted)


def task_of_one_class(run: Run, data: Dataset) -> LabelTask:
    """The run's task on data of one label, for a `OneClass` of its network."""
    run.check_cuts(data)
    config: Any = run.config.changed({"network": {"classes": None}}).for_dataset(data)
    task = MODELS[config.model].task(config, data)
    assert isinstance(task, LabelTask)  # class_of has seen to it
    return task


def _is_of_labels(task: Any) -> bool:
    return isinstance(task, type) and issubclass(task, LabelTask)
