"""A figure of filters: the logo of each."""

from typing import TYPE_CHECKING, Any

from kmerengine.logo import draw_logo, information
from modelkit.figures import GREY, new_figure, style
from modelkit.interpretation.filters.filter_set import FilterMotifs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_filters"]

COLUMNS = 5
PANEL = (2.3, 1.15)  # inches
MOST_FILTERS = 130  # of a figure; the table holds them all
BITS = 2.1  # height of an axis


def draw_filters(found: FilterMotifs) -> "Figure":
    """The clipped motif of each filter in bits, with the motif of a database that it is like.

    Positions are those of the whole window, from 0.
    """
    rows = found.table.to_pylist()[:MOST_FILTERS]
    n_rows = -(-len(rows) // COLUMNS)
    motifs = {motif.name: motif for motif in found.motifs}
    with style():
        height = 0.8 + PANEL[1] * n_rows
        figure = new_figure(PANEL[0] * COLUMNS, height)
        # all panels are of one size: to ask each how much room it needs takes long for 130
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(
            n_rows, COLUMNS, left=0.045, right=0.995, bottom=0.5 / height, top=1 - 0.4 / height,
            wspace=0.16, hspace=0.75,
        )  # fmt: skip
        axes = grid.subplots(squeeze=False).ravel()
        for number, ax in enumerate(axes):
            if number >= len(rows):
                ax.set_axis_off()
                continue
            row = rows[number]
            _title(ax, row)
            motif = motifs.get(row["filter"])
            if motif is None:
                why = "never answers" if row["dead"] else "no window"
                ax.text(0.5, 0.5, why, ha="center", va="center", color=GREY, fontsize=8)
                ax.set_axis_off()
                continue
            heights = information(motif.probabilities)
            draw_logo(ax, heights, ylabel="", xlabel="", start=row["start"])
            ax.set_ylim(0, BITS)
            # few numbers: of 130 panels they take longer to draw than the letters
            ax.set_xticks(sorted({row["start"], row["end"] - 1}))
            ax.set_yticks([0, 1, 2], ["0", "1", "2"] if number % COLUMNS == 0 else [])
            ax.tick_params(labelsize=7)
            if number % COLUMNS == 0:
                ax.set_ylabel("bits", fontsize=8)
            if number + COLUMNS >= len(rows):
                ax.set_xlabel("position (bp)", fontsize=8)
        layer = f"layer {found.provenance['layer']}, {len(found)} filters"
        shown = "" if len(rows) == len(found) else f", the first {len(rows)} of them"
        figure.suptitle(layer + shown, fontsize=9, x=0.01, ha="left", y=1 - 0.08 / height)
    return figure


def _title(ax: "Axes", row: dict[str, Any]) -> None:
    number = row["filter"].removeprefix("filter_")
    name = row["match_alt_name"] or row["match"] or ""
    name = name if len(name) <= 20 else name[:17] + "..."
    # a threshold of the observed activation is marked
    said = f"{number}{'*' if row['fallback'] else ''}  {name}"
    ax.set_title(said, fontsize=8, pad=2)
