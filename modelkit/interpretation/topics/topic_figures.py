"""Figures of topics: logos of their motifs, their features, and these laid on each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kmerengine.logo import COLOURS
from modelkit.figures import GREY, new_figure, style
from modelkit.interpretation.motifs.logo_grid import LogoPanel, draw_logo_grid
from modelkit.interpretation.topics.topic_kmer_set import TopicKmers
from modelkit.interpretation.topics.topic_motif_set import TopicMotifs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_alignments", "draw_matrix", "draw_topic_motifs"]

MOST_ALIGNMENTS = 6  # topics of a figure; the text holds them all
LETTER = (0.105, 0.125)  # inches
CAPITALS = 0.73  # height of letters of size 1


def draw_topic_motifs(found: TopicMotifs) -> "Figure":
    """The motif of each topic in bits, with the motif of a database that it is like."""
    motifs = {motif.name: motif for motif in found.motifs}
    panels = [
        LogoPanel(
            title=row["topic"].removeprefix("topic_"),
            match=row["match_alt_name"] or row["match"],
            motif=motifs.get(row["topic"]),
            start=1,
            missing="prefers no sequence" if row["silent"] else "no motif found",
        )
        for row in found.table.to_pylist()
    ]
    chosen = found.provenance["parameters"]
    said = f"{len(found)} topics, the {chosen['top']} first sequences of {chosen['length']} bp"
    return draw_logo_grid(panels, said)


def draw_matrix(found: TopicKmers) -> "Figure":
    """Topics x features: probabilities of the first features of each topic (figure 1b)."""
    values = np.ma.masked_equal(found.matrix, 0)
    with style():
        figure = new_figure(8, min(9.0, 2.2 + 0.06 * len(found.topics)))
        axes = figure.subplots()
        image = axes.imshow(values, aspect="auto", interpolation="nearest")
        figure.colorbar(image, ax=axes, label="probability in the topic", pad=0.01)
        n, top = values.shape[1], found.provenance["parameters"]["top"]
        axes.set(
            xlabel=f"{n:,} features that are among the first {top} of a topic",
            ylabel="topic",
        )
        step = max(1, -(-len(found.topics) // 20))
        shown = range(0, len(found.topics), step)
        axes.set_yticks(list(shown), [found.topics[i].removeprefix("topic_") for i in shown])
    return figure


def draw_alignments(found: TopicKmers) -> "Figure":
    """The first features of topics laid on each other (figure 2c, d), of the largest alpha."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Outline

    topics = found.by_alpha()[:MOST_ALIGNMENTS]
    laid = [[text for text, _ in found.aligned(topic)] for topic in topics]
    widths = [len(each[0]) + 2 for each in laid]
    n_rows = max(map(len, laid))
    outlines = _outlines()
    colours: dict[str, Any] = dict(zip("ACGT", COLOURS, strict=True)) | {"*": GREY, "-": "#BFBFBF"}
    with style():
        figure = new_figure(0.4 + LETTER[0] * 1.2 * sum(widths), 0.6 + LETTER[1] * n_rows)
        axes: list[Axes] = figure.subplots(
            1, len(topics), squeeze=False, width_ratios=widths
        ).ravel().tolist()  # fmt: skip
        for ax, topic, lines in zip(axes, topics, laid, strict=True):
            paths, shades = [], []
            for row, line in enumerate(lines):
                for column, letter in enumerate(line):
                    shape, codes = outlines[letter]
                    paths.append(Outline(shape + np.array([column, row]), codes))
                    shades.append(colours[letter])
            drawn = PathCollection(paths, facecolors=shades, edgecolors="none", linewidths=0)
            drawn.set_transform(ax.transData)
            ax.add_collection(drawn, autolim=False)
            ax.set_xlim(-0.5, len(lines[0]) + 0.5)
            ax.set_ylim(n_rows, 0)
            ax.set_axis_off()
            ax.set_title(topic.removeprefix("topic_"), fontsize=8)
        figure.suptitle("topic", fontsize=8, x=0.01, ha="left")
    return figure


def _outlines() -> dict[str, tuple[Any, Any]]:
    """Vertices in a cell of 1 x 1 that hangs from its line, and path codes, of each sign."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    # matplotlib's own font by its file: no search through the system's fonts
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSansMono-Bold.ttf")
    found = {}
    for sign in "ACGT*-":
        path = TextPath((0, 0), sign, size=1, prop=FontProperties(fname=font))
        box = path.get_extents()
        centred = np.asarray(path.vertices) - np.array([(box.x0 + box.x1) / 2, CAPITALS / 2])
        found[sign] = (centred * np.array([1.15, -1.15]) + 0.5, path.codes)
    return found
