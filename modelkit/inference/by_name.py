"""Measures of each name that a model predicts (classes, cell types), and how they spread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.io.tables import write_whole

__all__ = ["BY_NAME", "Spread", "cell", "spread", "write_by_name"]

BY_NAME = "by_name.parquet"
WIDTH = 28  # letters of a cell

Floats = npt.NDArray[np.float64]


class Spread(NamedTuple):
    """Mean and standard deviation of some values.

    Attributes
    ----------
    mean, sd : float
        The deviation is the population's (over n), as in Koo and Eddy's tables; no number where
        there is no value.
    n : int
        Values; what is no number does not count.
    """

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.sd:.4f}"


def spread(values: npt.ArrayLike) -> Spread:
    """Of some values, of which those that are no number are left out."""
    given = np.asarray(values, np.float64)
    known = given[np.isfinite(given)]
    if not len(known):
        return Spread(float("nan"), float("nan"), 0)
    return Spread(float(known.mean()), float(known.std()), len(known))


def cell(text: str, value: float) -> str:
    """A cell of a table for people; "-" where there is no number."""
    return f"{text if value == value else '-':>{WIDTH}}"


def write_by_name(
    path: Path, names: tuple[str, ...], columns: Mapping[str, Floats], document: Mapping[str, Any]
) -> None:
    """One row per name; what is no number is null."""
    held = {"name": pa.array(names, pa.string())}
    held |= {
        name: pa.array(values.astype(np.float64), from_pandas=True)
        for name, values in columns.items()
    }
    table = pa.table(held)
    schema = schemas.with_metadata(table.schema, dict(document))
    write_whole(path, table.cast(schema))
