"""Cuts that were counted against those that a model predicts, and labels against the same."""

import numpy as np
import numpy.typing as npt
import torch

from kmerengine.datasets.folder import Dataset
from modelkit.figures import COLOURS, GREY, new_figure, style
from modelkit.metrics import auprc, auroc, pearson, spearman
from modelkit.reporting.labels import label_blocks
from modelkit.reporting.page import (
    Block,
    Cell,
    Gallery,
    Picture,
    Section,
    Table,
    Text,
    number,
    picture,
)
from modelkit.tasks.observe import observe_all
from modelkit.tasks.task import Task
from modelkit.training.run import Run

__all__ = ["totals"]

KEY, TITLE = "totals", "Predicted and counted cuts"
COMMAND = "modelkit report RUN --data DATASET"
SHOWN = 4  # tasks with a figure; the table has them all
MANY = 1000  # points of an SVG; more are a PNG
BATCH_SIZE = 64
PEAKS = "peaks against negatives"

Floats = npt.NDArray[np.float64]


def totals(
    run: Run, data: Dataset | None, task: Task | None, split: str, device: torch.device
) -> Section:
    """Figures and numbers of a split's totals, one by task, and of labels where data have them."""
    if data is None or task is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    run.check_split(data, split)
    rows = task.rows(split)
    if not len(rows):
        return _only(f"The data have no example of the split {split}.")
    network = run.network(device)
    batches = task.batches(rows, training=False, batch_size=BATCH_SIZE, device=device)
    observed = observe_all(task, network, batches.batches(0))
    if "predicted_total" not in observed:
        return _only("The model predicts no totals.")
    y, n = (observed[name].astype(np.float64) for name in ("predicted_total", "n_total"))
    tables = _by_task(task.names, y, n)
    blocks: list[Block] = [
        Text(f"{len(rows):,} examples of the split {split}; each point is a region."),
        Gallery([_scatter(task.names[i], y[:, i], n[:, i]) for i in _chosen(y, n)]),
        tables,
    ]
    names, labels = _labels(data, rows)
    if names:
        scores = np.broadcast_to(y.mean(1)[:, None], labels.shape)
        areas = auroc(labels, scores), auprc(labels, scores)
        caption = "How well the mean predicted total tells labels from the rest"
        blocks += label_blocks(names, labels, scores, areas, caption)
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _only(sentence: str) -> Section:
    return Section(key=KEY, title=TITLE, blocks=[Text(sentence)])


def _chosen(y: Floats, n: Floats) -> list[int]:
    """All tasks, or of many the best, the middle and the worst by correlation."""
    if y.shape[1] <= SHOWN:
        return list(range(y.shape[1]))
    order = np.argsort(-pearson(y.T, n.T), kind="stable")
    return [int(order[i]) for i in (0, len(order) // 2, -1)]


def _by_task(names: tuple[str, ...], y: Floats, n: Floats) -> Table:
    logs = np.log1p(y.clip(min=0)).T, np.log1p(n).T
    found = zip(
        names, pearson(y.T, n.T), spearman(y.T, n.T), pearson(*logs), n.mean(0), y.mean(0),
        strict=True,
    )  # fmt: skip
    rows = [
        (Cell(name), number(r), number(rho), number(log), *(number(v, ",.1f") for v in means))
        for name, r, rho, log, *means in found
    ]
    columns = ("task", "Pearson", "Spearman", "Pearson of logs", "mean counted", "mean predicted")
    return Table(
        caption="Correlation of totals across regions, by task", columns=columns, rows=rows
    )


def _scatter(name: str, y: Floats, n: Floats) -> Picture:
    r = float(pearson(y, n))
    with style():
        figure = new_figure(3.4, 3.2)
        axes = figure.subplots()
        points = y.clip(min=0) + 1, n + 1
        low = min(float(each.min()) for each in points) / 1.2
        high = max(float(each.max()) for each in points) * 1.2
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle=":")
        alpha = 0.6 if len(y) < MANY else 0.15
        axes.plot(*points, ".", color=COLOURS[0], alpha=alpha, markersize=4, markeredgewidth=0)
        axes.set(xscale="log", yscale="log", xlabel="predicted cuts + 1", ylabel="counted cuts + 1")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.set_minor_formatter(lambda *_: "")
        axes.set_title(f"{name}: r = {r:.3f}")
    alt = (
        f"Scatter plot: counted against predicted cuts of {len(y):,} regions of {name}, on "
        f"logarithmic axes; Pearson r is {r:.3f}. A dotted line marks where they are equal."
    )
    return picture(figure, alt, form="svg" if len(y) <= MANY else "png")


def _labels(
    data: Dataset, rows: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.uint8]]:
    """Labels of the examples, (n, classes); of data without any, whether they are peaks."""
    if data.labels is not None:
        return data.label_names, data.labels[rows]
    peaks = ~data.negative[rows]
    if peaks.all() or not peaks.any():
        return (), np.empty((len(rows), 0), np.uint8)
    return (PEAKS,), peaks.astype(np.uint8)[:, None]
