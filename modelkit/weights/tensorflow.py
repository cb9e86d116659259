# mypy: allow-untyped-calls
"""Variables of TensorFlow's checkpoints, by name, and layers of theirs as ours.

TensorFlow alone can read a checkpoint; its ``tf.train.load_checkpoint(path)`` gives the variables,
``np.savez`` keeps them.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["conv", "dense", "lstm", "norm", "variables"]

AVERAGE = "/ExponentialMovingAverage"  # beside a variable, its average: what AgentBind evaluates
SLOTS = ("Adam", "Adam_1", "beta1_power", "beta2_power", "global_step")  # of the optimizer
FORGET = 1.0  # what an LSTMCell adds to the gate's bias


def variables(tensors: Mapping[str, Tensor], known: str) -> dict[str, Tensor]:
    """Those whose names, behind any scopes, are of the pattern `known`; averages before themselves.

    Raises
    ------
    ValueError
        A variable of another name, which is not the optimizer's either.
    """
    found: dict[str, Tensor] = {}
    averages: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = name.removesuffix(":0")
        if plain.rpartition("/")[2] in SLOTS:
            continue
        match = re.fullmatch(f"(?:.*/)?({known})", plain.removesuffix(AVERAGE))
        if match is None:
            raise ValueError(f"{name[:80]} is no variable of it")
        (averages if plain.endswith(AVERAGE) else found)[match[1]] = tensor
    return found | averages


def conv(held: Mapping[str, Tensor], scope: str, ours: str) -> dict[str, Tensor]:
    """(width, in, out) as (out, in, width), and the bias."""
    weight = held[f"{scope}/weights"]
    _check(weight, 3, f"{scope}/weights")
    return {
        f"{ours}.weight": weight.permute(2, 1, 0).contiguous(),
        f"{ours}.bias": held[f"{scope}/biases"],
    }


def dense(held: Mapping[str, Tensor], scope: str, ours: str) -> dict[str, Tensor]:
    """(in, out) as (out, in), and the bias."""
    weight = held[f"{scope}/weights"]
    _check(weight, 2, f"{scope}/weights")
    return {f"{ours}.weight": weight.T.contiguous(), f"{ours}.bias": held[f"{scope}/biases"]}


def norm(held: Mapping[str, Tensor], scope: str, ours: str) -> dict[str, Tensor]:
    """A batch norm."""
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
             "running_var": "moving_variance"}  # fmt: skip
    found = {
        f"{ours}.{name}": held[f"{scope}/batch_normalization/{theirs}"]
        for name, theirs in names.items()
    }
    return found | {f"{ours}.num_batches_tracked": torch.zeros((), dtype=torch.int64)}


def lstm(held: Mapping[str, Tensor], scope: str, behind: str = "") -> dict[str, Tensor]:
    """The kernel (in + hidden, 4 hidden) as two, of the order of PyTorch's gates; two biases.

    `behind` ends our names: "_reverse" of the cell that goes backwards.
    """
    kernel, bias = held[f"{scope}/kernel"], held[f"{scope}/bias"]
    _check(kernel, 2, f"{scope}/kernel")
    hidden = kernel.shape[1] // 4
    if kernel.shape[1] != 4 * hidden or bias.shape != (4 * hidden,):
        raise ValueError(
            f"{scope} has a kernel {tuple(kernel.shape)} and a bias {tuple(bias.shape)}"
        )
    i, j, f, o = torch.split(kernel.T, hidden)
    i_0, j_0, f_0, o_0 = torch.split(bias, hidden)
    weight = torch.cat([i, f, j, o])
    return {
        f"lstm.weight_ih_l0{behind}": weight[:, :-hidden].contiguous(),
        f"lstm.weight_hh_l0{behind}": weight[:, -hidden:].contiguous(),
        f"lstm.bias_ih_l0{behind}": torch.cat([i_0, f_0 + FORGET, j_0, o_0]),
        f"lstm.bias_hh_l0{behind}": torch.zeros_like(bias),
    }


def _check(weight: Tensor, ndim: int, name: str) -> None:
    if weight.ndim != ndim or 0 in weight.shape:
        raise ValueError(f"{name} is {tuple(weight.shape)}, expected {ndim} axes")
