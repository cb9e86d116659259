# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# mypy: disable-error-code="import-untyped, import-not-found"
"""Triton kernels of `dilated_conv`: an implicit matrix product. Importing this needs Triton.

Rows of the product are (region, position) pairs, columns are output channels, and the inner axis
runs over (tap, input channel). Input row of output position l at tap j: ``l + start + j * step``,
zero outside the region. The gradient of the input is the same product with the taps turned round.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from native_kernels.dilated_conv._shapes import WORD, Window, empty_results
from native_kernels.dilated_conv._tiles import HOPPER, Tile, split_channels, tile

FLAT_CHANNELS = 16  # below, taps and channels are one axis: a tap alone would leave lanes empty


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Window,
    *,
    relu: bool,
    residual: bool,
    keep_mask: bool,
    statistics: bool,
    tf32: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Result, bits of where ReLU passed, and sums of the channels; 0 elements where not asked."""
    y, mask, sums = empty_results(x, weight, window, keep_mask=keep_mask, statistics=statistics)
    taps = weight.permute(2, 1, 0).to(y.dtype).contiguous()
    rows, size = y.shape[0] * y.shape[1], _forward_tile(taps)
    partial = None
    if statistics:
        tiles = triton.cdiv(rows, size.rows)
        partial = y.new_empty((tiles, 3, y.shape[2]), dtype=torch.float32)
    _convolve(
        x.contiguous(),
        taps,
        y,
        window,
        bias=None if bias is None else bias.contiguous(),
        mask=mask if keep_mask else None,
        partial=partial,
        relu=relu,
        residual=residual,
        tf32=tf32,
    )
    if partial is not None:
        sums = _join_statistics(partial, rows, size.rows)
    return y, mask, sums


def input_gradient(
    dy: Tensor,
    shape: torch.Size,
    weight: Tensor,
    mask: Tensor | None,
    window: Window,
    *,
    residual: bool,
    tf32: bool,
) -> Tensor:
    """Gradient to an input of this shape, of a contiguous `dy`."""
    dx = dy.new_empty(shape)
    taps = weight.permute(2, 0, 1).to(dy.dtype).contiguous()
    _convolve(dy, taps, dx, window.turned(), gate=mask, residual=residual, tf32=tf32)
    return dx


def _convolve(
    x: Tensor,
    taps: Tensor,
    y: Tensor,
    window: Window,
    *,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    gate: Tensor | None = None,
    partial: Tensor | None = None,
    relu: bool = False,
    residual: bool = False,
    tf32: bool = False,
) -> None:
    """Launch `_convolve_kernel` into `y` and, where they are given, `mask` and `partial`."""
    n_taps, c_in, c_out = taps.shape
    size = _forward_tile(taps)
    block_n, block_n2 = split_channels(c_out, size.channels)
    rows = y.shape[0] * y.shape[1]
    blocks_m = triton.cdiv(rows, size.rows)
    blocks_n = triton.cdiv(c_out, block_n + block_n2)
    if rows == 0:
        return
    _convolve_kernel[(blocks_m * blocks_n,)](
        x,
        taps,
        x if bias is None else bias,
        y,
        y if mask is None else mask,
        y if gate is None else gate,
        y if partial is None else partial,
        rows,
        x.shape[1],
        y.shape[1],
        window.start,
        window.step,
        window.middle,
        C_IN=c_in,
        C_OUT=c_out,
        TAPS=n_taps,
        CODES=x.dtype == torch.uint8,
        FLAT=c_in < FLAT_CHANNELS,
        BIAS=bias is not None,
        RELU=relu,
        MASK=mask is not None,
        GATE=gate is not None,
        RESIDUAL=residual,
        STATISTICS=partial is not None,
        PRECISION="tf32" if tf32 else "ieee",
        WIDEN=INTERPRETED,
        WORD=WORD,
        BLOCK_M=size.rows,
        BLOCK_N=block_n,
        BLOCK_N2=block_n2,
        BLOCK_K=_depth(n_taps * c_in if c_in < FLAT_CHANNELS else c_in, size),
        num_warps=size.warps,
        num_stages=size.stages,
    )


def _join_statistics(partial: Tensor, rows: int, size: int) -> Tensor:
    """Sum and sum of squares of each channel, float64 (2, C).

    Of each tile of rows there is a level near its mean, and about that level the sum and the sum
    of squares: float32 has the digits for these, and not for the squares of channels far from 0.
    """
    level, off, squares = partial.double().unbind(1)
    n = rows - torch.arange(partial.shape[0], device=partial.device) * size
    n = n.clamp(max=size)[:, None]
    return torch.stack(
        [(n * level + off).sum(0), (squares + 2 * level * off + n * level.square()).sum(0)]
    )


def _forward_tile(taps: Tensor) -> Tile:
    _, c_in, c_out = taps.shape
    aligned = all(c * taps.element_size() % 16 == 0 for c in (c_in, c_out))
    return device_tile("forward", taps, ragged=c_in >= FLAT_CHANNELS and not aligned)


