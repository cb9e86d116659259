"""What a cross table holds: each run on each data set, and who is best on each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["BEST", "MEASURES", "PAIRS", "Gains", "best_rows", "gains"]

Floats = npt.NDArray[np.float64]

MEASURES = ("auroc", "auprc", "pauc", "pauc_mcclish")

PAIRS = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("data", pa.string(), nullable=False),
        pa.field("class", pa.string(), nullable=False),  # of the run, by which it is judged
        pa.field("label", pa.string(), nullable=False),  # of the data
        pa.field("examples", pa.int64(), nullable=False),  # each strand counts where both are there
        pa.field("positives", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in MEASURES),  # null without both 0 and 1
    ]
)
BEST = pa.schema(
    [
        pa.field("data", pa.string(), nullable=False),
        pa.field("best", pa.string()),  # run of the largest value; null where none has one
        pa.field("value", pa.float64()),
        pa.field("own", pa.float64()),  # of the run with the data's name; null if there is none
        pa.field("other", pa.string()),  # the best of the other runs
        pa.field("other_value", pa.float64()),
        pa.field("gain", pa.float64()),  # own - other_value: above 0 where the own run is best
    ]
)


class Gains(NamedTuple):
    """How runs do on the data of their own name, against the best of the others.

    Attributes
    ----------
    n : int
        Data sets with a run of their name and another.
    n_best : int
        Of them, those on which their own run is better than all others.
    median_best, median_other : float
        Of the gain: where the own run is better, and where it is not; NaN where there are none.
    """

    n: int
    n_best: int
    median_best: float
    median_other: float

    def __str__(self) -> str:
        return (
            f"own run best on {self.n_best:,} of {self.n:,}, median gain {self.median_best:.4f}; "
            f"of the others {self.median_other:.4f}"
        )


def best_rows(values: Floats, runs: Sequence[str], data: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of `BEST`, of values (runs, data). Of equal ones the first run is best."""
    found = []
    for column, name in enumerate(data):
        of = {run: float(v) for run, v in zip(runs, values[:, column], strict=True) if v == v}
        best = max(of, key=of.__getitem__, default=None)
        others = {run: value for run, value in of.items() if run != name}
        other = max(others, key=others.__getitem__, default=None)
        own, second = of.get(name), None if other is None else others[other]
        found.append(
            {
                "data": name,
                "best": best,
                "value": None if best is None else of[best],
                "own": own,
                "other": other,
                "other_value": second,
                "gain": None if own is None or second is None else own - second,
            }
        )
    return found


def gains(rows: Sequence[dict[str, Any]]) -> Gains:
    """Of rows of `BEST`."""
    each = np.array([row["gain"] for row in rows if row["gain"] is not None], np.float64)
    best, other = each[each > 0], each[each <= 0]
    return Gains(
        len(each),
        len(best),
        float(np.median(best)) if len(best) else float("nan"),
        float(np.median(other)) if len(other) else float("nan"),
    )
