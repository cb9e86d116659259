"""What configs of profile models have in common: what is minimised, and how data fill them in."""

from typing import TYPE_CHECKING, Literal, Self

import torch
from pydantic import Field, model_validator

from kmerengine.errors import InputError
from modelkit.config import Config, Section, TrainingOptions
from modelkit.data.options import DataOptions, groups_of
from modelkit.models.bpaitac import BpAITAC, NetworkOptions

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["ObjectiveOptions", "ProfileConfig"]


class ObjectiveOptions(Section):
    """What is minimised.

    Attributes
    ----------
    loss : "cross-entropy", "mnll", "jsd", "poisson" or "mse"
        Of the profile: cross entropy (each profile weighs the same), multinomial likelihood (by its
        cuts), Jensen-Shannon divergence. "poisson" and "mse" are of the counts, total and profile
        at once.
    lambda_ : float
        Weight of the profile's part, 0 to 1; 1 - lambda_ is that of the totals. At 0 this is
        AI-TAC. "poisson" and "mse" have no parts.
    use_bias : bool
        Add the data set's bias track to the logits of all tasks.
    """

    loss: Literal["cross-entropy", "mnll", "jsd", "poisson", "mse"] = "cross-entropy"
    lambda_: float = Field(default=0.5, ge=0, le=1)
    use_bias: bool = True


class ProfileConfig(Config):
    """A config of totals and profiles."""

    network: NetworkOptions = NetworkOptions()
    objective: ObjectiveOptions = ObjectiveOptions()
    data: DataOptions = DataOptions()
    training: TrainingOptions = TrainingOptions.model_validate({})

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
