"""Numba loops of `topic_nll`. Each is self-contained; one thread runs one call.

B rows, D features, M topics. A call owns a piece of the features. There is a fixed number of
pieces, whose sums the caller adds in order: the bits do not depend on the number of threads.
"""

import math

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

CHUNK = 32  # features whose exponentials are added in float32

LOWEST = np.float32(-87)  # what is below has an exponential of 0
LOG2E = np.float32(1.4426950408889634)
LN2_HIGH = np.float32(0.693359375)  # 9 bits: a multiple is exact
LN2_LOW = np.float32(-2.12194440054690583e-4)
HALF, ONE = np.float32(0.5), np.float32(1)
C2, C3, C4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
C5, C6, C7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)


@jit
def exp_row(x: F32, shift: F32, bits: I32, powers: F32, out: F32) -> None:
    """exp(x - shift) to a relative error of 3e-7, in vectors: the C library's goes one by one.

    exp(a) = 2**k * exp(r) with \\|r\\| < 0.35, of which Taylor's series is taken. `powers` are the
    bytes of `bits` as floats, where 2**k is made.
    """
    for m in range(x.shape[0]):
        a = x[m] - shift[m]
        a = max(a, LOWEST)
        k = np.floor(a * LOG2E + HALF)
        r = a - k * LN2_HIGH - k * LN2_LOW
        series = C5 + r * (C6 + r * C7)
        series = C2 + r * (C3 + r * (C4 + r * series))
        out[m] = ONE + r * (ONE + r * series)
        bits[m] = (np.int32(k) + np.int32(127)) << np.int32(23)
    for m in range(x.shape[0]):
        out[m] *= powers[m]


@jit
def mass(logits: F32, first: int, last: int, top: F32, total: F64) -> None:
    """Of features [first, last): the largest logit of each topic, and the sum of exp(logit - top).

    `top` (M) and `total` (M) are written.
    """
    n = logits.shape[1]
    bits = np.empty(n, np.int32)
    powers = bits.view(np.float32)
    row = np.empty(n, np.float32)
    part = np.empty(n, np.float32)
    highest = np.empty(n, np.float32)
    top[:] = -np.inf
    total[:] = 0
    for start in range(first, last, CHUNK):
        stop = min(start + CHUNK, last)
        highest[:] = logits[start]
        for feature in range(start + 1, stop):
            own = logits[feature]
            for m in range(n):
                highest[m] = max(highest[m], own[m])
        for m in range(n):
            if highest[m] > top[m]:
                if total[m] > 0:
                    total[m] *= math.exp(np.float64(top[m]) - np.float64(highest[m]))
                top[m] = highest[m]
        part[:] = 0
        for feature in range(start, stop):
            exp_row(logits[feature], top, bits, powers, row)
            for m in range(n):
                part[m] += row[m]
        for m in range(n):
            total[m] += part[m]


@jit
def likelihood(
    z: F32,
    logits: F32,
    log_mass: F32,
    starts: I64,
    rows: I32,
    counts: F32,
    first: int,
    last: int,
    ratios: F32,
    loss: F64,
    dz: F32,
) -> None:
    """Of features [first, last): their part of `loss` (B) and of its gradient `dz` (B, M) in z.

    Both are zeros at first. Into `ratios` goes count / p of each count: what the gradient in the
    logits needs.
    """
    n = logits.shape[1]
    bits = np.empty(n, np.int32)
    powers = bits.view(np.float32)
    theta = np.empty(n, np.float32)
    whole = n - n % 16
    lanes = np.empty(16, np.float32)
    for feature in range(first, last):
        if starts[feature] == starts[feature + 1]:
            continue
        exp_row(logits[feature], log_mass, bits, powers, theta)
        for at in range(starts[feature], starts[feature + 1]):
            row = rows[at]
            own = z[row]
            lanes[:] = 0
            for m in range(0, whole, 16):
                for lane in range(16):
                    lanes[lane] += own[m + lane] * theta[m + lane]
            p = np.float32(0)
            for m in range(whole, n):
                p += own[m] * theta[m]
            for lane in range(16):
                p += lanes[lane]
            ratio = counts[at] / p
            ratios[at] = ratio
            loss[row] -= counts[at] * math.log(p)
            slope = dz[row]
            for m in range(n):
                slope[m] -= ratio * theta[m]


@jit
def logit_gradient(
    z: F32,
    logits: F32,
    log_mass: F32,
    starts: I64,
    rows: I32,
    ratios: F32,
    pull: F32,
    first: int,
    last: int,
    dlogits: F32,
) -> None:
    """Write features [first, last) of dlogits (D, M).

    `z` (B, M) is times the loss's upstream gradient of each row, and `pull` (M) is
    ``sum_i z_im dz_im``: the sum over features of theta times its gradient.
    """
    n = logits.shape[1]
    bits = np.empty(n, np.int32)
    powers = bits.view(np.float32)
    theta = np.empty(n, np.float32)
    for feature in range(first, last):
        exp_row(logits[feature], log_mass, bits, powers, theta)
        gradient = dlogits[feature]
        for m in range(n):
            gradient[m] = -pull[m]
        for at in range(starts[feature], starts[feature + 1]):
            own = z[rows[at]]
            ratio = ratios[at]
            for m in range(n):
                gradient[m] -= ratio * own[m]
        for m in range(n):
            gradient[m] *= theta[m]


@jit
def adam(
    z: F32,
    log_mass: F32,
    starts: I64,
    rows: I32,
    ratios: F32,
    pull: F32,
    first: int,
    last: int,
    logits: F32,
    mean: F32,
    square: F32,
    rates: F32,
) -> None:
    """Move features [first, last) of logits (D, M): their gradient, and Adam's step on it.

    `mean` and `square` are Adam's averages; `rates` as in `gapped_linear.cpu.adam`.
    """
    size, new, new_square, root, eps = rates[0], rates[1], rates[2], rates[3], rates[4]
    kept = rates[5]
    old, old_square = ONE - new, ONE - new_square
    n = logits.shape[1]
    bits = np.empty(n, np.int32)
    powers = bits.view(np.float32)
    theta = np.empty(n, np.float32)
    gradient = np.empty(n, np.float32)
    for feature in range(first, last):
        exp_row(logits[feature], log_mass, bits, powers, theta)
        for m in range(n):
            gradient[m] = -pull[m]
        for at in range(starts[feature], starts[feature + 1]):
            own = z[rows[at]]
            ratio = ratios[at]
            for m in range(n):
                gradient[m] -= ratio * own[m]
        w, mu, s = logits[feature], mean[feature], square[feature]
        for m in range(n):
            g = gradient[m] * theta[m]
            mu[m] = old * mu[m] + new * g
            s[m] = old_square * s[m] + new_square * g * g
            w[m] = kept * w[m] - size * mu[m] / (np.sqrt(s[m]) * root + eps)
