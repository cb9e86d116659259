"""Options that both ways of sampling share, and how many of each bin are kept."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.parallel import MAX_THREADS, available_threads

Ints = npt.NDArray[np.int64]
Balance = Literal["min", "positives", "exact"]

MAX_RATIO = 10_000
MAX_WIDTH = 1 << 20  # bp of a window


def check_options(width: int, ratio: int, balance: str, seed: int, threads: int | None) -> int:
    """InputError for an option out of range; else the number of threads."""
    if not 1 <= width <= MAX_WIDTH:
        raise InputError(f"width: found {width}, expected 1 to {MAX_WIDTH:,} bp")
    if not 1 <= ratio <= MAX_RATIO:
        raise InputError(f"ratio: found {ratio}, expected 1 to {MAX_RATIO:,} negatives a positive")
    if balance not in get_args(Balance):
        raise InputError(f"balance: found {balance!r}, expected {', '.join(get_args(Balance))}")
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")
    threads = available_threads() if threads is None else threads
    if not 1 <= threads <= MAX_THREADS:
        raise InputError(f"threads: found {threads}, expected 1 to {MAX_THREADS}")
    return threads


def kept_per_bin(
    positives: Ints,
    negatives: Ints,
    ratio: int,
    balance: Balance,
    named: Callable[[int], str],
    advice: str = "",
) -> tuple[Ints, Ints]:
    """Positives and negatives to keep of each bin.

    Parameters
    ----------
    positives, negatives : int64, shape (n_bins,)
        What there is.
    ratio : int
        Negatives for each positive.
    balance : "min", "positives" or "exact"
        min: as many positives as have all their negatives. positives: all of them, with the
        negatives there are. exact: all of them, and it is an error if a bin runs dry.
    named : callable
        The name of a bin, for the error.
    advice : str
        What else could be done, for the error; with a comma and a space behind it.

    Raises
    ------
    InputError
        A bin has too few negatives and `balance` is exact; says which and by how much.
    """
    if balance == "min":
        kept = np.minimum(positives, negatives // ratio)
        return kept, kept * ratio
    short = np.maximum(positives * ratio - negatives, 0)
    if balance == "exact" and short.any():
        worst = int(np.argmax(short))
        raise InputError(
            f"negatives: {named(worst)} ran dry: found {negatives[worst]:,} for "
            f"{positives[worst]:,} positives at {ratio}:1, {short[worst]:,} short "
            f"({int((short > 0).sum()):,} bins are short, by {int(short.sum()):,} in all); widen "
            f"the bins, lower --ratio, {advice}or take what there is with --balance min or "
            "positives"
        )
    return positives, np.minimum(negatives, positives * ratio)
