"""Numba loops of `gapped_linear`. Each is self-contained; one thread runs one call.

B rows, D features, U units. A call owns a block of units, or a block of features: neither changes
the order in which anything is added, so that the bits do not depend on the number of threads.
"""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@jit
def count_columns(
    indptr: I64, words: I32, p_indptr: I64, p_features: I32, last: I32, starts: I64
) -> None:
    """Into ``starts[f + 1]`` (D + 1, zeros) how many rows have feature f; `last` is all -1."""
    for row in range(indptr.shape[0] - 1):
        for j in range(indptr[row], indptr[row + 1]):
            word = words[j]
            for at in range(p_indptr[word], p_indptr[word + 1]):
                feature = p_features[at]
                if last[feature] != row:
                    last[feature] = row
                    starts[feature + 1] += 1


@jit
def fill_columns(
    indptr: I64,
    words: I32,
    counts: F32,
    p_indptr: I64,
    p_features: I32,
    ends: I64,
    last: I32,
    rows: I32,
    totals: F32,
) -> None:
    """Each feature's rows, ascending, and its counts in them; `ends` (D) begin where they begin."""
    for row in range(indptr.shape[0] - 1):
        for j in range(indptr[row], indptr[row + 1]):
            word = words[j]
            count = counts[j]
            for at in range(p_indptr[word], p_indptr[word + 1]):
                feature = p_features[at]
                if last[feature] != row:
                    last[feature] = row
                    rows[ends[feature]] = row
                    totals[ends[feature]] = count
                    ends[feature] += 1
                else:
                    totals[ends[feature] - 1] += count


@jit
def forward_columns(
    starts: I64, rows: I32, counts: F32, weight: F32, first: int, last: int, y: F32
) -> None:
    """Add to units [first, last) of y (B, U, zeros): a feature's weights are read once."""
    for feature in range(starts.shape[0] - 1):
        own = weight[feature, first:last]
        for at in range(starts[feature], starts[feature + 1]):
            sums = y[rows[at], first:last]
            count = counts[at]
            for unit in range(own.shape[0]):
                sums[unit] += count * own[unit]


@jit
def forward_words(
    indptr: I64,
    words: I32,
    counts: F32,
    weight: F32,
    p_indptr: I64,
    p_features: I32,
    first: int,
    last: int,
    y: F32,
) -> None:
    """Add to units [first, last) of y (B, U, zeros): what a word contributes is added up once."""
    place = np.full(p_indptr.shape[0] - 1, -1, np.int32)
    n = 0
    for j in range(words.shape[0]):
        if place[words[j]] < 0:
            place[words[j]] = n
            n += 1
    table = np.zeros((n, last - first), np.float32)
    for word in range(place.shape[0]):
        if place[word] < 0:
            continue
        own = table[place[word]]
        for at in range(p_indptr[word], p_indptr[word + 1]):
            weights = weight[p_features[at], first:last]
            for unit in range(own.shape[0]):
                own[unit] += weights[unit]
    for row in range(indptr.shape[0] - 1):
        sums = y[row, first:last]
        for j in range(indptr[row], indptr[row + 1]):
            own = table[place[words[j]]]
            count = counts[j]
            for unit in range(sums.shape[0]):
                sums[unit] += count * own[unit]


@jit
def weight_gradient(
    starts: I64, rows: I32, counts: F32, dy: F32, first: int, last: int, dweight: F32
) -> None:
    """Write features [first, last) of dweight (D, U)."""
    for feature in range(first, last):
        own = dweight[feature]
        own[:] = 0
        for at in range(starts[feature], starts[feature + 1]):
            upstream = dy[rows[at]]
            count = counts[at]
            for unit in range(own.shape[0]):
                own[unit] += count * upstream[unit]


@jit
def adam(
    starts: I64,
    rows: I32,
    counts: F32,
    dy: F32,
    first: int,
    last: int,
    weight: F32,
    mean: F32,
    square: F32,
    rates: F32,
) -> None:
    """Move features [first, last) of weight (D, U): their gradient, and Adam's step on it.

    `mean` and `square` are Adam's averages; `rates` are its learning rate over the correction of
    the mean, 1 - beta 1, 1 - beta 2, one over the root of the correction of the square, eps, and
    the share of a weight that decay leaves.
    """
    size, new, new_square, root, eps = rates[0], rates[1], rates[2], rates[3], rates[4]
    kept = rates[5]
    old, old_square = np.float32(1) - new, np.float32(1) - new_square
    gradient = np.empty(weight.shape[1], np.float32)
    for feature in range(first, last):
        gradient[:] = 0
        for at in range(starts[feature], starts[feature + 1]):
            upstream = dy[rows[at]]
            count = counts[at]
            for unit in range(gradient.shape[0]):
                gradient[unit] += count * upstream[unit]
        w, m, s = weight[feature], mean[feature], square[feature]
        for unit in range(gradient.shape[0]):
            g = gradient[unit]
            m[unit] = old * m[unit] + new * g
            s[unit] = old_square * s[unit] + new_square * g * g
            w[unit] = kept * w[unit] - size * m[unit] / (np.sqrt(s[unit]) * root + eps)
