"""What the readers of motif files share: numbers and matrices."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kmerengine.errors import InputError
from kmerengine.io.messages import refuse, shown
from kmerengine.motifs.motif import Motif

SUM_TOLERANCE = 0.1  # of probabilities, as in the MEME Suite; within it they are renormalised

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def is_number(text: str) -> bool:
    """Whether `text` is a decimal number, with an exponent perhaps; not nan or inf."""
    return _NUMBER.fullmatch(text) is not None


def are_numbers(words: Sequence[str]) -> bool:
    """Whether there are words and all are numbers."""
    return bool(words) and all(map(is_number, words))


def numbers(words: Sequence[str], path: Path, line: int) -> list[float]:
    """The words as numbers; InputError naming the first that is none."""
    for word in words:
        if not is_number(word):
            refuse(path, line, f"found {shown(word)}, expected a number; correct it")
    return [float(word) for word in words]


def make_motif(
    path: Path,
    line: int,
    name: str,
    rows: Sequence[Sequence[float]],
    *,
    probabilities: bool | None = None,
    **others: Any,
) -> Motif:
    """A motif from one row of A C G T per position.

    Parameters
    ----------
    path, line
        Where the motif starts, for messages.
    probabilities : bool, optional
        Whether the numbers are probabilities or counts; by default they are probabilities if none
        is above 1 and not all are whole.
    others
        Further fields of `Motif`.
    """
    if not rows:
        refuse(path, line, f"found motif {shown(name)} without positions; remove it")
    matrix = np.array(rows, np.float64)
    if (matrix < 0).any():
        value = matrix[matrix < 0][0]
        refuse(
            path,
            line,
            f"found {value:g} in motif {shown(name)}, expected probabilities or counts of 0 or "
            "more; this looks like a matrix of scores, give the one it was made from",
        )
    if probabilities is None:
        probabilities = bool((matrix <= 1).all() and (matrix % 1 > 0).any())
    others = {"source": str(path.name), **others}
    try:
        if not probabilities:
            return Motif.from_counts(name, matrix, **others)
        with np.errstate(over="ignore"):
            sums = matrix.sum(axis=1)
        far = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
        if len(far):
            raise InputError(
                f"motif {shown(name)}: found probabilities that sum to {sums[far[0]]:.6g} at "
                f"position {far[0] + 1}, expected 1 to within {SUM_TOLERANCE}; correct the file"
            )
        return Motif(name=name, probabilities=matrix / sums[:, None], **others)
    except InputError as error:
        refuse(path, line, str(error))
