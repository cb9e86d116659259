"""Motifs of seqlets: a folder.

motifs.parquet     one row per motif, the largest first: counts and tests by model, the nearest
                   motif of a database, CWM, PFM, and the bases of the seqlets
motifs.meme        PFMs: the positive parts of the CWMs, normalised by position (bpAI-TAC)
sequences.meme     base frequencies of the same seqlets: what a scan of a genome wants
seqlets.parquet    the seqlets, with motif, offset and strand, and where the whole motif lies
seqlets.bed        the same as BED, with the strand of the motif
motifs.json        models, and how they were made
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader, as_polars
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.motifs.seqlet_set import matrices_of
from modelkit.interpretation.motifs.seqlet_tables import motifs_schema, seqlets_schema

if TYPE_CHECKING:
    import polars

__all__ = ["Motifs"]

TABLE, SEQLETS, ABOUT = "motifs.parquet", "seqlets.parquet", "motifs.json"
MEME, SEQUENCES, BED = "motifs.meme", "sequences.meme", "seqlets.bed"
NAMES = (TABLE, SEQLETS, ABOUT, MEME, SEQUENCES, BED)

Matrix = npt.NDArray[np.float64]


class Motifs:
    """Motifs on disk, made by `modelkit.motifs`.

    Attributes
    ----------
    path : Path
    models : tuple of str
        Whose seqlets they are of.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = schemas.read_document(path / ABOUT, schemas.MOTIFS, "modelkit motifs")
        self.provenance: dict[str, Any] = about
        self.models = tuple(map(str, about["models"]))
        self._motifs, self._seqlets = TableReader(path / TABLE), TableReader(path / SEQLETS)
        for reader, expected in (
            (self._motifs, motifs_schema()),
            (self._seqlets, seqlets_schema(motifs=True)),
        ):
            found = schemas.read_metadata(reader.schema, reader.path, (schemas.MOTIFS,))
            if found != about:
                raise InputError(
                    f"{reader.path}: is not of the same motifs as {ABOUT}; make the folder again"
                )
            reader.expect(expected, reader.path)

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Motifs":
        """Open motifs; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._motifs.n_rows

    @cached_property
    def table(self) -> pa.Table:
        """One row per motif, see `modelkit.interpretation.motifs.seqlet_tables.motifs_schema`."""
        return self._motifs.read()

    @cached_property
    def seqlets(self) -> pa.Table:
        """One row per seqlet, by model, then as they were found."""
        return self._seqlets.read()

    def to_polars(self) -> "polars.DataFrame":
        """One row per motif, as a Polars frame."""
        return as_polars(self.table)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the motifs, the largest first."""
        return tuple(self.table["motif"].to_pylist())

    def cwm(self, name: str) -> Matrix:
        """Average contributions of a motif, float64 (length, 4)."""
        if name not in self.names:
            raise InputError(f"{self.path}: has no motif {name!r}; it has {self.names[:5]}")
        row = self.names.index(name)
        matrix: Matrix = np.array(self.table["cwm"][row].as_py(), np.float64).reshape(-1, 4)
        return matrix

    def pfms(self) -> list[Motif]:
        """The motifs of motifs.meme: none where there are no seqlets."""
        return read_motifs(self.path / MEME) if len(self) else []

    def matrices(self) -> list[npt.NDArray[np.float32]]:
        """Scores of each seqlet, float32 (length, 4), on the genome's plus strand."""
        return matrices_of(self.seqlets, self.path / SEQLETS)

    def enriched(self, model: str) -> pa.Table:
        """The motifs that a model goes by more often than the other one, by p-value."""
        if model not in self.models or len(self.models) != 2:
            raise InputError(
                f"{self.path}: found model {model!r}, expected one of two: {', '.join(self.models)}"
            )
        number = self.models.index(model)
        kept = [
            (row["p"][number], i)
            for i, row in enumerate(self.table.select(["p", "enriched"]).to_pylist())
            if row["enriched"] is not None and row["enriched"][number]
        ]
        return self.table.take(pa.array([i for _, i in sorted(kept)], pa.int64()))
