"""What shift a file's coordinates already hold, and where its cuts lie.

A Tn5 dimer cuts the two strands 9 bp apart and both neighbouring fragments keep those 9 bp, so the
left end of one is 9 bp before the right end of the other. One fragment, three notations, the same
two cut bases (the centres of the two duplications, wanted shift +4/-4 on 5' bases):

    input-shift   row           5' bases   already added   left cut         right cut
    none          [100, 200)    100, 199    0,  0          start + 4 = 104  end - 5 = 195
    +4/-5         [104, 195)    104, 194   +4, -5          start     = 104  end     = 195
    +4/-4         [104, 196)    104, 195   +4, -4          start     = 104  end - 1 = 195

The fragment to its right starts at 191 unshifted (191 + 4 = 195 as well): 191 - 200 = -9,
195 - 195 = 0 and 195 - 196 = -1. That offset, the commonest among all pairs of a left and a right
end, tells what a file holds, without a genome.
"""

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from native_kernels.end_offsets import end_offsets

Held = Literal["none", "+4/-5", "+4/-4"]

_Positions = npt.NDArray[np.int64]

REACH = 30  # bp; offsets -30 to +30
LEVELS = 8  # positions with at least 1, 2, 4 ... 128 ends

_JUDGED = 20  # bp; the two ends of one fragment are further apart, so they do not meet here
_OVER_MEDIAN = 1.5
_OVER_OTHERS = 1.25
_SIGMAS = 6.0


class Shift(NamedTuple):
    """Bases added to the 5' base of plus reads and to that of minus reads."""

    plus: int
    minus: int


class Detected(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    held : "none", "+4/-5" or "+4/-4"
    confidence : float
        How far the peak stands out: 1 - (highest other offset) / peak. 0 where there is no clear
        peak and the kind of file decided.
    sentence : str
        One line for the user.
    """

    held: Held
    confidence: float
    sentence: str


HELD: Final[dict[Held, Shift]] = {
    "none": Shift(0, 0),
    "+4/-5": Shift(4, -5),
    "+4/-4": Shift(4, -4),
}
WANTED: Final = Shift(4, -4)  # the centre of the 9-bp duplication, from both sides


def remaining(held: Held, wanted: Shift = WANTED) -> Shift:
    """What to add to the 5' bases of a file for its cuts.

    Parameters
    ----------
    held : "none", "+4/-5" or "+4/-4"
        The shift that the file already holds.
    wanted : Shift
        Bases from a read's unshifted 5' base to its cut.

    Notes
    -----
    The 5' base of a minus read that ends at `end` is `end - 1`.
    """
    plus, minus = HELD[held]
    return Shift(wanted.plus - plus, wanted.minus - minus)


def offset_histogram(
    left: _Positions,
    right: _Positions,
    n_left: _Positions | None = None,
    n_right: _Positions | None = None,
) -> _Positions:
    """Count the offsets from right to left ends of one contig. Sum over contigs is the file's.

    Parameters
    ----------
    left, right : int64, shape (n,), shape (m,)
        Where fragments start (or plus reads start), and where they end (or minus reads end; `end`
        of a half-open row), as in the file, any order, bp.
    n_left, n_right : int64, shape (n,), shape (m,), optional
        Ends at each position; 1 each by default. A position may occur more than once.

    Returns
    -------
    histogram : int64, shape (LEVELS, 2 REACH + 1)
        Element (i, REACH + d): pairs of distinct positions with left - right = d and at least 2^i
        ends at both. Row 0 is the plain histogram.
    """
    return end_offsets(
        *_distinct(left, n_left), *_distinct(right, n_right), reach=REACH, n_levels=LEVELS
    )


def choose(histogram: _Positions, kind: str) -> Detected:
    """Tell what shift a file holds from its offsets; unusual data are an answer, not an error.

    Parameters
    ----------
    histogram : int64, shape (LEVELS, 2 REACH + 1)
        From `offset_histogram`, summed over contigs.
    kind : str
        "fragments", or what else was read; it decides where there is no clear peak.

    Notes
    -----
    A peak is clear if it is the commonest offset from -20 to +20 and 1.5 times the median offset,
    1.25 times the next one, and 6 Poisson standard deviations above the median (of at least 4
    pairs). Positions crowd in deep data and every offset becomes common, so where the plain
    histogram has no clear peak, those of the busier positions are asked in turn.
    """
    first = None
    for row in np.asarray(histogram, np.int64):
        peak = _clear_peak(row)
        if peak is None:
            continue
        for held, (plus, minus) in HELD.items():
            if peak.offset == plus - minus - 9:
                return Detected(held, 1 - peak.runner_up / peak.pairs, _found(held, peak))
        first = first or peak
    held = "+4/-5" if kind == "fragments" else "none"
    why = "its fragment ends have no clear distance from their neighbours'"
    if first:
        why = (
            f"its fragment ends meet at offset {_signed(first.offset)}, which no known shift gives"
        )
    usual = "10x fragment files are by default" if kind == "fragments" else f"{kind} is by default"
    return Detected(
        held, 0.0, f"{why}; taken as {_words(held)}, as {usual}; --input-shift says otherwise"
    )


class _Peak(NamedTuple):
    offset: int
    pairs: int
    median: float
    runner_up: int


def _clear_peak(row: _Positions) -> _Peak | None:
    judged = row[REACH - _JUDGED : REACH + _JUDGED + 1]
    at = int(np.argmax(judged))
    others = np.delete(judged, at)
    peak = _Peak(at - _JUDGED, int(judged[at]), float(np.median(others)), int(others.max()))
    clear = (
        peak.pairs >= _OVER_MEDIAN * peak.median
        and peak.pairs >= _OVER_OTHERS * peak.runner_up
        and peak.pairs - peak.median >= _SIGMAS * np.sqrt(max(peak.median, 4.0))
    )
    return peak if clear else None


def _found(held: Held, peak: _Peak) -> str:
    return (
        f"the ends are {_words(held)}: left and right ends of neighbouring fragments meet at "
        f"offset {_signed(peak.offset)} ({peak.pairs:,} pairs of positions, median of the others "
        f"{peak.median:,.0f})"
    )


def _signed(offset: int) -> str:
    return f"{offset:+d}" if offset else "0"


def _words(held: Held) -> str:
    return "not shifted" if held == "none" else f"already shifted by {held}"


def _distinct(positions: _Positions, n: _Positions | None) -> tuple[_Positions, _Positions]:
    """Distinct positions in order, and the ends at each."""
    positions = np.asarray(positions, np.int64)
    weights = np.ones(len(positions), np.int64) if n is None else np.asarray(n, np.int64)
    if (np.diff(positions) > 0).all():
        return positions, weights
    order = np.argsort(positions, kind="stable")
    positions = positions[order]
    first = np.flatnonzero(np.diff(positions, prepend=positions[0] - 1))
    return positions[first], np.add.reduceat(weights[order], first)
