"""The variables of AgentBind's DeepSEA (Zheng et al. 2021), as tensors of ours.

    conv1/weights, conv1/biases; conv2; conv3                     (width, channels, filters)
    fc1/weights, fc1/biases; fc2                                  (in, out)
    conv1/batch_normalization/gamma, beta, moving_mean, moving_variance; of the others and fc1

whatever scopes stand before; with averages (``.../ExponentialMovingAverage``) those are taken, as
AgentBind evaluates. The bases are in the order A, T, C, G. See `modelkit.weights.tensorflow` for
the file.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from modelkit.models.deepsea import DeepSEANetwork
from modelkit.weights import tensorflow
from modelkit.weights.source import ImportOptions, Source

__all__ = ["DEEPSEA"]

CONVS = len(DeepSEANetwork().filters)
KNOWN = (
    r"(?:conv[1-9]|fc[12])/(?:weights|biases)"
    r"|(?:conv[1-9]|fc1)/batch_normalization/(?:gamma|beta|moving_mean|moving_variance)"
)
LENGTH = 1000  # bp, of AgentBind


def converted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `DeepSEA`; KeyError of what is missing, ValueError of what is strange."""
    held = tensorflow.variables(tensors, KNOWN)
    strange = [name for name in held if name.startswith(f"conv{CONVS + 1}")]
    if strange:
        raise ValueError(f"{strange[0]} is no variable of it")
    found: dict[str, Tensor] = {}
    for i in range(CONVS):
        found |= tensorflow.conv(held, f"conv{i + 1}", f"convs.{i}")
        found |= tensorflow.norm(held, f"conv{i + 1}", f"convs.{i}.norm")
    found |= tensorflow.dense(held, "fc1", "dense")
    found["dense.weight"] = found["dense.weight"][:, :, None]  # of width 1
    found |= tensorflow.norm(held, "fc1", "dense.norm")
    return found | tensorflow.dense(held, "fc2", "output")


def network(tensors: Mapping[str, Tensor], options: ImportOptions) -> dict[str, Any]:
    """Options of the network that has these tensors; pools are always AgentBind's."""
    convs = [tensors[f"convs.{i}.weight"].shape for i in range(CONVS)]
    dense, inputs, _ = tensors["dense.weight"].shape
    length = LENGTH if options.length is None else options.length
    positions = length
    for pool in DeepSEANetwork().pools:
        positions = -(-positions // pool)
    if positions * convs[-1][0] != inputs:
        raise ValueError(
            f"fc1/weights has {inputs} inputs, which {length} bp do not give; give its --length"
        )
    return {
        "classes": tensors["output.weight"].shape[0],
        "length": length,
        "filters": tuple(filters for filters, _, _ in convs),
        "widths": tuple(width for _, _, width in convs),
        "dense": dense,
    }


DEEPSEA = Source(
    model="deepsea",
    alphabet="ATCG",
    first_layer="convs.0.weight",
    official=lambda name: name,
    network=network,
    converted=converted,
    outputs="classes",
    output_name="class_{}",
)
