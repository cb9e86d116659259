"""Sequences shuffled so that every dinucleotide occurs as often as before.

A sequence is a walk along every edge of a multigraph: letters are its nodes, and each pair of
neighbours is an edge. Any other walk along all edges from the same first letter has the same
dinucleotides, and ends with the same letter. Drawn uniformly from all such walks (Altschul and
Erickson 1985): a random tree of the last edges out of each letter, by Wilson's loop-erased walks
(1996), and then any order of the other edges.
"""

import numpy as np
import numpy.typing as npt

from native_kernels.dinucleotide_shuffle import cpu
from native_kernels.dinucleotide_shuffle.reference import dinucleotide_shuffle_reference

__all__ = ["dinucleotide_shuffle", "dinucleotide_shuffle_reference"]


def dinucleotide_shuffle(
    codes: npt.NDArray[np.uint8],
    *,
    seed: int,
    n: int = 1,
    numbers: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.uint8]:
    """Shuffles with the dinucleotide counts, the first and the last base of each sequence.

    Parameters
    ----------
    codes : uint8, shape (n_sequences, bp)
        A C G T = 0 1 2 3. All else is one more letter, 255 in the result, and keeps its
        dinucleotides too.
    seed : int
        0 to 2**64 - 1.
    n : int
        Shuffles of each sequence.
    numbers : int64, shape (n_sequences,), optional
        What stands for each sequence in the draw, by default its place: a shuffle depends on the
        seed, this number, and which of the `n` it is, and on nothing else of the batch.

    Returns
    -------
    shuffled : uint8, shape (n_sequences, n, bp)
    """
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise ValueError(f"codes must be uint8 of two axes, got {codes.dtype} {codes.shape}")
    if numbers is None:
        numbers = np.arange(len(codes), dtype=np.int64)
    if numbers.dtype != np.int64 or numbers.shape != (len(codes),):
        raise ValueError(
            f"numbers must be int64 of {(len(codes),)}, got {numbers.dtype} {numbers.shape}"
        )
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be 0 to 2**64 - 1, got {seed}")
    if n < 1 or codes.shape[1] >= 1 << 32:
        raise ValueError(f"n must be at least 1 and bp below 2**32, got {n} and {codes.shape[1]}")
    out = np.empty((len(codes), n, codes.shape[1]), np.uint8)
    if codes.shape[1]:
        cpu.shuffle(codes, numbers, np.uint64(seed), out)
    return out
