"""The features that make a topic: its row of theta, p(feature | topic).

Two views of the paper (Kshirsagar et al. 2021): the matrix of the features that are among the first
20 of any topic (figure 1b), and the first 50 features of a topic laid on each other (figure 2c, d).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.list_columns import list_column
from modelkit.interpretation.topics.aligner import NONE, align
from modelkit.interpretation.topics.topic_kmer_set import (
    NAMES,
    TopicKmers,
    kmers_schema,
    matrix_schema,
)
from modelkit.interpretation.topics.topic_model import TopicModel
from modelkit.training.run import Run

__all__ = ["topic_kmers"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _Matrix(NamedTuple):
    """Figure 1b: features in order, the topic that each is most of, values (topics, features)."""

    features: Ints
    topic: Ints
    values: Floats


def topic_kmers(
    run: Run | str | Path,
    output: str | Path | None = None,
    *,
    topics: Sequence[str] = (),
    top: int = 20,
    aligned: int = 50,
    theta: Literal["npy", "parquet"] | None = None,
    force: bool = False,
) -> TopicKmers:
    """List the most probable features of topics.

    Parameters
    ----------
    run : Run or path
        Of bindvae.
    output : path, optional
        The folder to write, see `modelkit.interpretation.topics.topic_kmer_set`.
    topics : sequence of str
        Such as topic_3; by default all.
    top : int
        Features of each topic that the matrix holds.
    aligned : int
        Features of each topic that are aligned.
    theta : "npy" or "parquet", optional
        Write the whole matrix too, float32: topics x features, or one column per topic.
    force : bool
        Replace an existing output.

    Returns
    -------
    TopicKmers

    Raises
    ------
    InputError
        A run of another model, a topic that it lacks, more features than there are.

    Notes
    -----
    Of equal probabilities the feature with the lower number is first. In the matrix features stand
    by the topic in which they are most probable, then by that probability, so that topics which
    share no features make a diagonal.
    """
    model = TopicModel(run)
    vocabulary = model.vocabulary
    for name, value in (("top", top), ("aligned", aligned)):
        if not 1 <= value <= vocabulary.n_features:
            raise InputError(f"{name}: found {value}, expected 1 to {vocabulary.n_features}")
    if theta not in (None, "npy", "parquet"):
        raise InputError(f"theta: found {theta!r}, expected npy or parquet")
    if theta is not None and output is None:
        raise InputError(f"theta: found {theta!r} without an output, expected a folder to write to")
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    columns = model.columns(topics)
    names = [model.topics[i] for i in columns]
    with torch.inference_mode():
        # in float64, so that a topic sums to 1; of it the topics that were asked for
        decoder = model.network.decoder.double().softmax(0).T.cpu().numpy()[columns]
        alpha = model.network.alpha().cpu().numpy()[columns]
    if not np.isfinite(decoder).all():
        raise InputError(
            f"{model.run.path}: has probabilities that are no finite numbers; expected a network "
            "whose outputs are, evaluate it first"
        )
    order = np.argsort(-decoder, axis=1, kind="stable")[:, : max(top, aligned)]
    document = schemas.provenance(
        "topics kmers",
        {"run": model.provenance},
        {"topics": list(topics), "top": top, "aligned": aligned},
    ) | {
        "format": schemas.TOPIC_KMERS,
        "topics": names,
        "alpha": alpha.tolist(),
    }
    words = vocabulary.words()
    table = _table(names, decoder, order, words, aligned, document)
    matrix = matrix_of(decoder, order[:, :top])
    found = TopicKmers(table, _matrix_table(matrix, words, document), document)
    if output is None:
        return found
    whole = None if theta is None else (theta, decoder.astype(np.float32), words)
    return found.write(Path(output), whole, force=force)


def matrix_of(theta: Floats, first: Ints) -> _Matrix:
    """The matrix of figure 1b.

    Parameters
    ----------
    theta : float64, shape (M, D)
    first : int64, shape (M, top)
        The features of each topic that are kept; others are 0.
    """
    features = np.unique(first)
    values = np.zeros((len(theta), len(features)))
    rows = np.arange(len(theta))[:, None]
    values[rows, np.searchsorted(features, first)] = theta[rows, first]
    topic = values.argmax(0)
    order = np.lexsort((features, -values.max(0), topic))
    return _Matrix(features[order], topic[order], values[:, order])


def word_codes(words: npt.NDArray[np.str_]) -> npt.NDArray[np.uint8]:
    """Codes of words, 255 for wildcards, shape (n, k)."""
    table = np.full(128, NONE, np.uint8)
    table[[ord(base) for base in "ACGT"]] = range(4)
    k = words.dtype.itemsize // 4
    return table[np.ascontiguousarray(words).view(np.uint32).reshape(-1, k)]


def _table(
    names: Sequence[str],
    theta: Floats,
    order: Ints,
    words: npt.NDArray[np.str_],
    aligned: int,
    document: dict[str, Any],
) -> pa.Table:
    schema = schemas.with_metadata(kmers_schema(), document)
    n, most = order.shape
    minus, offset = np.zeros((2, n, most), np.int32)
    lies = np.zeros((n, most), np.bool_)
    for i in range(n):
        made = align(word_codes(words[order[i, :aligned]]))
        lies[i, :aligned] = made.aligned
        minus[i, :aligned], offset[i, :aligned] = made.minus, made.offset
    probability = np.take_along_axis(theta, order, 1)
    nowhere = ~lies.ravel()
    strand = pa.array(minus.ravel().astype(np.int8), mask=nowhere)
    columns = [
        pa.DictionaryArray.from_arrays(np.repeat(np.arange(n, dtype=np.int32), most), list(names)),
        pa.array(np.tile(np.arange(1, most + 1, dtype=np.int32), n)),
        pa.array(order.ravel().astype(np.uint32)),
        pa.array(words[order.ravel()].tolist(), pa.string()),
        pa.array(probability.ravel()),
        pa.DictionaryArray.from_arrays(strand, ["+", "-"]),
        pa.array(offset.ravel(), mask=nowhere),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _matrix_table(
    matrix: _Matrix, words: npt.NDArray[np.str_], document: dict[str, Any]
) -> pa.Table:
    schema = schemas.with_metadata(matrix_schema(), document)
    columns = [
        pa.array(matrix.features.astype(np.uint32)),
        pa.array(words[matrix.features].tolist(), pa.string()),
        pa.DictionaryArray.from_arrays(matrix.topic.astype(np.int32), document["topics"]),
        list_column(np.ascontiguousarray(matrix.values.T), schema.field("values")),
    ]
    return pa.Table.from_arrays(columns, schema=schema)
