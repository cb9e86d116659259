"""Figures of topics: matrices by group, distributions, bars, points in a plane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelkit.figures import COLOURS, GREY, MAP, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_bars", "draw_distributions", "draw_matrix", "draw_points"]

MOST_NAMES = 60  # of columns; more would lie on each other
MOST_ROWS = 1500  # of an image: more than it has dots are averaged, or some would be left out
NAME = 0.14  # inches that the name of a group takes
DIVERGING = "RdBu_r"  # of values on both sides of 0
LARGEST = 0.995  # quantile of the values at which colours end

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def draw_matrix(
    values: Floats,
    group: Ints,
    groups: Sequence[str],
    columns: Sequence[str],
    *,
    rows: str,
    label: str,
    diverging: bool = False,
) -> "Figure":
    """A heatmap of rows by group, with a line between groups.

    Parameters
    ----------
    values : float64, shape (n, m)
    group : int64, shape (n,)
        Ascending.
    groups, columns : sequence of str
    rows : str
        What rows are.
    label : str
        What values are.
    diverging : bool
        Colours on both sides of 0.
    """
    n, m = values.shape
    sizes = np.bincount(group, minlength=len(groups))
    ends = np.cumsum(sizes)
    top = float(np.quantile(np.abs(values) if diverging else values, LARGEST)) or 1.0
    low = -top if diverging else min(0.0, float(values.min()))
    with style():
        height = min(3.8 + NAME * len(groups), 10)
        figure = new_figure(min(3.2 + 0.17 * m, 12), height)
        ax = figure.subplots()
        image = ax.imshow(
            _fewer_rows(values, MOST_ROWS), aspect="auto", interpolation="nearest",
            cmap=DIVERGING if diverging else MAP, vmin=low, vmax=top,
            extent=(-0.5, m - 0.5, n - 0.5, -0.5),
        )  # fmt: skip
        between: dict[str, Any] = {"color": GREY if diverging else "white", "linewidth": 0.4}
        for end in ends[:-1].tolist():
            ax.axhline(end - 0.5, linestyle="-", **between)
        middle = ends - sizes / 2 - 0.5
        shown: list[int] = []
        for i in np.flatnonzero(sizes).tolist():  # those with room for their names
            if not shown or middle[i] - middle[shown[-1]] >= n * NAME / (height - 1.2):
                shown.append(i)
        ax.set_yticks(middle[shown], [groups[i] for i in shown])
        step = -(-m // MOST_NAMES)
        ax.set_xticks(range(0, m, step), list(columns)[::step], rotation=90)
        ax.tick_params(length=0)
        ax.set_title(f"{n:,} {rows}")
        bar = figure.colorbar(image, ax=ax, shrink=0.5, extend="both" if diverging else "max")
        bar.set_label(label)
    return figure


def _fewer_rows(values: Floats, most: int) -> Floats:
    """Means of rows, at most so many: a row of the image of all that it covers."""
    n = len(values)
    if n <= most:
        return values
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    edges = np.linspace(0, n, most + 1)
    below = np.minimum(edges.astype(np.int64), n - 1)
    at_edges = sums[below] + (edges - below)[:, None] * values[below]
    found: Floats = np.diff(at_edges, axis=0) * (most / n)
    return found


def draw_distributions(
    values: dict[str, list[Floats]], groups: Sequence[str], notes: dict[str, list[str]], label: str
) -> "Figure":
    """A panel for each topic: a violin and a box for each group, with a line of text below it."""
    with style():
        figure = new_figure(0.9 + 1.2 * len(groups), 0.4 + 2.8 * len(values))
        axes = figure.subplots(len(values), 1, squeeze=False)[:, 0]
        for ax, (topic, each) in zip(axes, values.items(), strict=True):
            for place, some in enumerate(each):
                if np.ptp(some) > 0:  # of equal values there is no density
                    drawn = ax.violinplot([some], [place], widths=0.85, showextrema=False)
                    for body in drawn["bodies"]:
                        body.set(facecolor=COLOURS[place % len(COLOURS)], alpha=0.35, linewidth=0)
            ax.boxplot(
                each, positions=range(len(each)), widths=0.16, showfliers=False,
                patch_artist=True, manage_ticks=False,
                boxprops={"facecolor": "white", "linewidth": 0.9},
                medianprops={"color": "black", "linewidth": 1.5},
                whiskerprops={"linewidth": 0.9, "linestyle": "-"}, capprops={"linewidth": 0.9},
            )  # fmt: skip
            named = [f"{a}\n{b}" for a, b in zip(groups, notes[topic], strict=True)]
            ax.set_xticks(range(len(groups)), named)
            ax.set_xlim(-0.6, len(groups) - 0.4)
            ax.set_ylabel(label)
            ax.set_title(topic)
    return figure


def draw_bars(names: Sequence[str], scores: dict[str, Floats]) -> "Figure":
    """Scores of one or two cell types as bars over each other, in the order of the names."""
    with style():
        figure = new_figure(min(1.6 + 0.16 * len(names), 14), 3.4)
        ax = figure.subplots()
        for number, (cell, each) in enumerate(scores.items()):
            ax.bar(
                range(len(names)), each, width=0.85, color=COLOURS[number], alpha=0.6, label=cell
            )
        step = -(-len(names) // (2 * MOST_NAMES))
        ax.set_xticks(range(0, len(names), step), list(names)[::step], rotation=90, fontsize=7)
        ax.set_xlim(-0.7, len(names) - 0.3)
        ax.set_ylabel("accessibility score")
        if len(scores) > 1:
            ax.legend(loc="upper left")
    return figure


def draw_points(points: Floats, group: Ints, groups: Sequence[str], axes_names: str) -> "Figure":
    """Points in a plane, coloured by group; the last group does not always lie on top."""
    order = np.random.default_rng(0).permutation(len(points))
    with style():
        figure = new_figure(4.6, 3.8)
        ax = figure.subplots()
        colours = np.array([COLOURS[i % len(COLOURS)] for i in range(len(groups))])
        size = float(np.clip(12_000 / len(points), 1, 14))
        ax.scatter(
            points[order, 0], points[order, 1], c=colours[group[order]], s=size, alpha=0.7,
            linewidths=0, rasterized=True,
        )  # fmt: skip
        for number, name in enumerate(groups):
            ax.scatter([], [], color=colours[number], s=16, label=name)
        ax.set_xlabel(f"{axes_names} 1")
        ax.set_ylabel(f"{axes_names} 2")
        ax.set_xticks([])
        ax.set_yticks([])
        if len(groups) > 1:
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.set_title(f"{len(points):,} sequences")
    return figure
