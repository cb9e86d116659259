"""The figure of `kmerengine qc`: one row of panels per sample."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kmerengine.logo import draw_logo, information
from kmerengine.quality.aggregate import LENGTH_BIN, LENGTH_BINS, SMOOTH, Aggregate, VPlot
from kmerengine.quality.metrics import SampleQC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]

MOST_ROWS = 30  # samples; the tables hold them all
ALONG, AGAINST, BOTH = "#0072B2", "#E69F00", "#333333"  # Okabe and Ito
WIDTH, HEIGHT = 3.4, 2.5  # inches of a panel
LONGEST = LENGTH_BIN * LENGTH_BINS  # bp
TITLES = {"tss": "transcription start sites", "regions": "region centres"}


def write_figure(samples: list[SampleQC], path: Path, form: Format) -> None:
    """Write the figure; the same samples give the same bytes."""
    # no date, no version
    metadata: dict[str, Any] = {"Software": None} if form == "png" else {"Date": None}
    draw_figure(samples).savefig(path, format=form, dpi=150, metadata=metadata)


def draw_figure(samples: list[SampleQC]) -> "Figure":
    """Draw fragment lengths, cuts around anchors, the V-plot and the logo, as far as known."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = samples[:MOST_ROWS]
    kinds = list(shown[0].around)
    has_lengths = any(each.lengths is not None for each in shown)
    has_v = any(each.v_plot is not None for each in shown)
    has_motif = any(each.motif is not None for each in shown)
    n_columns = max(1, has_lengths + len(kinds) + has_v + has_motif)
    figure = Figure(figsize=(WIDTH * n_columns, (HEIGHT + 0.35) * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subfigures(len(shown), 1, squeeze=False)[:, 0]
    for row, sample in zip(rows, shown, strict=True):
        row.suptitle(_title(sample), fontsize=9, x=0.01, ha="left")
        axes = iter(row.subplots(1, n_columns, squeeze=False)[0])
        if has_lengths:
            _draw_lengths(next(axes), sample)
        for kind in kinds:
            _draw_aggregate(next(axes), sample.around[kind], kind)
        if has_v:
            _draw_v(next(axes), sample.v_plot, kinds[0])
        if has_motif:
            _draw_motif(next(axes), sample)
        for left in axes:
            left.set_axis_off()
    return figure


def _title(sample: SampleQC) -> str:
    metrics = sample.metrics
    said = [f"{sample.name}:  {metrics['cuts']:,} cuts"]
    for name, label, form in (
        ("duplicates", "duplicates", "{:.1%}"),
        ("mitochondrial", "mitochondrial", "{:.1%}"),
        ("frip", "in regions", "{:.1%}"),
        ("tss_enrichment", "TSS enrichment", "{:.1f}"),
        ("input_shift", "input shift", "{}"),
    ):
        if metrics[name] is not None:
            said.append(f"{label} {form.format(metrics[name])}")
    return ",  ".join(said)


def _draw_lengths(ax: "Axes", sample: SampleQC) -> None:
    ax.set_xlabel("fragment length (bp)")
    ax.set_ylabel("fragments (%)")
    if sample.lengths is None or not sample.lengths.sum():
        _say(ax, "no fragments")
        return
    share = 100 * sample.lengths / sample.lengths.sum()
    ax.plot(np.arange(LONGEST), share[:LONGEST], color=BOTH, linewidth=0.9)
    ax.set_xlim(0, LONGEST)
    ax.set_ylim(0)


def _draw_aggregate(ax: "Axes", aggregate: Aggregate, kind: str) -> None:
    reach = aggregate.reach
    offset = np.arange(-reach, reach + 1)
    per_anchor = aggregate.counts / len(aggregate.anchors)
    is_wide = reach >= 5 * SMOOTH
    turned = any(minus.any() for minus in aggregate.anchors.minus)
    names = (
        ("reads along the site", "reads against it") if turned else ("plus reads", "minus reads")
    )
    for strand, colour, label in ((0, ALONG, names[0]), (1, AGAINST, names[1])):
        values = per_anchor[strand]
        if is_wide:
            ax.plot(offset, values, color=colour, linewidth=0.4, alpha=0.35)
            values = np.convolve(values, np.full(SMOOTH, 1 / SMOOTH), mode="same")
        inside = slice(SMOOTH // 2, -(SMOOTH // 2)) if is_wide else slice(None)
        ax.plot(offset[inside], values[inside], color=colour, linewidth=1.2, label=label)
    ax.set_xlim(-reach, reach)
    ax.set_ylim(0)
    ax.set_xlabel(f"from {TITLES[kind]} (bp)")
    ax.set_ylabel("cuts per base and place")
    ax.legend(frameon=False, fontsize=7)


def _draw_v(ax: "Axes", v_plot: VPlot | None, kind: str) -> None:
    ax.set_xlabel(f"midpoint from {TITLES[kind]} (bp)")
    ax.set_ylabel("fragment length (bp)")
    if v_plot is None:
        _say(ax, "no fragments")
        return
    reach = v_plot.reach
    image = ax.imshow(
        v_plot.counts, origin="lower", aspect="auto", cmap="viridis", interpolation="nearest",
        extent=(-reach, reach, 0, LONGEST), vmax=max(1, np.quantile(v_plot.counts, 0.995)),
    )  # fmt: skip
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label("fragments", fontsize=8)


def _draw_motif(ax: "Axes", sample: SampleQC) -> None:
    if sample.motif is None:
        _say(ax, "shift not looked for")
        return
    heights = information(sample.motif, sample.background)
    half = len(heights) // 2
    draw_logo(
        ax, heights, start=-half, ylabel="information (bits)",
        xlabel="from centre of the duplication (bp)",
    )  # fmt: skip


def _say(ax: "Axes", text: str) -> None:
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])
