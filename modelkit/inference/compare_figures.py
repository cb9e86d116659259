"""Figures of models that were compared: precision and recall, and one model against the others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelkit.figures import COLOURS, GREY, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_curves", "draw_scatter"]

MOST_PANELS, MOST_COLUMNS = 12, 4
PANEL = 2.3  # inches
MARKS = ("o", "s", "^", "D", "v", "P", "X")

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def draw_curves(factors: Sequence[str], labels: Flags, scores: Mapping[str, Floats]) -> "Figure":
    """Precision by recall: a panel for each of the first factors that have both labels, with a line
    for each model, steps as average precision has them, and one at the prevalence.
    """
    from sklearn.metrics import precision_recall_curve  # type: ignore[import-untyped]

    both = [k for k in range(len(factors)) if 0 < labels[:, k].sum() < len(labels)]
    shown = both[:MOST_PANELS]
    columns = min(max(len(shown), 1), MOST_COLUMNS)
    rows = max(1, -(-len(shown) // columns))
    with style():
        figure = new_figure(0.5 + PANEL * columns, 0.6 + PANEL * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        handles: dict[str, Any] = {}
        for ax, k in zip(axes.flat, shown, strict=False):
            of = labels[:, k]
            handles["prevalence"] = ax.axhline(of.mean(), color=GREY, linewidth=0.8, linestyle="-")
            for model, values in scores.items():
                if not np.isfinite(values[:, k]).all():
                    continue
                precision, recall, _ = precision_recall_curve(of, values[:, k])
                (line,) = ax.plot(
                    recall, precision, drawstyle="steps-post", **_line(list(scores).index(model))
                )
                handles[model] = line
            ax.set_title(factors[k])
            ax.set(xlim=(0, 1), ylim=(0, 1.02))
        for ax in list(axes.flat)[len(shown) :]:
            ax.set_axis_off()
        figure.supxlabel("recall", fontsize=9)
        figure.supylabel("precision", fontsize=9)
        order = [*scores, "prevalence"]
        named = {name: handles[name] for name in order if name in handles}
        figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named))
        if len(both) > len(shown):
            figure.suptitle(f"the first {len(shown)} of {len(both)} factors", fontsize=9)
    return figure


def draw_scatter(
    rows: Sequence[Mapping[str, Any]], wins: Sequence[Any], models: Sequence[str]
) -> "Figure":
    """AUPRC of the first model by that of each other one, a point per factor; a row of panels for
    each place where they were measured. Above the line the first is better.
    """
    places = list(dict.fromkeys(row["where"] for row in rows))
    others = list(models[1:])
    area = {(r["where"], r["factor"], r["model"]): r["auprc"] for r in rows}
    factors = list(dict.fromkeys(row["factor"] for row in rows))
    title = {(w.where, w.against): w for w in wins}
    with style():
        figure = new_figure(0.5 + 2.6 * len(others), 0.4 + 2.6 * len(places))
        axes = figure.subplots(len(places), len(others), squeeze=False)
        for i, where in enumerate(places):
            for j, other in enumerate(others):
                ax = axes[i, j]
                ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="-")
                points = np.array(
                    [[area[where, f, m] for m in (other, models[0])] for f in factors]
                )
                ax.plot(
                    points[:, 0], points[:, 1], linestyle="none", marker=MARKS[j % len(MARKS)],
                    color=COLOURS[j % len(COLOURS)], markersize=4.5,
                )  # fmt: skip
                found = title[where, other]
                better = f"better on {found.wins} of {found.factors}"
                ax.set_title(f"{where}: {better}" if len(places) > 1 else better)
                ax.set(
                    xlim=(0, 1), ylim=(0, 1), aspect="equal",
                    xlabel=f"AUPRC of {other}", ylabel=f"AUPRC of {models[0]}",
                )  # fmt: skip
    return figure


def _line(number: int) -> dict[str, Any]:
    from modelkit.figures import DASHES

    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
