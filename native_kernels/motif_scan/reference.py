"""The slow twins of `motif_scan`: one window, one base, one addition at a time."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt


def motif_scan_reference(
    codes: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    matrices: Sequence[npt.NDArray[np.int64]],
    cuts: Sequence[int],
) -> list[tuple[int, int, int, int]]:
    """Sequence, start, matrix and score of every hit, ascending."""
    hits = []
    for i in range(len(offsets) - 1):
        for start in range(int(offsets[i]), int(offsets[i + 1])):
            for number, (matrix, cut) in enumerate(zip(matrices, cuts, strict=True)):
                window = codes[start : min(start + len(matrix), offsets[i + 1])].tolist()
                if len(window) < len(matrix) or max(window) > 3:
                    continue
                score = sum(int(matrix[j, base]) for j, base in enumerate(window))
                if score >= cut:
                    hits.append((i, start, number, score))
    return hits


def tail_reference(
    matrix: npt.NDArray[np.int64], background: npt.NDArray[np.float64]
) -> dict[int, float]:
    """P(score >= s) for every score s that a word can have, by enumeration of all words."""
    chance: dict[int, float] = {}
    for word in product(range(4), repeat=len(matrix)):
        score = sum(int(matrix[j, base]) for j, base in enumerate(word))
        chance[score] = chance.get(score, 0.0) + float(np.prod(background[list(word)]))
    tail, above = {}, 0.0
    for score in sorted(chance, reverse=True):
        above += chance[score]
        tail[score] = above
    return tail
