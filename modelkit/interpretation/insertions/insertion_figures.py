"""Figures of `marginalize` and `footprint`: a panel for each of the first motifs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.figures import COLOURS, GREY, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Band", "Box", "draw_footprints", "draw_marginals"]

MOST_MOTIFS = 12  # of a figure; the tables hold them all
MOST_BOXES, MOST_COLUMNS = 24, 6  # targets
PANEL = (2.6, 1.9)  # inches

Floats = npt.NDArray[np.float64]


class Box(NamedTuple):
    """Quantiles: 5, 25, 50, 75 and 95 %."""

    q05: float
    q25: float
    median: float
    q75: float
    q95: float


class Band(NamedTuple):
    """Quartiles along the window, shape (W,) each."""

    q25: Floats
    median: Floats
    q75: Floats


def draw_marginals(
    boxes: dict[str, dict[str, list[Box]]], targets: Sequence[str], groups: dict[str, str]
) -> "Figure":
    """Differences of totals: by motif, group and target.

    Parameters
    ----------
    boxes : dict of dict of list of Box
        By motif and group, one for each target.
    targets : sequence of str
    groups : dict of str to str
        What each group is called.
    """
    shown = list(boxes)[:MOST_MOTIFS]
    n_targets = min(len(targets), MOST_BOXES)
    width = 1.0 + 0.28 * n_targets * len(groups)
    with style():
        figure = new_figure(max(PANEL[0], width), 0.7 + PANEL[1] * len(shown))
        axes = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
        for ax, motif in zip(axes, shown, strict=True):
            ax.axhline(0, color=GREY, linewidth=0.8, linestyle="-")
            for number, (group, name) in enumerate(groups.items()):
                at = np.arange(n_targets, dtype=np.float64)
                at += 0.36 * (number - (len(groups) - 1) / 2)
                _draw_boxes(ax, boxes[motif][group][:n_targets], at, number, name)
            ax.set_title(_part(motif))
            ax.set_ylabel("change of cuts")
        axes[-1].set_xticks(np.arange(n_targets), list(targets[:n_targets]), rotation=90)
        _say_what_is_left(figure, len(boxes), len(targets), MOST_BOXES)
        if len(groups) > 1:
            axes[0].legend()
    return figure


def _draw_boxes(ax: "Axes", boxes: list[Box], at: Floats, number: int, name: str) -> None:
    stats = [
        {"med": b.median, "q1": b.q25, "q3": b.q75, "whislo": b.q05, "whishi": b.q95}
        for b in boxes
    ]
    line = {"color": COLOURS[number], "linestyle": "-", "linewidth": 1.0}
    drawn = ax.bxp(
        stats, positions=at, widths=0.28, showfliers=False, patch_artist=True, manage_ticks=False,
        boxprops={"facecolor": "white" if number else COLOURS[number], "edgecolor": COLOURS[number],
                  "alpha": 0.6},
        medianprops=line | {"color": "black", "linewidth": 1.6},
        whiskerprops=line, capprops=line,
    )  # fmt: skip
    drawn["boxes"][0].set_label(name)


def draw_footprints(
    bands: dict[tuple[str, str], tuple[Band, Band]],
    depths: dict[tuple[str, str], float],
    spans: dict[str, tuple[int, int]],
) -> "Figure":
    """Profiles with and without motifs: medians, and bands of the quartiles.

    Parameters
    ----------
    bands : dict of (motif, target) to (Band, Band)
        With and without the motif.
    depths : dict of (motif, target) to float
    spans : dict of str to (int, int)
        Where each motif lies, bp of the window.
    """
    motifs = list(dict.fromkeys(motif for motif, _ in bands))[:MOST_MOTIFS]
    every = list(dict.fromkeys(target for _, target in bands))
    targets = every[:MOST_COLUMNS]
    with style():
        figure = new_figure(0.6 + PANEL[0] * len(targets), 0.6 + (PANEL[1] + 0.2) * len(motifs))
        axes = figure.subplots(len(motifs), len(targets), squeeze=False, sharey="row")
        for row, motif in zip(axes, motifs, strict=True):
            start, stop = spans[motif]
            for ax, target in zip(row, targets, strict=True):
                within, without = bands[motif, target]
                position = np.arange(len(within.median)) - (start + stop - 1) / 2
                ax.axvspan(position[start], position[stop - 1], color="0.92", linewidth=0)
                for band, colour, dash, label in (
                    (without, GREY, "--", "without"),
                    (within, COLOURS[0], "-", "with the motif"),
                ):
                    ax.fill_between(
                        position, band.q25, band.q75, color=colour, alpha=0.25, linewidth=0
                    )
                    ax.plot(position, band.median, color=colour, linestyle=dash, label=label)
                ax.set_title(f"{_part(motif)}\n{_part(target)}: {depths[motif, target]:+.2f} bits")
            row[0].set_ylabel("probability per bp")
            row[0].set_ylim(0)  # of the whole row, which shares it
        for ax in axes[-1]:
            ax.set_xlabel("from the motif's middle (bp)")
        _say_what_is_left(figure, len(spans), len(every), MOST_COLUMNS)
        axes[0, 0].legend()
    return figure


def _say_what_is_left(figure: "Figure", n_motifs: int, n_targets: int, most: int) -> None:
    if n_motifs > MOST_MOTIFS or n_targets > most:
        shown = f"{min(n_motifs, MOST_MOTIFS)} of {n_motifs} motifs"
        figure.suptitle(f"the first {shown}, {min(n_targets, most)} of {n_targets} targets")


def _part(name: str) -> str:
    return name if len(name) <= 24 else name[:21] + "..."
