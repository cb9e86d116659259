"""What every table of counts has: a source of rows, and a document that says how it was made."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import InMemory, Source, as_polars
from kmerengine.kmers.vocabulary import Vocabulary

if TYPE_CHECKING:
    import polars


class StoredCounts(ABC):
    """A table of exact words, or of the features that follow from them, with its vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
        The features that `features` gives.
    provenance : dict
        How the counts were made: inputs, parameters, what was skipped by reason.
    is_materialized : bool
        Whether features are stored instead of the exact words they follow from.
    notes : list of str
        What a user should know of the run that made the counts; not kept in files, which are the
        same bytes for the same input.
    """

    exact_format: ClassVar[str]
    materialized_format: ClassVar[str]

    def __init__(self, source: Source, where: Path) -> None:
        self.notes: list[str] = []
        formats = (self.exact_format, self.materialized_format)
        self.provenance = schemas.read_metadata(source.schema, where, formats)
        self.vocabulary = Vocabulary.from_spec(self.provenance.get("vocabulary"), where)
        self.is_materialized = self.provenance["format"] == self.materialized_format
        source.expect(self._expected_schema(), where)
        self._source = source
        self._where = where

    @abstractmethod
    def _expected_schema(self) -> pa.Schema:
        """The columns of this table."""

    @classmethod
    def from_batches(cls, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Self:
        """Counts held in memory; `schema` carries the provenance."""
        return cls(InMemory(pa.Table.from_batches(batches, schema=schema)), Path("<memory>"))

    def __len__(self) -> int:
        return self._source.n_rows

    def to_polars(self) -> "polars.DataFrame":
        """The table as it is stored as a Polars frame."""
        return as_polars(self._source.read())

    def _require_exact(self) -> None:
        if self.is_materialized:
            raise InputError(
                f"{self._where}: holds materialized features, not exact words; "
                "use .features(), or count again without --materialize"
            )
