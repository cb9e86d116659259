"""One-hot bases of others as codes: any order of letters, any axis."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError

__all__ = ["codes_of_one_hot", "letter_codes"]

ABSENT = (0.0, 0.25)  # all four channels of a base that is not A C G T


def letter_codes(alphabet: str) -> npt.NDArray[np.uint8]:
    """The code of each channel, such as [0, 2, 1, 3] of AGCT; InputError for no such order."""
    if sorted(alphabet) != list("ACGT"):
        raise InputError(f"alphabet: found {alphabet!r}, expected the letters A C G T in any order")
    return np.array(["ACGT".index(letter) for letter in alphabet], np.uint8)


def codes_of_one_hot(
    one_hot: npt.NDArray[Any], alphabet: str, where: Path, *, first_row: int = 0
) -> npt.NDArray[np.uint8]:
    """Codes of one-hot bases.

    Parameters
    ----------
    one_hot : numbers, shape (n, 4, bp)
        1 in one channel and 0 in the others, or 0 (or 0.25) in all: 255, not a base.
    alphabet : str
        The letters of the channels in order: ACGT, DeepSEA's AGCT, AgentBind's ATCG.
    where, first_row
        For messages: the file, and its row that comes first.

    Returns
    -------
    codes : uint8, shape (n, bp)
    """
    of_channel = letter_codes(alphabet)
    codes: npt.NDArray[np.uint8] = of_channel[one_hot.argmax(axis=1)]
    most, total = one_hot.max(axis=1), one_hot.sum(axis=1, dtype=np.float64)
    is_base = (most == 1) & (total == 1)
    least = one_hot.min(axis=1)
    is_absent = (least == most) & np.isin(most, ABSENT)
    odd = ~(is_base & (least == 0) | is_absent)
    if odd.any():
        row, at = np.argwhere(odd)[0]
        raise InputError(
            f"{where}: row {first_row + row}, base {at}: found {one_hot[row, :, at].tolist()}, "
            "expected a 1 and three 0, or four 0 or 0.25; this is not one-hot along this axis"
        )
    codes[is_absent] = 255
    return codes
