"""Random numbers by place: each is a function of a seed, an epoch, what it is for, and an index.

Nothing is drawn in sequence, so no number depends on how many others were drawn before it, by
which worker, on which rank, or after which restart. The mixing is SplitMix64's (Steele, Lea and
Flood 2014).
"""

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]


class Purpose(IntEnum):
    """What a number is for; numbers of one purpose say nothing about those of another."""

    ORDER = 1
    NEGATIVES = 2
    JITTER = 3
    REVERSE = 4
    WEIGHTS = 5
    STEP = 6


def draw(seed: int, epoch: int, purpose: Purpose, index: npt.NDArray[Any]) -> U64:
    """A number from 0 to 2**64 - 1 for each index.

    Parameters
    ----------
    seed, epoch : int
        0 to 2**63 - 1.
    purpose : Purpose
    index : integers of any shape, 0 or more
    """
    state = np.zeros(1, np.uint64)
    for part in (seed, epoch, int(purpose)):
        state = _mixed(state + np.uint64(part))
    return _mixed(state + index.astype(np.uint64))


def order(seed: int, epoch: int, purpose: Purpose, n: int) -> npt.NDArray[np.int64]:
    """A permutation of n, every one as likely."""
    return np.argsort(draw(seed, epoch, purpose, np.arange(n)), kind="stable")


def _mixed(state: U64) -> U64:
    x = state + np.uint64(0x9E3779B97F4A7C15)  # arrays wrap around, as is meant
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
