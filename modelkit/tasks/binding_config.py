"""What configs of models of labels that see cuts beside the bases have in common."""

from typing import Literal

from pydantic import Field

from modelkit.data.options import ExampleOptions
from modelkit.tasks.label_config import LabelConfig, LabelNetwork

__all__ = ["AtacMode", "BindingConfig", "BindingNetwork", "BindingOptions", "Inputs"]

AtacMode = Literal["binary", "count", "log1p"]
Inputs = Literal["both", "dna", "atac"]


class BindingNetwork(LabelNetwork):
    """What networks of labels know of their data, and which of them they see.

    Attributes
    ----------
    inputs : "both", "dna" or "atac"
        Bases and cuts, or one of the two: what each of them adds is seen beside networks without
        it.
    """

    inputs: Inputs = "both"


class BindingOptions(ExampleOptions):
    """Which examples there are and how they are changed, and what is told of their cuts.

    Attributes
    ----------
    atac_mode : "binary", "count" or "log1p"
        Whether a base is cut at all, how many cuts it has, or ln(1 + cuts); of all samples of the
        data set together, and of each strand.
    atac_bin : int
        bp whose cuts are added up first, and that all have the sum.
    """

    atac_mode: AtacMode = "binary"
    atac_bin: int = Field(default=1, ge=1)


class BindingConfig(LabelConfig):
    """A config of labels with cuts."""

    network: BindingNetwork
    data: BindingOptions = BindingOptions()
