"""Figures of contexts: enriched words of factors, and mean scores around core motifs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from modelkit.figures import GREY, MAP, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_heatmap", "draw_profiles"]

CELL = 0.17  # inches
SIDES = (0.94, 0.62, 0.28)  # of a square, by how small P is
LARGEST = 0.97  # quantile of z-scores at which colours end: cores are of a few per cent
CORRECTED = 0.05  # largest P times the number of tests of a large square

Floats = npt.NDArray[np.float64]


def draw_heatmap(
    odds: Floats,
    log_p: Floats,
    settings: Sequence[str],
    names: Sequence[str],
    words: Sequence[str],
    *,
    p: float,
    n_tests: int,
    cap: float,
) -> "Figure":
    """A panel for each setting: squares of words and factors.

    Parameters
    ----------
    odds, log_p : float64, shape (S, T, W)
        Odds ratios and natural logarithms of P; NaN where there is none.
    settings, names, words : sequence of str
    p : float
        Largest P of a square of the middle size.
    n_tests : int
        Of Bonferroni's correction.
    cap : float
        Odds ratio at which colours end.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    n_settings, n_names, n_words = odds.shape
    large = log_p + np.log(n_tests) <= np.log(CORRECTED)
    side = np.select([large, log_p <= np.log(p)], SIDES[:2], SIDES[2])
    with style():
        figure = new_figure(
            1.9 + CELL * max(n_words, 20), 0.9 + n_settings * (0.35 + CELL * max(n_names, 3))
        )
        axes = figure.subplots(n_settings, 1, squeeze=False, sharex=True)[:, 0]
        for s, ax in enumerate(axes):
            at = np.argwhere(~np.isnan(log_p[s]))
            squares = [
                Rectangle((w - side[s, t, w] / 2, t - side[s, t, w] / 2), side[s, t, w],
                          side[s, t, w])
                for t, w in at
            ]  # fmt: skip
            drawn = PatchCollection(squares, cmap=MAP, linewidths=0)
            drawn.set_array(np.minimum(odds[s][at[:, 0], at[:, 1]], cap))
            drawn.set_clim(0, cap)
            ax.add_collection(drawn)
            ax.set_xlim(-0.6, n_words - 0.4)
            ax.set_ylim(n_names - 0.4, -0.6)
            ax.set_aspect("equal")
            ax.set_yticks(range(n_names), list(names))
            ax.tick_params(length=0)
            if settings[s]:
                ax.set_title(settings[s])
        axes[-1].set_xticks(
            range(n_words), list(words), rotation=90, family="DejaVu Sans Mono", fontsize=7
        )
        bar = figure.colorbar(drawn, ax=list(axes), shrink=0.6, aspect=12, extend="max")
        bar.set_label("odds ratio")
        figure.supxlabel(
            f"large squares: P after Bonferroni <= {CORRECTED:g}; middle: P <= {p:g}; small: above",
            fontsize=7, color=GREY,
        )  # fmt: skip
    return figure


def draw_profiles(
    panels: dict[tuple[str, bool], Floats], names: Sequence[str], first: int
) -> "Figure":
    """A column for each setting, bound sequences above unbound ones.

    Parameters
    ----------
    panels : dict of (str, bool) to float64, shape (T, W)
        z-scores by setting, and by whether sequences are bound; NaN where a factor is missing.
    names : sequence of str
    first : int
        bp from the middle of the core motif to the first value.
    """
    settings = list(dict.fromkeys(setting for setting, _ in panels))
    classes = [each for each in (True, False) if any(each is bound for _, bound in panels)]
    every = np.concatenate([values.ravel() for values in panels.values()])
    top = float(np.nanquantile(every, LARGEST)) or 1.0
    low = min(float(np.nanmin(every)), top - 1e-9)
    with style():
        height = len(classes) * (0.5 + CELL * max(len(names), 4)) + 0.5
        figure = new_figure(2.2 + 3.0 * len(settings), height)
        axes = figure.subplots(len(classes), len(settings), squeeze=False, sharex=True)
        for (setting, bound), values in panels.items():
            ax = axes[classes.index(bound), settings.index(setting)]
            n, width = values.shape
            image = ax.imshow(
                values, aspect="auto", interpolation="nearest", vmin=low, vmax=top, cmap=MAP,
                extent=(first - 0.5, first + width - 0.5, n - 0.5, -0.5),
            )  # fmt: skip
            ax.set_yticks(range(n), list(names) if setting == settings[0] else [""] * n)
            ax.tick_params(axis="y", length=0)
            ax.set_title(" ".join(filter(None, [setting, "bound" if bound else "unbound"])))
        for ax in axes[-1]:
            ax.set_xlabel("bp from the core motif's middle")
        for ax in axes.flat:
            ax.set_visible(bool(ax.images))
        bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=18, extend="max")
        bar.set_label("mean |score|, z")
    return figure