def device_tile(op: str, values: Tensor, *, ragged: bool = False) -> Tile:
    """The tile of an op on arrays like `values`, for their device."""
    major = torch.cuda.get_device_capability(values.device)[0] if values.is_cuda else HOPPER
    return tile(op, major, values.element_size(), ragged=ragged)


def _depth(inner: int, size: Tile) -> int:
    """Block of the inner axis: no longer than the axis."""
    return min(size.depth, max(16, 1 << math.ceil(math.log2(inner))))


@triton.jit
def multiply(a, b, acc, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    if WIDEN:  # Triton's interpreter has no product of bfloat16; that of float32 is the same
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision=PRECISION)


@triton.jit
def open_block(
    gate_ptr,
    row,
    in_row,
    first,
    C: tl.constexpr,
    WORD: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Whether ReLU passed: bits of BLOCK channels from `first` of each row, as int32."""
    WORDS: tl.constexpr = (C + WORD - 1) // WORD
    word = first // WORD + tl.arange(0, BLOCK // WORD)
    there = in_row[:, None] & (word < WORDS)[None, :]
    bits = tl.load(gate_ptr + row[:, None] * WORDS + word[None, :], mask=there, other=0)
    each = (bits.to(tl.int32)[:, :, None] >> tl.arange(0, WORD)[None, None, :]) & 1
    return tl.reshape(each, (ROWS, BLOCK))


@triton.jit
def inputs(
    x_ptr,
    gate_ptr,
    first,
    at,
    in_row,
    L_IN,
    start,
    step,
    block,
    C: tl.constexpr,
    TAPS: tl.constexpr,
    CODES: tl.constexpr,
    FLAT: tl.constexpr,
    GATE: tl.constexpr,
    WORD: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Tile (ROWS, BLOCK_K) of the inputs under `block` of the inner axis, and its inner indices.

    `first` is each row's input row at no shift (int64), `at` its position in its region.
    """
    if FLAT:
        k = block * BLOCK_K + tl.arange(0, BLOCK_K)
        c = k % C
        shift = start + k // C * step
        in_k = k < TAPS * C
        there = at[:, None] + shift[None, :]
        inside = in_row[:, None] & in_k[None, :] & (there >= 0) & (there < L_IN)
        row = first[:, None] + shift[None, :]
        if CODES:
            code = tl.load(x_ptr + row, mask=inside, other=255).to(tl.int32)
            a = (code == c[None, :]).to(tl.float32)
        else:
            a = tl.load(x_ptr + row * C + c[None, :], mask=inside, other=0)
        if GATE:
            WORDS: tl.constexpr = (C + WORD - 1) // WORD
            bits = tl.load(gate_ptr + row * WORDS + c[None, :] // WORD, mask=inside, other=0)
            a = tl.where((bits.to(tl.int32) >> (c % WORD)[None, :]) & 1 != 0, a, 0.0)
    else:
        BLOCKS_C: tl.constexpr = (C + BLOCK_K - 1) // BLOCK_K
        tap = block // BLOCKS_C
        first_c = (block % BLOCKS_C) * BLOCK_K
        c = first_c + tl.arange(0, BLOCK_K)
        k = tap * C + c
        in_k = c < C
        shift = start + tap * step
        there = at + shift
        in_region = in_row & (there >= 0) & (there < L_IN)
        row = first + shift
        inside = in_region[:, None] & in_k[None, :]
        a = tl.load(x_ptr + row[:, None] * C + c[None, :], mask=inside, other=0)
        if GATE:
            bits = open_block(gate_ptr, row, in_region, first_c, C, WORD, ROWS, BLOCK_K)
            a = tl.where(bits != 0, a, 0.0)
    return a, k, in_k


@triton.jit
def _finish(
    acc,
    first_n,
    m,
    tile_m,
    first,
    at,
    rows,
    x_ptr,
    bias_ptr,
    y_ptr,
    mask_ptr,
    partial_ptr,
    L_IN,
    middle,
    C: tl.constexpr,
    BIAS: tl.constexpr,
    RELU: tl.constexpr,
    MASK: tl.constexpr,
    RESIDUAL: tl.constexpr,
    STATISTICS: tl.constexpr,
    WORD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """All that follows the product, on a tile of BLOCK_M rows and BLOCK channels."""
    n = first_n + tl.arange(0, BLOCK)
    in_m = m < rows
    in_n = n < C
    inside = in_m[:, None] & in_n[None, :]
    m = m.to(tl.int64)
    if BIAS:
        acc += tl.load(bias_ptr + n, mask=in_n, other=0).to(tl.float32)[None, :]
    if MASK:
        WORDS: tl.constexpr = (C + WORD - 1) // WORD
        bits = tl.where(inside & (acc > 0), 1, 0)
        bits = tl.reshape(bits, (BLOCK_M, BLOCK // WORD, WORD))
        packed = tl.sum(bits << tl.arange(0, WORD)[None, None, :], axis=2)
        word = first_n // WORD + tl.arange(0, BLOCK // WORD)
        there = in_m[:, None] & (word < WORDS)[None, :]
        tl.store(mask_ptr + m[:, None] * WORDS + word[None, :], packed.to(tl.int16), mask=there)
    if RELU:
        acc = tl.where(acc <= 0, 0.0, acc)  # NaN stays NaN
    if RESIDUAL:
        there = inside & ((at + middle >= 0) & (at + middle < L_IN))[:, None]
        row = first + middle
        acc += tl.load(x_ptr + row[:, None] * C + n[None, :], mask=there, other=0).to(tl.float32)
    y = acc.to(y_ptr.dtype.element_ty)
    tl.store(y_ptr + m[:, None] * C + n[None, :], y, mask=inside)
    if STATISTICS:  # of what was stored
        z = tl.where(inside, y.to(tl.float32), 0.0)
        level = tl.sum(z, axis=0) / tl.minimum(rows - tile_m * BLOCK_M, BLOCK_M)
        off = tl.where(inside, z - level[None, :], 0.0)
        to = partial_ptr + tile_m.to(tl.int64) * (3 * C) + n
        tl.store(to, level, mask=in_n)
        tl.store(to + C, tl.sum(off, axis=0), mask=in_n)
        tl.store(to + 2 * C, tl.sum(off * off, axis=0), mask=in_n)


@triton.jit(do_not_specialize=["rows", "start", "step", "middle"])
def _convolve_kernel(
    x_ptr,
    w_ptr,
    bias_ptr,
    y_ptr,
    mask_ptr,
    gate_ptr,
    partial_ptr,
    rows,
    L_IN,
    L_OUT,
    start,
    step,
    middle,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    TAPS: tl.constexpr,
    CODES: tl.constexpr,
    FLAT: tl.constexpr,
    BIAS: tl.constexpr,
    RELU: tl.constexpr,
    MASK: tl.constexpr,
    GATE: tl.constexpr,
    RESIDUAL: tl.constexpr,
    STATISTICS: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    WORD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_N2: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """A program owns BLOCK_M rows of BLOCK_N + BLOCK_N2 channels, all of the inner axis."""
    SPAN_N: tl.constexpr = BLOCK_N + BLOCK_N2
    BLOCKS_N: tl.constexpr = (C_OUT + SPAN_N - 1) // SPAN_N
    DEPTH: tl.constexpr = TAPS * C_IN if FLAT else (C_IN + BLOCK_K - 1) // BLOCK_K * BLOCK_K * TAPS
    program = tl.program_id(0)
    tile_m = program // BLOCKS_N
    first_n = program % BLOCKS_N * SPAN_N  # neighbours share their rows in the cache
    m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    in_m = m < rows
    at = m % L_OUT
    first = (m // L_OUT).to(tl.int64) * L_IN + at
    n = first_n + tl.arange(0, BLOCK_N)
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if BLOCK_N2 > 0:
        n2 = first_n + BLOCK_N + tl.arange(0, BLOCK_N2)
        acc2 = tl.zeros([BLOCK_M, BLOCK_N2], tl.float32)
    for block in range(0, (DEPTH + BLOCK_K - 1) // BLOCK_K):
        a, k, in_k = inputs(
            x_ptr, gate_ptr, first, at, in_m, L_IN, start, step, block,
            C_IN, TAPS, CODES, FLAT, GATE, WORD, BLOCK_M, BLOCK_K,
        )  # fmt: skip
        a = a.to(w_ptr.dtype.element_ty)
        taps = w_ptr + k[:, None] * C_OUT
        w = tl.load(taps + n[None, :], mask=in_k[:, None] & (n < C_OUT)[None, :], other=0)
        acc = multiply(a, w, acc, PRECISION, WIDEN)
        if BLOCK_N2 > 0:
            w2 = tl.load(taps + n2[None, :], mask=in_k[:, None] & (n2 < C_OUT)[None, :], other=0)
            acc2 = multiply(a, w2, acc2, PRECISION, WIDEN)
    _finish(
        acc, first_n, m, tile_m, first, at, rows,
        x_ptr, bias_ptr, y_ptr, mask_ptr, partial_ptr, L_IN, middle,
        C_OUT, BIAS, RELU, MASK, RESIDUAL, STATISTICS, WORD, BLOCK_M, BLOCK_N,
    )  # fmt: skip
    if BLOCK_N2 > 0:
        _finish(
            acc2, first_n + BLOCK_N, m, tile_m, first, at, rows,
            x_ptr, bias_ptr, y_ptr, mask_ptr, partial_ptr, L_IN, middle,
            C_OUT, BIAS, RELU, MASK, RESIDUAL, STATISTICS, WORD, BLOCK_M, BLOCK_N2,
        )  # fmt: skip


INTERPRETED = not isinstance(_convolve_kernel, triton.JITFunction)
