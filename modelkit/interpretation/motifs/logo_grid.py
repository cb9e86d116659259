"""Many motifs in one figure: a grid of logos, all of one size and scale."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kmerengine.logo import draw_logo, information
from kmerengine.motifs.motif import Motif
from modelkit.figures import GREY, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_LOGOS", "LogoPanel", "draw_logo_grid"]

COLUMNS = 5
PANEL = (2.3, 1.15)  # inches
MOST_LOGOS = 130  # of a figure; tables hold them all
BITS = 2.1  # height of an axis
NAME = 20  # letters of a title's second part


class LogoPanel(NamedTuple):
    """One motif.

    Attributes
    ----------
    title : str
    match : str or None
        Name of what it is like, beside the title.
    motif : Motif or None
    start : int
        Position of its first base, bp.
    missing : str
        Why there is no motif.
    """

    title: str
    match: str | None
    motif: Motif | None
    start: int = 0
    missing: str = ""


def draw_logo_grid(panels: Sequence[LogoPanel], caption: str) -> "Figure":
    """Logos in bits, row by row; of more than `MOST_LOGOS` the first."""
    shown = panels[:MOST_LOGOS]
    n_rows = max(1, -(-len(shown) // COLUMNS))
    with style():
        height = 0.8 + PANEL[1] * n_rows
        figure = new_figure(PANEL[0] * COLUMNS, height)
        # all panels are of one size: to ask each how much room it needs takes long for 130
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(
            n_rows, COLUMNS, left=0.045, right=0.995, bottom=0.5 / height, top=1 - 0.4 / height,
            wspace=0.16, hspace=0.75,
        )  # fmt: skip
        for number, ax in enumerate(grid.subplots(squeeze=False).ravel()):
            if number >= len(shown):
                ax.set_axis_off()
                continue
            panel = shown[number]
            ax.set_title(_title(panel), fontsize=8, pad=2)
            if panel.motif is None:
                ax.text(0.5, 0.5, panel.missing, ha="center", va="center", color=GREY, fontsize=8)
                ax.set_axis_off()
                continue
            heights = information(panel.motif.probabilities)
            draw_logo(ax, heights, ylabel="", xlabel="", start=panel.start)
            ax.set_ylim(0, BITS)
            # few numbers: of 130 panels they take longer to draw than the letters
            ax.set_xticks(sorted({panel.start, panel.start + len(panel.motif) - 1}))
            ax.set_yticks([0, 1, 2], ["0", "1", "2"] if number % COLUMNS == 0 else [])
            ax.tick_params(labelsize=7)
            if number % COLUMNS == 0:
                ax.set_ylabel("bits", fontsize=8)
            if number + COLUMNS >= len(shown):
                ax.set_xlabel("position (bp)", fontsize=8)
        rest = "" if len(shown) == len(panels) else f"; the first {len(shown)} of them"
        figure.suptitle(caption + rest, fontsize=9, x=0.01, ha="left", y=1 - 0.08 / height)
    return figure


def _title(panel: LogoPanel) -> str:
    name = panel.match or ""
    return f"{panel.title}  {name if len(name) <= NAME else name[: NAME - 3] + '...'}"
