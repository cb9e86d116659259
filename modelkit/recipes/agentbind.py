"""Configs of AgentBind's networks, DanQ and DeepSEA."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from modelkit.config import TrainingOptions
from modelkit.data.options import ExampleOptions
from modelkit.models.danq import DanQNetwork
from modelkit.models.deepsea import DeepSEANetwork
from modelkit.tasks.label_config import LabelConfig

__all__ = ["DanQConfig", "DeepSEAConfig"]

# all that "code" changes, or "code,paper" would be "code"
PAPER: Mapping[str, Any] = {
    "network": {"initial": "normal"},
    "training": {"l1": 1e-8, "l2": 2.5e-7},
}
CODE: Mapping[str, Any] = {
    "network": {"initial": "truncated"},
    "training": {"l1": 0.0, "l2": 2.55e-7},
}


class AgentBindData(ExampleOptions):
    """Each sequence and its reverse complement, in training and measured; an unknown base is a
    quarter of each.
    """

    both_strands: bool = True
    unknown: float = Field(default=0.25, ge=0, le=0.25, multiple_of=0.25)


class AgentBindTraining(TrainingOptions):
    """As both networks are trained: to the end of their learning rates, of which there are three.

    The penalties are 1e-8 times the sum of |w| and 5e-7 times half the sum of w**2, over the
    convolutions and dense layers. Averages of the weights are what is kept; which of them are kept
    is decided by the loss of the weights themselves.
    """

    batch_size: int = Field(default=128, ge=1)
    epochs: int = Field(default=500, ge=0)
    drop: Literal["none", "rises", "plateau"] = "plateau"
    drop_epochs: int = Field(default=10, ge=1)
    l1: float = Field(default=1e-8, ge=0)
    l2: float = Field(default=2.5e-7, ge=0)
    ema: float | None = Field(default=0.999, gt=0, lt=1)
    ema_validated: bool = False


class DanQTraining(AgentBindTraining):
    """Learning rates of 1e-3 and 1e-4."""

    learning_rate: float = Field(default=1e-3, gt=0)
    stop_below: float | None = Field(default=1e-5, gt=0)


class DeepSEATraining(AgentBindTraining):
    """Learning rates of 1e-2 and 1e-3."""

    learning_rate: float = Field(default=1e-2, gt=0)
    stop_below: float | None = Field(default=1e-4, gt=0)


class DanQConfig(LabelConfig):
    """AgentBind's DanQ (Zheng et al. 2021).

    Presets
    -------
    paper
        The defaults: normal first weights, true L1 and L2 penalties. What the paper leaves open
        (learning rates, their drops and the end) is the released code's.
    code
        What the released code does: first weights of a truncated normal, and half the sum of w**2
        in both penalties.
    small
        For two CPU cores: a tenth of the sizes and few epochs.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": PAPER,
        "code": CODE,
        "small": {
            "network": {"filters": 32, "lstm": 32, "dense": 92},
            "training": {"epochs": 30, "drop_epochs": 3},
        },
    }

    model: Literal["danq"] = "danq"
    network: DanQNetwork = DanQNetwork()
    data: AgentBindData = AgentBindData()
    training: DanQTraining = DanQTraining.model_validate({})


class DeepSEAConfig(LabelConfig):
    """AgentBind's DeepSEA (Zheng et al. 2021).

    Presets
    -------
    paper, code, small
        As those of DanQ.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": PAPER,
        "code": CODE,
        "small": {
            "network": {"filters": (32, 48, 96), "dense": 92},
            "training": {"epochs": 30, "drop_epochs": 3},
        },
    }

    model: Literal["deepsea"] = "deepsea"
    network: DeepSEANetwork = DeepSEANetwork()
    data: AgentBindData = AgentBindData()
    training: DeepSEATraining = DeepSEATraining.model_validate({})
