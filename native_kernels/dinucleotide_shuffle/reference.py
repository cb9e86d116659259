"""The slow twin of `dinucleotide_shuffle`: lists and Python integers, the same bits."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

MASK = (1 << 64) - 1


class _Stream:
    """SplitMix64 (Steele, Lea and Flood 2014), seeded by seed, sequence and shuffle."""

    def __init__(self, seed: int, number: int, copy: int) -> None:
        self._state = seed
        for part in (number, copy):
            self._state = (self._next() + part) & MASK

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        x = self._state
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & MASK
        return x ^ x >> 31

    def below(self, n: int) -> int:
        """0 to n - 1."""
        return (self._next() >> 32) * n >> 32


def dinucleotide_shuffle_reference(
    codes: npt.NDArray[np.uint8],
    *,
    seed: int,
    n: int = 1,
    numbers: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.uint8]:
    """`dinucleotide_shuffle`, slowly."""
    if numbers is None:
        numbers = np.arange(len(codes))
    out = np.empty((len(codes), n, codes.shape[1]), np.uint8)
    for i, sequence in enumerate(codes.tolist()):
        for copy in range(n):
            out[i, copy] = _shuffled(sequence, _Stream(seed, int(numbers[i]), copy))
    return out


def _shuffled(sequence: list[int], stream: _Stream) -> list[int]:
    if not sequence:
        return []
    after: dict[int, list[int]] = {letter: [] for letter in sorted({min(c, 4) for c in sequence})}
    letters = [min(code, 4) for code in sequence]
    for one, two in pairwise(letters):
        after[one].append(two)
    leave_by: dict[int, int] = {}  # the last edge out of a letter
    in_tree = {letters[-1]}
    for letter, edges in after.items():
        at = letter
        while edges and at not in in_tree:
            leave_by[at] = stream.below(len(after[at]))
            at = after[at][leave_by[at]]
        at = letter
        while edges and at not in in_tree:
            in_tree.add(at)
            at = after[at][leave_by[at]]
    for letter, edges in after.items():
        free = len(edges)
        if free and letter != letters[-1]:
            free -= 1
            last = leave_by[letter]
            edges[last], edges[free] = edges[free], edges[last]
        for i in range(free - 1, 0, -1):
            j = stream.below(i + 1)
            edges[i], edges[j] = edges[j], edges[i]
    made = [letters[0]]
    for _ in letters[1:]:
        made.append(after[made[-1]].pop(0))
    return [255 if letter == 4 else letter for letter in made]
