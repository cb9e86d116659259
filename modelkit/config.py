"""Configs: frozen and typed; a key or value that is not known is refused.

A config has four sections. `network` is what a model is built of, `objective` what is minimised and
measured, `data` which examples there are and how they are changed, `training` how the weights move.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from kmerengine.errors import InputError

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["Config", "Section", "TrainingOptions", "parse_config"]

C = TypeVar("C", bound="Config")
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Some options; they cannot be changed, and there are no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _none_is_nothing(cls, value: Any, info: ValidationInfo) -> Any:
        """ "none" of an option that may be absent: TOML has no word for it."""
        kinds = get_args(cls.model_fields[str(info.field_name)].annotation)
        return None if value == "none" and type(None) in kinds else value


class TrainingOptions(Section):
    """How the weights move; the defaults are those most models start from.

    Attributes
    ----------
    seed : int
        Of initial weights, order, augmentation and dropout.
    batch_size : int
        Examples of a step, of all processes together, over `accumulate` pieces.
    epochs : int
        At most; epoch 0 is the state before the first step.
    steps : int, optional
        At most so many steps in all; the last epoch is cut short.
    frozen : dict of str to int
        Parameters, by the beginning of their name, that stay as they are for so many first steps;
        of several beginnings the largest number holds.
    rates : dict of str to float
        Parameters, by the beginning of their name, whose learning rate is this times that of the
        others; of several beginnings the longest holds.
    evaluate_first : bool
        Measure epoch 0, on the training data too.
    optimizer, learning_rate, betas, eps, weight_decay, momentum
        As of PyTorch; `momentum` of "sgd" alone, `betas` and `eps` of the others.
    warm_up, warm_up_from : int, float
        Steps over which the learning rate rises linearly, from this share of it.
    drop : "none", "rises" or "plateau"
        When the learning rate is multiplied by `drop_factor`. "rises": the training loss rose by
        more than `drop_rise` of the first epoch's loss, or `drop_epochs` epochs in a row
        (bpAI-TAC). "plateau": `drop_epochs` epochs since the best validation loss or the last drop
        (AgentBind).
    stop_below : float, optional
        Stop once the learning rate is not above this (AgentBind).
    patience : int, optional
        Stop after so many epochs without a better value of each metric that is watched: the loss
        and `select`.
    select : str, optional
        Metric of validation whose best weights are kept; by default what the model's task says.
    l1, l2 : float
        Added to the loss: l1 * sum of |w| + l2 * sum of w**2, without a half, over the weights of
        convolutions and dense layers; neither biases nor norms.
    l1_on, l2_on : tuple of str
        Those of them that each penalty is on, by the beginning of their name; by default all.
    clip_norm : float, optional
        Largest norm of all gradients together.
    accumulate : int
        Pieces of a batch whose gradients are added before a step.
    ema : float, optional
        Decay of averaged weights, at most min(ema, (1 + t) / (10 + t)) at step t. The best weights
        that are kept are then averages.
    ema_validated : bool
        Measure validation with the averages, as they are kept; AgentBind's code measures it with
        the weights themselves.
    amp : bool
        bfloat16 where PyTorch's autocast has it.
    compile : bool
        Through `torch.compile`.
    deterministic : bool
        The same bits every time on a GPU too.
    checkpoint_minutes, checkpoint_steps
        How often the state is saved within an epoch; it is after every epoch.
    """

    seed: int = Field(0, ge=0, lt=2**63)
    batch_size: int = Field(64, ge=1)
    epochs: int = Field(50, ge=0)
    steps: int | None = Field(None, ge=1)
    frozen: dict[str, Annotated[int, Field(ge=0)]] = {}
    rates: dict[str, Annotated[float, Field(gt=0)]] = {}
    evaluate_first: bool = False
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.0, ge=0, lt=1)
    warm_up: int = Field(0, ge=0)
    warm_up_from: float = Field(1e-6, ge=0, le=1)
    drop: Literal["none", "rises", "plateau"] = "none"
    drop_factor: float = Field(0.1, gt=0, lt=1)
    drop_rise: float = Field(0.2, gt=0)
    drop_epochs: int = Field(3, ge=1)
    stop_below: float | None = Field(None, gt=0)
    patience: int | None = Field(None, ge=1)
    select: str | None = None
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)
    l1_on: tuple[str, ...] = ()
    l2_on: tuple[str, ...] = ()
    clip_norm: float | None = Field(None, gt=0)
    accumulate: int = Field(1, ge=1)
    ema: float | None = Field(None, gt=0, lt=1)
    ema_validated: bool = True
    amp: bool = False
    compile: bool = False
    deterministic: bool = True
    checkpoint_minutes: float | None = Field(5.0, gt=0)
    checkpoint_steps: int | None = Field(None, ge=1)


class Config(Section):
    """All of a run but its data. Each model has its own, with its sections and defaults.

    Attributes
    ----------
    model : str
        Name in `modelkit.MODELS`.
    presets : dict of str to dict
        Named changes of the defaults.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    model: str
    network: Section
    objective: Section
    data: Section
    training: TrainingOptions

    def for_dataset(self, dataset: "Dataset") -> Self:  # noqa: ARG002
        """This config with what only the data say (number of tasks, lengths) filled in.

        Raises
        ------
        InputError
            The data do not fit.
        """
        return self

    def changed(self, changes: Mapping[str, Any], where: str = "config") -> Self:
        """This config with other values: nested dicts, of which only what is named changes."""
        return parse_config(type(self), merged(self.model_dump(), changes), where)


def parse_config(kind: type[C], values: Mapping[str, Any], where: str) -> C:
    """A config of values; InputError names the first key that is not known, or value that is not
    possible.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = _keys_beside(kind, first["loc"])
            last = str(first["loc"][-1])
            raise InputError(f"{where}: {key}: unknown key{nearest(last, known)}") from error
        if not key:  # of the config as a whole: a validator's own words
            raise InputError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
        found = first["input"]
        what = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"{where}: {key}: found {found!r}; {what}") from error


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values, of which only what `more` names changes."""
    found = dict(base)
    for key, value in more.items():
        old = found.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping) and key != "groups"
        found[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return found


def _keys_beside(kind: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """Keys that the section of an unknown key has."""
    for part in where[:-1]:
        field = kind.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        kind = annotation
    return list(kind.model_fields)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1, 0.4)
    return f", did you mean {close[0]}?" if close else f", expected one of {', '.join(known)}"
