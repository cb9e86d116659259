"""Exact words per region, and the gapped features that follow from them when they are asked for."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import InMemory, TableReader, table_writer
from kmerengine.kmers import counts_files
from kmerengine.kmers.bindvae import id_lines, write_vocabulary
from kmerengine.kmers.stored import StoredCounts
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.kmers.words import spelled

if TYPE_CHECKING:
    import anndata
    from scipy.sparse import csr_matrix


class KmerCounts(StoredCounts):
    """Word counts of regions, in the regions' order.

    Made by `count` and `count_sequences`, or opened from a file with `KmerCounts.open`; rows are
    read from the file when they are asked for. Attributes are those of `StoredCounts`.
    """

    exact_format = schemas.KMERS
    materialized_format = schemas.FEATURES

    def _expected_schema(self) -> pa.Schema:
        return schemas.counts_schema(self.vocabulary.k, materialized=self.is_materialized)

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "KmerCounts":
        """Open counts that kmerengine wrote: Parquet, a folder of parts, Arrow IPC, npz or h5ad.

        Raises
        ------
        InputError
            If it is missing, damaged, or holds something else.
        """
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

    def to_anndata(self) -> "anndata.AnnData":
        """Regions x exact words (x features when materialized) as AnnData; needs anndata."""
        names = spelled(self.words, self.vocabulary.k) if not self.is_materialized else None
        if names is None:
            names = self.vocabulary.words().tolist()
        return counts_files.as_anndata(self.regions, self._matrix(), names, self.provenance)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write to `path`; its suffix picks Parquet, Arrow IPC, npz, h5ad or BindVAE's id list."""
        batches = (batch for table in self.slices() for batch in table.to_batches())
        write_counts(Path(path), self._source.schema, batches, force=force)

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

    def _matrix(self) -> "csr_matrix":
        return self.features() if self.is_materialized else self.exact


def write_counts(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, force: bool = False
) -> None:
    """Write batches of a counts table in the format that the suffix of `path` names."""
    counts_files.check_suffix(path)
    with atomic(path, force=force) as temporary:
        if path.suffix in (".parquet", ".arrow"):
            with table_writer(temporary, schema, path.suffix) as writer:
                for batch in batches:
                    writer.write(batch)
        elif path.suffix == ".txt":
            beside = counts_files.vocabulary_beside(path)
            with atomic(beside, force=force) as vocabulary, temporary.open("w") as lines:
                for batch in batches:
                    matrix = KmerCounts.from_batches(schema, [batch]).features()
                    lines.writelines(id_lines(matrix.indptr, matrix.indices, matrix.data))
                write_vocabulary(vocabulary, KmerCounts.from_batches(schema, []).vocabulary.words())
        else:
            counts = KmerCounts.from_batches(schema, batches)
            if path.suffix == ".h5ad":
                counts_files.write_h5ad(temporary, counts.to_anndata())
                return
            words = None if counts.vocabulary.is_numbered else counts.words
            matrix = counts._matrix()
            counts_files.write_npz(temporary, counts.regions, matrix, counts.provenance, words)


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
