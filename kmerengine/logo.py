"""Sequence logos: letters stacked per position, drawn as outlines.

    information(p, q)[i, b] = p[i, b] * sum_c p[i, c] log2(p[i, c] / q[c])      bits

the relative entropy of a position against the background, shared among its letters in proportion to
their probabilities; 2 bits less the entropy where the background is uniform (Schneider and
Stephens, Nucleic Acids Research 18:6097, 1990, without their small-sample correction).
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

# Green, blue, orange and red as usual, in the shades of Okabe and Ito that the colour-blind tell
# apart.
COLOURS: Final = ("#009E73", "#0072B2", "#E69F00", "#D55E00")

_LETTERS = "ACGT"
_WIDTH = 0.94  # of a letter; positions are 1 apart
_ROOM = 1.05  # height of the axes over that of the tallest stack
_SUM = 1e-3  # how far probabilities may sum from 1: matrices in files are rounded

_Floats = npt.NDArray[np.float64]


def information(probabilities: npt.ArrayLike, background: npt.ArrayLike | None = None) -> _Floats:
    """Letter heights of an information logo.

    Parameters
    ----------
    probabilities : shape (L, 4)
        Of A, C, G and T at each position.
    background : shape (4,), optional
        0.25 each by default.

    Returns
    -------
    heights : float64, shape (L, 4)
        Bits, not negative; the sum of a position is its information.

    Raises
    ------
    ValueError
        Wrong shape, negative or not summing to 1, or a letter that the background lacks.
    """
    p = _as_columns(probabilities, "probabilities")
    q = np.full(4, 0.25) if background is None else np.asarray(background, np.float64)
    if q.shape != (4,):
        raise ValueError(f"background must have shape (4,), got {q.shape}")
    for name, values in (("probabilities", p), ("background", q)):
        if not ((values >= 0).all() and (np.abs(values.sum(-1) - 1) <= _SUM).all()):
            raise ValueError(f"{name} must not be negative and must sum to 1")
    if (p[:, q == 0] > 0).any():
        raise ValueError("the background has probability 0 for a letter that occurs")
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    # rounded probabilities may sum to less than 1, and their relative entropy then to less than 0
    bits = np.maximum((p * np.log2(ratio)).sum(axis=1, keepdims=True), 0)
    heights: _Floats = p * bits
    return heights


def draw_logo(
    ax: "Axes",
    heights: npt.ArrayLike,
    *,
    ylabel: str,
    start: int = 0,
    xlabel: str = "position (bp)",
    colours: tuple[Any, Any, Any, Any] = COLOURS,
) -> "PathCollection":
    """Draw a logo into axes and set their limits, labels and ticks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    heights : shape (L, 4)
        Of A, C, G and T at each position, in the unit that `ylabel` names. Positive letters stand
        on zero and negative ones hang from it upside down, the largest furthest from zero.
        Letters of height 0 are not drawn.
    ylabel : str
        What the heights are, with their unit, such as ``"information (bits)"``.
    start : int
        Position of the first column; the letter of position x lies around x.
    xlabel : str
    colours : tuple of 4 matplotlib colours
        Of A, C, G and T.

    Returns
    -------
    letters : matplotlib.collections.PathCollection
        One path per letter drawn, in data coordinates; by position, then by base.

    Raises
    ------
    ValueError
        `heights` has another shape, no position, or a value that is not finite.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Outline
    from matplotlib.ticker import MaxNLocator

    height = _as_columns(heights, "heights")
    bottom = _bottoms(height)
    outlines = _outlines()
    paths: list[Outline] = []
    shades: list[Any] = []
    for row, base in np.argwhere(height).tolist():
        size = (_WIDTH, height[row, base])
        place = (start + row - _WIDTH / 2, bottom[row, base])
        unit, codes = outlines[base]
        paths.append(Outline(unit * size + place, codes))
        shades.append(colours[base])
    letters = PathCollection(paths, facecolors=shades, edgecolors="none", linewidths=0)
    letters.set_transform(ax.transData)
    ax.add_collection(letters, autolim=False)
    ax.set_xlim(start - 0.5, start + len(height) - 0.5)
    low = np.minimum(height, 0).sum(axis=1).min() * _ROOM
    high = np.maximum(height, 0).sum(axis=1).max() * _ROOM
    ax.set_ylim(low, high if high > low else low + 1)
    if low < 0:
        ax.axhline(0, color="black", linewidth=0.5)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return letters


def _as_columns(values: npt.ArrayLike, name: str) -> _Floats:
    columns = np.asarray(values, np.float64)
    if columns.ndim != 2 or columns.shape[1] != 4 or not len(columns):
        raise ValueError(f"{name} must have shape (L, 4) with L >= 1, got {columns.shape}")
    if not np.isfinite(columns).all():
        raise ValueError(f"{name} must be finite")
    return columns


def _bottoms(height: _Floats) -> _Floats:
    """Where each letter starts: the sum of the smaller ones of its sign, shape (L, 4)."""
    order = np.argsort(np.abs(height), axis=1, kind="stable")
    inner = np.take_along_axis(height, order, axis=1)
    bottom = np.zeros_like(height)
    for stack in (np.maximum(inner, 0), np.minimum(inner, 0)):
        before = np.where(stack != 0, np.cumsum(stack, axis=1) - stack, 0)
        bottom += np.take_along_axis(before, np.argsort(order, axis=1), axis=1)
    return bottom


@cache
def _outlines() -> list[tuple[_Floats, Any]]:
    """Vertices in the unit square and path codes of each letter."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    # matplotlib's own font by its file: no search through the system's fonts
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")
    found: list[tuple[_Floats, Any]] = []
    for letter in _LETTERS:
        path = TextPath((0, 0), letter, size=100, prop=FontProperties(fname=font))
        box = path.get_extents()
        found.append(((np.asarray(path.vertices) - box.min) / box.size, path.codes))
    return found
