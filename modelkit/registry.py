"""The models: each is a config, a network and a task."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from modelkit.config import Config
from modelkit.models.bindvae import BindVAE
from modelkit.models.bpaitac import BpAITAC
from modelkit.models.danq import DanQ
from modelkit.models.deepatac import DeepATAC
from modelkit.models.deepsea import DeepSEA
from modelkit.models.koo import KooCNN
from modelkit.recipes.agentbind import DanQConfig, DeepSEAConfig
from modelkit.recipes.bindvae import BindVAEConfig
from modelkit.recipes.bpaitac import BiasConfig, BpAITACConfig
from modelkit.recipes.deepatac import DeepATACConfig
from modelkit.recipes.koo import KooConfig
from modelkit.tasks.binding import BindingTask
from modelkit.tasks.labels import LabelTask
from modelkit.tasks.profile import ProfileTask
from modelkit.tasks.task import Task
from modelkit.tasks.topics import TopicTask

__all__ = ["MODELS", "Entry"]


class Entry(NamedTuple):
    """What a name stands for.

    Attributes
    ----------
    config : type
        A `Config`.
    model : callable
        Makes the network of ``config.network``; only its signature differs between models.
    task : callable
        Makes the `Task` of (config, dataset).
    """

    config: type[Config]
    model: Callable[[Any], nn.Module]
    task: Callable[[Any, Any], Task]


MODELS: dict[str, Entry] = {
    "bpaitac": Entry(BpAITACConfig, BpAITAC, ProfileTask),
    "bpaitac-bias": Entry(BiasConfig, BpAITAC, ProfileTask),
    "bindvae": Entry(BindVAEConfig, BindVAE, TopicTask),
    "danq": Entry(DanQConfig, DanQ, LabelTask),
    "deepsea": Entry(DeepSEAConfig, DeepSEA, LabelTask),
    "deepatac": Entry(DeepATACConfig, DeepATAC, BindingTask),
    "koo": Entry(KooConfig, KooCNN, LabelTask),
}
