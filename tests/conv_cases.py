"""Convolutions of many shapes, with what they must be by PyTorch's own in float64."""

import pytest
import torch
from torch.nn import functional

from native_kernels.dilated_conv import (
    conv_with_sums_triton,
    dilated_conv_cpu,
    dilated_conv_reference,
    dilated_conv_triton,
)
from native_kernels.dilated_conv.norm import norm_relu_triton

BLOCK = {"relu": True, "residual": True}
SLOW_FORMS = pytest.mark.parametrize(
    "conv", [dilated_conv_reference, dilated_conv_cpu], ids=["reference", "cpu"]
)
# regions, positions, channels in, channels out, width, dilation, padding, options
CASES = {
    "block-64": (2, 129, 64, 64, 3, 4, "same", BLOCK),
    "block-30": (3, 129, 30, 30, 3, 2, "same", BLOCK),
    "block-90": (1, 129, 90, 90, 3, 64, "same", BLOCK),
    "block-300": (1, 33, 300, 300, 3, 8, "same", BLOCK),
    "block-320": (1, 17, 320, 320, 3, 2, "same", BLOCK),
    "block-336": (1, 9, 336, 336, 3, 2, "same", BLOCK),
    "one-position": (5, 1, 64, 64, 3, 1, "same", BLOCK),
    "dilation-past-length": (3, 7, 64, 64, 3, 64, "same", BLOCK),
    "block-valid": (2, 40, 30, 30, 3, 4, "valid", BLOCK),
    "stem-one-hot": (2, 129, 4, 64, 25, 1, "same", {}),
    "stem-300": (1, 40, 4, 300, 9, 1, "same", {"relu": True}),
    "head-1": (1, 129, 64, 1, 25, 1, "valid", {}),
    "head-2": (2, 129, 64, 2, 9, 1, "same", {}),
    "head-90": (1, 40, 300, 90, 5, 1, "same", {}),
    "few-channels": (2, 50, 3, 5, 5, 7, "same", {"relu": True}),
    "one-channel-block": (2, 50, 1, 1, 3, 2, "same", BLOCK),
    "width-1": (2, 50, 64, 64, 1, 1, "same", BLOCK),
    "exact-tile": (1, 128, 64, 64, 3, 1, "same", BLOCK),
    "wide": (2, 60, 16, 16, 11, 2, "same", BLOCK),
}


def draw(case, *, dtype=torch.float32, device="cpu", seed=0):
    """Input, weight and bias; weights and bias are exact in `dtype` too."""
    regions, length, c_in, c_out, width, *_ = case
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(regions, length, c_in, generator=rng).to(dtype)
    weight = (torch.randn(c_out, c_in, width, generator=rng) / (c_in * width) ** 0.5).to(dtype)
    bias = torch.randn(c_out, generator=rng).to(dtype)
    return [one.to(device).requires_grad_() for one in (x, weight, bias)]


def settings(case):
    return {"dilation": case[5], "padding": case[6], **case[7]}


def by_conv1d(x, weight, bias, *, dilation=1, padding="same", relu=False, residual=False):
    """PyTorch's convolution of (regions, channels, positions)."""
    reach = dilation * (weight.shape[-1] - 1)
    pad = reach // 2 if padding == "same" else 0
    z = functional.conv1d(x.mT, weight, bias, padding=pad, dilation=dilation).mT
    y = z.relu() if relu else z
    middle = 0 if padding == "same" else reach // 2
    return y + x[:, middle : middle + y.shape[1]] if residual else y


def with_gradients(conv, inputs, **options):
    """Result and gradients of a weighted sum of it, as float64 on the CPU."""
    y = conv(*inputs, **options)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y)
    wanted = [one for one in inputs if one is not None and one.requires_grad]
    gradients = torch.autograd.grad(y, wanted, weights)
    return [one.detach().double().cpu() for one in (y, *gradients)]


def exact(inputs, conv=by_conv1d, **options):
    """The same in float64."""
    wide = [None if one is None else one.detach().double().cpu().requires_grad_() for one in inputs]
    return with_gradients(conv, wide, **options)


def assert_close(found, wanted, rtol=5e-6, floor=1e-3):
    """Within rtol of the largest value of each array, or of `floor` if that is larger."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        scale = float(other.abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(one, other, rtol=0, atol=rtol * max(scale, floor))


def run_kernels_everywhere(monkeypatch):
    """Let modules use the kernels on any device: here, the interpreter."""
    from native_kernels.dilated_conv import block

    monkeypatch.setattr(block, "dilated_conv", dilated_conv_triton)
    monkeypatch.setattr(block, "conv_with_sums", conv_with_sums_triton)
    monkeypatch.setattr(block, "norm_relu", norm_relu_triton)
    monkeypatch.setattr(block.Block, "_normalise_cpu", block.Block._normalise_by_sums)
