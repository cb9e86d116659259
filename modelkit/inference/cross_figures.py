"""Figures of a cross table: the matrix, the curves, GC against auROC."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from modelkit.figures import COLOURS, GREY, MAP, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_cross", "draw_curves", "draw_gc"]

Floats = npt.NDArray[np.float64]

MOST_NUMBERS = 12  # rows or columns; more have no room for the values
MOST_CURVES = 16


def draw_cross(
    values: Floats, runs: Sequence[str], data: Sequence[str], best: Sequence[str | None]
) -> "Figure":
    """A heatmap of the auROC of runs by data sets; the best run of each column is framed.

    Parameters
    ----------
    values : float64, shape (runs, data)
        NaN is left white.
    runs, data : sequence of str
    best : sequence of str or None
        A run for each data set.
    """
    from matplotlib.patches import Rectangle

    n, m = values.shape
    shown = values[np.isfinite(values)]
    low, high = (min(0.5, float(shown.min())), float(shown.max())) if len(shown) else (0.5, 1.0)
    high = max(high, low + 0.01)
    with style():
        cell = 0.5 if max(n, m) <= MOST_NUMBERS else 0.24
        figure = new_figure(min(2.6 + cell * m, 14), min(1.6 + cell * n, 14))
        ax = figure.subplots()
        image = ax.imshow(values, cmap=MAP, vmin=low, vmax=high, aspect="auto")
        ax.set_xticks(range(m), list(data), rotation=90)
        ax.set_yticks(range(n), list(runs))
        ax.tick_params(length=0)
        ax.set_xlabel("data")
        ax.set_ylabel("run")
        for column, name in enumerate(best):
            if name is not None:
                corner = (column - 0.5, list(runs).index(name) - 0.5)
                frame = Rectangle(
                    corner, 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=1.8, clip_on=False
                )
                ax.add_patch(frame)
        if max(n, m) <= MOST_NUMBERS:
            for (row, column), value in np.ndenumerate(values):
                if np.isfinite(value):
                    dark = (value - low) / (high - low) < 0.55
                    ax.text(
                        column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                        color="white" if dark else "black",
                    )  # fmt: skip
        figure.colorbar(image, ax=ax, shrink=0.8).set_label("auROC")
        ax.set_title("framed: the best run on each data set")
    return figure


def draw_curves(
    curves: Mapping[str, Mapping[str, tuple[Floats, Floats]]], max_fpr: float
) -> "Figure":
    """A panel for each data set: the ROC curve of each run, by (false, true positive rate)."""
    columns = min(len(curves), 4)
    rows = -(-len(curves) // columns)
    with style():
        figure = new_figure(0.4 + 2.6 * columns, 0.3 + 2.5 * rows)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes[len(curves) :]:
            ax.set_axis_off()
        for ax, (name, of) in zip(axes, curves.items(), strict=False):
            ax.axvline(max_fpr, color=GREY, linewidth=0.7, linestyle=":")
            ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=":")
            for run, (fpr, tpr) in of.items():
                ax.plot(fpr, tpr, label=run, linewidth=1.1)
            ax.set(xlim=(0, 1), ylim=(0, 1.01), title=name)
            ax.set_xlabel("false positive rate")
            ax.set_ylabel("true positive rate")
            if len(of) > 1:
                ax.legend(loc="lower right", fontsize=7)
    return figure


def draw_gc(
    difference: Floats, auroc: Floats, names: Sequence[str], r: float, p: float
) -> "Figure":
    """auROC of each data set against the GC difference of bound and unbound sequences."""
    with style():
        figure = new_figure(3.8, 3.4)
        ax = figure.subplots()
        ax.scatter(100 * difference, auroc, s=18, color=COLOURS[0])
        if len(names) <= MOST_CURVES:
            for x, y, name in zip(100 * difference, auroc, names, strict=True):
                ax.annotate(
                    name, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=7,
                    color=GREY,
                )  # fmt: skip
        ax.set_xlabel("GC of bound less that of unbound, %")
        ax.set_ylabel("auROC")
        known = f"r = {r:.2f}, p = {p:.2g}, " if r == r else ""  # of two there is none
        ax.set_title(f"{known}n = {len(names):,}")
    return figure
