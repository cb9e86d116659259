"""Configs of bpAI-TAC and of its models of the Tn5 bias."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from kmerengine.errors import InputError
from modelkit.config import TrainingOptions
from modelkit.data.options import DataOptions, groups_of
from modelkit.models.bpaitac import NetworkOptions
from modelkit.tasks.profile_config import ObjectiveOptions, ProfileConfig

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["BiasConfig", "BpAITACConfig"]

BIAS = "bias"  # the one task of a bias model


class BpAITACTraining(TrainingOptions):
    """As the released code trains; the paper does not say."""

    batch_size: int = Field(default=20, ge=1)
    epochs: int = Field(default=200, ge=0)
    evaluate_first: bool = True
    warm_up: int = Field(default=1000, ge=0)
    drop: Literal["none", "rises", "plateau"] = "rises"
    patience: int | None = Field(default=10, ge=1)


class BpAITACConfig(ProfileConfig):
    """bpAI-TAC (Chandra et al. 2025); the defaults are those of its released code.

    Presets
    -------
    code
        The defaults: no ReLU after the first convolution, batch norm in the blocks, ReLU after the
        dense layer of the totals. 4,145,280 parameters at 998 bp and 90 tasks. The loss is the
        paper's best (cross entropy, lambda 0.5); the code's own default is "poisson".
    paper
        As the paper's text has it: a ReLU after every convolution of the body, no batch norm in
        the blocks, and a dense layer alone for the totals. Below 0 the loss goes on with the
        tangent of log(1 + total). The accessibility head keeps its batch norm.
    aitac
        AI-TAC: the same network, trained on totals alone (lambda 0).
    small
        For two CPU cores: 32 channels and 6 blocks. Softplus after the dense layer of the totals,
        since with few tasks a ReLU that is dead from the start costs a good part of them.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "code": {},
        "paper": {"network": {"stem_relu": True, "block_norm": False, "total_activation": "none"}},
        "aitac": {"objective": {"lambda_": 0.0}},
        "small": {"network": {"channels": 32, "blocks": 6, "total_activation": "softplus"}},
    }

    model: Literal["bpaitac"] = "bpaitac"
    training: BpAITACTraining = BpAITACTraining.model_validate({})


class BiasNetwork(NetworkOptions):
    """The profile head alone, on fewer blocks."""

    blocks: int = Field(default=2, ge=0, le=20)
    total_head: Literal["none"] = "none"


class BiasObjective(ObjectiveOptions):
    """Jensen-Shannon divergence alone."""

    loss: Literal["cross-entropy", "mnll", "jsd"] = "jsd"
    lambda_: float = Field(default=1.0, ge=1, le=1)
    use_bias: Literal[False] = False


class BiasData(DataOptions):
    """Regions with enough cuts to have a profile."""

    min_cuts: int = Field(default=10, ge=0)


class BiasConfig(ProfileConfig):
    """A model of the Tn5 bias: bpAI-TAC's profile head, trained on DNA without proteins or on
    closed regions. All samples are one task, unless `data.groups` names another.

    Presets
    -------
    shallow
        The defaults: two blocks, as in the code.
    paper
        Four blocks, as in the paper's shallow bpAI-TAC.
    deep
        Nine blocks.
    small
        For two CPU cores: 32 channels, two blocks.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "shallow": {},
        "paper": {"network": {"blocks": 4}},
        "deep": {"network": {"blocks": 9}},
        "small": {"network": {"channels": 32}},
    }

    model: Literal["bpaitac-bias"] = "bpaitac-bias"
    network: BiasNetwork = BiasNetwork()
    objective: BiasObjective = BiasObjective()
    data: BiasData = BiasData()
    training: BpAITACTraining = BpAITACTraining.model_validate({})

    def for_dataset(self, dataset: "Dataset") -> Self:
        """As of `ProfileConfig`, and with all samples as one group."""
        filled = self
        if self.data.groups is None:
            filled = self.changed({"data": {"groups": {BIAS: list(dataset.samples)}}})
        tasks = len(groups_of(dataset, filled.data).names)
        if tasks != 1:
            raise InputError(f"data.groups: found {tasks}, expected one for a model of the bias")
        return super(BiasConfig, filled).for_dataset(dataset)
