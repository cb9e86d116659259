"""Exact words as integers: two bits a base (A C G T = 0 1 2 3), the first base leading."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BASES = "ACGT"


def packed(word: str) -> int:
    """The integer of a word; ValueError for a letter that is no base."""
    integer = 0
    for base in word:
        integer = 4 * integer + BASES.index(base)
    return integer


def letters(words: npt.NDArray[Any], k: int) -> npt.NDArray[np.uint8]:
    """The letters of packed words as ASCII; uint8, shape (n, k)."""
    spelled_out = np.empty((len(words), k), np.uint8)
    alphabet = np.frombuffer(BASES.encode(), np.uint8)
    kind = words.dtype.type
    for position in range(k):
        base = (words >> kind(2 * (k - 1 - position))) & kind(3)
        spelled_out[:, position] = alphabet[base]
    return spelled_out


def spelled(words: npt.NDArray[Any], k: int) -> list[str]:
    """Packed words as strings."""
    return [row.tobytes().decode() for row in letters(words, k)]


def mirrored_words(words: npt.NDArray[Any], k: int) -> npt.NDArray[Any]:
    """The packed reverse complements of packed words."""
    kind = words.dtype.type
    rest, mirrored = words, np.zeros_like(words)
    for _ in range(k):
        mirrored = (mirrored << kind(2)) | (kind(3) - (rest & kind(3)))
        rest = rest >> kind(2)
    return mirrored


def read_positions(
    words: npt.NDArray[np.uint32], kept: Sequence[int], k: int
) -> npt.NDArray[np.uint32]:
    """The bases of packed words at the positions `kept`, packed."""
    read = np.zeros(len(words), np.uint32)
    for position in kept:
        base = (words >> np.uint32(2 * (k - 1 - position))) & np.uint32(3)
        read = (read << np.uint32(2)) | base
    return read
