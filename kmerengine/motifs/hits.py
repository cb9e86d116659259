"""Motif instances: a table on disk or in memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import InMemory, Source, TableReader, as_polars

if TYPE_CHECKING:
    import polars


class MotifHits:
    """What `kmerengine scan` found: chrom, start, end, motif, score, strand, p and what was asked.

    Attributes
    ----------
    provenance : dict
        How the hits were made: inputs, parameters, motifs, background, regions skipped by reason.
    windows, skipped : int or None
        Places of motifs (on both strands, where both were scanned) that were scored, and that
        were not because they hold a base other than A C G T. Known of a run, not of a file.
    notes : list of str
        What a user should know of the run; not kept in files.
    """

    def __init__(self, source: Source | None, schema: pa.Schema, where: Path) -> None:
        self.path = where
        self.provenance = schemas.read_metadata(schema, where, (schemas.MOTIF_HITS,))
        self.windows: int | None = None
        self.skipped: int | None = None
        self.notes: list[str] = []
        self._source = source
        self._n = 0 if source is None else source.n_rows

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> Self:
        """Open a Parquet file that `kmerengine scan` wrote; InputError if it is none."""
        path = Path(path)
        table = TableReader(path)
        table.expect(schemas.hits_schema(), path)
        return cls(table, table.schema, path)

    @classmethod
    def from_batches(cls, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Self:
        """Hits held in memory; `schema` carries the provenance."""
        table = pa.Table.from_batches(batches, schema=schema)
        return cls(InMemory(table), schema, Path("<memory>"))

    @classmethod
    def written(cls, path: Path, schema: pa.Schema, n: int) -> Self:
        """`n` hits that were written as text, which is not read back."""
        hits = cls(None, schema, path)
        hits._n = n
        return hits

    def __len__(self) -> int:
        return self._n

    def table(self) -> pa.Table:
        """All hits.

        Raises
        ------
        InputError
            They were written as BED.
        """
        if self._source is None:
            raise InputError(f"{self.path}: hits in a BED file are not read back; write Parquet")
        return self._source.read()

    def to_polars(self) -> "polars.DataFrame":
        """All hits as a Polars frame."""
        return as_polars(self.table())
