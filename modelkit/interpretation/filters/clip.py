"""Which part of a motif says something."""

import numpy as np
import numpy.typing as npt

__all__ = ["MARGIN", "MIN_BITS", "informative_span"]

MIN_BITS, MARGIN = 0.5, 3  # of Koo and Eddy's code


def informative_span(
    bits: npt.NDArray[np.float64], *, above: float = MIN_BITS, margin: int = MARGIN
) -> tuple[int, int] | None:
    """The positions from the first to the last of more than so many bits, with a margin.

    Parameters
    ----------
    bits : float64, shape (length,)
        Information of each position.
    above : float
        Bits.
    margin : int
        bp that are kept on either side, as far as there are any.

    Returns
    -------
    (start, end) or None
        0-based, half-open; None where no position has as much.

    Notes
    -----
    Koo and Eddy's released code, `clip_filters`, keeps a motif whole if no position has as much; it
    does so too if only the first one has, by a slip that is not followed here.
    """
    at = np.flatnonzero(bits > above)
    if not len(at):
        return None
    return max(0, int(at[0]) - margin), min(len(bits), int(at[-1]) + 1 + margin)
