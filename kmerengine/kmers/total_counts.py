"""Word counts of a whole genome, and the gapped features that follow from them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from kmerengine.kmers.stored import StoredCounts
from kmerengine.kmers.vocabulary import Vocabulary


class KmerTotals(StoredCounts):
    """Word counts of a whole genome or of all sequences together.

    Attributes are those of `StoredCounts`.
    """

    exact_format = schemas.KMER_TOTALS
    materialized_format = schemas.FEATURE_TOTALS

    def _expected_schema(self) -> pa.Schema:
        return schemas.totals_schema(self.vocabulary.k, materialized=self.is_materialized)

    @classmethod
    def open(cls, path: str | Path) -> "KmerTotals":
        """Open totals that kmerengine wrote: Parquet, a folder of parts, or Arrow IPC."""
        return cls(TableReader(Path(path)), Path(path))

    @property
    def words(self) -> npt.NDArray[Any]:
        """The packed words that occur, ascending; uint32 to k = 16, uint64 beyond."""
        self._require_exact()
        return self._column("word")

    @property
    def counts(self) -> npt.NDArray[np.uint64]:
        """How often each word (feature, when materialized) occurs; uint64."""
        return self._column("count")

    def _column(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self._source.read(columns=[name])[name])

    def features(self, vocabulary: Vocabulary | None = None) -> npt.NDArray[np.uint64]:
        """Total of every feature; uint64, shape (vocabulary.n_features,)."""
        chosen = self.vocabulary if vocabulary is None else vocabulary
        if self.is_materialized and chosen == self.vocabulary:
            if not np.array_equal(self._column("feature"), np.arange(chosen.n_features)):
                raise InputError(
                    f"{self._where}: holds {len(self)} features, expected each of "
                    f"{chosen.n_features} once, in order; make the file again"
                )
            return self.counts
        chosen.check_projects(self.vocabulary)
        words = self.words
        if len(words) and int(words.max()) >= 4**chosen.k:
            raise InputError(f"{self._where}: holds words that its vocabulary lacks; make it again")
        return chosen.projection.total(words, self.counts)
