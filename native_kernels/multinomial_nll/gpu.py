# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# mypy: disable-error-code="import-untyped, import-not-found"
"""Triton kernels of `multinomial_nll`. Importing this module needs Triton.

Profiles are (B, T, S, P) with any strides. A group is what shares one distribution: the inner
strands of a task if they are joint (G = 1), else each strand (G = S, and one inner strand).
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from native_kernels.multinomial_nll._layout import empty_gradients, empty_results

TILE = 2048  # elements that a program holds at a time
WARPS = 4


def forward(
    logits: Tensor,
    counts: Tensor,
    bias: Tensor | None,
    predicted: Tensor | None,
    start: int,
    joint: bool,  # noqa: FBT001
    per_profile: bool,  # noqa: FBT001
    constant: bool,  # noqa: FBT001
    log_counts: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Loss, total loss (0 elements without `predicted`), top, log mass and total.

    Each float32, (B, T, G); logsumexp is ``top + log mass``, apart because their sum loses digits.
    """
    loss, total_loss, top, log_mass, total = empty_results(logits, predicted, joint=joint)
    B, T, S, _ = logits.shape
    G, inner = (1, S) if joint else (S, 1)
    L = counts.shape[-1]
    if loss.numel() == 0:
        return loss, total_loss, top, log_mass, total
    block_T, block_L = _tile(logits, L)
    blocks = triton.cdiv(T, block_T)
    steps = _Steps(joint, L, logits, counts, logits if bias is None else bias)
    _forward_kernel[(B * G * blocks,)](
        logits[..., start : start + L],
        counts,
        logits if bias is None else bias,
        logits if predicted is None else predicted.contiguous(),
        loss,
        total_loss,
        top,
        log_mass,
        total,
        T,
        inner,
        L // steps.align,
        G,
        blocks,
        *steps.of(logits),
        *steps.of(counts),
        *steps.of(logits if bias is None else bias),
        HAS_BIAS=bias is not None,
        HAS_PREDICTED=predicted is not None,
        LOG_COUNTS=log_counts,
        PER_PROFILE=per_profile,
        CONSTANT=constant,
        ALIGN=steps.align,
        BLOCK_T=block_T,
        BLOCK_L=block_L,
        num_warps=WARPS,
    )
    return loss, total_loss, top, log_mass, total


