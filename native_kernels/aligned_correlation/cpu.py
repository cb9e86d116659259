"""Numba loops of `aligned_correlation`. Each is self-contained; one thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@jit
def fill_rows(
    low: int,
    high: int,
    values: F32,
    offsets: I64,
    sums: F32,
    scales: F32,
    first: I64,
    lengths: I64,
    blocks: F32,
    block_scales: F32,
    block_sums: F32,
    min_overlap: int,
    tables: F64,
    step: float,
    out: F32,
) -> None:
    """Write out[i (i - 1) / 2 + j] for low <= i < high and every j < i.

    A block of matrices stays in cache while all rows are laid over it. The innermost loop goes
    over its matrices, so that it needs no reordered sums to be done eight at a time.
    """
    full = blocks.shape[2]
    dots = np.empty(full, np.float32)
    best = np.empty(full, np.float32)
    union_of = np.empty(full, np.float32)
    turned = np.empty((lengths[high - 1] if high > low else 0, 4), np.float32)
    for b in range(first.shape[0] - 1):
        start = first[b]
        if start >= high:
            break
        n_y = lengths[start]
        y = blocks[b]
        y_scale = block_scales[b]
        y_sum = block_sums[b]
        for i in range(max(low, start + 1), high):
            width = min(first[b + 1], i) - start
            n_x = lengths[i]
            x = values[offsets[i] : offsets[i + 1]]
            for p in range(n_x):
                for c in range(4):
                    turned[p, c] = x[n_x - 1 - p, 3 - c]
            least = min(min_overlap, n_x, n_y)
            for w in range(width):
                best[w] = -2
                union_of[w] = 1
            for strand in range(2):
                for offset in range(least - n_y, n_x - least + 1):  # of y from x
                    for w in range(width):
                        dots[w] = 0
                    p_first, p_last = max(0, offset), min(n_x, offset + n_y)
                    for p in range(p_first, p_last):
                        if strand == 0:
                            x0, x1, x2, x3 = x[p, 0], x[p, 1], x[p, 2], x[p, 3]
                        else:
                            x0, x1, x2, x3 = turned[p, 0], turned[p, 1], turned[p, 2], turned[p, 3]
                        q = 4 * (p - offset)
                        y0, y1, y2, y3 = y[q], y[q + 1], y[q + 2], y[q + 3]
                        for w in range(width):
                            dots[w] += (x0 * y0[w] + x1 * y1[w]) + (x2 * y2[w] + x3 * y3[w])
                    union = n_x + n_y - (p_last - p_first)
                    expected = sums[i] / np.float32(4 * union)
                    scale = scales[i, union]
                    by_y = y_scale[union]
                    size = np.float32(union)
                    for w in range(width):
                        r = (dots[w] - expected * y_sum[w]) * (scale * by_y[w])
                        better = r > best[w]
                        best[w] = r if better else best[w]
                        union_of[w] = size if better else union_of[w]
            at = i * (i - 1) // 2 + start
            for w in range(width):
                r64 = np.float64(best[w])
                rest = max(1 - r64 * r64, 1e-300)
                place = np.sqrt(-np.log(rest)) / step
                table = tables[np.int64(union_of[w])]
                left = np.int64(place)
                if left >= table.shape[0] - 1:
                    score = table[table.shape[0] - 1]
                else:
                    score = table[left] + (place - left) * (table[left + 1] - table[left])
                if r64 <= 0:
                    score = -np.log10(2 - 10.0**-score)
                out[at + w] = score


@jit
def best(x: F64, y: F64, min_overlap: int) -> tuple[int, bool, float, int]:
    """Offset of y from x, whether y is reversed, r and union of the best alignment."""
    n_x, n_y = x.shape[0], y.shape[0]
    least = min(min_overlap, n_x, n_y)
    sum_x, sum_y, square_x, square_y = 0.0, 0.0, 0.0, 0.0
    for p in range(n_x):
        for c in range(4):
            sum_x += x[p, c]
            square_x += x[p, c] * x[p, c]
    for p in range(n_y):
        for c in range(4):
            sum_y += y[p, c]
            square_y += y[p, c] * y[p, c]
    top, top_offset, top_minus, top_union = -2.0, 0, False, 1
    for strand in range(2):
        for offset in range(least - n_y, n_x - least + 1):
            p_first, p_last = max(0, offset), min(n_x, offset + n_y)
            dot = 0.0
            for p in range(p_first, p_last):
                q = p - offset
                for c in range(4):
                    dot += x[p, c] * (y[q, c] if strand == 0 else y[n_y - 1 - q, 3 - c])
            union = n_x + n_y - (p_last - p_first)
            n = 4.0 * union
            spread_x, spread_y = square_x - sum_x * sum_x / n, square_y - sum_y * sum_y / n
            r = 0.0
            if spread_x > 1e-12 * square_x and spread_y > 1e-12 * square_y:
                r = (dot - sum_x * sum_y / n) / np.sqrt(spread_x * spread_y)
            if r > top + 1e-9:
                top, top_offset, top_minus, top_union = r, offset, strand == 1, union
    return top_offset, top_minus, top, top_union
