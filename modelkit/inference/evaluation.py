"""What an evaluation finds, and its folder.

examples.parquet   measures of each example
by_name.parquet    measures of each name that is predicted: classes, cell types
metrics.json       all other numbers, and how they were made
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.io.tables import write_whole
from modelkit.inference.by_name import BY_NAME, Spread, cell, spread, write_by_name
from modelkit.metrics import Interval
from modelkit.tasks.task import Observed
from modelkit.training.checkpoint import as_json
from modelkit.training.run import Run

__all__ = [
    "CEILING", "EXAMPLES", "MODEL", "NAMES", "SHOWN", "SUMMARY", "Evaluation", "write_evaluation",
]  # fmt: skip

MODEL, CEILING = "model", "replicate"
EXAMPLES, SUMMARY = "examples.parquet", "metrics.json"
NAMES = (EXAMPLES, BY_NAME, SUMMARY)
SHOWN = 100  # names that are listed for people; by_name.parquet has them all


class Evaluation(NamedTuple):
    """Metrics of a model and of what it is compared with.

    Attributes
    ----------
    n : int
        Examples.
    skipped : dict of str to int
        Examples of the data set that are left out, by reason.
    metrics : dict of dict of float
        By predictor ("model", baselines, "replicate") and metric, as its task has them.
    intervals : dict of dict of Interval
        Means over examples with their 95 % bootstrap intervals, by predictor and measure.
    by_quartile : dict of dict of float
        Of the model: correlation across tasks in each quartile of the coefficient of variation.
    examples : dict of dict of array
        Measures of each example, by predictor; `row` is the row of the data set.
    names : tuple of str
        What is predicted: classes, cell types.
    by_name : dict of dict of array
        Measures of each of them, by predictor, (n names,) each.
    notes : tuple of str
        What a reader of the numbers should know.
    """

    n: int
    skipped: dict[str, int]
    metrics: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, Interval]]
    by_quartile: dict[str, dict[str, float]]
    examples: dict[str, Observed]
    names: tuple[str, ...]
    by_name: dict[str, Observed]
    notes: tuple[str, ...] = ()

    def over_names(self, predictor: str = MODEL) -> dict[str, Spread]:
        """How the measures of a predictor spread over the names."""
        return {measure: spread(values) for measure, values in self.by_name[predictor].items()}

    def summary(self) -> dict[str, Any]:
        """All but the measures of each example and name, for JSON."""
        intervals = {
            name: {measure: each._asdict() for measure, each in measures.items()}
            for name, measures in self.intervals.items()
        }
        over_names = {
            name: {measure: each._asdict() for measure, each in self.over_names(name).items()}
            for name in self.by_name
        }
        return {
            "examples": self.n,
            "metrics": self.metrics,
            "intervals": intervals,
            "by_quartile": self.by_quartile,
            "over_names": over_names,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The metrics as a table for people; below it means over examples with their intervals, and
        the model's measures of each name.
        """
        found = [f"{'':28}" + "".join(f"{name:>28}" for name in self.metrics)]
        for name in self.metrics[MODEL]:
            values = [metrics.get(name, np.nan) for metrics in self.metrics.values()]
            found.append(f"{name:<28}" + "".join(cell(f"{v:.4f}", v) for v in values))
        found.append("means over examples [95 %]")
        for name in self.intervals[MODEL]:
            cells = []
            for intervals in self.intervals.values():
                value, low, high = intervals.get(name, (np.nan, np.nan, np.nan))
                cells.append(cell(f"{value:.4f} [{low:.4f}, {high:.4f}]", value))
            found.append(f"{name:<28}" + "".join(cells))
        for measure, each in self.by_quartile.items():
            parts = [f"{value:.4f}" for value in each.values()]
            found.append(f"{measure} by quartile of variation: {', '.join(parts)}")
        return found + self._lines_by_name()

    def _lines_by_name(self) -> list[str]:
        measures = self.by_name[MODEL]
        if not measures:
            return []
        found = [f"{'by name':<28}" + "".join(f"{measure:>28}" for measure in measures)]
        if len(self.names) <= SHOWN:
            for i, name in enumerate(self.names):
                values = [each[i] for each in measures.values()]
                found.append(f"{name:<28}" + "".join(cell(f"{v:.4f}", v) for v in values))
        else:
            found.append(f"{len(self.names):,} names: --output writes them all")
        spreads = self.over_names().values()
        cells = "".join(cell(str(each), each.mean) for each in spreads)
        return [*found, f"{f'mean ± sd over {len(self.names):,}':<28}" + cells]


def write_evaluation(folder: Path, run: Run, data: Dataset, found: Evaluation, split: str) -> None:
    """Write an evaluation into a folder."""
    regions = data.regions.take(pa.array(found.examples[MODEL]["row"])).combine_chunks()
    columns = {name: regions[name] for name in ("chrom", "start", "end", "name")}
    columns |= {
        name: pa.array(values.astype(np.float64), from_pandas=True)
        for name, values in _by_predictor(found.examples).items()
    }
    table = pa.table(columns)
    document = schemas.provenance("evaluate", {"dataset": data.path.name, "run": run.path.name}, {})
    document |= {"format": schemas.EVALUATION, "split": split, "config": run.config.model_dump()}
    schema = schemas.with_metadata(table.schema, document)
    write_whole(folder / EXAMPLES, table.cast(schema))
    write_by_name(folder / BY_NAME, found.names, _by_predictor(found.by_name), document)
    (folder / SUMMARY).write_text(as_json({**document, **found.summary()}) + "\n")


def _by_predictor(found: dict[str, Observed]) -> Observed:
    """Columns of the measures of each predictor; those of the model have no prefix."""
    columns: Observed = {}
    for predictor, measures in found.items():
        prefix = "" if predictor == MODEL else predictor.replace(" ", "_") + "."
        columns |= {prefix + name: each for name, each in measures.items() if name != "row"}
    return columns
