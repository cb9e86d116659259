"""Configs of BindVAE."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from kmerengine.errors import InputError
from modelkit.config import Config, Section, TrainingOptions
from modelkit.data.options import ExampleOptions
from modelkit.models.bindvae import TopicNetwork

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["BindVAEConfig"]


class TopicTraining(TrainingOptions):
    """As the paper trains; `frozen` is the burn-in of the prior."""

    batch_size: int = Field(default=128, ge=1)
    epochs: int = Field(default=1_000_000, ge=0)
    steps: int | None = Field(default=300_000, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    frozen: dict[str, Annotated[int, Field(ge=0)]] = Field(default={"prior": 150_000})


class TopicObjective(Section):
    """The evidence lower bound; there is nothing to choose."""


class TopicData(ExampleOptions):
    """Sequences as they are: strands are merged by the vocabulary, words with a base that is not
    A C G T are left out, and there are no negatives.
    """

    reverse_complement: Literal[False] = False
    both_strands: Literal[False] = False
    unknown: float = Field(default=0.0, ge=0, le=0)
    core: Literal["kept"] = "kept"
    jitter: Literal[0] = 0
    negatives: None = None


class BindVAEConfig(Config):
    """BindVAE (Kshirsagar et al. 2021); the defaults are the paper's.

    Presets
    -------
    paper
        The defaults: learning rate 3e-4, batches of 128, 300,000 steps, the prior frozen for half
        of them.
    code
        Defaults of the released code: learning rate 1e-4, batches of 16, the prior frozen for
        120,000 steps.
    small
        For a CPU and some ten thousand peaks: 40 topics, narrow layers, and 10,000 steps at a high
        rate of the decoder alone. The first layer adds up 3,000 words: at the decoder's rate a step
        would move its sums by more than they are, and all peaks would look the same.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "code": {
            "training": {"learning_rate": 1e-4, "batch_size": 16, "frozen": {"prior": 120_000}}
        },
        "small": {
            "network": {"topics": 40, "hidden": (64, 64, 64)},
            "training": {
                "learning_rate": 1e-2,
                "rates": {"embedding": 2e-3, "bias": 0.1, "layers": 0.1},
                "steps": 10_000,
                "frozen": {"prior": 10_000},
            },
        },
    }

    model: Literal["bindvae"] = "bindvae"
    network: TopicNetwork = TopicNetwork()
    objective: TopicObjective = TopicObjective()
    data: TopicData = TopicData()
    training: TopicTraining = TopicTraining.model_validate({})

    def for_dataset(self, dataset: "Dataset") -> Self:
        """This config.

        Raises
        ------
        InputError
            Sequences shorter than a word.

        Warns
        -----
        UserWarning
            The prior begins outside of what it is clipped to, so that it will never move.
        """
        low, high = dataset.spans["sequence"]
        network = self.network
        if high - low < network.features.k:
            raise InputError(
                f"{dataset.path}: has {high - low} bp of sequence, expected at least the "
                f"{network.features.k} of a word"
            )
        if not network.lowest <= network.prior <= network.highest:
            warnings.warn(
                f"network.prior: found {network.prior:g}, which is clipped to "
                f"[{network.lowest:g}, {network.highest:g}] and then has no gradient; set "
                f"network.{'lowest' if network.prior < network.lowest else 'highest'}",
                stacklevel=2,
            )
        return self
