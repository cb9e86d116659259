"""Configs of bpAI-TAC and of its models of the Tn5 bias."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from kmerengine.errors import InputError
from modelkit.config import Config, TrainingOptions
from modelkit.data.options import DataOptions, groups_of
from modelkit.models.bpaitac import BpAITAC, NetworkOptions
from modelkit.tasks.profile import ObjectiveOptions

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


class ProfileConfig(Config):
    """What both have in common."""

    network: NetworkOptions = NetworkOptions()
    objective: ObjectiveOptions = ObjectiveOptions()
    data: DataOptions = DataOptions()
    training: BpAITACTraining = BpAITACTraining.model_validate({})

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        network, objective = self.network, self.objective
        of_counts = objective.loss in ("poisson", "mse")
        if not network.profile_head and network.total_head == "none":
            raise ValueError("network.profile_head: a network needs it, or a total_head")
        if of_counts and (not network.profile_head or network.total_head == "none"):
            raise ValueError(f"objective.loss={objective.loss} needs both heads of the network")
        if of_counts and network.total_activation == "none":
            raise ValueError(
                f"objective.loss={objective.loss} needs network.total_activation=relu or softplus, "
                "since counts below 0 have no logarithm"
            )
        if of_counts and objective.lambda_ != 0.5:
            raise ValueError(
                f"objective.loss={objective.loss} has no parts to weigh; leave objective.lambda_ "
                "at 0.5"
            )
        if not of_counts and network.total_head == "none" and objective.lambda_ != 1:
            raise ValueError("network.total_head=none needs objective.lambda_=1")
        if not of_counts and not network.profile_head and objective.lambda_ != 0:
            raise ValueError("network.profile_head=false needs objective.lambda_=0")
        return self

    def for_dataset(self, dataset: "Dataset") -> Self:
        """This config with tasks, length and window of the network as the data set has them.

        Raises
        ------
        InputError
            The data set lacks what the objective needs, or has other sizes than the config says.
        """
        network, objective = self.network, self.objective
        where, groups = dataset.path, groups_of(dataset, self.data)
        window = dataset.window_in_sequence
        low, high = dataset.spans["sequence"]
        if window is None:
            raise InputError(f"{where}: has no window, expected cuts or totals of a centre")
        if not 0 <= window[0] < window[1] <= high - low:
            raise InputError(
                f"{where}: its window lies at [{window[0]}, {window[1]}) of a sequence of "
                f"{high - low} bp, expected inside; make it with more --input-width"
            )
        if "counts" not in dataset.spans:
            if dataset.totals is None:
                raise InputError(f"{where}: has neither counts nor totals; make it with --cuts")
            if network.profile_head:
                raise InputError(
                    f"{where}: has totals but no counts, expected network.profile_head=false and "
                    "objective.lambda_=0 with it"
                )
        if objective.use_bias and network.profile_head:
            if "bias" not in dataset.spans:
                raise InputError(
                    f"{where}: has no bias track, expected one; make it with --bias, or set "
                    "objective.use_bias=false"
                )
            if dataset.stored("bias")[0].ndim != 2:
                raise InputError(f"{where}: has a bias of two strands, expected one for both")
        sizes = {
            "tasks": len(groups.names),
            "length": high - low,
            "window": window[1] - window[0],
            "window_start": window[0],
        }
        for name, size in sizes.items():
            given = getattr(network, name)
            if given not in (None, size):
                raise InputError(f"network.{name}: found {given}, but {where} has {size}")
        filled = self.changed({"network": sizes})
        try:
            with torch.device("meta"):
                BpAITAC(filled.network)
        except ValueError as error:
            raise InputError(f"{where}: does not fit the network: {error}") from error
        return filled


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

    def for_dataset(self, dataset: "Dataset") -> Self:
        """As of `ProfileConfig`, and with all samples as one group."""
        filled = self
        if self.data.groups is None:
            filled = self.changed({"data": {"groups": {BIAS: list(dataset.samples)}}})
        tasks = len(groups_of(dataset, filled.data).names)
        if tasks != 1:
            raise InputError(f"data.groups: found {tasks}, expected one for a model of the bias")
        return super(BiasConfig, filled).for_dataset(dataset)
