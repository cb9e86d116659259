"""Figures like Koo and Eddy's 2 to 4, of the networks that `bench.koo_runs` has trained.

    python -m bench.koo_figures          docs/figures/koo_pools.png, koo_views.png, koo_saliency.png

pools and views: the first layer's filters of networks, each by the factor that Tomtom finds it to
be, if any, above the motifs and their reverse complements. saliency: guided backpropagation from
the logit of a class, and plain gradients beside it, of a test sequence that has this label alone.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import kmerengine
from bench.harness import say
from bench.koo_runs import MOTIFS, SIMULATED, Trial, data_of, sequences
from bench.koo_table1 import E_VALUE
from bench.machine import ROOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

FIGURES = ROOT / "docs" / "figures"
POOLS = ("cnn-2", "cnn-4", "cnn-25")
VIEWS = ("cnn9-4", "cnn9-25", "cnn19-1-2")
SALIENCY = ("cnn-25", "cnn-2", "cnn3-2")
CLASSES = ("FOSL1", "MAX", "CEBPB", "SRF")
METHODS = {"guided": "guided backpropagation", "saliency": "gradient"}
COLUMNS = 3  # of filters, in the panel of a network
AROUND = 12  # bp on either side of a motif

Floats = npt.NDArray[np.float64]


def filter_figure(networks: Sequence[str], seed: int) -> "Figure":
    """First-layer filters of some networks."""
    from modelkit.figures import new_figure, style

    factors = _factors()
    with style():
        figure = new_figure(3.2 * len(networks), 10)
        above, below = figure.subfigures(2, 1, height_ratios=(3, 1.45))
        panels = np.ravel(above.subfigures(1, len(networks)))
        for panel, name in zip(panels, networks, strict=True):
            _filters(panel, Trial(name, seed))
        below.suptitle(
            "motifs in the sequences, each with its reverse complement; all logos 0 to 2 bits",
            fontsize=10,
        )
        axes = below.subplots(3, 8, gridspec_kw={"hspace": 0.1, "wspace": 0.05})
        for (name, matrix), place in zip(factors.items(), range(len(factors)), strict=True):
            row, column = divmod(place, 4)
            _logo(axes[row][2 * column], matrix, name)
            _logo(axes[row][2 * column + 1], matrix[::-1, ::-1], "")
    return figure


def _filters(panel: "SubFigure", trial: Trial) -> None:
    import modelkit
    from modelkit.interpretation.filters.koo_truth import KOO_TRUTH
    from modelkit.interpretation.filters.recovery import recovery

    learnt = modelkit.filters(trial.path, data_of(SIMULATED), database=MOTIFS, e=E_VALUE)
    assert learnt.matches is not None  # there is a database
    found = recovery(learnt.matches, len(learnt), KOO_TRUTH)
    best = {name: str(row["target"]) for name, row in learnt.matches.best().items()}
    factor_of = {
        name: factor
        for factor, names in found.by_factor.items()
        for name in names
        if best[name] in KOO_TRUTH[factor] or all(best[name] not in t for t in KOO_TRUTH.values())
    }
    panel.suptitle(f"{trial.network}: {found.relevant:.0%} relevant", fontsize=10)
    n_rows = -(-len(learnt) // COLUMNS)
    axes = panel.subplots(n_rows, COLUMNS, gridspec_kw={"hspace": 0.0, "wspace": 0.08})
    for name, ax in zip_longest(learnt.names, axes.flat):
        frequencies = None if name is None else learnt.frequencies(name)
        if frequencies is None:
            ax.set_axis_off()
            continue
        _logo(ax, frequencies, factor_of.get(name, ""))


def _logo(ax: "Axes", probabilities: Floats, name: str) -> None:
    """Letters of 0 to 2 bits without scales: the figure says what they are."""
    from kmerengine.logo import draw_logo, information

    draw_logo(ax, information(probabilities), ylabel="", xlabel="")
    ax.set_ylim(0, 2)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(name or " ", fontsize=7, pad=1)


def _factors() -> dict[str, Floats]:
    from kmerengine.simulators.koo import FACTORS

    held = {motif.name: motif for motif in kmerengine.read_motifs(MOTIFS)}
    return {name: held[identifier].probabilities for name, identifier in FACTORS.items()}


def saliency_figure(seed: int) -> "Figure":
    """What three networks see in a sequence of each of four classes."""
    from kmerengine.logo import draw_logo, information
    from modelkit.figures import new_figure, style

    data = kmerengine.Dataset.open(data_of(SIMULATED))
    truth = np.load(sequences() / "models.npy", mmap_mode="r")
    rows = {name: _example(data, name) for name in CLASSES}
    heights = {name: _heights(Trial(name, seed), data, rows) for name in SALIENCY}
    with style():
        figure = new_figure(11, 7.6)
        panels = np.ravel(figure.subfigures(2, 2))
        first = int(data.split("test")[0])  # the models are those of the test sequences
        for panel, (name, row) in zip(panels, rows.items(), strict=True):
            model = truth[row - first].T.astype(np.float64)
            low, high = _motif_window(model)
            panel.suptitle(f"{name}, test sequence {row - first + 1}", fontsize=10)
            lines = [
                (f"{network}\n{what}", heights[network][name, method])
                for network in SALIENCY
                for method, what in METHODS.items()
            ]
            one_hot = np.eye(4)[data.sequence[row]]
            lines += [("sequence", 2 * one_hot), ("model", information(model))]
            axes = panel.subplots(len(lines), 1, sharex=True)
            for ax, (label, letters) in zip(axes, lines, strict=True):
                last = ax is axes[-1]
                draw_logo(
                    ax, letters[low:high], ylabel="", start=low,
                    xlabel="position (bp)" if last else "",
                )  # fmt: skip
                ax.set_yticks([])
                if not last:
                    ax.tick_params(bottom=False)
                ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=6.5)
        figure.supylabel("height of letters (bits, each row to its own scale)", fontsize=8)
    return figure


def _example(data: Any, name: str) -> int:
    """The first test sequence whose only label is `name`."""
    rows = data.split("test")
    alone = (data.labels[rows].sum(1) == 1) & (data.labels[rows, data.label_names.index(name)] == 1)
    return int(rows[alone][0])


def _motif_window(model: Floats) -> tuple[int, int]:
    """The bp that are not 1/4 of each base, and some around."""
    inside = np.flatnonzero(np.abs(model - 0.25).max(1) > 1e-3)
    return max(0, int(inside[0]) - AROUND), min(len(model), int(inside[-1]) + AROUND + 1)


def _heights(
    trial: Trial, data: Any, rows: Mapping[str, int]
) -> dict[tuple[str, str], Floats]:
    """Letters by class and method, (bp, 4)."""
    import torch

    import modelkit
    from modelkit.interpretation.methods.gradients import logo_heights

    found = {}
    with TemporaryDirectory() as folder:
        for name, row in rows.items():
            for method in METHODS:
                path = Path(folder) / f"{name}-{method}"
                made = modelkit.attribute(
                    trial.path, data, path, method=method, head="logit", targets=[name],
                    rows=[row], device="cpu",
                )  # fmt: skip
                gradient = torch.from_numpy(np.array(made.hypothetical[0, 0], np.float32))
                found[name, method] = logo_heights(gradient).T.double().numpy()
    return found


def main() -> None:
    """Draw what there are runs for."""
    parser = argparse.ArgumentParser(prog="bench.koo_figures", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the networks (default 0)")
    seed = parser.parse_args().seed
    from modelkit.figures import save

    if not sequences().exists():
        parser.error("no networks yet; python -m bench.koo_runs trains them")
    for name, figure in (
        ("koo_pools", filter_figure(POOLS, seed)),
        ("koo_views", filter_figure(VIEWS, seed)),
        ("koo_saliency", saliency_figure(seed)),
    ):
        save(figure, FIGURES / f"{name}.png", force=True)
        say(str(FIGURES / f"{name}.png"))


if __name__ == "__main__":
    main()
