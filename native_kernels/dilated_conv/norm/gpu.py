# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# mypy: disable-error-code="import-untyped, import-not-found"
"""Triton kernels of `norm_relu`: one pass over memory each. Importing this needs Triton."""

import torch
import triton
import triton.language as tl
from torch import Tensor

ELEMENTS = 4096  # of a program's tile
SLICES = 1056  # eight programs for each multiprocessor of an H200; fixed, so sums keep their order
WARPS = 8


def forward(z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, x: Tensor | None) -> Tensor:
    """``x + relu((z - mean) * scale + shift)``."""
    z = z.contiguous()
    y = torch.empty_like(z)
    if z.numel():
        rows, channels, block_r, block_c = _tile(z)
        _forward_kernel[(triton.cdiv(rows, block_r),)](
            z,
            mean.float().contiguous(),
            scale.float().contiguous(),
            shift.float().contiguous(),
            z if x is None else x.contiguous(),
            y,
            rows,
            C=channels,
            RESIDUAL=x is not None,
            BLOCK_R=block_r,
            BLOCK_C=block_c,
            num_warps=WARPS,
        )
    return y


def backward(
    dy: Tensor, z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient to `z`; and of each channel the sums of dh and of dh * (z - mean), float32 (2, C).

    dh is `dy` where ReLU passed.
    """
    z = z.contiguous()
    dz = torch.empty_like(z)
    rows, channels, block_r, block_c = _tile(z)
    slices = min(SLICES, triton.cdiv(rows, block_r))
    span = triton.cdiv(triton.cdiv(rows, max(slices, 1)), block_r) * block_r
    sums = z.new_zeros((slices, 2, channels), dtype=torch.float32)
    if z.numel():
        _backward_kernel[(slices,)](
            dy.contiguous(),
            z,
            mean.float().contiguous(),
            scale.float().contiguous(),
            shift.float().contiguous(),
            dz,
            sums,
            rows,
            span,
            C=channels,
            BLOCK_R=block_r,
            BLOCK_C=block_c,
            num_warps=WARPS,
        )
    return dz, sums.sum(0)


def add_to_gradient(dz: Tensor | None, z: Tensor, dsums: Tensor) -> Tensor:
    """``dz + dsums[0] + 2 * z * dsums[1]``: what the sums of the channels add to a gradient."""
    z = z.contiguous()
    out = torch.empty_like(z)
    if z.numel():
        rows, channels, block_r, block_c = _tile(z)
        _add_kernel[(triton.cdiv(rows, block_r),)](
            z if dz is None else dz.contiguous(),
            z,
            dsums.float().contiguous(),
            out,
            rows,
            C=channels,
            GRADIENT=dz is not None,
            BLOCK_R=block_r,
            BLOCK_C=block_c,
            num_warps=WARPS,
        )
    return out


def _tile(z: Tensor) -> tuple[int, int, int, int]:
    """Rows, channels, and the block of each; the second is all channels."""
    channels = z.shape[-1]
    block_c = triton.next_power_of_2(channels)
    return z.numel() // max(channels, 1), channels, max(1, ELEMENTS // block_c), block_c


@triton.jit
def _normal(z_ptr, mean_ptr, scale_ptr, shift_ptr, at, inside, c, in_c):
    """A tile of z less its mean, and what ReLU is given."""
    mean = tl.load(mean_ptr + c, mask=in_c, other=0)
    scale = tl.load(scale_ptr + c, mask=in_c, other=0)
    shift = tl.load(shift_ptr + c, mask=in_c, other=0)
    off = tl.load(z_ptr + at, mask=inside, other=0).to(tl.float32) - mean[None, :]
    return off, off * scale[None, :] + shift[None, :], scale


@triton.jit(do_not_specialize=["rows"])
def _forward_kernel(
    z_ptr,
    mean_ptr,
    scale_ptr,
    shift_ptr,
    x_ptr,
    y_ptr,
    rows,
    C: tl.constexpr,
    RESIDUAL: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A program owns BLOCK_R rows of all channels."""
    r = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    c = tl.arange(0, BLOCK_C)
    in_c = c < C
    inside = (r < rows)[:, None] & in_c[None, :]
    at = r[:, None] * C + c[None, :]
    _off, h, _scale = _normal(z_ptr, mean_ptr, scale_ptr, shift_ptr, at, inside, c, in_c)
    y = tl.where(h <= 0, 0.0, h)  # NaN stays NaN
    if RESIDUAL:
        y += tl.load(x_ptr + at, mask=inside, other=0).to(tl.float32)
    tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["rows", "span"])
def _backward_kernel(
    dy_ptr,
    z_ptr,
    mean_ptr,
    scale_ptr,
    shift_ptr,
    dz_ptr,
    sums_ptr,
    rows,
    span,
    C: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A program owns `span` rows of all channels, and their sums."""
    part = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK_C)
    in_c = c < C
    sum_h = tl.zeros([BLOCK_C], tl.float32)
    sum_off = tl.zeros([BLOCK_C], tl.float32)
    for first in range(0, span, BLOCK_R):
        r = part * span + first + tl.arange(0, BLOCK_R)
        inside = (r < rows)[:, None] & in_c[None, :]
        at = r[:, None] * C + c[None, :]
        off, h, scale = _normal(z_ptr, mean_ptr, scale_ptr, shift_ptr, at, inside, c, in_c)
        dh = tl.load(dy_ptr + at, mask=inside, other=0).to(tl.float32)
        dh = tl.where(h > 0, dh, 0.0)
        tl.store(dz_ptr + at, (dh * scale[None, :]).to(dz_ptr.dtype.element_ty), mask=inside)
        sum_h += tl.sum(dh, axis=0)
        sum_off += tl.sum(dh * off, axis=0)
    to = sums_ptr + part * (2 * C) + c
    tl.store(to, sum_h, mask=in_c)
    tl.store(to + C, sum_off, mask=in_c)


@triton.jit(do_not_specialize=["rows"])
def _add_kernel(
    dz_ptr,
    z_ptr,
    dsums_ptr,
    out_ptr,
    rows,
    C: tl.constexpr,
    GRADIENT: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A program owns BLOCK_R rows of all channels."""
    r = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    c = tl.arange(0, BLOCK_C)
    in_c = c < C
    inside = (r < rows)[:, None] & in_c[None, :]
    at = r[:, None] * C + c[None, :]
    of_sum = tl.load(dsums_ptr + c, mask=in_c, other=0)
    of_squares = tl.load(dsums_ptr + C + c, mask=in_c, other=0)
    z = tl.load(z_ptr + at, mask=inside, other=0).to(tl.float32)
    out = of_sum[None, :] + 2 * z * of_squares[None, :]
    if GRADIENT:
        out += tl.load(dz_ptr + at, mask=inside, other=0).to(tl.float32)
    tl.store(out_ptr + at, out.to(out_ptr.dtype.element_ty), mask=inside)
