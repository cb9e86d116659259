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
from native_kernels.dilated_conv._tiles import HOPPER, SPLIT_PROGRAMS, Tile, split_channels, tile

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
    partial, rows = _convolve(
        x.contiguous(),
        taps,
        y,
        window,
        bias=None if bias is None else bias.contiguous(),
        mask=mask if keep_mask else None,
        relu=relu,
        residual=residual,
        statistics=statistics,
        tf32=tf32,
    )
    if statistics:
        sums = _join_statistics(partial, y.shape[0] * y.shape[1], rows)
    return y, mask, sums


def backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    window: Window,
    *,
    residual: bool,
    need_x: bool,
    need_weight: bool,
    need_bias: bool,
    tf32: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to input, weight (taps, in, out) and bias; 0 elements where not asked.

    The last two are float32.
    """
    dy, x = dy.contiguous(), x.contiguous()
    dx = dy.new_empty(x.shape if need_x else 0)
    if need_x:
        taps = weight.permute(2, 0, 1).to(dy.dtype).contiguous()
        _convolve(dy, taps, dx, window.turned(), gate=mask, residual=residual, tf32=tf32)
    dweight, dbias = dy.new_empty(0), dy.new_empty(0)
    if need_weight or need_bias:
        dweight, dbias = _weight_gradient(dy, x, weight, mask, window, tf32=tf32)
    return dx, dweight, dbias


def _convolve(
    x: Tensor,
    taps: Tensor,
    y: Tensor,
    window: Window,
    *,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    gate: Tensor | None = None,
    relu: bool = False,
    residual: bool = False,
    statistics: bool = False,
    tf32: bool = False,
) -> tuple[Tensor, int]:
    """Launch `_convolve_kernel`; statistics of each tile, if asked for, and a tile's rows."""
    n_taps, c_in, c_out = taps.shape
    aligned = all(c * y.element_size() % 16 == 0 for c in (c_in, c_out))
    size = _tile("forward", y, ragged=c_in >= FLAT_CHANNELS and not aligned)
    block_n, block_n2 = split_channels(c_out, size.channels)
    rows = y.shape[0] * y.shape[1]
    blocks_m = triton.cdiv(rows, size.rows)
    blocks_n = triton.cdiv(c_out, block_n + block_n2)
    partial = y.new_empty((blocks_m, 3, c_out) if statistics else 0, dtype=torch.float32)
    if rows == 0:
        return partial, size.rows
    _convolve_kernel[(blocks_m * blocks_n,)](
        x,
        taps,
        x if bias is None else bias,
        y,
        y if mask is None else mask,
        y if gate is None else gate,
        partial,
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
        STATISTICS=statistics,
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
    return partial, size.rows


def _weight_gradient(
    dy: Tensor, x: Tensor, weight: Tensor, mask: Tensor | None, window: Window, *, tf32: bool
) -> tuple[Tensor, Tensor]:
    """Sums over rows in slices of a fixed order, then over the slices: no atomics."""
    c_out, c_in, n_taps = weight.shape
    size = _tile("weights", dy)
    flat = c_in < FLAT_CHANNELS
    block_n, block_n2 = split_channels(c_out, size.channels)
    block_k = min(size.rows, max(16, triton.next_power_of_2(n_taps * c_in if flat else c_in)))
    blocks_n = triton.cdiv(c_out, block_n + block_n2)
    blocks_k = triton.cdiv(n_taps * c_in, block_k) if flat else n_taps * triton.cdiv(c_in, block_k)
    rows = dy.shape[0] * dy.shape[1]
    slices = max(1, min(SPLIT_PROGRAMS // (blocks_k * blocks_n), triton.cdiv(rows, 8 * size.depth)))
    span = triton.cdiv(triton.cdiv(rows, slices), size.depth) * size.depth
    dweight = dy.new_empty((slices, n_taps, c_in, c_out), dtype=torch.float32)
    dbias = dy.new_empty((slices, c_out), dtype=torch.float32)
    if rows == 0:
        return dweight.new_zeros(n_taps, c_in, c_out), dbias.new_zeros(c_out)
    _weight_kernel[(blocks_k * blocks_n * slices,)](
        x,
        dy,
        dy if mask is None else mask,
        dweight,
        dbias,
        rows,
        span,
        x.shape[1],
        dy.shape[1],
        window.start,
        window.step,
        C_IN=c_in,
        C_OUT=c_out,
        TAPS=n_taps,
        CODES=x.dtype == torch.uint8,
        FLAT=flat,
        GATE=mask is not None,
        PRECISION="tf32" if tf32 else "ieee",
        WIDEN=INTERPRETED,
        WORD=WORD,
        BLOCK_K=block_k,
        BLOCK_N=block_n,
        BLOCK_N2=block_n2,
        BLOCK_R=size.depth,
        num_warps=size.warps,
        num_stages=size.stages,
    )
    return dweight.sum(0), dbias.sum(0)


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


def _tile(op: str, values: Tensor, *, ragged: bool = False) -> Tile:
    major = torch.cuda.get_device_capability(values.device)[0] if values.is_cuda else HOPPER
    return tile(op, major, values.element_size(), ragged=ragged)


def _depth(inner: int, size: Tile) -> int:
    """Block of the inner axis: no longer than the axis."""
    return min(size.depth, max(16, 1 << math.ceil(math.log2(inner))))


@triton.jit
def _multiply(a, b, acc, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    if WIDEN:  # Triton's interpreter has no product of bfloat16; that of float32 is the same
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision=PRECISION)


@triton.jit
def _open_block(
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
def _inputs(
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
            bits = _open_block(gate_ptr, row, in_region, first_c, C, WORD, ROWS, BLOCK_K)
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
        a, k, in_k = _inputs(
            x_ptr, gate_ptr, first, at, in_m, L_IN, start, step, block,
            C_IN, TAPS, CODES, FLAT, GATE, WORD, BLOCK_M, BLOCK_K,
        )  # fmt: skip
        a = a.to(w_ptr.dtype.element_ty)
        taps = w_ptr + k[:, None] * C_OUT
        w = tl.load(taps + n[None, :], mask=in_k[:, None] & (n < C_OUT)[None, :], other=0)
        acc = _multiply(a, w, acc, PRECISION, WIDEN)
        if BLOCK_N2 > 0:
            w2 = tl.load(taps + n2[None, :], mask=in_k[:, None] & (n2 < C_OUT)[None, :], other=0)
            acc2 = _multiply(a, w2, acc2, PRECISION, WIDEN)
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
        bits = _open_block(gate_ptr, m, in_m, first_n, C, WORD, BLOCK_R, BLOCK)
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
        a, _k, _in_k = _inputs(
            x_ptr, gate_ptr, first, at, in_m, L_IN, start, step, block,
            C_IN, TAPS, CODES, FLAT, GATE=False, WORD=WORD, ROWS=BLOCK_R, BLOCK_K=BLOCK_K,
        )  # fmt: skip
        a = tl.trans(a.to(dy_ptr.dtype.element_ty))
        g = _gradient_tile(dy_ptr, gate_ptr, m, in_m, first_n, C_OUT, GATE, WORD, BLOCK_R, BLOCK_N)
        acc = _multiply(a, g, acc, PRECISION, WIDEN)
        if SUM_BIAS:
            sums += tl.sum(g.to(tl.float32), axis=0)
        if BLOCK_N2 > 0:
            g2 = _gradient_tile(
                dy_ptr, gate_ptr, m, in_m, first_n + BLOCK_N, C_OUT, GATE, WORD, BLOCK_R, BLOCK_N2
            )
            acc2 = _multiply(a, g2, acc2, PRECISION, WIDEN)
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
    last_row = tl.minimum(first_row + span, rows)
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


INTERPRETED = not isinstance(_convolve_kernel, triton.JITFunction)
