"""What a count gives back: exact words per region (`KmerCounts`) or in total (`KmerTotals`).

Gapped features are a linear image of the exact words; they are made when they are asked for.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from kmerengine.vocabulary import Vocabulary

if TYPE_CHECKING:
    import anndata
    import polars
    from scipy.sparse import csr_matrix


class Source(Protocol):
    """Rows that can be read by slices: a file, or a table in memory."""

    n_rows: int
    schema: pa.Schema

    def read(
        self, start: int = 0, stop: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """Rows [start, stop), of these columns."""


class InMemory:
    """A table in memory as a `Source`."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.n_rows = len(table)
        self.schema = table.schema

    def read(
        self, start: int = 0, stop: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """Rows [start, stop), of these columns."""
        table = self._table if columns is None else self._table.select(columns)
        return table.slice(start, None if stop is None else max(0, stop - start))


class KmerCounts:
    """Word counts of regions, in the regions' order.

    Made by `count` and `count_sequences`, or opened from a file with `KmerCounts.open`; rows are
    read from the file when they are asked for.

    Attributes
    ----------
    vocabulary : Vocabulary
        The features that `features` gives.
    provenance : dict
        How the counts were made: inputs, parameters, regions skipped by reason.
    is_materialized : bool
        Whether features are stored instead of the exact words they follow from.
    notes : list of str
        What a user should know of the run that made the counts; not kept in files, which are the
        same bytes for the same input.
    """

    def __init__(self, source: Source, where: Path) -> None:
        self.notes: list[str] = []
        formats = (schemas.KMERS, schemas.FEATURES)
        self.provenance = schemas.read_metadata(source.schema, where, formats)
        self.vocabulary = Vocabulary.from_spec(self.provenance.get("vocabulary"), where)
        self.is_materialized = self.provenance["format"] == schemas.FEATURES
        expected = schemas.counts_schema(self.vocabulary.k, materialized=self.is_materialized)
        schemas.require(source.schema, expected, where)
        self._source = source
        self._where = where

    @classmethod
    def from_batches(cls, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> "KmerCounts":
        """Counts held in memory; `schema` carries the provenance."""
        return cls(InMemory(pa.Table.from_batches(batches, schema=schema)), Path("<memory>"))

    @classmethod
    def open(cls, path: str | Path) -> "KmerCounts":
        """Open counts that kmerengine wrote: Parquet, a folder of parts, Arrow IPC, npz or h5ad.

        Raises
        ------
        InputError
            If it is missing, damaged, or holds something else.
        """
        from kmerengine.io import counts_files

        path = Path(path)
        if path.suffix == ".npz":
            return cls(InMemory(counts_files.read_npz(path)), path)
        if path.suffix == ".h5ad":
            return cls(InMemory(counts_files.read_h5ad(path)), path)
        if path.suffix == ".txt":
            raise InputError(
                f"{path}: an id list has no regions; read it with kmerengine.read_id_lists"
            )
        made = cls(TableReader(path), path)
        kept = made.provenance.get("kept")
        if kept != len(made):
            raise InputError(f"{path}: holds {len(made)} regions, expected {kept}; make it again")
        return made

    def __len__(self) -> int:
        return self._source.n_rows

    def __repr__(self) -> str:
        kind = "features" if self.is_materialized else "exact words"
        return f"KmerCounts({len(self):,} regions, {kind}, k = {self.vocabulary.k})"

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand of every row."""
        return self._source.read(columns=schemas.REGION_COLUMNS.names)

    @cached_property
    def words(self) -> npt.NDArray[Any]:
        """The packed word of each column of `exact`, ascending.

        All words of the vocabulary to k = 12; beyond, those that occur.
        """
        self._require_exact()
        if self.vocabulary.is_numbered:
            return self.vocabulary.exact_words
        found = np.zeros(0, np.uint64)
        for table in self.slices(["word"]):
            found = np.union1d(found, _flat(table["word"]))
        return found

    @property
    def exact(self) -> "csr_matrix":
        """Counts of exact words; CSR, uint32, shape (regions, len(words))."""
        return self.exact_rows()

    def exact_rows(self, start: int = 0, stop: int | None = None) -> "csr_matrix":
        """`exact` of rows [start, stop)."""
        indptr, words, counts = self._stored("word", start, stop)
        columns = np.searchsorted(self.words, words)
        if np.any(self.words.take(columns, mode="clip") != words):
            raise InputError(f"{self._where}: holds words that its vocabulary lacks; make it again")
        return _csr(indptr, columns, counts, len(self.words))

    def features(
        self, vocabulary: Vocabulary | None = None, start: int = 0, stop: int | None = None
    ) -> "csr_matrix":
        """Counts of gapped features, made from the exact words.

        Parameters
        ----------
        vocabulary : Vocabulary, optional
            Another vocabulary over the same k and strands; by default the counts' own.
        start, stop : int
            Rows [start, stop); all by default.

        Returns
        -------
        csr_matrix, uint32, shape (rows, vocabulary.n_features)
            Column = feature id; indices ascend within a row.
        """
        chosen = self.vocabulary if vocabulary is None else vocabulary
        if self.is_materialized:
            if chosen != self.vocabulary:
                raise InputError(
                    f"{self._where}: holds materialized features, from which another vocabulary "
                    "cannot be made; count again without --materialize"
                )
            indptr, columns, counts = self._stored("feature", start, stop)
        else:
            chosen.check_projects(self.vocabulary)
            indptr, words, counts = self._stored("word", start, stop)
            indptr, columns, counts = chosen.projection.rows(indptr, words, counts)
        return _csr(indptr, columns, counts, chosen.n_features)

    def to_polars(self) -> "polars.DataFrame":
        """The table as it is stored, one row per region, as a Polars frame."""
        return _as_polars(self._source.read())

    def to_anndata(self) -> "anndata.AnnData":
        """Regions x exact words (x features when materialized) as AnnData; needs anndata."""
        from kmerengine.io import counts_files

        return counts_files.as_anndata(self)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write to `path`; its suffix picks Parquet, Arrow IPC, npz, h5ad or BindVAE's id list."""
        from kmerengine.io import counts_files

        batches = (batch for table in self.slices() for batch in table.to_batches())
        counts_files.write_counts(Path(path), self._source.schema, batches, force=force)

    def slices(self, columns: list[str] | None = None, rows: int = 1 << 13) -> Iterator[pa.Table]:
        """The stored table, `rows` rows at a time."""
        for start in range(0, len(self), rows):
            yield self._source.read(start, start + rows, columns).combine_chunks()

    def _stored(
        self, name: str, start: int, stop: int | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.uint32]]:
        """A list column of rows [start, stop) and its counts as a CSR triple."""
        if name == "word":
            self._require_exact()
        table = self._source.read(start, stop, [name, "count"])
        lengths = [np.diff(chunk.offsets.to_numpy()) for chunk in table[name].chunks]
        indptr = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
        values, counts = _flat(table[name]), _flat(table["count"])
        most = self.vocabulary.n_features if name == "feature" else 4**self.vocabulary.k
        if len(values) != len(counts) or (len(values) and int(values.max()) >= most):
            raise InputError(
                f"{self._where}: columns {name!r} and 'count' do not fit each other or the "
                "vocabulary; the file is damaged, make it again"
            )
        return indptr, values, counts.astype(np.uint32, copy=False)

    def _require_exact(self) -> None:
        if self.is_materialized:
            raise InputError(
                f"{self._where}: holds materialized features, not exact words; "
                "use .features(), or count again without --materialize"
            )


class KmerTotals:
    """Word counts of a whole genome or of all sequences together.

    Attributes
    ----------
    vocabulary : Vocabulary
    provenance : dict
    is_materialized : bool
        Whether features are stored instead of the exact words they follow from.
    """

    def __init__(self, source: Source, where: Path) -> None:
        formats = (schemas.KMER_TOTALS, schemas.FEATURE_TOTALS)
        self.provenance = schemas.read_metadata(source.schema, where, formats)
        self.vocabulary = Vocabulary.from_spec(self.provenance.get("vocabulary"), where)
        self.is_materialized = self.provenance["format"] == schemas.FEATURE_TOTALS
        expected = schemas.totals_schema(self.vocabulary.k, materialized=self.is_materialized)
        schemas.require(source.schema, expected, where)
        self._source = source
        self._where = where

    @classmethod
    def from_batches(cls, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> "KmerTotals":
        """Totals held in memory; `schema` carries the provenance."""
        return cls(InMemory(pa.Table.from_batches(batches, schema=schema)), Path("<memory>"))

    @classmethod
    def open(cls, path: str | Path) -> "KmerTotals":
        """Open totals that kmerengine wrote: Parquet, a folder of parts, or Arrow IPC."""
        return cls(TableReader(Path(path)), Path(path))

    def __len__(self) -> int:
        return self._source.n_rows

    @property
    def words(self) -> npt.NDArray[Any]:
        """The packed words that occur, ascending; uint32 to k = 16, uint64 beyond."""
        self._require_exact()
        return np.asarray(self._source.read(columns=["word"])["word"])

    @property
    def counts(self) -> npt.NDArray[np.uint64]:
        """How often each word (feature, when materialized) occurs; uint64."""
        return np.asarray(self._source.read(columns=["count"])["count"])

    def features(self, vocabulary: Vocabulary | None = None) -> npt.NDArray[np.uint64]:
        """Total of every feature; uint64, shape (vocabulary.n_features,)."""
        chosen = self.vocabulary if vocabulary is None else vocabulary
        if self.is_materialized and chosen == self.vocabulary:
            return self.counts
        chosen.check_projects(self.vocabulary)
        words = self.words
        if len(words) and int(words.max()) >= 4**chosen.k:
            raise InputError(f"{self._where}: holds words that its vocabulary lacks; make it again")
        return chosen.projection.total(words, self.counts)

    def to_polars(self) -> "polars.DataFrame":
        """The table as it is stored as a Polars frame."""
        return _as_polars(self._source.read())

    def _require_exact(self) -> None:
        if self.is_materialized:
            raise InputError(
                f"{self._where}: holds materialized features, not exact words; "
                "use .features(), or count again without --materialize"
            )


def _csr(
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[Any],
    counts: npt.NDArray[np.uint32],
    n_columns: int,
) -> "csr_matrix":
    from scipy.sparse import csr_matrix  # a tenth of a second that counting to a file need not pay

    return csr_matrix((counts, columns, indptr), shape=(len(indptr) - 1, n_columns))


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    values = [chunk.flatten().to_numpy() for chunk in column.chunks]
    return np.concatenate(values) if values else np.zeros(0, np.uint32)


def _as_polars(table: pa.Table) -> "polars.DataFrame":
    import polars

    # without the schema's metadata: a key that is no text would be a panic there
    frame = polars.from_arrow(pa.Table.from_arrays(table.columns, names=table.column_names))
    assert isinstance(frame, polars.DataFrame)
    return frame
