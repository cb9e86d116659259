"""How training went: the numbers of each epoch."""

import math
from typing import Any

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from modelkit.figures import COLOURS, GREY, new_figure, style
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
from modelkit.training.run import METRICS, Run

__all__ = ["curves"]

KEY, TITLE, COMMAND = "training", "Training", "modelkit train CONFIG --data DATASET -o RUN"
TRAIN, VALIDATION = "train_", "validation_"
# how names end that are not shown
LEFT_OUT = ("seconds", "_second", "step", "n_without_cuts", "n_constant", "n_undefined")
PARTS = ("profile", "total")  # of the loss

Row = dict[str, Any]


def curves(run: Run) -> Section:
    """Losses and metrics by epoch, as figures and as a table."""
    if run.about.get("status") == "imported" or not (run.path / METRICS).exists():
        return Section(key=KEY, title=TITLE, command=COMMAND)
    rows = _rows(run)
    blocks: list[Block] = [Text(_sentence(run, rows))]
    if rows:
        blocks += [Gallery(_pictures(run, rows)), _table(rows)]
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _rows(run: Run) -> list[Row]:
    path = run.path / METRICS
    table = TableReader(path)
    schemas.read_metadata(table.schema, path, (schemas.RUN_METRICS,))
    schemas.require(table.schema, table.schema, path)  # a column twice would be the last of them
    rows: list[Row] = table.read().to_pylist()
    if rows and not all(isinstance(row.get("epoch"), int) for row in rows):
        raise InputError(f"{path}: has no column of epochs; make the run again")
    return rows


def _sentence(run: Run, rows: list[Row]) -> str:
    about = run.about
    said = [f"{len(rows):,} {'epoch was' if len(rows) == 1 else 'epochs were'} measured."]
    if about.get("status") != "finished":
        said.append(f"The run is not finished: its status is {about.get('status')}.")
    if about.get("stopped"):
        said.append(f"It ended after {about['stopped']}.")
    best = about.get("best") or {}
    if best.get("value") is not None:
        said.append(
            f"The weights are those of epoch {best['epoch']}, whose validation {best['metric']} "
            f"is {best['value']:.6g}."
        )
    elif best:
        said.append("There was no validation: the weights are the last ones.")
    return " ".join(said)


def _pictures(run: Run, rows: list[Row]) -> list[Picture]:
    """A figure for each quantity, of training and validation together."""
    names = dict.fromkeys(name for row in rows for name in row)
    quantities = dict.fromkeys(
        name.removeprefix(TRAIN).removeprefix(VALIDATION)
        for name in names
        if name.startswith((TRAIN, VALIDATION)) and not name.endswith(LEFT_OUT)
    )
    found = [_curve(run, rows, name) for name in quantities]
    if "learning_rate" in names:
        found.append(_curve(run, rows, "learning_rate"))
    return [each for each in found if each is not None]


def _curve(run: Run, rows: list[Row], quantity: str) -> Picture | None:
    from matplotlib.ticker import MaxNLocator

    best = (run.about.get("best") or {}).get("epoch")
    lines: list[tuple[str, list[int], list[float]]] = []
    for prefix, label in ((TRAIN, "training"), (VALIDATION, "validation"), ("", "")):
        known = [row for row in rows if is_number(row.get(prefix + quantity))]
        if known:
            values = [float(row[prefix + quantity]) for row in known]
            lines.append((label, [row["epoch"] for row in known], values))
    if not lines:
        return None
    name = f"loss of the {quantity}" if quantity in PARTS else quantity.replace("_", " ")
    said = []
    with style():
        figure = new_figure(3.6, 2.5)
        axes = figure.subplots()
        for (label, epochs, values), colour in zip(lines, COLOURS, strict=False):
            mark = "o" if len(epochs) < 30 else ""
            axes.plot(epochs, values, marker=mark, markersize=3, color=colour, label=label)
            of = f"{label} " if label else ""
            said.append(f"{of}from {values[0]:.4g} in epoch {epochs[0]} to {values[-1]:.4g}")
        if best is not None and lines[0][0]:
            axes.axvline(best, color=GREY, linewidth=0.8, linestyle=":", label="chosen")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if lines[0][0]:
            axes.legend()
    return picture(figure, f"Line chart: {name} by epoch; {'; '.join(said)}.")


def is_number(value: Any) -> bool:
    """Whether a value of a row can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)


def _table(rows: list[Row]) -> Table:
    every = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in every if not name.endswith(LEFT_OUT)]
    cells = [tuple(_cell(name, row.get(name)) for name in names) for row in rows]
    return Table(
        caption=f"Numbers of each epoch; {METRICS} has times and counts too",
        columns=[name.replace("_", " ") for name in names],
        rows=cells,
    )


def _cell(name: str, value: Any) -> Cell:
    if value is None or isinstance(value, int | float):
        form = ".4g" if name == "learning_rate" else ".4f"
        return integer(value) if name == "epoch" else number(value, form)
    return Cell(str(value))
