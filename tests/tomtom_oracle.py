"""Tomtom (Gupta et al., Genome Biology 8:R24, 2007), written as plainly as it goes, and slow.

    s(i, c) = likeness of query column i and target column c, less its median over all columns c
              of all targets on both strands (of an even number the lower of the middle two, as in
              the MEME Suite); then whole numbers, `BINS` steps or fewer
    score   = sum of s over the columns that lie on each other; a query column beside the target
              counts as the median, 0; the best offset counts
    null    : target columns drawn one by one from all of them. The sum over query columns i .. j
              is a convolution of their distributions; the best of all offsets takes them as
              independent, so its distribution function is the product of theirs
    p       = P(best >= score), and of the likelier strand 1 - (1 - p)^2

Nothing of memelite is used here, and nothing is merged, binned or cut but the scores themselves.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

BINS = 100


class Match(NamedTuple):
    p: float
    score: int
    alignments: set[tuple[int, int, str]]  # offset, overlap, strand: all of the best score


def euclidean(x: Sequence[float], y: Sequence[float]) -> float:
    return -math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """0 for a column of four equal numbers, which tells nothing."""
    x = [a - sum(x) / 4 for a in x]
    y = [b - sum(y) / 4 for b in y]
    norm = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / norm if norm > 1e-12 else 0.0


def compare(
    query: np.ndarray,
    targets: Sequence[np.ndarray],
    likeness: Callable[[Sequence[float], Sequence[float]], float] = euclidean,
) -> list[Match]:
    """The match of each target; matrices have the shape (length, 4)."""
    both = [(target, target[::-1, ::-1]) for target in targets]
    columns = [tuple(column) for pair in both for target in pair for column in target.tolist()]
    number = {column: n for n, column in enumerate(dict.fromkeys(columns))}
    found = np.array([[likeness(row, column) for column in number] for row in query.tolist()])
    at = np.array([number[column] for column in columns])
    raw = found[:, at]
    raw -= np.sort(raw, axis=1)[:, (len(columns) - 1) // 2, None]
    low = math.floor(raw.min())
    scale = math.floor(BINS / (raw.max() - low))
    steps = np.floor((raw - low) * scale + 0.5).astype(int)  # 0 .. BINS
    zero = -low * scale  # what stands for the median

    n = len(query)
    sums = [[np.ones(1)] * n for _ in range(n)]  # distribution of the sum over columns i .. j
    for i in range(n):
        chance = np.ones(1)
        for j in range(i, n):
            one = np.bincount(steps[j], minlength=BINS + 1) / len(columns)
            chance = np.convolve(chance, one)
            sums[i][j] = chance

    top = n * (BINS + zero)
    tails: dict[int, np.ndarray] = {}
    for width in {len(target) for target in targets}:
        log_below = np.zeros(top + 1)  # log P(best < s)
        for offset in range(1 - n, width):
            i, j = max(0, -offset), min(n, width - offset) - 1
            chance = np.zeros(top + 1)
            rest = (n - (j - i + 1)) * zero
            chance[rest : rest + len(sums[i][j])] = sums[i][j]
            with np.errstate(divide="ignore"):  # P(sum >= s) = 1: the best is never below s
                log_below += np.log1p(-np.minimum(np.cumsum(chance[::-1])[::-1], 1.0))
        tails[width] = -np.expm1(log_below)

    matches, start = [], 0
    for pair in both:
        width = len(pair[0])
        best, alignments = -1, set()
        for strand in "+-":
            part = steps[:, start : start + width]
            start += width
            for offset in range(1 - n, width):
                i, j = max(0, -offset), min(n, width - offset)
                score = sum(part[k, k + offset] for k in range(i, j)) + (n - (j - i)) * zero
                if score > best:
                    best, alignments = score, set()
                if score == best:
                    alignments.add((offset, j - i, strand))
        p = tails[width][best]
        matches.append(Match(p * (2 - p), best, alignments))
    return matches
