"""Configs of DeepATAC."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from modelkit.config import TrainingOptions
from modelkit.models.deepatac import DeepATACNetwork
from modelkit.tasks.binding_config import BindingConfig

__all__ = ["DeepATACConfig"]


class DeepATACTraining(TrainingOptions):
    """As the paper trains: 30 epochs of Adam, of which the best model is kept.

    Penalties are 5e-7 times the sum of w**2 of the convolutions (Keras's, without a half) and 1e-8
    times the sum of |w| of the dense layers. What makes a model the best, the learning rate and the
    batch are not stated: here the mean validation AUPRC, 1e-3 and 128.
    """

    batch_size: int = Field(default=128, ge=1)
    epochs: int = Field(default=30, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    select: str | None = "auprc"
    l1: float = Field(default=1e-8, ge=0)
    l1_on: tuple[str, ...] = ("dense", "output")
    l2: float = Field(default=5e-7, ge=0)
    l2_on: tuple[str, ...] = ("convs",)


class DeepATACConfig(BindingConfig):
    """DeepATAC (Hiranuma et al. 2017).

    Presets
    -------
    dna
        The paper's comparison: the same network, trained in the same way, on bases alone.
    atac
        A control: on cuts alone.
    small
        For a CPU: a quarter of the filters and of the hidden units.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dna": {"network": {"inputs": "dna"}},
        "atac": {"network": {"inputs": "atac"}},
        "small": {"network": {"filters": (40, 60, 120), "dense": 150}},
    }

    model: Literal["deepatac"] = "deepatac"
    network: DeepATACNetwork = DeepATACNetwork()
    training: DeepATACTraining = DeepATACTraining.model_validate({})
