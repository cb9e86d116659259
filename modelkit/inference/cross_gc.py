"""GC of bound and unbound sequences against how well models tell them (Zheng et al. 2021,
Extended Data Fig. 1).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader

__all__ = ["GC", "GcDifference", "gc_difference", "gc_of_sample"]

Floats = npt.NDArray[np.float64]

GC = pa.schema(
    [
        pa.field("data", pa.string(), nullable=False),
        pa.field("bound", pa.float64(), nullable=False),  # mean GC, 0 to 1
        pa.field("unbound", pa.float64(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),  # bound less unbound
        pa.field("auroc", pa.float64(), nullable=False),
    ]
)


class GcDifference(NamedTuple):
    """What was found.

    Attributes
    ----------
    table : pyarrow.Table
        See `GC`.
    r, p : float
        Pearson's, two-sided; NaN of fewer than three data sets, or where one of them is constant.
    """

    table: pa.Table
    r: float
    p: float


def gc_difference(samples: Mapping[str, str | Path], auroc: Mapping[str, float]) -> GcDifference:
    """Mean GC of bound and of unbound sequences beside the auROC of a model.

    Parameters
    ----------
    samples : dict of str to path
        regions.parquet of `kmerengine sample sites` (or its folder), by name.
    auroc : dict of str to float
        By the same names; others, and those that are NaN, are left out.

    Raises
    ------
    InputError
        A sample without GC, or without both classes.
    """
    names = [name for name in samples if np.isfinite(auroc.get(name, np.nan))]
    means = [gc_of_sample(samples[name]) for name in names]
    bound, unbound = np.array(means, np.float64).reshape(-1, 2).T
    area = np.array([auroc[name] for name in names], np.float64)
    difference = bound - unbound
    table = pa.table([names, bound, unbound, difference, area], schema=GC)
    r = p = float("nan")
    if len(names) > 2 and np.ptp(difference) > 0 and np.ptp(area) > 0:
        from scipy.stats import pearsonr

        r, p = map(float, pearsonr(difference, area))
    return GcDifference(table, r, p)


def gc_of_sample(path: str | Path) -> tuple[float, float]:
    """Mean GC of the windows of bound sites and of unbound ones, 0 to 1."""
    path = Path(path)
    path = path / "regions.parquet" if path.is_dir() else path
    reader = TableReader(path)
    schemas.read_metadata(reader.schema, path, (schemas.SAMPLE,))
    columns = pa.schema([schemas.sample_schema().field(name) for name in ("label", "gc")])
    reader.expect(columns, path)
    table = reader.read(columns=columns.names)
    gc = table["gc"].to_numpy(zero_copy_only=False).astype(np.float64)  # NaN: no base is known
    positive = table["label"].to_numpy() == 1
    means = []
    for what, part in (("bound", positive), ("unbound", ~positive)):
        known = gc[part & np.isfinite(gc)]
        if not len(known):
            raise InputError(f"{path}: has no {what} sequence of known GC, expected some of both")
        means.append(float(known.mean()))
    return means[0], means[1]
