"""The figure of one example's bases and cuts: what they did to a prediction, and what was there."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.logo import COLOURS as OF_BASES
from kmerengine.logo import draw_logo
from modelkit.figures import COLOURS, GREY, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Shown", "draw_signals"]

LETTERS = 100  # bp; of longer windows the letters are bars
STRANDS = ("forward cuts", "reverse cuts")
BASES = "ACGT"

Floats = npt.NDArray[np.float64]


class Shown(NamedTuple):
    """An example.

    Attributes
    ----------
    title : str
    chrom : str
    start : int
        bp, 0-based, of the first position.
    contributions : float64, shape (P, 4)
        Of the base that stands there, in its column; 0 elsewhere.
    scores : float64, shape (2, P)
        Of the cuts of each strand.
    cuts : float64, shape (2, P)
        What the network was told of them.
    """

    title: str
    chrom: str
    start: int
    contributions: Floats
    scores: Floats
    cuts: Floats


def draw_signals(shown: Shown) -> "Figure":
    """Contributions of the bases, attributions of the cuts of each strand, and the cuts, one below
    the other (Hiranuma et al. 2017, Fig. 2).

    The attribution of a position with a cut is dark, that of one without is light: both have one,
    since both differ from what they are compared with.
    """
    length = len(shown.contributions)
    at = shown.start + np.arange(length)
    with style():
        figure = new_figure(10, 5.6)
        bases, forward, reverse, cuts = figure.subplots(
            4, 1, sharex=True, height_ratios=(1.5, 1, 1, 0.7)
        )
        if length <= LETTERS:
            draw_logo(bases, shown.contributions, start=shown.start, ylabel="bases", xlabel="")
        else:
            _draw_bars(bases, shown.contributions, at)
        bases.set_title(shown.title)
        limit = float(np.abs(shown.scores).max()) * 1.05 or 1.0
        for ax, name, scores, there in zip(
            (forward, reverse), STRANDS, shown.scores, shown.cuts > 0, strict=True
        ):
            ax.axhline(0, color=GREY, linewidth=0.5, linestyle="-")
            for mask, colour, what in (
                (there, COLOURS[0], "of a cut"), (~there, COLOURS[5], "of no cut"),
            ):  # fmt: skip
                ax.bar(at[mask], scores[mask], width=0.9, color=colour, label=what)
            ax.set(ylabel=name, ylim=(-limit, limit))
        _above(forward)
        _draw_cuts(cuts, shown.cuts, at)
        cuts.set_xlim(at[0] - 0.5, at[-1] + 0.5)
        cuts.set_xlabel(f"{shown.chrom}, position (bp, 0-based)")
        cuts.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for ax in (bases, forward, reverse):
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    return figure


def _draw_bars(ax: "Axes", contributions: Floats, at: npt.NDArray[np.int64]) -> None:
    ax.axhline(0, color=GREY, linewidth=0.5, linestyle="-")
    for base, colour, column in zip(BASES, OF_BASES, contributions.T, strict=True):
        mine = column != 0
        ax.bar(at[mine], column[mine], width=0.9, color=colour, label=base)
    ax.set_ylabel("bases")
    _above(ax)


def _above(ax: "Axes") -> None:
    """The legend beside the title, where no bar is."""
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderpad=0, borderaxespad=0.2)


def _draw_cuts(ax: "Axes", cuts: Floats, at: npt.NDArray[np.int64]) -> None:
    """The input: forward strand above, reverse below; as heights where it is not binary."""
    highest = float(cuts.max()) or 1.0
    for row, (strand, values) in enumerate(zip(("forward", "reverse"), cuts, strict=True)):
        mine = values > 0
        low = 1.1 * (1 - row)
        ax.bar(at[mine], values[mine] / highest, bottom=low, width=0.9, color="black")
        ax.axhline(low, color=GREY, linewidth=0.5, linestyle="-")
        ax.text(1.005, low + 0.5, strand, transform=ax.get_yaxis_transform(), va="center",
                fontsize=8)  # fmt: skip
    ax.set(ylim=(-0.05, 2.15), ylabel="input")
    ax.set_yticks([])
