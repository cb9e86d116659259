"""Sequences as a topic model takes them: sparse counts, from all that they may lie in."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.kmers.bindvae import read_id_lists
from kmerengine.kmers.count import count_sequences
from kmerengine.kmers.counts import KmerCounts
from modelkit.data.options import rows_of, rows_of_splits
from modelkit.interpretation.topics.topic_model import TopicModel
from native_kernels.kmer_count import count_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Source", "opened"]

TABLES = (".parquet", ".arrow", ".npz", ".h5ad")  # of k-mer counts

Csr = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


class Source(NamedTuple):
    """Sequences, and batches of their counts.

    Attributes
    ----------
    table : pyarrow.Table
        The regions, or the name alone.
    batches : callable
        Of so many sequences: (indptr, words or features, counts) in their order.
    are_features : bool
        Counts are of gapped features, not of the exact words that these follow from.
    whole : bool
        Regions are whole sequences, whose name is their chrom.
    inputs : dict
        Digests, for the provenance.
    skipped : dict of str to int
        Sequences that are left out, by reason.
    where : str
        For messages.
    """

    table: pa.Table
    batches: Callable[[int], Iterator[Csr]]
    are_features: bool
    whole: bool
    inputs: dict[str, Any]
    skipped: dict[str, int]
    where: str


def opened(
    source: Dataset | KmerCounts | str | Path | Iterable[str], model: TopicModel, split: str
) -> Source:
    """The sequences of a source as this model takes them; see `topic_proportions`."""
    if isinstance(source, (str, Path)):
        return _of_path(Path(source), model, split)
    if isinstance(source, Dataset):
        return _of_dataset(source, model, split)
    _only_all(split, "sequences")
    if isinstance(source, KmerCounts):
        return _of_counts(source, model, {"counts": _document(source)}, "k-mer counts")
    counted = count_sequences(source, vocabulary=model.vocabulary)
    return _of_counts(counted, model, {}, "sequences")


def _of_path(path: Path, model: TopicModel, split: str) -> Source:
    if (path / DATASET_ABOUT).is_file():
        return _of_dataset(Dataset.open(path), model, split)
    _only_all(split, str(path))
    if path.suffix == ".txt":
        return _of_matrix(read_id_lists(path, model.vocabulary.n_features), path)
    if path.suffix in TABLES or path.is_dir():
        counts = KmerCounts.open(path)
        digest = {"name": path.name} if path.is_dir() else schemas.digest(path)
        return _of_counts(counts, model, {"counts": digest | _document(counts)}, str(path))
    counted = count_sequences(path, vocabulary=model.vocabulary)
    return _of_counts(counted, model, {"sequences": schemas.digest(path)}, str(path))


def _of_dataset(data: Dataset, model: TopicModel, split: str) -> Source:
    """Every base of the examples' windows, as a topic model is trained on them."""
    model.run.check_split(data, split)
    of_split, skipped = rows_of_splits(data, model.config.data)
    rows, vocabulary = rows_of(of_split, split), model.vocabulary
    if not len(rows):
        raise InputError(
            f"{data.path}: has no example of the split {split!r} that the run can use; expected "
            "another split, or all"
        )

    def batches(size: int) -> Iterator[Csr]:
        for start in range(0, len(rows), size):
            codes = np.ascontiguousarray(data.sequence[rows[start : start + size]])
            offsets = np.arange(len(codes) + 1, dtype=np.int64) * codes.shape[1]
            yield count_rows(codes.reshape(-1), offsets, vocabulary.k, stranded=vocabulary.stranded)

    about = schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name}
    return Source(
        data.regions.take(pa.array(rows)).select(schemas.REGION_COLUMNS.names).combine_chunks(),
        batches,
        are_features=False,
        whole=False,
        inputs={"dataset": about},
        skipped=skipped,
        where=str(data.path),
    )


def _of_counts(counts: KmerCounts, model: TopicModel, inputs: dict[str, Any], where: str) -> Source:
    features, vocabulary = counts.is_materialized, model.vocabulary
    if features and counts.vocabulary != vocabulary:
        raise InputError(
            f"{where}: holds features of another vocabulary than {model.run.path} learnt; count "
            "again without --materialize"
        )
    if not features:
        vocabulary.check_projects(counts.vocabulary)

    def batches(size: int) -> Iterator[Csr]:
        for start in range(0, len(counts), size):
            rows = (
                counts.features(None, start, start + size)
                if features
                else counts.exact_rows(start, start + size)
            )
            yield rows.indptr, rows.indices if features else counts.words[rows.indices], rows.data

    about = counts.provenance
    starts = counts.regions["start"].to_numpy()
    return Source(
        counts.regions,
        batches,
        are_features=features,
        whole="regions" not in about.get("inputs", {}) and not starts.any(),
        inputs=inputs,
        skipped=about.get("skipped", {}),
        where=where,
    )


def _of_matrix(features: "csr_matrix", path: Path) -> Source:
    """Rows of a file of id lists; their names are their numbers from 0."""

    def batches(size: int) -> Iterator[Csr]:
        for start in range(0, features.shape[0], size):
            rows = features[start : start + size]
            yield rows.indptr, rows.indices, rows.data

    return Source(
        pa.table({"name": [str(i) for i in range(features.shape[0])]}),
        batches,
        are_features=True,
        whole=True,
        inputs={"id_lists": schemas.digest(path)},
        skipped={},
        where=str(path),
    )


def _only_all(split: str, where: str) -> None:
    if split != "all":
        raise InputError(f"{where}: has no splits, found split {split!r}; expected a data set")


def _document(counts: KmerCounts) -> dict[str, Any]:
    """What k-mer counts were made of."""
    return {"inputs": counts.provenance.get("inputs", {})}
