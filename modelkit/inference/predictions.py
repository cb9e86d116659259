"""What trained models predict for a data set: a folder.

totals.parquet         of models of cuts: the regions, with the cuts expected in the window of each,
                       by task
TASK.bw                cuts expected per base with the data set's bias, as a bigWig
TASK.without_bias.bw   the same without it
labels.parquet         of models of labels: the examples, with logit and probability of each label
predictions.json       tasks, files, and how they were made
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.list_columns import read_matrix
from kmerengine.io.tables import TableReader

__all__ = ["Predictions", "table_of"]

TOTALS, LABELS, ABOUT = "totals.parquet", "labels.parquet", "predictions.json"
NAMES = (TOTALS, LABELS, ABOUT, "*.bw")

Array = npt.NDArray[Any]


class Predictions:
    """Predictions on disk, made by `modelkit.predict`.

    Attributes
    ----------
    path : Path
    tasks : tuple of str
    window : (int, int) or None
        What was predicted of each region, bp from its start; None of labels.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = schemas.read_document(path / ABOUT, schemas.PREDICTIONS, "modelkit predict")
        self.provenance = about
        self._where = path / table_of(about)
        self._table = TableReader(self._where)
        found = schemas.read_metadata(self._table.schema, self._where, (schemas.PREDICTIONS,))
        if found != about:
            raise InputError(
                f"{self._where}: is not of the same predictions as {ABOUT}; make the folder again"
            )
        self.tasks = tuple(map(str, about["tasks"]))
        window = about["window"]
        self.window = None if window is None else (int(window[0]), int(window[1]))
        self._table.expect(schemas.predictions_schema(*about["values"]), self._where)

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Predictions":
        """Open predictions; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    @cached_property
    def totals(self) -> npt.NDArray[np.float64] | None:
        """Cuts expected in the window, shape (n, tasks); None of models without totals."""
        return self._values("total")

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64] | None:
        """Of the labels, shape (n, tasks); None of models of cuts."""
        return self._values("probability")

    @cached_property
    def logits(self) -> npt.NDArray[np.float64] | None:
        """ln(p / (1 - p)) of the probabilities, shape (n, tasks); None of models of cuts."""
        return self._values("logit")

    def _values(self, name: str) -> npt.NDArray[np.float64] | None:
        if name not in self.provenance["values"]:
            return None
        return read_matrix(self._table, name, len(self.tasks), self._where)

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand, split and row of each."""
        names = schemas.predictions_schema().names
        return self._table.read(columns=names)

    def bigwig(self, task: str, *, bias: bool = True) -> Path:
        """The file of a task, with or without bias; InputError if there is none."""
        files = self.provenance["files"].get(task, {})
        kind = "with_bias" if bias else "without_bias"
        if kind not in files:
            listed = json.dumps(self.provenance["files"])
            raise InputError(f"{self.path}: has no bigWig {kind} of {task!r}; it has {listed:.200}")
        return self.path / str(files[kind])


def table_of(about: dict[str, Any]) -> str:
    """The file of the examples, by what predictions.json says; InputError if it says nothing."""
    values = about.get("values")
    if not isinstance(values, list):
        raise InputError(f"{ABOUT}: names no values, expected a list; make the predictions again")
    return LABELS if "probability" in values else TOTALS
