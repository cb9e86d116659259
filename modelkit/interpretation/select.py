"""Regions that some models predict well, and always better than others (bpAI-TAC, figure 3a).

Four criteria, each settable (Chandra et al. 2025, supplementary methods), of a region's cuts in the
window by task, and of R, the Pearson correlation across tasks of what a run predicts of it:

    accessible   largest cuts of a task > 75
    variable     standard deviation over mean of its cuts > 1
    predicted    mean R of the runs > 0.5
    better       least R of the runs > greatest R of those against them

The paper has 150 in place of 75: its counts hold every cut twice.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import table_writer
from modelkit.data.options import DataOptions, groups_of
from modelkit.interpretation.insertions.insertions import inputs_of
from modelkit.interpretation.synthetic import SequenceModels, check_comparable
from modelkit.metrics import coefficient_of_variation, pearson
from modelkit.tasks.profile import ACROSS_TASKS
from modelkit.training.run import Run

__all__ = ["CRITERIA", "Selection", "select"]

CRITERIA = ("accessible", "variable", "predicted", "better")
ROWS = 1024  # regions at a time, in memory

Floats = npt.NDArray[np.float64]

_NUMBERS = ("accessibility", "variation", "mean_r", "least_r", "greatest_r_against")
_LIST = pa.list_(pa.field("element", pa.float64(), nullable=False))
SCHEMA = pa.schema(
    [
        *schemas.REGION_COLUMNS,
        pa.field("split", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("row", pa.int64(), nullable=False),  # of the data set
        *(pa.field(name, pa.float64(), nullable=False) for name in _NUMBERS),
        pa.field("r", _LIST, nullable=False),  # of each run, in the order of the document
        pa.field("r_against", _LIST, nullable=False),
    ]
)


class Selection(NamedTuple):
    """What `select` wrote.

    Attributes
    ----------
    path : Path
    table : pyarrow.Table
        The regions, with what was measured of them.
    n : int
        Regions that were looked at.
    alone : dict of str to int
        How many each criterion leaves by itself.
    in_turn : dict of str to int
        How many are left after it and those before it.
    """

    path: Path
    table: pa.Table
    n: int
    alone: dict[str, int]
    in_turn: dict[str, int]


def select(
    runs: Run | str | Path | Sequence[Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    against: Sequence[Run | str | Path],
    split: str = "test",
    accessibility: float = 75.0,
    variation: float = 1.0,
    correlation: float = 0.5,
    device: str = "auto",
    batch_size: int = 64,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Write the regions that `runs` predict well and all better than all of `against`.

    Parameters
    ----------
    runs, against : sequence of Run or path
        What `modelkit.train` wrote, with totals and the same 8 tasks or more; ten each in the
        paper. R of a region for which a run expects the same of all tasks is 0.
    dataset : Dataset or path
        With the cuts of these tasks.
    output : path
        .parquet, or .bed: the six columns of a region, then its numbers.
    split : str
        "test" as the runs had it; see `modelkit.predict`.
    accessibility : float
        Cuts, normalised if the runs learnt such.
    variation, correlation : float
    device, batch_size, force, progress
        As of `modelkit.predict`.

    Raises
    ------
    InputError
        Runs that do not fit each other or the data, fewer than 8 tasks, models without totals.
    """
    output = Path(output)
    if output.suffix not in (".parquet", ".bed"):
        raise InputError(f"{output}: expected a name that ends in .parquet or .bed")
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    check_writable(output, force=force)
    groups = {
        "runs": SequenceModels(runs, data, split, device),
        "against": SequenceModels(against, data, split, device),
    }
    _check(groups["runs"], groups["against"], split)
    cuts = _cuts(groups["runs"], data)
    found = {name: np.empty((len(cuts), len(each.runs))) for name, each in groups.items()}
    done, of = 0, len(cuts) * len(groups)
    for name, models in groups.items():
        for low in range(0, len(cuts), ROWS):
            codes = data.sequence[models.rows[low : low + ROWS]]
            for part, predicted in models.predictions(codes, batch_size=batch_size):
                here = slice(low + part.start, low + part.stop)
                for i, each in enumerate(predicted):
                    assert each.totals is not None  # _check has seen that they are there
                    totals = each.totals.cpu().double().numpy()
                    found[name][here, i] = pearson(totals, cuts[here])
                done += part.stop - part.start
                if progress is not None:
                    progress(done, of)
    r, r_against = found["runs"], found["against"]
    numbers = dict(
        zip(
            _NUMBERS,
            (cuts.max(1), coefficient_of_variation(cuts), r.mean(1), r.min(1), r_against.max(1)),
            strict=True,
        )
    )
    passes = {
        "accessible": numbers["accessibility"] > accessibility,
        "variable": numbers["variation"] > variation,  # of a mean of 0 there is none: no
        "predicted": numbers["mean_r"] > correlation,
        "better": numbers["least_r"] > numbers["greatest_r_against"],
    }
    left = np.ones(len(cuts), np.bool_)
    in_turn = {}
    for name, each in passes.items():
        left &= each
        in_turn[name] = int(left.sum())
    alone = {name: int(each.sum()) for name, each in passes.items()}
    parameters = {"split": split, "accessibility": accessibility, "variation": variation,
                  "correlation": correlation}  # fmt: skip
    inputs = inputs_of(data, **{name: each.runs for name, each in groups.items()})
    document = schemas.provenance("select", inputs, parameters) | {
        "format": schemas.SELECTION,
        "tasks": list(groups["runs"].tasks),
        "regions": len(cuts),
        "alone": alone,
        "in_turn": in_turn,
    }
    rows = groups["runs"].rows[left]
    regions = data.regions.take(pa.array(rows)).combine_chunks()
    columns: dict[str, Any] = {name: regions[name] for name in regions.column_names}
    columns |= {"row": rows} | {name: each[left] for name, each in numbers.items()}
    columns |= {"r": list(r[left]), "r_against": list(r_against[left])}
    arrays = [
        columns[field.name].combine_chunks()
        if isinstance(columns[field.name], pa.ChunkedArray)
        else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    table = pa.Table.from_arrays(arrays, schema=schemas.with_metadata(SCHEMA, document))
    with atomic(output, force=force) as temporary:
        if output.suffix == ".bed":
            temporary.write_text(_as_bed(table))
        else:
            with table_writer(temporary, table.schema, ".parquet") as writer:
                for batch in table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
                    writer.write(batch)
    return Selection(output, table, len(cuts), alone, in_turn)


def _check(runs: SequenceModels, against: SequenceModels, split: str) -> None:
    check_comparable(runs, against, split)
    for models in (runs, against):
        if not models.has_totals:
            raise InputError(f"{models.runs[0].path}: predicts no totals, expected runs that do")
    if len(runs.tasks) < ACROSS_TASKS:
        raise InputError(
            f"{runs.runs[0].path}: has {len(runs.tasks)} tasks, expected {ACROSS_TASKS} at least, "
            "for a correlation across them to say anything"
        )
    both = {run.path.resolve() for run in runs.runs} & {run.path.resolve() for run in against.runs}
    if both:
        raise InputError(f"{min(both)}: is on both sides, expected different runs")


def _cuts(models: SequenceModels, data: Dataset) -> Floats:
    """Cuts in the window of each region of the split and each task, as the runs learnt them."""
    options = models.runs[0].config.data
    assert isinstance(options, DataOptions)  # an Ensemble is of profile models
    totals = data.normalised if options.normalised else data.totals
    if totals is None:
        raise InputError(f"{data.path}: has no cuts, expected those of the runs' tasks")
    groups = groups_of(data, options)
    if groups.names != models.tasks:
        raise InputError(
            f"{data.path}: has {', '.join(groups.names[:5])}, {models.runs[0].path} learnt "
            f"{', '.join(models.tasks[:5])}; expected the same in the same order"
        )
    rows = totals[models.rows].astype(np.float64)
    return np.stack([rows[:, list(each)].mean(1) for each in groups.samples], 1)


def _as_bed(table: pa.Table) -> str:
    """Eleven columns: ten would be read as narrowPeak."""
    names = [*schemas.REGION_COLUMNS.names, *_NUMBERS]
    lines = ["#" + "\t".join(names)]
    for row in table.select(names).to_pylist():
        row["name"] = row["name"] or "."
        row["score"] = "." if row["score"] is None else f"{row['score']:g}"
        values = [row[name] if name not in _NUMBERS else f"{row[name]:.6g}" for name in names]
        lines.append("\t".join(map(str, values)))
    return "\n".join(lines) + "\n"
