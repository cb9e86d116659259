"""Checked shapes of a convolution, and where its results go."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Padding = Literal["same", "valid"]

WORD = 16  # channels to a word of ReLU bits
MAX_WIDTH = 99
MOST_ROWS = (1 << 31) - (1 << 12)  # (region, position) pairs; elements may be more
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Window(NamedTuple):
    """Where output position l looks: tap j at ``l + start + j * step``, the residual at
    ``l + middle``.
    """

    start: int
    step: int
    middle: int
    length: int  # output positions

    def turned(self) -> "Window":
        """Of the gradient of the input; `length` is the caller's to know."""
        return Window(-self.start, -self.step, -self.middle, 0)


def check(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    dilation: int,
    padding: str,
    residual: bool,
) -> Window:
    """The window of a convolution; ValueError for arguments that do not fit together."""
    codes = x.dtype == torch.uint8
    if x.ndim != (2 if codes else 3):
        raise ValueError(
            "x must be floats (regions, positions, channels) or uint8 codes (regions, positions), "
            f"got {x.dtype} {tuple(x.shape)}"
        )
    if not codes and x.dtype not in FLOATS:
        raise ValueError(f"x must be floats or uint8 codes, got {x.dtype}")
    channels = 4 if codes else x.shape[2]
    width = weight.shape[-1]
    if weight.ndim != 3 or weight.shape[1] != channels or weight.shape[0] < 1 or channels < 1:
        raise ValueError(
            f"weight must be (output channels, {channels}, width), got {tuple(weight.shape)}"
        )
    if width % 2 == 0 or width > MAX_WIDTH:
        raise ValueError(f"the width must be odd and at most {MAX_WIDTH}, got {width}")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ValueError(f"bias must be ({weight.shape[0]},), got {tuple(bias.shape)}")
    if padding not in ("same", "valid"):
        raise ValueError(f"padding must be 'same' or 'valid', got {padding!r}")
    if residual and (codes or weight.shape[0] != channels):
        raise ValueError(
            f"a residual needs floats and as many channels out as in, got {x.dtype}, "
            f"{channels} in and {weight.shape[0]} out"
        )
    reach = dilation * (width - 1)
    if dilation < 1 or x.shape[1] + reach >= MOST_ROWS:
        raise ValueError(
            f"dilation must be at least 1 and windows end below 2**31, got {dilation} "
            f"over {x.shape[1]} positions"
        )
    if x.shape[0] * x.shape[1] > MOST_ROWS:
        raise ValueError(
            f"at most {MOST_ROWS} rows (regions x positions) fit one call, "
            f"got {x.shape[0]} x {x.shape[1]}; split the batch"
        )
    if padding == "same":
        return Window(-(reach // 2), dilation, 0, x.shape[1])
    if x.shape[1] <= reach:
        raise ValueError(f"'valid' needs more than {reach} positions, got {x.shape[1]}")
    return Window(0, dilation, reach // 2, x.shape[1] - reach)


def empty_results(
    x: Tensor, weight: Tensor, window: Window, *, keep_mask: bool, statistics: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Result, ReLU bits and sums of channels; 0 elements of what is not asked for."""
    c_out = weight.shape[0]
    lead = (x.shape[0], window.length)
    dtype = weight.dtype if x.dtype == torch.uint8 else x.dtype
    y = x.new_empty((*lead, c_out), dtype=dtype)
    words = (*lead, -(-c_out // WORD)) if keep_mask else (0,)
    sums = x.new_empty((2, c_out) if statistics else (0,), dtype=torch.float64)
    return y, x.new_empty(words, dtype=torch.int16), sums


def as_autocast_asks(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs in the type of a surrounding autocast: codes carry the type of the weights."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and x.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
        return (x, weight.to(dtype)) if x.dtype == torch.uint8 else (x.to(dtype), weight)
    return x, weight
