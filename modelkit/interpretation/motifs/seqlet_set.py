"""Seqlets on disk: a table with the scores of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import TableReader, as_polars
from modelkit.interpretation.motifs.seqlet_tables import seqlets_schema

if TYPE_CHECKING:
    import polars

__all__ = ["Seqlets", "list_columns", "matrices_of", "write_bed"]

Matrix = npt.NDArray[np.float32]


class Seqlets:
    """What `modelkit.seqlets` wrote.

    Attributes
    ----------
    path : Path
    name : str
        Of the attributions that they are from.
    targets : tuple of str
        That were looked at.
    n_examples : int
        That were looked at.
    cutoff : float
        Attribution of a significant base.
    skipped : dict of str to int
        Seqlets that were left out, by reason.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = TableReader(path)
        self.provenance = schemas.read_metadata(self._table.schema, path, (schemas.SEQLETS,))
        self._table.expect(seqlets_schema(), path)
        about: dict[str, Any] = self.provenance
        self.name = str(about["name"])
        self.targets = tuple(map(str, about["targets"]))
        self.n_examples, self.cutoff = int(about["examples"]), float(about["cutoff"])
        self.skipped = {str(reason): int(n) for reason, n in about["skipped"].items()}

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Seqlets":
        """Open seqlets; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    def table(self) -> pa.Table:
        """All seqlets, in the order of their examples, targets and ends."""
        return self._table.read()

    def to_polars(self) -> "polars.DataFrame":
        """All seqlets as a Polars frame."""
        return as_polars(self.table())

    def matrices(self) -> list[Matrix]:
        """Scores of each, float32 (length, 4), the largest of its sign being 1."""
        return matrices_of(self.table(), self.path)

    def write_bed(self, path: str | Path, *, force: bool = False) -> None:
        """Write as BED: chrom, start, end, target, |score| and strand "."."""
        table = self.table()
        write_bed(path, table, table["target"].to_pylist(), ["."] * len(table), force=force)


def matrices_of(table: pa.Table, where: Path) -> list[Matrix]:
    """The column `contributions` as matrices; InputError where one does not fit its bases."""
    if not len(table):
        return []
    column = table["contributions"].combine_chunks()
    sizes = column.value_lengths().to_numpy()
    lengths = table["end"].to_numpy() - table["start"].to_numpy()
    if np.any(sizes != 4 * lengths) or np.any(lengths < 1):
        row = int(np.argmax((sizes != 4 * lengths) | (lengths < 1)))
        raise InputError(
            f"{where}: row {row}: found {sizes[row]} scores of {lengths[row]} bp, expected 4 of "
            "each; make the file again"
        )
    values = column.flatten().to_numpy().reshape(-1, 4)
    if not np.isfinite(values).all():
        raise InputError(f"{where}: found scores that are no numbers; make the file again")
    return [np.asarray(each, np.float32) for each in np.split(values, np.cumsum(lengths)[:-1])]


def list_columns(matrices: Sequence[npt.NDArray[Any]], kind: pa.DataType) -> pa.Array:
    """Matrices as a list column, each row by row."""
    offsets = np.cumsum([0, *(each.size for each in matrices)]).astype(np.int32)
    flat = [np.ravel(each) for each in matrices]
    values = np.concatenate(flat) if flat else np.empty(0)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, kind.value_type), type=kind)


def write_bed(
    path: str | Path,
    table: pa.Table,
    names: Sequence[str],
    strands: Sequence[str],
    *,
    force: bool = False,
) -> None:
    """Write seqlets as BED, in their order: intersect tools want them sorted first."""
    columns = (
        table["chrom"].to_pylist(), table["start"].to_pylist(), table["end"].to_pylist(),
        ["_".join(name.split()) or "." for name in names],
        [f"{abs(score):.6g}" for score in table["score"].to_pylist()], strands,
    )  # fmt: skip
    with atomic(Path(path), force=force) as temporary, temporary.open("w") as file:
        for fields in zip(*columns, strict=True):
            file.write("\t".join(map(str, fields)) + "\n")
