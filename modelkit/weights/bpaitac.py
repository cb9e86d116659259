"""The names of tensors in bpAI-TAC's released code (Chandra et al. 2025), and what shapes tell."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from modelkit.weights.source import ImportOptions, Source

__all__ = ["BIAS", "BPAITAC"]

WINDOW = 250  # bp of the profiles
POOLS = {  # of the totals, by size of the bins; 998 or 1,000 bp tell them apart
    1: (5, 5, 5),
    2: (4, 4, 4),
    3: (3, 4, 4),
    5: (3, 3, 3),
    10: (2, 2, 3),
    20: (1, 2, 3),
}
STEM, BLOCKS = "body.net.0.", "body.net.1.net."
PROFILE, TOTAL = "head.profile_prediction.deconvolution.", "head.total_count_prediction."
DENSE = TOTAL + "out_layers.1."
LAYERS = 4  # of a stage of the totals: pool, convolution, norm, ReLU


def official(name: str) -> str:
    """The authors' name of a tensor of `BpAITAC`."""
    part, _, rest = name.partition(".")
    if part == "stem":
        return STEM + rest
    if part == "profile":
        return PROFILE + rest
    if found := re.fullmatch(r"blocks\.(\d+)\.(conv|norm)\.(\w+)", name):
        return f"{BLOCKS}{found[1]}.conv_block.{('conv', 'norm').index(found[2])}.{found[3]}"
    if found := re.fullmatch(r"total\.convs\.(\d+)\.(conv|norm)\.(\w+)", name):
        layer = LAYERS * int(found[1]) + ("conv", "norm").index(found[2]) + 1
        return f"{TOTAL}net.{layer}.{found[3]}"
    if found := re.fullmatch(r"total\.dense\.(\w+)", name):
        return DENSE + found[1]
    raise KeyError(f"{name}: no tensor of BpAITAC has this name")


def with_totals(tensors: Mapping[str, Tensor], options: ImportOptions) -> dict[str, Any]:
    """Options of the network with both heads."""
    found = profile_only(tensors, options)
    dense = tensors[DENSE + "weight"]
    positions, rest = divmod(dense.shape[1], found["channels"])
    for size, pools in POOLS.items():
        left = found["length"]
        for pool in pools:
            left //= pool
        if left == positions and not rest:
            return found | {"total_head": "conv", "bin_size": size, "pools": pools}
    raise ValueError(
        f"{DENSE}weight has {dense.shape[1]} inputs, which {found['length']} bp and "
        f"{found['channels']} channels give with no size of bins; give its --length"
    )


def profile_only(tensors: Mapping[str, Tensor], options: ImportOptions) -> dict[str, Any]:
    """Options of the network without totals."""
    stem, profile = tensors[STEM + "weight"], tensors[PROFILE + "weight"]
    blocks = 0
    while f"{BLOCKS}{blocks}.conv_block.0.weight" in tensors:
        blocks += 1
    dropped = 2 if options.off_by_two else 0
    length = options.length if options.length is not None else 1000 - dropped
    return {
        "tasks": profile.shape[0],
        "length": length,
        "window": WINDOW,
        "window_start": (length + dropped - WINDOW) // 2,
        "channels": stem.shape[0],
        "stem_width": stem.shape[2],
        "stem_relu": False,
        "blocks": blocks,
        "block_norm": True,
        "head_width": profile.shape[2],
        "total_head": "none",
        "total_activation": "relu",
    }


BPAITAC = Source(
    model="bpaitac",
    alphabet="ACGT",
    first_layer="stem.weight",
    shift="+4/-4",
    official=official,
    network=with_totals,
)

BIAS = Source(
    model="bpaitac-bias",
    alphabet="ACGT",
    first_layer="stem.weight",
    shift="+4/-4",
    official=official,
    network=profile_only,
    left_out=(TOTAL,),  # there, but never trained: the loss has no part of them
)
