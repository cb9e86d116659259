"""Integer scores of a motif and their exact p-values, as FIMO makes both.

    bits[j, b]  = log2((n p[j, b] + a background[b]) / (n + a) / background[b])
    offset      = floor(lowest bits)          scale = floor(1000 / (highest bits - offset))
    W[j, b]     = round((bits[j, b] - offset) scale)                      0 to 1,000
    score(word) = sum_j W[j, word[j]]         in bits: score / scale + length offset
    p(score)    = P(a random word of the background scores as much or more)

n is the motif's number of sites (20 where it does not say), a the pseudocount (0.1 by default).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.motifs.motif import PSEUDOCOUNT, Motif
from native_kernels.motif_scan import tail_probabilities

MAX_LENGTH = 1_000  # positions; the work of a distribution grows with the square
RANGE = 1_000  # integer steps from a matrix's lowest to its highest entry, at most


@dataclass(frozen=True, eq=False)
class MotifScores:
    """A motif made ready for scanning.

    Attributes
    ----------
    motif : Motif
    background : float64, shape (4,)
    weights : int64, shape (length, 4)
    scale : float
        Steps per bit.
    offset : float
        Bits that a weight of 0 stands for.
    tail : float64, shape (highest score + 1,)
        p-value of each score.
    """

    motif: Motif
    background: npt.NDArray[np.float64]
    weights: npt.NDArray[np.int64]
    scale: float
    offset: float
    tail: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls,
        motif: Motif,
        background: Sequence[float] | npt.NDArray[np.float64],
        pseudocount: float = PSEUDOCOUNT,
    ) -> Self:
        """Scores against a background of four frequencies.

        InputError where one is infinite, or the motif has more than 1,000 positions.
        """
        if len(motif) > MAX_LENGTH:
            raise InputError(
                f"motif {motif.name!r}: found {len(motif):,} positions, expected at most "
                f"{MAX_LENGTH:,}; trim it"
            )
        frequencies = np.asarray(background, np.float64)
        bits = motif.log_odds(pseudocount, frequencies)
        if not np.isfinite(bits).all():
            raise InputError(
                f"pseudocount: found {pseudocount:g} and probabilities of 0 in motif "
                f"{motif.name!r}, whose scores are infinite; expected more than 0"
            )
        highest, lowest = float(bits.max()), float(bits.min())
        offset = float(np.floor(lowest if highest > lowest else highest - 1))
        scale = float(np.floor(RANGE / (highest - offset)))
        weights = np.floor((bits - offset) * scale + 0.5).astype(np.int64)
        return cls(
            motif, frequencies, weights, scale, offset, tail_probabilities(weights, frequencies)
        )

    def lowest_score(self, p: float) -> int:
        """The lowest score with a p-value of at most `p`; above the highest where there is none."""
        return len(self.tail) - int(np.searchsorted(self.tail[::-1], p, side="right"))

    def bits(self, score: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Log-odds of integer scores, bits."""
        bits: npt.NDArray[np.float64] = score / self.scale + len(self.motif) * self.offset
        return bits
