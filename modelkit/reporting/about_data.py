"""What a run learnt from: regions by split, samples and their depth."""

from typing import Any

import numpy as np

from kmerengine.datasets.folder import Dataset
from modelkit.figures import new_figure, style
from modelkit.reporting.page import (
    Block,
    Cell,
    Gallery,
    Section,
    Table,
    Text,
    integer,
    number,
    picture,
)
from modelkit.tasks.task import Task
from modelkit.training.run import Run, digest_of

__all__ = ["about_data"]

SPLITS = ("train", "validation", "test")
OTHERS = "not used"
KEY, TITLE = "data", "Data"


def about_data(run: Run, data: Dataset | None, task: Task | None) -> Section:
    """The data set; of a run alone what the run says of it."""
    if data is None or task is None:
        return Section(key=KEY, title=TITLE, blocks=_from_run(run))
    blocks: list[Block] = [Text(_sentence(run, data))]
    blocks += [Text(f"Warning: {each}") for each in data.warnings]
    blocks.append(_splits(data, task))
    if data.labels is not None:
        blocks.append(_labels(data, task))
    if data.samples and data.totals is not None:
        blocks += [_samples(data, task, data.totals), _histogram(task, data.totals)]
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _from_run(run: Run) -> list[Block]:
    about = run.about
    dataset = about.get("dataset") or {}
    samples = [str(each) for each in about.get("samples") or about.get("tasks") or []]
    said = [f"The run learnt from {dataset.get('name', 'data that it does not name')}."]
    if about.get("shift"):
        said.append(f"5' ends were shifted by {about['shift']} bases before they were counted.")
    said.append("Give the data set with --data for its regions and depth.")
    blocks: list[Block] = [Text(" ".join(said))]
    if samples:
        rows = [(Cell(str(i + 1), i + 1), Cell(name)) for i, name in enumerate(samples)]
        blocks.append(Table(caption="Samples", columns=("number", "sample"), rows=rows))
    return blocks


def _sentence(run: Run, data: Dataset) -> str:
    width = data.spans["sequence"][1] - data.spans["sequence"][0]
    said = [f"{data.path.name}: {len(data):,} regions, {width:,} bp of sequence each."]
    if data.window is not None:
        said.append(f"Cuts are those of the central {data.window[1] - data.window[0]:,} bp.")
    if data.shift:
        said.append(f"5' ends were shifted by {data.shift} bases before they were counted.")
    if data.off_by_two:
        said.append("It has bpAI-TAC's correction by two.")
    if data.margin:
        said.append(f"A margin of {data.margin:,} bp on either side allows for jitter.")
    if data.bias is not None:
        said.append("It holds the bias of Tn5.")
    if run.about.get("dataset") not in (None, digest_of(data)):
        name = run.about["dataset"].get("name")
        said.append(f"These are not the data that the run learnt from, which are {name}.")
    return " ".join(said)


def _splits(data: Dataset, task: Task) -> Table:
    rows = []
    chroms = data.regions["chrom"].combine_chunks()
    names, codes = chroms.dictionary.to_pylist(), chroms.indices.to_numpy()
    used = np.zeros(len(data), np.bool_)
    for split in SPLITS:
        here = task.rows(split)
        used[here] = True
        there = [names[i] for i in np.unique(codes[here])]
        rows.append(_split_row(split, here, data, there))
    rest = np.flatnonzero(~used)
    if len(rest):
        rows.append(_split_row(OTHERS, rest, data, [names[i] for i in np.unique(codes[rest])]))
    columns = ["split", "regions", "negatives", "contigs"]
    columns += ["median cuts"] if data.totals is not None else []
    caption = "Regions by split, as the run had them"
    caption += "".join(f"; left out {n:,}: {why}" for why, n in task.skipped.items())
    return Table(caption=caption, columns=columns, rows=rows)


def _split_row(name: str, rows: Any, data: Dataset, contigs: list[str]) -> tuple[Cell, ...]:
    listed = ", ".join(contigs[:4]) + (f" and {len(contigs) - 4} more" if len(contigs) > 4 else "")
    n_negative = int(data.negative[rows].sum())
    cells = (Cell(name), integer(len(rows)), integer(n_negative), Cell(listed))
    if data.totals is None:
        return cells
    median = np.median(data.totals[rows].mean(1)) if len(rows) else np.nan
    return (*cells, number(float(median), ",.1f"))


def _labels(data: Dataset, task: Task) -> Table:
    """Positives of each label in each split."""
    assert data.labels is not None  # or there is no such table
    counts = [data.labels[task.rows(split)].sum(0, dtype=np.int64) for split in SPLITS]
    rows = [
        (Cell(name), *(integer(int(each[i])) for each in counts))
        for i, name in enumerate(data.label_names)
    ]
    return Table(caption="Examples with each label", columns=("label", *SPLITS), rows=rows)


def _samples(data: Dataset, task: Task, totals: Any) -> Table:
    rows = []
    peaks = ~data.negative
    for i, name in enumerate(data.samples):
        n = totals[:, i]
        of_peaks = n[peaks] if peaks.any() else n
        rows.append(
            (
                Cell(name),
                integer(float(n.sum())),
                number(float(np.median(of_peaks)), ",.1f"),
                number(float((of_peaks == 0).mean()), ".2%"),
            )
        )
    caption = f"Depth of {len(rows):,} samples: cuts in the windows"
    if task.names != data.samples:
        caption += f"; the model has {len(task.names):,} tasks of them"
    return Table(
        caption=caption,
        columns=("sample", "cuts", "median of a region", "regions without"),
        rows=rows,
    )


def _histogram(task: Task, totals: Any) -> Gallery:
    """Regions by their cuts, of each split."""
    means = totals.mean(1)
    low, high = float(means.min()) + 1, float(means.max()) + 1
    edges = np.geomspace(low, max(high, 2 * low) * 1.001, 25)
    said = []
    with style():
        figure = new_figure(4.2, 2.8)
        axes = figure.subplots()
        for split in SPLITS:
            here = means[task.rows(split)]
            if not len(here):
                continue
            share, _ = np.histogram(here + 1, edges)
            axes.stairs(share / len(here), edges, label=split, linewidth=1.4)
            said.append(f"{split} median {np.median(here):,.1f}")
        axes.set(xscale="log", xlabel="mean cuts of a sample in a region + 1")
        axes.set_ylabel("share of regions")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.legend()
    alt = f"Histogram: regions by their mean cuts, for each split. {'; '.join(said)}."
    return Gallery([picture(figure, alt, "Cuts of regions by split.")])
