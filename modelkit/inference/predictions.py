"""What trained models predict for a data set: a folder.

totals.parquet         the regions, with the cuts expected in the window of each, by task
TASK.bw                cuts expected per base with the data set's bias, as a bigWig
TASK.without_bias.bw   the same without it
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

__all__ = ["Predictions"]

TOTALS, ABOUT = "totals.parquet", "predictions.json"
NAMES = (TOTALS, ABOUT, "*.bw")

Array = npt.NDArray[Any]


class Predictions:
    """Predictions on disk, made by `modelkit.predict`.

    Attributes
    ----------
    path : Path
    tasks : tuple of str
    window : (int, int)
        What was predicted of each region, bp from its start.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = schemas.read_document(path / ABOUT, schemas.PREDICTIONS, "modelkit predict")
        self.provenance = about
        self._table = TableReader(path / TOTALS)
        found = schemas.read_metadata(self._table.schema, path / TOTALS, (schemas.PREDICTIONS,))
        if found != about:
            raise InputError(
                f"{path / TOTALS}: is not of the same predictions as {ABOUT}; make the folder again"
            )
        self.tasks = tuple(map(str, about["tasks"]))
        self.window = (int(about["window"][0]), int(about["window"][1]))
        expected = schemas.predictions_schema(totals=bool(about["totals"]))
        schemas.require(self._table.schema, expected, path / TOTALS)

    @classmethod
    def open(cls, path: str | Path) -> "Predictions":
        """Open predictions; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    @cached_property
    def totals(self) -> npt.NDArray[np.float64] | None:
        """Cuts expected in the window, shape (n, tasks); None of models without totals."""
        if not self.provenance["totals"]:
            return None
        return read_matrix(self._table, "total", len(self.tasks), self.path / TOTALS)

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand, split and row of each."""
        names = schemas.predictions_schema(totals=False).names
        return self._table.read(columns=names)

    def bigwig(self, task: str, *, bias: bool = True) -> Path:
        """The file of a task, with or without bias; InputError if there is none."""
        files = self.provenance["files"].get(task, {})
        kind = "with_bias" if bias else "without_bias"
        if kind not in files:
            listed = json.dumps(self.provenance["files"])
            raise InputError(f"{self.path}: has no bigWig {kind} of {task!r}; it has {listed:.200}")
        return self.path / str(files[kind])
