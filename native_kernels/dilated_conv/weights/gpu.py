# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# mypy: disable-error-code="import-untyped, import-not-found"
"""Triton kernel of the weights' gradient of `dilated_conv`. Importing this needs Triton.

The product of its own: rows are (tap, input channel) pairs, columns output channels, and the inner
axis runs over (region, position), in slices of a fixed order. Slices are added up at the end.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from native_kernels.dilated_conv._shapes import WORD, Window
from native_kernels.dilated_conv._tiles import SPLIT_PROGRAMS, Tile, split_channels
from native_kernels.dilated_conv.gpu import (
    FLAT_CHANNELS,
    INTERPRETED,
    device_tile,
    inputs,
    multiply,
    open_block,
)


def weight_gradient(
    dy: Tensor, x: Tensor, weight: Tensor, mask: Tensor | None, window: Window, *, tf32: bool
) -> tuple[Tensor, Tensor]:
    """Gradients to weight (taps, in, out) and bias, float32, of contiguous `dy` and `x`.

    Sums over rows in slices of a fixed order, then over the slices: no atomics.
    """
    c_out, c_in, n_taps = weight.shape
    rows = dy.shape[0] * dy.shape[1]
    if rows == 0:
        shapes = (n_taps, c_in, c_out), (c_out,)
        dweight, dbias = (dy.new_zeros(shape, dtype=torch.float32) for shape in shapes)
        return dweight, dbias
    blocks = _blocks(dy, n_taps, c_in, c_out)
    depth = blocks.size.depth
    slices = max(1, min(SPLIT_PROGRAMS // blocks.programs, triton.cdiv(rows, 8 * depth)))
    span = triton.cdiv(triton.cdiv(rows, slices), depth) * depth
    dweight = dy.new_empty((slices, n_taps, c_in, c_out), dtype=torch.float32)
    dbias = dy.new_empty((slices, c_out), dtype=torch.float32)
    _sum_slices(dy, x, mask, window, dweight, dbias, span, tf32=tf32)
    return dweight.sum(0), dbias.sum(0)


def _sum_slices(
    dy: Tensor,
    x: Tensor,
    mask: Tensor | None,
    window: Window,
    dweight: Tensor,
    dbias: Tensor,
    span: int,
    *,
    tf32: bool = False,
) -> None:
    """Launch `_weight_kernel`: the sums of each slice of `span` rows into its own place."""
    slices, n_taps, c_in, c_out = dweight.shape
    blocks = _blocks(dy, n_taps, c_in, c_out)
    _weight_kernel[(blocks.programs * slices,)](
        x,
        dy,
        dy if mask is None else mask,
        dweight,
        dbias,
        dy.shape[0] * dy.shape[1],
        span,
        x.shape[1],
        dy.shape[1],
        window.start,
        window.step,
        C_IN=c_in,
        C_OUT=c_out,
        TAPS=n_taps,
        CODES=x.dtype == torch.uint8,
        FLAT=c_in < FLAT_CHANNELS,
        GATE=mask is not None,
        PRECISION="tf32" if tf32 else "ieee",
        WIDEN=INTERPRETED,
        WORD=WORD,
        BLOCK_K=blocks.k,
        BLOCK_N=blocks.n,
        BLOCK_N2=blocks.n2,
        BLOCK_R=blocks.size.depth,
        num_warps=blocks.size.warps,
        num_stages=blocks.size.stages,
    )


class _Blocks(NamedTuple):
    size: Tile
    k: int
    n: int
    n2: int
    programs: int  # of one slice


def _blocks(dy: Tensor, n_taps: int, c_in: int, c_out: int) -> _Blocks:
    size = device_tile("weights", dy)
    inner = n_taps * c_in if c_in < FLAT_CHANNELS else c_in
    k = min(size.rows, max(16, triton.next_power_of_2(inner)))
    n, n2 = split_channels(c_out, size.channels)
    across = triton.cdiv(inner, k) * n_taps * c_in // inner
    return _Blocks(size, k, n, n2, across * triton.cdiv(c_out, n + n2))


@triton.jit
def _gradient_tile(
    dy_ptr,
    gate_ptr,
    m,
    in_m,
    first_n,
    C: tl.constexpr,
    GATE: tl.constexpr,
    WORD: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradient before ReLU, of BLOCK_R rows and BLOCK channels."""
    n = first_n + tl.arange(0, BLOCK)
    m = m.to(tl.int64)
    inside = in_m[:, None] & (n < C)[None, :]
    g = tl.load(dy_ptr + m[:, None] * C + n[None, :], mask=inside, other=0)
    if GATE:
        bits = open_block(gate_ptr, m, in_m, first_n, C, WORD, BLOCK_R, BLOCK)
        g = tl.where(bits != 0, g, 0.0)
    return g.to(dy_ptr.dtype.element_ty)


