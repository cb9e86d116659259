"""How well the motifs themselves tell Koo and Eddy's classes apart: a ceiling for networks.

    score(sequence, class) = log2 sum over windows and both strands of P(window | motif) / P(window)

with 1/4 for a base of P(window). A factor's motif is laid in anywhere and on either strand, so this
is, but for a constant, the likelihood ratio of one site against none, which nothing beats by much.
It stays below 1 because occurrences by chance are not labelled: the shorter the motif, the more.
A network that is well above it has seen the labels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.motifs.motif import PSEUDOCOUNT, UNIFORM, Motif
from modelkit.metrics import auroc

__all__ = ["oracle", "scores"]

ROWS = 4096  # sequences at a time: 12 MB of windows


def oracle(
    codes: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    motifs: Sequence[Motif],
    *,
    pseudocount: float = PSEUDOCOUNT,
) -> npt.NDArray[np.float64]:
    """AU-ROC of each class by its own motif, float64, shape (n_motifs,).

    Parameters
    ----------
    codes : uint8, shape (n, length)
        Sequences, such as `Dataset.sequence`; A C G T = 0 1 2 3, nothing else.
    labels : 0 and 1, shape (n, n_motifs)
    motifs : sequence of Motif
        One for each class, in the order of the labels.
    pseudocount : float
        Sites added to the motifs, see `Motif.smoothed`; more than 0 where a base never occurs.

    Raises
    ------
    InputError
        Shapes that do not fit; bases that are none; motifs longer than the sequences.
    """
    if labels.shape != (len(codes), len(motifs)):
        raise InputError(
            f"labels: found shape {labels.shape}, expected {(len(codes), len(motifs))}: one row "
            "for each sequence, one column for each motif"
        )
    return auroc(labels, scores(codes, motifs, pseudocount=pseudocount))


def scores(
    codes: npt.NDArray[np.uint8], motifs: Sequence[Motif], *, pseudocount: float = PSEUDOCOUNT
) -> npt.NDArray[np.float64]:
    """Bits by which a site of each motif explains each sequence, float64, shape (n, n_motifs).

    Parameters and errors are those of `oracle`.
    """
    longest = max(map(len, motifs), default=0)
    if codes.ndim != 2 or codes.shape[1] < longest or codes.max(initial=0) > 3:
        raise InputError(
            f"codes: found shape {codes.shape} and bases up to {codes.max(initial=0)}, expected "
            f"(n, length) of at least {longest} bases 0 to 3"
        )
    found = np.empty((len(codes), len(motifs)))
    for number, motif in enumerate(motifs):
        bits = motif.log_odds(pseudocount, UNIFORM)
        for low in range(0, len(codes), ROWS):
            part = codes[low : low + ROWS]
            windows = np.concatenate([_windows(part, each) for each in (bits, bits[::-1, ::-1])], 1)
            best = windows.max(axis=1)
            total = np.exp2(windows - best[:, None]).sum(axis=1)
            found[low : low + ROWS, number] = best + np.log2(total)
    return found


def _windows(
    codes: npt.NDArray[np.uint8], bits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Bits of every window, shape (n, length - width + 1)."""
    n = codes.shape[1] - len(bits) + 1
    total = np.zeros((len(codes), n))
    for j, row in enumerate(bits):
        total += row[codes[:, j : j + n]]
    return total
