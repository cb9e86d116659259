"""What `predict` asks of the models of a task: which numbers there are, and where they go."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from modelkit.data.loader import Batch

__all__ = ["Asked", "Forecast"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Asked(NamedTuple):
    """What the user wants, see `modelkit.predict`."""

    split: str
    genome: str | Path | None
    bias: bool
    reverse_complement: bool
    bigwig: bool


class Forecast(Protocol):
    """Runs beside a data set; made of (runs, data, asked).

    Attributes
    ----------
    tasks : tuple of str
        What is predicted of an example, by name.
    rows : int64
        Of the data set: what is predicted.
    document : dict
        What predictions.json says of it: at least `values`, the names of the columns that are
        written, `files` and `window`.

    Raises
    ------
    InputError
        Runs that do not fit each other or the data, or what is asked for.
    """

    tasks: tuple[str, ...]
    rows: Rows
    document: dict[str, Any]

    def load(self, device: torch.device) -> None:
        """Read the weights."""

    def begin(self, folder: Path) -> Rows:
        """Make room; the order in which the rows are wanted, as places among them."""

    def batches(self, order: Rows, batch_size: int, device: torch.device) -> Iterator[Batch]:
        """Batches of the rows in an order."""

    def take(self, places: Rows, batch: Batch) -> None:
        """Predict a batch, which has these places among the rows."""

    def finish(self, folder: Path) -> Mapping[str, Floats]:
        """Write what is no table; the values of the table, (rows, tasks) each."""
