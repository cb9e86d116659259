"""Labels of examples against what a model predicts of them."""

import numpy as np
import numpy.typing as npt
import torch

from kmerengine.datasets.folder import Dataset
from modelkit.figures import COLOURS, GREY, new_figure, style
from modelkit.metrics import has_both
from modelkit.reporting.page import (
    Block,
    Cell,
    Gallery,
    Picture,
    Section,
    Table,
    Text,
    integer,
    number,
    picture,
)
from modelkit.tasks.observe import observe_all
from modelkit.tasks.task import Task
from modelkit.training.run import Run

__all__ = ["label_blocks", "labels"]

KEY, TITLE = "labels", "Predicted labels"
COMMAND = "modelkit report RUN --data DATASET"
SHOWN = 4  # labels with a figure; the table has them all
BATCH_SIZE = 64

Floats = npt.NDArray[np.float64]
Areas = tuple[Floats, Floats]  # of each label: under the ROC and the precision-recall curve


def labels(
    run: Run, data: Dataset | None, task: Task | None, split: str, device: torch.device
) -> Section:
    """How well a model of labels tells those of a split."""
    if data is None or task is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    run.check_split(data, split)
    rows = task.rows(split)
    if not len(rows):
        sentence = f"The data have no example of the split {split}."
        return Section(key=KEY, title=TITLE, blocks=[Text(sentence)])
    batches = task.batches(rows, training=False, batch_size=BATCH_SIZE, device=device)
    observed = observe_all(task, run.network(device), batches.batches(0))
    by_name = task.by_name(observed)
    twice = ", each on both strands" if len(observed["row"]) > len(rows) else ""
    blocks: list[Block] = [Text(f"{len(rows):,} examples of the split {split}{twice}.")]
    blocks += label_blocks(
        task.names,
        observed["label"],
        observed["logit"],
        (by_name["auroc"], by_name["auprc"]),
        "How well the model tells each label",
    )
    return Section(key=KEY, title=TITLE, blocks=blocks)


def label_blocks(
    names: tuple[str, ...],
    truth: npt.NDArray[np.uint8],
    scores: Floats,
    areas: Areas,
    caption: str,
) -> list[Block]:
    """A table of all labels, and curves: of many the best, the middle and the worst.

    Labels and scores are (n, labels).
    """
    share = truth.mean(0)
    rows = [
        (Cell(name), *(number(float(each[i])) for each in areas), number(float(share[i])),
         integer(int(truth[:, i].sum())))
        for i, name in enumerate(names)
    ]  # fmt: skip
    table = Table(
        caption=caption,
        columns=("label", "auROC", "auPRC", "auPRC by chance", "positives"),
        rows=rows,
    )
    usable = np.flatnonzero(has_both(truth))
    if not len(usable):
        return [table]
    order = usable[np.argsort(-areas[1][usable], kind="stable")]
    chosen = order if len(order) <= SHOWN else order[[0, len(order) // 2, -1]]
    curves = [_precision(names[i], truth[:, i], scores[:, i], float(areas[1][i])) for i in chosen]
    return [Gallery(curves), table]


def _precision(name: str, label: npt.NDArray[np.uint8], score: Floats, area: float) -> Picture:
    from sklearn.metrics import precision_recall_curve  # type: ignore[import-untyped]

    precision, recall, _ = precision_recall_curve(label, score)
    chance = float(label.mean())
    with style():
        figure = new_figure(3.4, 3.2)
        axes = figure.subplots()
        axes.step(recall, precision, where="pre", color=COLOURS[0])
        axes.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(f"{name}: auPRC = {area:.3f}")
    alt = (
        f"Precision-recall curve of {name}: the area is {area:.3f}, by chance {chance:.3f}, which "
        "a dotted line marks."
    )
    return picture(figure, alt)
