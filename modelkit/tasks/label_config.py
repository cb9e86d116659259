"""What configs of models of labels have in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from kmerengine.errors import InputError
from modelkit.config import Config, Section, TrainingOptions
from modelkit.data.options import ExampleOptions

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["LabelConfig", "LabelNetwork", "LabelObjective", "check_one_each"]


class LabelNetwork(Section):
    """What networks of labels know of their data.

    Attributes
    ----------
    classes, length : int, optional
        Labels, and bp of a sequence; from the data set if they are None.
    """

    classes: int | None = Field(default=None, ge=1)
    length: int | None = Field(default=None, ge=1)


def check_one_each(**layers: Sequence[object]) -> None:
    """ValueError unless each of these options of a network has a number for each convolution."""
    sizes = [len(each) for each in layers.values()]
    if not all(sizes) or len(set(sizes)) > 1:
        *names, last = layers
        raise ValueError(
            f"network: {', '.join(names)} and {last} must have a number for each convolution; "
            f"found {', '.join(map(str, sizes))}"
        )


class LabelObjective(Section):
    """What is minimised and measured: binary cross entropy, each label by itself.

    Attributes
    ----------
    auprc : "average-precision" or "trapezoid"
        How the area under the precision-recall curve is taken.
    """

    auprc: Literal["average-precision", "trapezoid"] = "average-precision"


class LabelConfig(Config):
    """A config of labels."""

    network: LabelNetwork
    objective: LabelObjective = LabelObjective()
    data: ExampleOptions = ExampleOptions()
    training: TrainingOptions = TrainingOptions.model_validate({})

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.data.both_strands and self.data.reverse_complement:
            raise ValueError(
                "data.reverse_complement: found with data.both_strands, which has every example "
                "reversed already; expected one of the two"
            )
        return self

    def for_dataset(self, dataset: "Dataset") -> Self:
        """This config with classes and length of the network as the data set has them.

        Raises
        ------
        InputError
            The data set has no labels, or other sizes than the config says.
        """
        if not dataset.label_names:
            raise InputError(f"{dataset.path}: has no labels, expected some; make it with --labels")
        if self.data.core == "blocked" and dataset.cores is None:
            raise InputError(
                f"{dataset.path}: has no motif cores, expected them for data.core=blocked; make it "
                "from the regions of kmerengine sample sites"
            )
        low, high = dataset.spans["sequence"]
        sizes = {"classes": len(dataset.label_names), "length": high - low}
        for name, size in sizes.items():
            given = getattr(self.network, name)
            if given not in (None, size):
                raise InputError(f"network.{name}: found {given}, but {dataset.path} has {size}")
        return self.changed({"network": sizes})