def backward(
    dloss: Tensor,
    dtotal_loss: Tensor,
    logits: Tensor,
    counts: Tensor,
    bias: Tensor | None,
    predicted: Tensor | None,
    top: Tensor,
    log_mass: Tensor,
    total: Tensor,
    start: int,
    joint: bool,  # noqa: FBT001
    per_profile: bool,  # noqa: FBT001
    log_counts: bool,  # noqa: FBT001
    need_bias: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to logits, bias and predicted; 0 elements for what is not there."""
    dlogits, dbias, dpredicted = empty_gradients(logits, bias, predicted, need_bias=need_bias)
    B, T, S, P = logits.shape
    G, inner = (1, S) if joint else (S, 1)
    L = counts.shape[-1]
    if dlogits.numel() == 0:
        return dlogits, dbias.zero_(), dpredicted
    # The sum over tasks is one program's own loop; without it, tasks are programs of their own.
    sum_tasks = need_bias and bias is not None and bias.shape[1] == 1
    sums = logits.new_empty((B, S, L) if sum_tasks else (0,), dtype=torch.float32)
    block_T, block_L = _tile(logits, P)
    if sum_tasks and logits.stride(3) == 1:  # regions x bp must fill the device without tasks
        tasks = triton.next_power_of_2(T)
        block_L = min(triton.next_power_of_2(P), max(64, TILE // tasks))
        block_T = min(tasks, TILE // block_L)
    span_T = T if sum_tasks else block_T
    steps = _Steps(joint, L, logits, counts, logits if bias is None else bias, dlogits, P, start)
    blocks_T, blocks_L = triton.cdiv(T, span_T), triton.cdiv(P, block_L)
    _backward_kernel[(B * S * blocks_T * blocks_L,)](
        dloss.contiguous(),
        dtotal_loss.contiguous(),
        logits,
        counts,
        logits if bias is None else bias,
        logits if predicted is None else predicted.contiguous(),
        top,
        log_mass,
        total,
        dlogits,
        sums,
        dpredicted,
        T,
        inner,
        P // steps.align,
        L // steps.align,
        start // steps.align,
        G,
        span_T,
        blocks_T,
        blocks_L,
        *steps.of(logits),
        *steps.of(counts),
        *steps.of(logits if bias is None else bias),
        *steps.of(dlogits),
        HAS_BIAS=bias is not None,
        HAS_PREDICTED=predicted is not None,
        LOG_COUNTS=log_counts,
        PER_PROFILE=per_profile,
        SUM_TASKS=sum_tasks,
        ALIGN=steps.align,
        BLOCK_T=block_T,
        BLOCK_L=block_L,
        num_warps=WARPS,
    )
    if need_bias and bias is not None:
        inside = sums[:, None] if sum_tasks else dlogits[..., start : start + L].float()
        dbias = inside.sum_to_size(bias.shape).to(bias.dtype)
    return dlogits, dbias, dpredicted


class _Steps:
    """Strides as the kernels take them: in units of `align` elements, which divides all of them.

    A compiler that knows the unit loads up to 16 bytes at a time. `align` is above 1 only where
    every tensor is dense along positions.
    """

    def __init__(self, joint: bool, *profiles_and_lengths: Tensor | int) -> None:  # noqa: FBT001
        self.joint = joint
        self.align = 1
        units = [8]
        for one in profiles_and_lengths:
            if isinstance(one, int):
                units.append(one)
            elif one.stride(3) != 1:
                return
            else:
                units += [step for step in _leading(one) if step]
        self.align = math.gcd(*units)

    def of(self, profiles: Tensor) -> tuple[int, ...]:
        """Steps of region, task, group and inner strand in units, and of position in elements."""
        b, t, s = (step // self.align for step in _leading(profiles))
        return (b, t, 0, s, profiles.stride(3)) if self.joint else (b, t, s, 0, profiles.stride(3))


def _leading(profiles: Tensor) -> list[int]:
    """Strides of region, task and strand; 0 along what is shared."""
    return [profiles.stride(i) if profiles.shape[i] > 1 else 0 for i in range(3)]


def _tile(profiles: Tensor, length: int) -> tuple[int, int]:
    """Tasks and positions of a program's tile: long along the axis that is dense in memory.

    No size of it depends on the number of regions.
    """
    tasks = triton.next_power_of_2(profiles.shape[1])
    length = triton.next_power_of_2(max(length, 1))
    if profiles.stride(3) == 1 or profiles.stride(1) != 1:
        block_L = min(length, 1024)
        return min(tasks, TILE // block_L), block_L
    block_T = min(tasks, 32)  # counts are dense along the other axis: a square serves both
    return block_T, min(length, 32)


@triton.jit
def _log_factorial(y):
    """log(y!) for y >= 0 by Stirling's series, from 8 upwards and by recurrence below."""
    low = y < 7
    z = tl.where(low, y + 9, y + 1)
    w = tl.where(low, y + 1, 1.0)
    rising = w * (w + 1) * (w + 2) * (w + 3) * (w + 4) * (w + 5) * (w + 6) * (w + 7)
    inverse = 1 / z
    square = inverse * inverse
    tail = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260)))
    value = (z - 0.5) * tl.log(z) - z + 0.9189385332046727 + tail
    value -= tl.where(low, tl.log(rising), 0.0)
    return tl.where((y == 0) | (y == 1), 0.0, value)  # thousands of zeros must not add an error


@triton.jit
def _log1p(x):
    """log(1 + x), to full precision for small x too."""
    u = 1 + x
    plain = tl.log(u)
    off = u - 1
    return tl.where(off == 0, x, plain * (x / tl.where(off == 0, 1.0, off)))


