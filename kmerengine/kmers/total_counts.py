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
        made = cls(TableReader(Path(path)), Path(path))
        made._check()
        return made

    def _check(self) -> None:
        """InputError unless words or features are each there once, in order, with a count."""
        name = "feature" if self.is_materialized else "word"
        table = self._source.read(columns=[name, "count"])
        keys = table[name].to_numpy()
        if table[name].null_count or table["count"].null_count or (keys[1:] <= keys[:-1]).any():
            raise InputError(f"{self._where}: its {name}s do not ascend; make the file again")
        n = self.vocabulary.n_features
        if self.is_materialized and not (len(keys) == n and (n == 0 or keys[-1] == n - 1)):
            raise InputError(f"{self._where}: holds {len(keys)} features, expected {n}; count again")

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
