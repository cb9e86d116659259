"""The variables of AgentBind's DanQ (Zheng et al. 2021), as tensors of ours.

    conv1/weights, conv1/biases                                   (width, bases, filters)
    brnn/bidirectional_rnn/fw/lstm_cell/kernel, bias; bw          (in + hidden, 4 hidden)
    fc1/weights, fc1/biases; fc2                                  (in, out)

whatever scopes stand before; with averages (``.../ExponentialMovingAverage``) those are taken, as
AgentBind evaluates. Gates are in the order i, j, f, o, and the cell adds 1 to the bias of f. The
bases are in the order A, T, C, G. See `modelkit.weights.tensorflow` for the file.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from modelkit.models.danq import DanQNetwork
from modelkit.weights import tensorflow
from modelkit.weights.source import ImportOptions, Source

__all__ = ["DANQ"]

CELL = "brnn/bidirectional_rnn/{}/lstm_cell"
KNOWN = r"(?:conv1|fc[12])/(?:weights|biases)|" + CELL.format("[fb]w") + "/(?:kernel|bias)"
LENGTH = 1000  # bp, of AgentBind


def converted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `DanQ`; KeyError of what is missing, ValueError of what is strange."""
    held = tensorflow.variables(tensors, KNOWN)
    return {
        **tensorflow.conv(held, "conv1", "convs.0"),
        **tensorflow.lstm(held, CELL.format("fw")),
        **tensorflow.lstm(held, CELL.format("bw"), "_reverse"),
        **tensorflow.dense(held, "fc1", "dense"),
        **tensorflow.dense(held, "fc2", "output"),
    }


def network(tensors: Mapping[str, Tensor], options: ImportOptions) -> dict[str, Any]:
    """Options of the network that has these tensors; pools are always AgentBind's."""
    filters, _, width = tensors["convs.0.weight"].shape
    hidden = tensors["lstm.weight_hh_l0"].shape[1]
    dense, inputs = tensors["dense.weight"].shape
    length = LENGTH if options.length is None else options.length
    if (length - width + 1) // DanQNetwork().pool * 2 * hidden != inputs:
        raise ValueError(
            f"fc1/weights has {inputs} inputs, which {length} bp do not give; give its --length"
        )
    return {
        "classes": tensors["output.weight"].shape[0],
        "length": length,
        "filters": filters,
        "width": width,
        "lstm": hidden,
        "dense": dense,
    }


DANQ = Source(
    model="danq",
    alphabet="ATCG",
    first_layer="convs.0.weight",
    official=lambda name: name,
    network=network,
    converted=converted,
    outputs="classes",
    output_name="class_{}",
)
