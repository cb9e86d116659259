"""Batches of k-mer counts: exact words, and the gapped features that follow from them.

Both are sparse rows; a matrix of all features is never made. Rows are held in memory as exact
words, 8 bytes for each: 120 MB of 76,218 peaks.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kmerengine.errors import InputError
from kmerengine.kmers.vocabulary import Vocabulary
from modelkit.data.draws import Purpose, order
from native_kernels.gapped_linear import Columns, gapped_columns

__all__ = ["WordBatch", "WordLoader", "Words"]

Rows = npt.NDArray[np.int64]


class Words(NamedTuple):
    """Counts of exact words, one sparse row for each example.

    Attributes
    ----------
    indptr : int64, shape (n + 1,)
    words : uint32, shape (indptr[-1],)
        Packed, ascending within a row.
    counts : uint32, shape (indptr[-1],)
    """

    indptr: Rows
    words: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint32]

    def take(self, rows: Rows) -> "Words":
        """Some rows, in their order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Words(indptr, self.words[at], self.counts[at])


class WordBatch(NamedTuple):
    """Examples as a topic model takes them: `rows` of the data set, and their counts twice."""

    rows: Tensor  # (B,), int64
    indptr: Tensor  # (B + 1,), int64: of words
    words: Tensor  # int32
    counts: Tensor  # float32
    n_tokens: Tensor  # (B,), float64: counts of features
    features: Columns | None  # the same counts as features; only a likelihood needs them

    @classmethod
    def of(
        cls,
        rows: Rows,
        words: Words,
        vocabulary: Vocabulary,
        device: torch.device,
        *,
        features: bool = True,
    ) -> "WordBatch":
        """A batch of these rows' words."""
        indptr = torch.from_numpy(words.indptr)
        found = torch.from_numpy(words.words.astype(np.int32))
        counts = torch.from_numpy(words.counts.astype(np.float32))
        p_indptr, p_features = map(torch.from_numpy, vocabulary.projection.matrix)
        of_words = counts.double() * p_indptr.diff()[found.long()]
        ends = torch.cat([of_words.new_zeros(1), of_words.cumsum(0)])
        columns = None
        if features:
            columns = gapped_columns(
                indptr, found, counts, p_indptr, p_features, vocabulary.n_features
            ).to(device)
        return cls(
            torch.from_numpy(rows).to(device),
            indptr.to(device),
            found.to(device),
            counts.to(device),
            ends[indptr].diff().to(device),
            columns,
        )


class WordLoader:
    """Batches of an epoch, a function of (seed, epoch, place) as those of `Loader`.

    Parameters
    ----------
    words : Words
        Of every row of the data set.
    vocabulary : Vocabulary
        Whose features there are.
    rows : int64
        Those to be used.
    batch_size : int
        Examples of a batch, of all ranks together.
    seed : int
        Of the order.
    shuffle : bool
        Another order in every epoch, and only whole batches.
    rank, ranks : int
        This process's part of every batch, and of how many.
    device : torch.device
    """

    def __init__(
        self,
        words: Words,
        vocabulary: Vocabulary,
        rows: Rows,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        self.words, self.vocabulary, self.rows = words, vocabulary, rows
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.ranks = rank, ranks
        self.device = torch.device(device)
        n, rest = len(rows), 0 if shuffle else len(rows) % batch_size
        self.n_examples = n // batch_size * batch_size if shuffle else n
        if 0 < rest < ranks or batch_size % ranks:
            raise InputError(
                f"batch_size: found {batch_size} for {n} examples and {ranks} ranks, expected a "
                "multiple of the ranks, and at least one example for each in the last batch"
            )

    def __len__(self) -> int:
        return -(-self.n_examples // self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[WordBatch]:
        """The batches of an epoch from number `first` on; one is made while another is used."""
        rows = self.rows
        if self.shuffle:
            rows = rows[order(self.seed, epoch, Purpose.ORDER, len(rows))]
        with ThreadPoolExecutor(1) as pool:
            ahead = None
            for number in range(first, len(self)):
                coming = pool.submit(self._batch, rows, number)
                if ahead is not None:
                    yield ahead.result()
                ahead = coming
            if ahead is not None:
                yield ahead.result()

    def _batch(self, rows: Rows, number: int) -> WordBatch:
        mine = rows[number * self.batch_size : (number + 1) * self.batch_size]
        mine = np.ascontiguousarray(mine[self.rank :: self.ranks])
        return WordBatch.of(mine, self.words.take(mine), self.vocabulary, self.device)
