"""DNA motifs: what each position of a binding site is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError

BASES = "ACGT"
UNIFORM = (0.25, 0.25, 0.25, 0.25)
DEFAULT_NSITES = 20.0  # as in the MEME Suite, for motifs that do not say
PSEUDOCOUNT = 0.1  # as in FIMO

Matrix = npt.NDArray[np.float64]

_EXACT = 1e-6  # what sums of probabilities may differ from 1; readers renormalise more


@dataclass(frozen=True, kw_only=True, eq=False)
class Motif:
    """A motif: the probabilities of A C G T at each position, and where they come from.

    Parameters
    ----------
    name : str
        One word.
    probabilities : float64, shape (length, 4)
        Columns A C G T; every row sums to 1.
    alt_name : str
        A second name, such as the factor's; "" where there is none.
    counts : float64, shape (length, 4), optional
        The sites behind the probabilities, where the source gives counts.
    background : float64, shape (4,)
        Base frequencies that the source names; uniform where it names none.
    nsites : float, optional
        Number of sites behind the motif, where known.
    e_value : float, optional
        Of the motif in the data that it was found in.
    url : str
        Where more is said of it; "" where the source says nothing.
    source : str
        The file that it was read from.

    Raises
    ------
    InputError
        The numbers are no motif. All arrays are copied and read-only.
    """

    name: str
    probabilities: Matrix
    alt_name: str = ""
    counts: Matrix | None = None
    background: Matrix = field(default_factory=lambda: np.array(UNIFORM))
    nsites: float | None = None
    e_value: float | None = None
    url: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.name or len(self.name.split()) != 1:
            raise InputError(f"motif: found the name {self.name!r}, expected one word")
        probabilities = _matrix(self.probabilities, self.name)
        _check_sums(probabilities, self.name)
        background = np.array(self.background, np.float64)
        if background.shape != (4,) or not (background > 0).all() or not _is_one(background.sum()):
            raise InputError(
                f"motif {self.name!r}: found the background {background.tolist()}, expected four "
                "frequencies above 0 that sum to 1"
            )
        for name, number in (("nsites", self.nsites), ("e_value", self.e_value)):
            if number is not None and not 0 <= number < np.inf:
                raise InputError(
                    f"motif {self.name!r}: found {name} {number:g}, expected a number of 0 or more"
                )
        arrays = {"probabilities": probabilities, "background": background}
        if self.counts is not None:
            arrays["counts"] = _matrix(self.counts, self.name)
            if arrays["counts"].shape != probabilities.shape:
                raise InputError(
                    f"motif {self.name!r}: found counts of {len(arrays['counts'])} positions, "
                    f"expected {len(probabilities)} as of its probabilities"
                )
        for name, array in arrays.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_counts(cls, name: str, counts: npt.ArrayLike, **others: Any) -> Self:
        """A motif from counts, shape (length, 4), without pseudocounts.

        Positions may have different totals; `nsites` is the largest unless it is given.
        """
        matrix = _matrix(counts, name)
        with np.errstate(over="ignore"):
            totals = matrix.sum(axis=1)
        if not np.isfinite(totals).all():
            raise InputError(f"motif {name!r}: found counts up to {matrix.max():g}, out of range")
        if (totals <= 0).any():
            raise InputError(
                f"motif {name!r}: found no counts at position {int(np.argmin(totals)) + 1}, "
                "expected some at each; remove the position"
            )
        others.setdefault("nsites", float(totals.max()))
        return cls(name=name, probabilities=matrix / totals[:, None], counts=matrix, **others)

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def information(self) -> Matrix:
        """Bits of each position against the background, shape (length,).

        ``sum_b p_b log2(p_b / background_b)``: 2 for one sure base, with a uniform background;
        no small-sample correction.
        """
        p = self.probabilities
        ratio = np.divide(p, self.background, out=np.ones_like(p), where=p > 0)
        bits: Matrix = (p * np.log2(ratio)).sum(axis=1)
        return bits

    @property
    def total_information(self) -> float:
        """Bits of all positions together."""
        return float(self.information.sum())

    @property
    def consensus(self) -> str:
        """The most probable base of each position; of equal ones the first of A C G T."""
        return "".join(BASES[base] for base in self.probabilities.argmax(axis=1))

    def trimmed(self, min_information: float) -> Self:
        """The motif without leading and trailing positions of fewer bits than `min_information`.

        Raises
        ------
        InputError
            No position has as many.
        """
        kept = np.flatnonzero(self.information >= min_information)
        if not len(kept):
            raise InputError(
                f"motif {self.name!r}: found no position of {min_information} bits, the highest "
                f"has {self.information.max():.3g}; trim to fewer"
            )
        part = slice(int(kept[0]), int(kept[-1]) + 1)
        counts = None if self.counts is None else self.counts[part]
        return replace(self, probabilities=self.probabilities[part], counts=counts)

    def reverse_complement(self) -> Self:
        """The motif of the other strand, of the same name."""
        counts = None if self.counts is None else self.counts[::-1, ::-1]
        return replace(
            self,
            probabilities=self.probabilities[::-1, ::-1],
            counts=counts,
            background=self.background[::-1],
        )

    def smoothed(
        self,
        pseudocount: float = PSEUDOCOUNT,
        background: Sequence[float] | Matrix | None = None,
    ) -> Matrix:
        """Probabilities with a pseudocount, shape (length, 4), as FIMO makes them.

        Parameters
        ----------
        pseudocount : float
            Sites added to each position, spread as the background is:
            ``(nsites p + pseudocount background) / (nsites + pseudocount)``. `nsites` is 20 where
            the motif does not say, or says 0.
        background : four frequencies, optional
            By default the motif's own.
        """
        b = self.background if background is None else np.asarray(background, np.float64)
        n = self.nsites or DEFAULT_NSITES
        smoothed: Matrix = (n * self.probabilities + pseudocount * b) / (n + pseudocount)
        return smoothed

    def log_odds(
        self,
        pseudocount: float = PSEUDOCOUNT,
        background: Sequence[float] | Matrix | None = None,
    ) -> Matrix:
        """Bits for each base of each position, shape (length, 4): log2(smoothed / background).

        -inf where a base has probability 0 and there is no pseudocount; see `smoothed`.
        """
        b = self.background if background is None else np.asarray(background, np.float64)
        with np.errstate(divide="ignore"):
            bits: Matrix = np.log2(self.smoothed(pseudocount, b) / b)
        return bits


def _matrix(values: npt.ArrayLike, name: str) -> Matrix:
    """A copy, if it is a matrix of finite numbers of 0 or more with four columns."""
    matrix = np.array(values, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not len(matrix):
        raise InputError(
            f"motif {name!r}: found numbers of shape {matrix.shape}, expected (length, 4) with at "
            "least one position"
        )
    strange = ~(np.isfinite(matrix) & (matrix >= 0))
    if strange.any():
        row, column = np.argwhere(strange)[0]
        raise InputError(
            f"motif {name!r}: found {matrix[row, column]:g} at position {row + 1}, expected "
            "probabilities or counts of 0 or more"
        )
    return matrix


def _check_sums(probabilities: Matrix, name: str) -> None:
    with np.errstate(over="ignore"):
        sums = probabilities.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if not _is_one(sums[worst]):
        raise InputError(
            f"motif {name!r}: found probabilities that sum to {sums[worst]:.6g} at position "
            f"{worst + 1}, expected 1"
        )


def _is_one(value: float) -> bool:
    return abs(value - 1) <= _EXACT
