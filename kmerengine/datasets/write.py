"""The table and the document of a data set; `kmerengine.datasets.folder` reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.datasets.folder import ABOUT, REGIONS, Span
from kmerengine.datasets.splits import SPLITS, Splits
from kmerengine.errors import InputError
from kmerengine.io.list_columns import list_column
from kmerengine.io.tables import table_writer
from kmerengine.kmers.rows import region_columns
from kmerengine.regions import Regions

__all__ = ["Examples", "Stored", "write_examples"]

BATCH_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """An array that was written: `ArrayWriter.finish`'s description and where it lies."""

    file: dict[str, Any]
    start: int  # of its first base, bp from the start of the region
    span: Span  # what an example has of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """What is known of each example beside its arrays."""

    regions: Regions
    split: Splits
    negative: npt.NDArray[np.bool_]
    label_names: tuple[str, ...] = ()
    labels: npt.NDArray[np.uint8] | None = None
    samples: tuple[str, ...] = ()
    totals: npt.NDArray[Any] | None = None
    cores: npt.NDArray[np.int64] | None = None  # (n, 2): motif, bp from the start of the region

    def take(self, rows: npt.NDArray[np.int64]) -> "Examples":
        """The examples of `rows`."""
        return Examples(
            regions=self.regions.take(rows),
            split=self.split[rows],
            negative=self.negative[rows],
            label_names=self.label_names,
            labels=None if self.labels is None else self.labels[rows],
            samples=self.samples,
            totals=None if self.totals is None else self.totals[rows],
            cores=None if self.cores is None else self.cores[rows],
        )


def write_examples(
    folder: Path,
    examples: Examples,
    arrays: dict[str, Stored],
    provenance: dict[str, Any],
    *,
    margin: int,
    window: Span | None,
    shift: str | None = None,
    strands: str | None = None,
    kmers: bool = False,
) -> None:
    """Write regions.parquet and dataset.json beside the arrays, which are there."""
    if not len(examples.regions):
        raise InputError("dataset: found no examples left, expected at least one")
    splits = {name: int((examples.split == i).sum()) for i, name in enumerate(SPLITS)}
    positives = _positives(examples)
    warnings = [
        f"label {name!r} has no positives in {split}"
        for name, by_split in positives.items()
        for split, n in by_split.items()
        if not n and splits[split]
    ]
    n_shared = _negatives_on_peaks(examples)
    if n_shared:
        warnings.append(f"{n_shared:,} negatives overlap a region that is none")
    document = provenance | {
        "format": schemas.DATASET,
        "samples": list(examples.samples),
        "labels": list(examples.label_names),
        "shift": shift,
        "strands": strands,
        "margin": margin,
        "window": list(window) if window else None,
        "spans": {name: list(each.span) for name, each in arrays.items()},
        "arrays": {name: {"start": a.start, "file": a.file} for name, a in arrays.items()},
        "kept": len(examples.regions),
        "negatives": int(examples.negative.sum()),
        "splits": splits,
        "positives": positives,
        "warnings": warnings,
        "totals": examples.totals is not None,
        "cores": examples.cores is not None,
        "kmers": kmers,
    }
    _write_table(folder / REGIONS, examples, document)
    (folder / ABOUT).write_text(schemas.as_text(document) + "\n")


def _negatives_on_peaks(examples: Examples) -> int:
    """How many negatives overlap a region that is none."""
    rows = examples.regions
    if not examples.negative.any() or examples.negative.all():
        return 0
    peaks = ~examples.negative
    union = Stretches.merged(
        rows.contig[peaks], rows.start[peaks], rows.end[peaks], len(rows.contig_names)
    )
    n = 0
    for contig in np.unique(rows.contig[examples.negative]).tolist():
        mine = examples.negative & (rows.contig == contig)
        n += int(union.meets(contig, rows.start[mine], rows.end[mine]).sum())
    return n


def _positives(examples: Examples) -> dict[str, dict[str, int]]:
    """Positives of each label in each split."""
    if examples.labels is None:
        return {}
    by_split = [examples.labels[examples.split == i].sum(axis=0, dtype=np.int64) for i in range(3)]
    return {
        name: {split: int(by_split[i][column]) for i, split in enumerate(SPLITS)}
        for column, name in enumerate(examples.label_names)
    }


def _write_table(path: Path, examples: Examples, document: dict[str, Any]) -> None:
    has_labels, has_totals = examples.labels is not None, examples.totals is not None
    plain = schemas.dataset_schema(
        labels=has_labels, totals=has_totals, cores=examples.cores is not None
    )
    schema = schemas.with_metadata(plain, document)
    matrices: dict[str, npt.NDArray[Any]] = {}
    if examples.labels is not None:
        matrices["labels"] = examples.labels
    if examples.totals is not None:
        matrices["total"] = examples.totals.astype(np.float64)
        matrices["normalised"] = quantile_normalise(examples.totals)
    names = pa.array(SPLITS, pa.string())
    columns_of = region_columns(examples.regions)
    with table_writer(path, schema, ".parquet") as writer:
        for first in range(0, len(examples.regions), BATCH_ROWS):
            part = slice(first, first + BATCH_ROWS)
            columns = [
                *columns_of(part),
                pa.DictionaryArray.from_arrays(pa.array(examples.split[part]), names),
                pa.array(examples.negative[part]),
                *_cores(examples.cores, part),
                *(list_column(m[part], schema.field(name)) for name, m in matrices.items()),
            ]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))


def _cores(cores: npt.NDArray[np.int64] | None, part: slice) -> list[pa.Array]:
    if cores is None:
        return []
    return [pa.array(side, pa.int32()) for side in cores[part].T]
