"""Words of k bases around core motifs, and those whose windows score most.

A window lies on k bases that all are A C G T, none of them of the core motif, and is read along the
strand of the core. Its score is the mean of its bases' scores. The top ones are the share of all
windows with the highest scores; windows as high as the last of them are top too, and a window
without a score above 0 is never top.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from modelkit.interpretation.context.sites import Sites

__all__ = ["WordCounts", "count_words", "letters_of"]

ROWS = 1024  # sequences that are looked at together
IN_CORE, UNKNOWN, MOVED = "overlap the core motif", "have an unknown base", "have no score"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class WordCounts(NamedTuple):
    """Windows by word.

    Attributes
    ----------
    top, windows : int64, shape (4**k,)
        Top windows of each word, and all of them; words in the order of the alphabet.
    threshold : float
        Lowest score of a top window.
    skipped : dict of str to int
        Windows that are not counted, by reason.
    """

    top: Ints
    windows: Ints
    threshold: float
    skipped: dict[str, int]


def count_words(sites: Sites, rows: Ints, *, k: int, share: float, shift: int = 0) -> WordCounts:
    """Count the words of some sequences.

    Parameters
    ----------
    sites : Sites
    rows : int64, shape (m,)
        Examples that are looked at, each with a score.
    k : int
        Bases of a word.
    share : float
        Of the windows that are top.
    shift : int
        bp by which scores lie further along the genome than the bases they are of. Then windows
        whose scores are those of the core motif, or of no base, are left out too.

    Raises
    ------
    InputError
        There is no window, or none with a score above 0.

    Notes
    -----
    12 bytes are held for each window, 12 kB for a sequence of 1,000 bp.
    """
    words, scores = [], []
    skipped = dict.fromkeys((IN_CORE, UNKNOWN, MOVED), 0)
    for low in range(0, len(rows), ROWS):
        some = rows[low : low + ROWS]
        word, score, kept = _windows(sites, some, k, shift, skipped)
        words.append(word[kept])
        scores.append(score[kept])
    n = sum(map(len, scores))
    if not n:
        raise InputError(
            f"{sites.path}: has no window of {k} bases beside its core motifs, of {len(rows)} "
            f"sequences; left out: {_said(skipped)}"
        )
    word, score = np.concatenate(words), np.concatenate(scores)
    n_top = max(1, int(share * n + 1e-9))  # 0.29 of 100 is a little less than 29
    threshold = float(np.partition(score, n - n_top)[n - n_top])
    top = (score >= threshold) & (score > 0)
    if not top.any():
        raise InputError(
            f"{sites.path}: has no window with a score above 0, of {n:,}; expected attributions "
            "of examples that the model takes for bound"
        )
    return WordCounts(
        np.bincount(word[top], minlength=4**k),
        np.bincount(word, minlength=4**k),
        float(score[top].min()),
        skipped,
    )


def _windows(
    sites: Sites, rows: Ints, k: int, shift: int, skipped: dict[str, int]
) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.bool_]]:
    """Word, score, and whether it counts, of each window, (m, P - k + 1)."""
    scores, codes, cores = sites.along(rows)
    length = codes.shape[1]
    n = max(0, length - k + 1)
    moves = np.where(sites.minus[rows], -shift, shift)[:, None]  # along the core's strand
    if shift:
        from_base = np.arange(length) - moves
        there = (from_base >= 0) & (from_base < length)
        moved = np.take_along_axis(scores, np.clip(from_base, 0, length - 1), 1)
        scores = np.where(there, moved, np.nan)
    word = np.zeros((len(rows), n), np.int32)
    score = np.zeros((len(rows), n))
    unknown = np.zeros((len(rows), n), bool)
    for i in range(k):
        base = codes[:, i : i + n]
        word = 4 * word + np.minimum(base, 3)
        unknown |= base > 3
        score += scores[:, i : i + n]
    at = np.arange(n)
    in_core = _overlap(at, k, cores)
    without = np.isnan(score) | _overlap(at - moves, k, cores)
    skipped[IN_CORE] += int(in_core.sum())
    skipped[UNKNOWN] += int((unknown & ~in_core).sum())
    skipped[MOVED] += int((without & ~unknown & ~in_core).sum())
    return word, score / k, ~(in_core | unknown | without)


def _overlap(at: Ints, k: int, cores: Ints) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (at < cores[:, 1:]) & (at + k > cores[:, :1])
    return found


def _said(skipped: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in skipped.items() if n) or "none"


def letters_of(k: int) -> list[str]:
    """Words of k bases, in the order of the alphabet."""
    found = [""]
    for _ in range(k):
        found = [word + base for word in found for base in "ACGT"]
    return found