@triton.jit
def _weight_slice(
    x_ptr,
    dy_ptr,
    gate_ptr,
    first_row,
    last_row,
    block,
    first_n,
    L_IN,
    L_OUT,
    start,
    step,
    SUM_BIAS: tl.constexpr,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    TAPS: tl.constexpr,
    CODES: tl.constexpr,
    FLAT: tl.constexpr,
    GATE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    WORD: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_N2: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """Products of inputs and gradients summed over the rows of a slice, and the gradients' sums."""
    SECOND: tl.constexpr = BLOCK_N2 if BLOCK_N2 > 0 else 16
    acc = tl.zeros([BLOCK_K, BLOCK_N], tl.float32)
    acc2 = tl.zeros([BLOCK_K, SECOND], tl.float32)
    sums = tl.zeros([BLOCK_N], tl.float32)
    sums2 = tl.zeros([SECOND], tl.float32)
    for row in range(first_row, last_row, BLOCK_R):
        m = row + tl.arange(0, BLOCK_R)
        in_m = m < last_row
        at = m % L_OUT
        first = (m // L_OUT).to(tl.int64) * L_IN + at
        a, _k, _in_k = inputs(
            x_ptr, gate_ptr, first, at, in_m, L_IN, start, step, block,
            C_IN, TAPS, CODES, FLAT, GATE=False, WORD=WORD, ROWS=BLOCK_R, BLOCK_K=BLOCK_K,
        )  # fmt: skip
        a = tl.trans(a.to(dy_ptr.dtype.element_ty))
        g = _gradient_tile(dy_ptr, gate_ptr, m, in_m, first_n, C_OUT, GATE, WORD, BLOCK_R, BLOCK_N)
        acc = multiply(a, g, acc, PRECISION, WIDEN)
        if SUM_BIAS:
            sums += tl.sum(g.to(tl.float32), axis=0)
        if BLOCK_N2 > 0:
            g2 = _gradient_tile(
                dy_ptr, gate_ptr, m, in_m, first_n + BLOCK_N, C_OUT, GATE, WORD, BLOCK_R, BLOCK_N2
            )
            acc2 = multiply(a, g2, acc2, PRECISION, WIDEN)
            if SUM_BIAS:
                sums2 += tl.sum(g2.to(tl.float32), axis=0)
    return acc, acc2, sums, sums2


@triton.jit
def _store_sums(
    dw_ptr,
    dbias_ptr,
    acc,
    sums,
    part,
    k,
    in_k,
    first_n,
    block,
    INNER: tl.constexpr,
    C: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write a slice's sums to its own place."""
    n = first_n + tl.arange(0, BLOCK)
    to = (part * INNER + k)[:, None] * C + n[None, :]
    tl.store(dw_ptr + to, acc, mask=in_k[:, None] & (n < C)[None, :])
    if block == 0:
        tl.store(dbias_ptr + part * C + n, sums, mask=n < C)


@triton.jit(do_not_specialize=["rows", "span", "start", "step"])
def _weight_kernel(
    x_ptr,
    dy_ptr,
    gate_ptr,
    dw_ptr,
    dbias_ptr,
    rows,
    span,
    L_IN,
    L_OUT,
    start,
    step,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    TAPS: tl.constexpr,
    CODES: tl.constexpr,
    FLAT: tl.constexpr,
    GATE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    WORD: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_N2: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """A program owns one block of (tap, input channel), one of output channels, one slice of rows.

    The programs of the first block sum the gradients too, which is the gradient of the bias.
    """
    SPAN_N: tl.constexpr = BLOCK_N + BLOCK_N2
    BLOCKS_N: tl.constexpr = (C_OUT + SPAN_N - 1) // SPAN_N
    BLOCKS_C: tl.constexpr = (C_IN + BLOCK_K - 1) // BLOCK_K
    BLOCKS: tl.constexpr = (TAPS * C_IN + BLOCK_K - 1) // BLOCK_K if FLAT else TAPS * BLOCKS_C
    program = tl.program_id(0)
    block = program % BLOCKS  # neighbours share their gradients in the cache
    first_n = program // BLOCKS % BLOCKS_N * SPAN_N
    part = program // (BLOCKS * BLOCKS_N)
    first_row = part * span
    last_row = first_row + tl.minimum(span, rows - first_row)  # where first_row + span may wrap
    if block == 0:
        acc, acc2, sums, sums2 = _weight_slice(
            x_ptr, dy_ptr, gate_ptr, first_row, last_row, block, first_n, L_IN, L_OUT, start, step,
            SUM_BIAS=True, C_IN=C_IN, C_OUT=C_OUT, TAPS=TAPS, CODES=CODES, FLAT=FLAT, GATE=GATE,
            PRECISION=PRECISION, WIDEN=WIDEN, WORD=WORD,
            BLOCK_K=BLOCK_K, BLOCK_N=BLOCK_N, BLOCK_N2=BLOCK_N2, BLOCK_R=BLOCK_R,
        )  # fmt: skip
    else:
        acc, acc2, sums, sums2 = _weight_slice(
            x_ptr, dy_ptr, gate_ptr, first_row, last_row, block, first_n, L_IN, L_OUT, start, step,
            SUM_BIAS=False, C_IN=C_IN, C_OUT=C_OUT, TAPS=TAPS, CODES=CODES, FLAT=FLAT, GATE=GATE,
            PRECISION=PRECISION, WIDEN=WIDEN, WORD=WORD,
            BLOCK_K=BLOCK_K, BLOCK_N=BLOCK_N, BLOCK_N2=BLOCK_N2, BLOCK_R=BLOCK_R,
        )  # fmt: skip
    if FLAT:
        k = block * BLOCK_K + tl.arange(0, BLOCK_K)
        in_k = k < TAPS * C_IN
    else:
        c = block % BLOCKS_C * BLOCK_K + tl.arange(0, BLOCK_K)
        k = block // BLOCKS_C * C_IN + c
        in_k = c < C_IN
    part = part.to(tl.int64)
    INNER: tl.constexpr = TAPS * C_IN
    _store_sums(dw_ptr, dbias_ptr, acc, sums, part, k, in_k, first_n, block, INNER, C_OUT, BLOCK_N)
    if BLOCK_N2 > 0:
        first_n += BLOCK_N
        _store_sums(
            dw_ptr, dbias_ptr, acc2, sums2, part, k, in_k, first_n, block, INNER, C_OUT, BLOCK_N2
        )
