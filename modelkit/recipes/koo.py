"""Configs of Koo and Eddy's networks."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from modelkit.config import TrainingOptions
from modelkit.models.koo import ARCHITECTURES, KooNetwork
from modelkit.tasks.label_config import LabelConfig, LabelObjective

__all__ = ["KooConfig"]


class KooTraining(TrainingOptions):
    """As the paper trains: all epochs, and the weights of the lowest validation loss are kept."""

    batch_size: int = Field(default=100, ge=1)
    epochs: int = Field(default=100, ge=0)
    learning_rate: float = Field(default=3e-4, gt=0)
    l2: float = Field(default=1e-6, ge=0)


class KooObjective(LabelObjective):
    """Straight lines between the points of a precision-recall curve, as in the code."""

    auprc: Literal["average-precision", "trapezoid"] = "trapezoid"


class KooConfig(LabelConfig):
    """Koo and Eddy 2019; the defaults are CNN-25, trained as the paper says.

    Presets
    -------
    cnn-2, cnn-4, cnn-10, cnn-25, cnn-50, cnn-100, cnn9-4, cnn9-25, cnn3-2, cnn3-50, cnn-50-2,
    cnn19-1-2
        The networks of Table 1.
    cnn-1, cnn-1-3
        Two more of the released code: without a first pool, and with a third convolution.
    paper
        The defaults: Adam at 3e-4, He's initial weights.
    code
        What the released code does: Adam at 1e-3 (a misspelt argument leaves TensorFlow's default)
        with a first beta of 0.95, Glorot's initial weights, and an end after 20 epochs without a
        lower validation loss. Its clipping of probabilities at 1e-7 and the penalty on the last
        layer's bias are left out.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{name: {"network": dict(options)} for name, options in ARCHITECTURES.items()},
        # all that "code" changes, or "code,paper" would be "code"
        "paper": {
            "network": {"initial": "he"},
            "training": {"learning_rate": 3e-4, "betas": (0.9, 0.999), "patience": None},
        },
        "code": {
            "network": {"initial": "glorot"},
            "training": {"learning_rate": 1e-3, "betas": (0.95, 0.999), "patience": 20},
        },
    }

    model: Literal["koo"] = "koo"
    network: KooNetwork = KooNetwork()
    objective: KooObjective = KooObjective()
    training: KooTraining = KooTraining.model_validate({})
