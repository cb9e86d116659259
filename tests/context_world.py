"""Attributions around core motifs, made of strings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.schemas import REGION_COLUMNS
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions

LETTERS = "ACGT"


def codes_of(sequences: Sequence[str]) -> npt.NDArray[np.uint8]:
    """A C G T = 0 1 2 3, 255 for anything else."""
    return np.array([[LETTERS.find(b) % 256 for b in each] for each in sequences], np.uint8)


def regions(n: int, length: int, strands: str, starts: Sequence[int]) -> pa.Table:
    columns = {
        "chrom": ["chr1" if i % 2 == 0 else "chr2" for i in range(n)],
        "start": list(starts), "end": [each + length for each in starts],
        "name": [f"site{i}" for i in range(n)], "score": [None] * n, "strand": list(strands),
    }  # fmt: skip
    made = [pa.array(columns[f.name]).cast(f.type) for f in REGION_COLUMNS]
    made += [pa.array(["test"] * n).cast(pa.dictionary(pa.int8(), pa.string()))]
    return pa.table(made, names=[*REGION_COLUMNS.names, "split"])


def attributions_of(
    path: Path,
    sequences: Sequence[str],
    scores: npt.ArrayLike,
    *,
    strands: str | None = None,
    starts: Sequence[int] | None = None,
    targets: Sequence[str] = ("bound",),
    method: str = "gradcam",
    before: int = 0,
    further: Mapping[str, pa.Array] | None = None,
    **options: Any,
) -> Attributions:
    """Scores (n, P) or (n, K, P) are of the bases that stand there; others have -9. Sequences begin
    `before` bp before their regions.
    """
    codes, given = codes_of(sequences), np.asarray(scores, np.float32)
    n, length = codes.shape
    given = np.broadcast_to(given if given.ndim == 3 else given[:, None], (n, len(targets), length))
    hypothetical = np.full((n, len(targets), 4, length), -9, np.float32)
    for i in range(n):
        for j in range(length):
            if codes[i, j] < 4:
                hypothetical[i, :, codes[i, j], j] = given[i, :, j]
    table = regions(n, length, strands or "+" * n, starts or [1000 * (i + 1) for i in range(n)])
    kinds = schemas.attributions_schema(cores=True, labels=True)
    for name, column in (further or {}).items():
        table = table.append_column(kinds.field(name), column)
    return write_attributions(
        path, table, codes, hypothetical, targets=targets, method=method, head="labels",
        starts=table["start"].to_numpy() - before, **options,
    )  # fmt: skip


def sites_of(
    path: Path,
    sequences: Sequence[str],
    scores: npt.ArrayLike,
    cores: Sequence[tuple[int, int]],
    *,
    labels: npt.ArrayLike | None = None,
    label_names: Sequence[str] = ("bound",),
    **options: Any,
) -> Attributions:
    """The same with core motifs, bp from the regions' starts, and labels (n, K')."""
    kinds = schemas.attributions_schema(cores=True, labels=True)
    sides = np.asarray(cores).T
    further = {
        "core_start": pa.array(sides[0], kinds.field("core_start").type),
        "core_end": pa.array(sides[1], kinds.field("core_end").type),
    }
    if labels is not None:
        further["labels"] = pa.array(np.asarray(labels).tolist(), kinds.field("labels").type)
        options["label_names"] = label_names
    return attributions_of(path, sequences, scores, further=further, **options)


def reverse_complement(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
