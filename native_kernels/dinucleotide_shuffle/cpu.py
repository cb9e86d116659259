"""Numba loop of `dinucleotide_shuffle`. One thread runs one call."""

from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

LETTERS = 5  # A C G T, and everything else as one


@jit
def _next(state: U64) -> Any:
    """SplitMix64; `state` has one element."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    x = state[0]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@jit
def _below(state: U64, n: int) -> int:
    """0 to n - 1, n below 2**32."""
    return int(((_next(state) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@jit
def shuffle(codes: U8, numbers: I64, seed: np.uint64, out: U8) -> None:
    """Overwrite `out` (sequences, shuffles, bp)."""
    length = codes.shape[1]
    state = np.empty(1, np.uint64)
    edges = np.empty(length, np.uint8)  # successors, by letter, in the sequence's order
    after = np.empty(length, np.uint8)  # the same, shuffled
    first = np.empty(LETTERS + 1, np.int64)
    place = np.empty(LETTERS, np.int64)
    leave_by = np.empty(LETTERS, np.int64)
    in_tree = np.empty(LETTERS, np.bool_)
    for i in range(codes.shape[0]):
        first[:] = 0
        for at in range(length - 1):
            first[min(codes[i, at], np.uint8(4)) + 1] += 1
        for letter in range(LETTERS):
            first[letter + 1] += first[letter]
            place[letter] = first[letter]
        for at in range(length - 1):
            letter = min(codes[i, at], np.uint8(4))
            edges[place[letter]] = min(codes[i, at + 1], np.uint8(4))
            place[letter] += 1
        last = min(codes[i, length - 1], np.uint8(4))
        for copy in range(out.shape[1]):
            state[0] = seed
            state[0] = _next(state) + np.uint64(numbers[i])
            state[0] = _next(state) + np.uint64(copy)
            after[:] = edges
            # a random tree of last edges towards the last letter (Wilson's loop-erased walks)
            in_tree[:] = False
            in_tree[last] = True
            for letter in range(LETTERS):
                if first[letter] == first[letter + 1]:
                    continue
                at = letter
                while not in_tree[at]:
                    n_edges = first[at + 1] - first[at]
                    leave_by[at] = first[at] + _below(state, n_edges)
                    at = int(after[leave_by[at]])
                at = letter
                while not in_tree[at]:
                    in_tree[at] = True
                    at = int(after[leave_by[at]])
            for letter in range(LETTERS):
                free = first[letter + 1] - first[letter]
                if free > 0 and letter != last:
                    free -= 1
                    end, chosen = first[letter] + free, leave_by[letter]
                    after[end], after[chosen] = after[chosen], after[end]
                for one in range(free - 1, 0, -1):
                    two = first[letter] + _below(state, one + 1)
                    here = first[letter] + one
                    after[here], after[two] = after[two], after[here]
                place[letter] = first[letter]
            node = int(min(codes[i, 0], np.uint8(4)))
            for at in range(length):
                out[i, copy, at] = node if node < 4 else 255
                if at < length - 1:
                    place[node] += 1
                    node = int(after[place[node] - 1])
