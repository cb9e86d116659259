"""Shuffled backgrounds with and without a motif: what a model makes of the motif alone.

The difference of a model's predictions for the two, averaged over backgrounds, is the motif's
marginal effect (Greenside et al. 2018; bpAI-TAC uses 1,000 shuffles of its test regions).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.motifs.motif import BASES, Motif
from native_kernels.dinucleotide_shuffle import dinucleotide_shuffle

Codes = npt.NDArray[np.uint8]

NONE = 255


class Marginal(NamedTuple):
    """Pairs of sequences that differ in the motif alone.

    without, within : uint8, shape (n_backgrounds, bp)
        The backgrounds, and the same with the motif; A C G T = 0 1 2 3.
    start : int
        Where the motif starts.
    """

    without: Codes
    within: Codes
    start: int


def marginal_sequences(
    codes: Codes,
    motif: str | Motif,
    *,
    shuffles: int = 1,
    start: int | None = None,
    minus: bool = False,
    seed: int = 0,
) -> Marginal:
    """Put a motif into dinucleotide shuffles of sequences.

    Parameters
    ----------
    codes : uint8, shape (n_sequences, bp)
    motif : str or Motif
        A word of A C G T, and N where the background stays; or a motif, whose bases are drawn from
        its probabilities anew for each background.
    shuffles : int
        Of each sequence; 0 takes the sequences as they are.
    start : int, optional
        First base of the motif; by default its middle is that of the sequence.
    minus : bool
        The reverse complement instead.
    seed : int
        The same seed gives the same sequences.

    Raises
    ------
    InputError
        A word with other letters, or a motif that does not fit.
    """
    if shuffles < 0:
        raise InputError(f"shuffles: found {shuffles}, expected 0 or more")
    length = codes.shape[1]
    at = (length - len(motif)) // 2 if start is None else start
    if not len(motif) or at < 0 or at + len(motif) > length:
        raise InputError(
            f"motif: found {len(motif)} bp from base {at}, expected a part of the {length} bp of "
            "the sequences"
        )
    without = codes
    if shuffles:
        without = dinucleotide_shuffle(codes, seed=seed, n=shuffles).reshape(-1, length)
    drawn = _drawn(motif, len(without), np.random.default_rng([seed, 1]))
    if minus:
        drawn = np.where(drawn == NONE, NONE, 3 - drawn).astype(np.uint8)[:, ::-1]
    within = without.copy()
    part = within[:, at : at + len(motif)]
    part[...] = np.where(drawn == NONE, part, drawn)
    return Marginal(without, within, at)


def _drawn(motif: str | Motif, n: int, rng: np.random.Generator) -> Codes:
    """n words of a motif."""
    if isinstance(motif, str):
        other = sorted(set(motif.upper()) - set(BASES) - {"N"})
        if other:
            raise InputError(f"motif: found {other[0]!r} in {motif!r}, expected A C G T or N")
        word = [BASES.index(base) if base != "N" else NONE for base in motif.upper()]
        return np.tile(np.array(word, np.uint8), (n, 1))
    upto = np.cumsum(motif.probabilities, axis=1)[:, :3]
    place = rng.random((n, len(motif), 1))
    return np.asarray((place >= upto).sum(axis=2), np.uint8)
