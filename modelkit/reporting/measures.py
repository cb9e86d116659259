"""What `modelkit evaluate` wrote: metrics of a model, its baselines and its ceiling."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from modelkit.inference.by_name import BY_NAME, spread
from modelkit.inference.evaluation import CEILING, EXAMPLES, MODEL, SUMMARY
from modelkit.reporting.page import Block, Cell, Section, Table, Text, number
from modelkit.training.checkpoint import as_json
from modelkit.training.run import Run

__all__ = ["Measured", "measures", "read_measured"]

KEY, TITLE = "metrics", "Metrics"
COMMAND = "modelkit evaluate RUN --data DATASET -o EVALUATION"
BETTER = {  # and their units
    "loss": "lower",
    "cross_entropy": "lower, nats",
    "jsd": "lower, bits",
    "profile_pearson": "higher",
    "pearson_across_regions": "higher",
    "spearman_across_regions": "higher",
    "log_pearson_across_regions": "higher",
    "pearson_across_tasks": "higher",
    "spearman_across_tasks": "higher",
    "auroc": "higher",
    "auprc": "higher",
}
WHOLE = ("n_without_cuts", "n_constant", "n_undefined")
TOP = "_top"  # of the task with most cuts


class Measured(NamedTuple):
    """An evaluation as it was read; see `modelkit.inference.evaluation.Evaluation`."""

    path: Path
    split: str
    n: int
    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, dict[str, dict[str, float | None]]]
    by_quartile: dict[str, dict[str, float | None]]
    by_name: dict[str, list[Any]]  # columns: name, then the measures of the model
    notes: tuple[str, ...]
    provenance: dict[str, Any]


def read_measured(path: str | Path, run: Run) -> Measured:
    """What `evaluate` wrote of this run.

    Raises
    ------
    InputError
        It is missing, damaged, something else, or of another run.
    """
    path = Path(path)
    where = path / SUMMARY
    try:
        raw = where.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: has no readable {SUMMARY}; expected a folder of modelkit evaluate -o"
        ) from error
    try:
        found = json.loads(raw, parse_constant=_no_constant)
        kind, version = found["format"], found["version"]
        measured = Measured(
            path,
            str(found["split"]),
            int(found["examples"]),
            _numbers(found["metrics"]),
            {name: _numbers(each) for name, each in dict(found["intervals"]).items()},
            _numbers(found["by_quartile"]),
            {},
            tuple(str(each) for each in found.get("notes", ())),
            {name: found[name] for name in ("command", "package_version", "inputs")},
        )
        if MODEL not in measured.metrics or MODEL not in measured.intervals:
            raise ValueError(f"no {MODEL!r} among the metrics")
    except (
        ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0]
        raise InputError(f"{where}: is damaged ({reason:.80}); evaluate the run again") from error
    if kind != schemas.EVALUATION or version != schemas.VERSION:
        raise InputError(
            f"{where}: holds {kind!r} of version {version!r}, expected {schemas.EVALUATION} of "
            f"{schemas.VERSION}; evaluate the run again"
        )
    config = json.loads(as_json(run.config.model_dump()))
    if found.get("config") != config:
        name = (found.get("inputs") or {}).get("run")
        raise InputError(
            f"{where}: is of the run {name!r}, whose config is not that of {run.path}; evaluate "
            "this run"
        )
    _check_examples(path, measured)
    return measured._replace(by_name=_read_by_name(path, measured))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _numbers(value: Any) -> dict[str, Any]:
    """A dict of dicts of numbers or none; ValueError of anything else."""
    for each in value.values():
        if not isinstance(each, dict) or not all(
            v is None or (isinstance(v, int | float) and math.isfinite(v)) for v in each.values()
        ):
            raise ValueError(f"{each!r} is not of numbers")
    return dict(value)


def _check_examples(path: Path, measured: Measured) -> None:
    """InputError unless the measures of each example are those of the summary."""
    table = TableReader(path / EXAMPLES)
    about = schemas.read_metadata(table.schema, path / EXAMPLES, (schemas.EVALUATION,))
    if table.n_rows != measured.n or about.get("split") != measured.split:
        raise InputError(
            f"{path / EXAMPLES}: has {table.n_rows:,} rows of {about.get('split')}, {SUMMARY} "
            f"{measured.n:,} of {measured.split}; evaluate the run again"
        )


def _read_by_name(path: Path, measured: Measured) -> dict[str, list[Any]]:
    """Columns of the model, which have no prefix."""
    where = path / BY_NAME
    table = TableReader(where)
    about = schemas.read_metadata(table.schema, where, (schemas.EVALUATION,))
    schemas.require(table.schema, table.schema, where)  # a column twice would be the last of them
    columns = table.read().to_pydict()
    names = columns.get("name", [None])
    values = [v for name, each in columns.items() if name != "name" for v in each]
    if (
        about.get("split") != measured.split
        or not all(isinstance(each, str) for each in names)
        or not all(v is None or (isinstance(v, float) and math.isfinite(v)) for v in values)
    ):
        raise InputError(
            f"{where}: found other columns than names and their numbers of {measured.split}; "
            "evaluate the run again"
        )
    return {name: each for name, each in columns.items() if "." not in name}


def measures(measured: Measured | None) -> Section:
    """Tables of the metrics."""
    if measured is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    others = [name for name in measured.metrics if name not in (MODEL, CEILING)]
    said = [f"{measured.n:,} examples of the split {measured.split}."]
    if others:
        said.append(f"Beside the model: {', '.join(others)}, fitted to the training split.")
    if CEILING in measured.metrics:
        said.append(
            "The replicate, one half of the reads as a prediction of the other, is a ceiling."
        )
    blocks: list[Block] = [Text(" ".join(said))]
    blocks += [Text(f"Note: {each}") for each in measured.notes]
    blocks += [_metrics(measured), _intervals(measured)]
    if measured.by_quartile:
        blocks.append(_quartiles(measured.by_quartile))
    if len(measured.by_name) > 1:
        blocks.append(_by_name(measured.by_name))
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _metrics(measured: Measured) -> Table:
    rows = []
    for name in dict.fromkeys(n for each in measured.metrics.values() for n in each):
        form = ",.0f" if name in WHOLE else ".4f"
        values = [number(each.get(name), form) for each in measured.metrics.values()]
        rows.append((*_named(name), *values))
    columns = ("metric", "better", *measured.metrics)
    return Table(caption="Metrics of all examples together", columns=columns, rows=rows)


def _intervals(measured: Measured) -> Table:
    rows = []
    for name in dict.fromkeys(n for each in measured.intervals.values() for n in each):
        cells = [_interval(each.get(name)) for each in measured.intervals.values()]
        rows.append((*_named(name), *cells))
    columns = ("measure", "better", *measured.intervals)
    caption = "Means over examples, with 95 % bootstrap intervals"
    return Table(caption=caption, columns=columns, rows=rows)


def _interval(found: Mapping[str, float | None] | None) -> Cell:
    value, low, high = (None if found is None else found.get(n) for n in ("value", "low", "high"))
    mean = number(value)
    if value is None or low is None or high is None:
        return mean
    return Cell(f"{mean.text} [{low:.4f}, {high:.4f}]", mean.value)


def _quartiles(by_quartile: dict[str, dict[str, float | None]]) -> Table:
    columns = list(dict.fromkeys(name for each in by_quartile.values() for name in each))
    rows = [
        (Cell(name.replace("_", " ")), *(number(each.get(column)) for column in columns))
        for name, each in by_quartile.items()
    ]
    caption = "Of the model, by quartile of the coefficient of variation across tasks"
    return Table(caption=caption, columns=("measure", *columns), rows=rows)


def _by_name(columns: Mapping[str, list[Any]]) -> Table:
    """Of each class or cell type; the caption says how they spread."""
    measures = [name for name in columns if name != "name"]
    rows = [
        (Cell(name), *(number(columns[each][i]) for each in measures))
        for i, name in enumerate(columns["name"])
    ]
    said = []
    for each in measures:
        found = spread([math.nan if v is None else v for v in columns[each]])
        if found.n:
            said.append(f"{each.replace('_', ' ')} {found} (of {found.n:,})")
    caption = "Of the model, by name; mean ± standard deviation over the names: " + ", ".join(said)
    heads = ("name", *(each.replace("_", " ") for each in measures))
    return Table(caption=caption, columns=heads, rows=rows)


def _named(name: str) -> tuple[Cell, Cell]:
    base = name.removesuffix(TOP)
    of = ", task with most cuts" if name.endswith(TOP) else ""
    return Cell(base.replace("_", " ") + of), Cell(BETTER.get(base, ""))
