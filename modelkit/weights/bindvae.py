"""BindVAE's variables as TensorFlow names them (Kshirsagar et al. 2021), as tensors of ours.

The released models are checkpoints, which TensorFlow alone can read; its
``tf.train.load_checkpoint(path)`` gives the variables, ``np.savez`` keeps them. Then

    dense/kernel, dense_1/kernel ...   (in, out) of each layer of the encoder, and bias
    topics_kmers                       (topics, features - 1): the last feature's logit is 0
    concentration                      (1, topics): the prior before softplus

whatever scopes stand before. Feature 0 of theirs is 'EMPTY', which no peak has: it is left out, and
the probabilities of the others in a topic go up by its share.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from modelkit.weights.source import ImportOptions, Source

__all__ = ["BINDVAE"]

DENSE = re.compile(r"(?:.*/)?dense(?:_(\d+))?/(kernel|bias)(?::0)?")
SLOTS = ("Adam", "Adam_1", "beta1_power", "beta2_power", "global_step")  # of the optimizer


def converted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `BindVAE`; KeyError of what is missing, ValueError of what is strange."""
    layers: dict[int, dict[str, Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        last = name.removesuffix(":0").rpartition("/")[2]
        if last in SLOTS:
            continue
        if match := DENSE.fullmatch(name):
            layers.setdefault(int(match[1] or 0), {})[match[2]] = tensor
        elif last in ("topics_kmers", "concentration"):
            found[last] = tensor
        else:
            raise ValueError(f"{name[:80]} is no variable of it")
    for name in ("topics_kmers", "concentration"):
        if name not in found:
            raise KeyError(name)
    ordered = [layers[number] for number in sorted(layers)]
    for number, layer in enumerate(ordered):
        for part in ("kernel", "bias"):
            if part not in layer:
                raise KeyError(f"dense_{number}/{part}")
    if len(ordered) < 2:
        raise KeyError("dense_1/kernel")
    logits = found["topics_kmers"]
    whole = torch.cat([logits, logits.new_zeros(len(logits), 1)], 1)  # SoftmaxCentered
    made = {
        "embedding": ordered[0]["kernel"][1:],
        "bias": ordered[0]["bias"],
        "decoder": whole[:, 1:].T.contiguous(),
        "prior": found["concentration"].reshape(-1),
    }
    for number, layer in enumerate(ordered[1:]):
        made[f"layers.{number}.weight"] = layer["kernel"].T.contiguous()
        made[f"layers.{number}.bias"] = layer["bias"]
    return made


def network(tensors: Mapping[str, Tensor], options: ImportOptions) -> dict[str, Any]:  # noqa: ARG001
    """Options of the network that has these tensors."""
    hidden = [len(tensors["bias"])]
    while f"layers.{len(hidden)}.bias" in tensors:  # the last one is of the topics
        hidden.append(len(tensors[f"layers.{len(hidden) - 1}.bias"]))
    return {"topics": len(tensors["prior"]), "hidden": tuple(hidden)}


BINDVAE = Source(
    model="bindvae",
    official=lambda name: name,
    network=network,
    converted=converted,
    outputs="topics",
    output_name="topic_{}",
)