@triton.jit
def _forward_kernel(
    x_ptr,
    y_ptr,
    bias_ptr,
    predicted_ptr,
    loss_ptr,
    total_loss_ptr,
    top_ptr,
    log_mass_ptr,
    total_ptr,
    T,
    S,
    L,
    G,
    blocks,
    x_b,
    x_t,
    x_g,
    x_s,
    x_l,
    y_b,
    y_t,
    y_g,
    y_s,
    y_l,
    bias_b,
    bias_t,
    bias_g,
    bias_s,
    bias_l,
    HAS_BIAS: tl.constexpr,
    HAS_PREDICTED: tl.constexpr,
    LOG_COUNTS: tl.constexpr,
    PER_PROFILE: tl.constexpr,
    CONSTANT: tl.constexpr,
    ALIGN: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_L: tl.constexpr,
):
    """A program owns BLOCK_T tasks of one group of one region, and reads their profiles once."""
    program = tl.program_id(0).to(tl.int64)
    block = program % blocks
    b = program // blocks // G
    g = program // blocks % G
    t = block * BLOCK_T + tl.arange(0, BLOCK_T)  # int64, as all that follows from it
    in_T = t < T
    L *= ALIGN
    x_ptr += (b * x_b + g * x_g) * ALIGN
    y_ptr += (b * y_b + g * y_g) * ALIGN
    bias_ptr += (b * bias_b + g * bias_g) * ALIGN

    top = tl.full([BLOCK_T], float("-inf"), tl.float32)
    mass = tl.zeros([BLOCK_T], tl.float32)  # sum of exp(x - top)
    total = tl.zeros([BLOCK_T], tl.float32)
    match = tl.zeros([BLOCK_T], tl.float32)  # sum of y * (x - top): small where y * x is not
    orders = tl.zeros([BLOCK_T], tl.float32)  # sum of log(y!)
    for s in range(S):
        s64 = tl.cast(s, tl.int64)
        for first in range(0, L, BLOCK_L):
            w = first + tl.arange(0, BLOCK_L).to(tl.int64)
            inside = in_T[:, None] & (w < L)[None, :]
            x_at = (s64 * x_s + t[:, None] * x_t) * ALIGN + w[None, :] * x_l
            y_at = (s64 * y_s + t[:, None] * y_t) * ALIGN + w[None, :] * y_l
            x = tl.load(x_ptr + x_at, mask=inside, other=float("-inf")).to(tl.float32)
            y = tl.load(y_ptr + y_at, mask=inside, other=0).to(tl.float32)
            if HAS_BIAS:
                bias_at = (s64 * bias_s + t[:, None] * bias_t) * ALIGN + w[None, :] * bias_l
                x += tl.load(bias_ptr + bias_at, mask=inside, other=0).to(tl.float32)
            new_top = tl.maximum(top, tl.max(x, axis=1))
            level = tl.where(new_top == float("-inf"), 0.0, new_top)
            mass = mass * tl.exp(top - level) + tl.sum(tl.exp(x - level[:, None]), axis=1)
            match += total * tl.where(total != 0, top - level, 0.0)  # never 0 * -inf
            match += tl.sum(y * tl.where(y != 0, x - level[:, None], 0.0), axis=1)
            total += tl.sum(y, axis=1)
            if CONSTANT:
                orders += tl.sum(_log_factorial(y), axis=1)
            top = new_top

    open_row = mass != 0
    log_mass = tl.log(tl.where(open_row, mass, 1.0))
    loss = tl.where(open_row, total * log_mass - match, float("inf"))
    if CONSTANT:
        loss += orders - _log_factorial(total)
    if PER_PROFILE:
        loss /= tl.where(total <= 0, 1.0, total)
    loss = tl.where(total <= 0, 0.0, loss)
    at = (b * T + t) * G + g
    tl.store(loss_ptr + at, loss, mask=in_T)
    tl.store(total_ptr + at, total, mask=in_T)
    tl.store(top_ptr + at, top, mask=in_T)
    tl.store(log_mass_ptr + at, log_mass, mask=in_T)
    if HAS_PREDICTED:
        predicted = tl.load(predicted_ptr + at, mask=in_T, other=0).to(tl.float32)
        if not LOG_COUNTS:
            predicted = _log1p(predicted)
        off = predicted - _log1p(total)
        tl.store(total_loss_ptr + at, off * off, mask=in_T)


