"""One form for every shape of profile: (regions, tasks, strands, bp)."""

from typing import NamedTuple

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Crop = int | tuple[int, int] | None


class Losses(NamedTuple):
    """Of each profile: its multinomial loss, and the loss of its total if that was predicted."""

    profile: Tensor
    total: Tensor | None


class Profiles(NamedTuple):
    """Checked arguments. B regions, T tasks, S strands, P positions, L of them inside the window.

    Attributes
    ----------
    logits : (B, T, S, P)
    counts : (B, T, S, L)
    bias : (B or 1, T or 1, S or 1, L), or None
    predicted : (B, T, G), or None
        G is 1 where strands share one distribution, else S.
    start : int
        The window is positions ``[start, start + L)`` of the logits.
    result_shape : shape of the losses
    """

    logits: Tensor
    counts: Tensor
    bias: Tensor | None
    predicted: Tensor | None
    start: int
    result_shape: tuple[int, ...]


def arrange(
    logits: Tensor,
    counts: Tensor,
    bias: Tensor | None,
    predicted: Tensor | None,
    *,
    joint_strands: bool,
    crop: Crop,
) -> Profiles:
    """Views of the arguments in the one form; ValueError if they do not fit together."""
    if logits.ndim not in (3, 4) or counts.ndim != logits.ndim:
        raise ValueError(
            "logits and counts must be (regions, tasks, bp) or (regions, tasks, strands, bp), "
            f"got {tuple(logits.shape)} and {tuple(counts.shape)}"
        )
    if logits.dtype not in FLOATS:
        raise ValueError(f"logits must be of floats, got {logits.dtype}")
    if logits.shape[:-1] != counts.shape[:-1]:
        raise ValueError(
            "logits and counts must have the same regions, tasks and strands, "
            f"got {tuple(logits.shape)} and {tuple(counts.shape)}"
        )
    length = logits.shape[-1]
    start, stop = _window(length, crop)
    lead = tuple(logits.shape[:-1])
    joint = joint_strands or logits.ndim == 3
    result_shape = lead[:2] if joint else lead
    if bias is not None:
        if bias.ndim == 2:  # shared by tasks and strands
            bias = bias.reshape(bias.shape[0], *[1] * (logits.ndim - 2), bias.shape[1])
        fits = bias.ndim == logits.ndim and all(
            found in (1, wanted) for found, wanted in zip(bias.shape[:-1], lead, strict=True)
        )
        if not fits:
            raise ValueError(
                f"bias must be (regions, bp) or spread over {tuple(logits.shape)}, "
                f"got {tuple(bias.shape)}"
            )
        bias = _four(_cut(bias, "bias", length, start, stop))
    if predicted is not None:
        if tuple(predicted.shape) != result_shape:
            raise ValueError(
                f"predicted must be {result_shape}, one per loss, got {tuple(predicted.shape)}"
            )
        predicted = predicted.unsqueeze(2) if joint else predicted
    return Profiles(
        _four(logits),
        _four(_cut(counts, "counts", length, start, stop)).detach(),
        bias,
        predicted,
        start,
        result_shape,
    )


def _window(length: int, crop: Crop) -> tuple[int, int]:
    """The positions of the logits that count: all, the middle `crop`, or ``[start, stop)``."""
    if crop is None:
        return 0, length
    if isinstance(crop, tuple):
        start, stop = crop
    else:
        start = (length - crop) // 2
        stop = start + crop
    if not 0 <= start < stop <= length:
        raise ValueError(f"crop {crop} is not inside the {length} positions of the logits")
    return start, stop


def _cut(values: Tensor, name: str, length: int, start: int, stop: int) -> Tensor:
    """`values` inside the window; they may come cut already."""
    if values.shape[-1] == stop - start:
        return values
    if values.shape[-1] != length:
        raise ValueError(
            f"{name} must have {length} positions, or the {stop - start} of the window, "
            f"got {values.shape[-1]}"
        )
    return values[..., start:stop]


def _four(values: Tensor) -> Tensor:
    return values if values.ndim == 4 else values.unsqueeze(2)


def empty_results(
    logits: Tensor, predicted: Tensor | None, *, joint: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Where the forward kernel writes: loss, total loss, top, log mass and total."""
    B, T, S, _ = logits.shape
    shape = (B, T, 1 if joint else S)
    loss, top, log_mass, total = (logits.new_empty(shape, dtype=torch.float32) for _ in range(4))
    count_shape = (0,) if predicted is None else shape
    total_loss = logits.new_empty(count_shape, dtype=torch.float32)
    return loss, total_loss, top, log_mass, total


def empty_gradients(
    logits: Tensor, bias: Tensor | None, predicted: Tensor | None, *, need_bias: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Where the backward kernel writes: gradients to logits, bias and predicted."""
    dbias = bias.new_empty(bias.shape) if need_bias and bias is not None else logits.new_empty(0)
    dpredicted = logits.new_empty(0) if predicted is None else predicted.new_empty(predicted.shape)
    return torch.empty_like(logits), dbias, dpredicted
