"""Where weights come from: what is known of the files of a model's authors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["ImportOptions", "Source"]


class ImportOptions(NamedTuple):
    """What a file of weights does not say.

    Attributes
    ----------
    length : int, optional
        bp of sequence that the model reads.
    off_by_two : bool
        Whether it was trained on data with bpAI-TAC's correction.
    """

    length: int | None = None
    off_by_two: bool = True


@dataclass(frozen=True, kw_only=True)
class Source:
    """Files of one kind.

    Attributes
    ----------
    model : str
        In `modelkit.MODELS`.
    alphabet : str, optional
        The bases that the channels of `first_layer` are, in order; None of a model without bases.
    first_layer : str, optional
        Our name of the weight whose second axis are bases.
    shift : str, optional
        Of the cuts that the model learnt.
    official : callable
        The authors' name of a tensor, from ours.
    network : callable
        Options of the network as a dict, from the authors' tensors; KeyError where one is missing
        that they are told from, ValueError where their shapes fit no network.
    left_out : tuple of str
        Beginnings of names that the authors' files have and our network has not.
    converted : callable, optional
        Tensors of other shapes than ours as ours, under the names that `official` gives; KeyError
        and ValueError as of `network`, which then sees these.
    outputs, output_name : str
        The option of the network that is the number of outputs, and the name of one by its number.
    """

    model: str
    alphabet: str | None = None
    first_layer: str | None = None
    shift: str | None = None
    official: Callable[[str], str]
    network: Callable[[Mapping[str, Tensor], ImportOptions], dict[str, Any]]
    left_out: tuple[str, ...] = ()
    converted: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    outputs: str = "tasks"
    output_name: str = "{}"