@triton.jit
def _backward_kernel(
    dloss_ptr,
    dtotal_loss_ptr,
    x_ptr,
    y_ptr,
    bias_ptr,
    predicted_ptr,
    top_ptr,
    log_mass_ptr,
    total_ptr,
    dx_ptr,
    sums_ptr,
    dpredicted_ptr,
    T,
    S,
    P,
    L,
    start,
    G,
    span_T,
    blocks_T,
    blocks_L,
    x_b,
    x_t,
    x_g,
    x_s,
    x_l,
    y_b,
    y_t,
    y_g,
    y_s,
    y_l,
    bias_b,
    bias_t,
    bias_g,
    bias_s,
    bias_l,
    dx_b,
    dx_t,
    dx_g,
    dx_s,
    dx_l,
    HAS_BIAS: tl.constexpr,
    HAS_PREDICTED: tl.constexpr,
    LOG_COUNTS: tl.constexpr,
    PER_PROFILE: tl.constexpr,
    SUM_TASKS: tl.constexpr,
    ALIGN: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_L: tl.constexpr,
):
    """A program owns BLOCK_L positions of span_T tasks on one strand of one region.

    It writes zeros outside the window, and with SUM_TASKS the sum over all tasks.
    """
    program = tl.program_id(0).to(tl.int64)
    block_L = program % blocks_L
    block_T = program // blocks_L % blocks_T
    strand = program // blocks_L // blocks_T % (S * G)
    b = program // blocks_L // blocks_T // (S * G)
    g = strand % G
    s = strand // G
    P *= ALIGN
    L *= ALIGN
    q = block_L * BLOCK_L + tl.arange(0, BLOCK_L)  # position of the logits
    w = q - start * ALIGN  # of the window
    in_L = (w >= 0) & (w < L)
    x_ptr += (b * x_b + g * x_g + s * x_s) * ALIGN
    y_ptr += (b * y_b + g * y_g + s * y_s) * ALIGN
    bias_ptr += (b * bias_b + g * bias_g + s * bias_s) * ALIGN
    dx_ptr += (b * dx_b + g * dx_g + s * dx_s) * ALIGN

    sums = tl.zeros([BLOCK_L], tl.float32)
    for first in range(0, span_T, BLOCK_T):
        t = block_T * span_T + first + tl.arange(0, BLOCK_T)
        in_T = t < T
        at = (b * T + t) * G + g
        top = tl.load(top_ptr + at, mask=in_T, other=float("-inf"))
        log_mass = tl.load(log_mass_ptr + at, mask=in_T, other=0)
        total = tl.load(total_ptr + at, mask=in_T, other=0)
        scale = tl.load(dloss_ptr + at, mask=in_T, other=0)
        if PER_PROFILE:
            scale /= tl.where(total <= 0, 1.0, total)
        live = (total <= 0) == 0  # a total that is no number is not passed over
        live = live & (top > float("-inf"))
        level = tl.where(live, top, 0.0)
        inside = in_T[:, None] & in_L[None, :]
        x_at = t[:, None] * x_t * ALIGN + q[None, :] * x_l
        y_at = t[:, None] * y_t * ALIGN + w[None, :] * y_l
        x = tl.load(x_ptr + x_at, mask=inside, other=float("-inf")).to(tl.float32)
        y = tl.load(y_ptr + y_at, mask=inside, other=0).to(tl.float32)
        if HAS_BIAS:
            bias_at = t[:, None] * bias_t * ALIGN + w[None, :] * bias_l
            x += tl.load(bias_ptr + bias_at, mask=inside, other=0).to(tl.float32)
        p = tl.exp(x - level[:, None] - log_mass[:, None])
        dx = scale[:, None] * (total[:, None] * p - y)
        dx = tl.where(live[:, None] & inside, dx, 0.0)
        dx_at = t[:, None] * dx_t * ALIGN + q[None, :] * dx_l
        written = in_T[:, None] & (q < P)[None, :]
        tl.store(dx_ptr + dx_at, dx.to(dx_ptr.dtype.element_ty), mask=written)
        if SUM_TASKS:
            sums += tl.sum(dx, axis=0)
        if HAS_PREDICTED:
            predicted = tl.load(predicted_ptr + at, mask=in_T, other=0).to(tl.float32)
            if LOG_COUNTS:
                slope = 2 * (predicted - _log1p(total))
            else:
                slope = 2 * (_log1p(predicted) - _log1p(total)) / (1 + predicted)
            slope *= tl.load(dtotal_loss_ptr + at, mask=in_T, other=0)
            slope = slope.to(dpredicted_ptr.dtype.element_ty)
            mine = tl.where(block_L + s == 0, T, 0)  # one program writes, of all that know it
            tl.store(dpredicted_ptr + at, slope, mask=t < mine)
    if SUM_TASKS:
        sums_at = (b * S * G + strand) * L + w
        tl.store(sums_ptr + sums_at, sums, mask=in_L)
