"""Figures of SNPs: ratios of singletons by factor, scores of variants of a reporter assay."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelkit.figures import COLOURS, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_mpra", "draw_singletons"]

MOST_FACTORS = 60  # beyond, a figure is no wider

Floats = npt.NDArray[np.float64]


def draw_singletons(rows: list[dict[str, Any]]) -> "Figure":
    """Ratios of each factor's parts side by side, with their standard errors and numbers of SNPs.

    `rows` are those of the table.
    """
    names = list(dict.fromkeys(row["name"] for row in rows))
    parts = list(dict.fromkeys((row["part"], row.get("share")) for row in rows))
    colours = dict(zip(parts, _colours(parts), strict=True))
    with style():
        figure = new_figure(1.6 + 0.26 * len(parts) * min(len(names), MOST_FACTORS), 3.4)
        ax = figure.subplots()
        for place, part in enumerate(parts):
            chosen = [r for r in rows if (r["part"], r.get("share")) == part and r["snps"]]
            x = [names.index(r["name"]) + (place - (len(parts) - 1) / 2) * 0.2 for r in chosen]
            y = [100 * r["ratio"] for r in chosen]
            ax.errorbar(
                x, y, [100 * r["standard_error"] for r in chosen], fmt="o", markersize=4,
                elinewidth=1, capsize=2, color=colours[part], label=_said(*part), linestyle="none",
            )  # fmt: skip
            for r, left, height in zip(chosen, x, y, strict=True):
                ax.annotate(
                    f"{r['snps']:,}", (left, height + 100 * r["standard_error"]),
                    xytext=(0, 3), textcoords="offset points", rotation=90, fontsize=6,
                    ha="center", va="bottom",
                )  # fmt: skip
        ax.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
        ax.set_xlim(-0.6, len(names) - 0.4)
        ax.margins(y=0.18)
        ax.set_ylabel("SNPs that are singletons, %")
        ax.set_title("with the number of SNPs, and 1 standard error")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _colours(parts: list[tuple[str, float | None]]) -> list[str]:
    """Black of the context, blue of the core, others of top parts."""
    top = iter([COLOURS[4], COLOURS[1], *COLOURS[2:4], COLOURS[5]] * len(parts))
    fixed = {"context": "#000000", "core": COLOURS[0]}
    return [fixed[name] if name in fixed else next(top) for name, _ in parts]


def _said(part: str, share: float | None) -> str:
    return part if share is None else f"context, top {100 * share:g} %"


def draw_mpra(positive: Floats, negative: Floats, p: float, fdr: float) -> "Figure":
    """A violin and a box of the scores of either kind."""
    with style():
        figure = new_figure(3.4, 3.4)
        ax = figure.subplots()
        each = [positive, negative]
        for place, some in enumerate(each):
            if np.ptp(some) > 0:  # of equal values there is no density
                drawn: Any = ax.violinplot([some], [place], widths=0.8, showextrema=False)
                for body in drawn["bodies"]:
                    body.set(facecolor=COLOURS[1 - place], alpha=0.35, linewidth=0)
        ax.boxplot(
            each, positions=range(2), widths=0.14, showfliers=False, patch_artist=True,
            manage_ticks=False, boxprops={"facecolor": "white", "linewidth": 0.9},
            medianprops={"color": "black", "linewidth": 1.5},
            whiskerprops={"linewidth": 0.9, "linestyle": "-"}, capprops={"linewidth": 0.9},
        )  # fmt: skip
        ax.set_xticks(
            range(2),
            [
                f"FDR < {fdr:g}\n{len(positive):,} variants",
                f"FDR \u2265 {fdr:g}\n{len(negative):,} variants",
            ],
        )
        ax.set_xlim(-0.6, 1.6)
        ax.set_ylabel("greatest score of a factor")
        ax.set_title(f"Mann-Whitney, two-sided P = {p:.2g}")
    return figure
