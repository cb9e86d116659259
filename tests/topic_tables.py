"""Proportions without a model, for tests of what is made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from modelkit.interpretation.topics.proportions import Proportions


def make_regions(places: list[tuple[str, int, int]]) -> pa.Table:
    """Regions peak_0, peak_1 ... at these places."""
    rows = [
        {"chrom": chrom, "start": start, "end": end, "name": f"peak_{i}", "score": None,
         "strand": "."}
        for i, (chrom, start, end) in enumerate(places)
    ]  # fmt: skip
    columns = [
        pa.array([row[field.name] for row in rows], field.type) for field in schemas.REGION_COLUMNS
    ]
    return pa.Table.from_arrays(columns, schema=schemas.REGION_COLUMNS)


def make_proportions(
    concentrations: Any,
    *,
    names: list[str] | None = None,
    places: list[tuple[str, int, int]] | None = None,
    path: Path | None = None,
    run: str = "a",
) -> Proportions:
    """Proportions of these concentrations, of sequences with names or of regions."""
    eta = np.asarray(concentrations, np.float64)
    if places is not None:
        table = make_regions(places)
    else:
        table = pa.table({"name": names or [f"sequence_{i}" for i in range(len(eta))]})
    document = schemas.provenance(
        "topics proportions", {"run": {"name": run, "sha256": run}}, {"split": "all"}
    ) | {
        "format": schemas.TOPIC_PROPORTIONS,
        "topics": [f"topic_{i}" for i in range(eta.shape[1])],
        "kind": "proportions",
        "n": len(eta),
        "whole_sequences": places is None,
        "skipped": {},
        "without_words": 0,
    }
    made = Proportions(table, eta, document, None)
    if path is not None:
        made.save(path)
        made.path = path
    return made
