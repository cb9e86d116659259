"""Features of topics: tables, and the folder that holds them.

kmers.parquet       the first features of each topic, with where they lie in its alignment
alignments.txt      the same for the eye: * is a wildcard, - is beside a word
alignments.png      some of them, with the largest alpha
matrix.parquet      one row per feature that is among the first of any topic, in the order of the
                    figure: its probability in the topics where it is among the first, else 0
matrix.png          the same, topics x features
theta.npy           topics x features, float32, if it was asked for
theta.parquet       or one row per feature and one column per topic
topic_kmers.json    topics, alpha, and how they were made
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import TableReader, as_polars, write_whole
from modelkit.figures import save

if TYPE_CHECKING:
    import polars

__all__ = ["TopicKmers", "kmers_schema", "matrix_schema"]

TABLE, MATRIX, ABOUT = "kmers.parquet", "matrix.parquet", "topic_kmers.json"
TEXT, FIGURE, MATRIX_FIGURE = "alignments.txt", "alignments.png", "matrix.png"
THETA = {"npy": "theta.npy", "parquet": "theta.parquet"}
NAMES = (TABLE, MATRIX, ABOUT, TEXT, FIGURE, MATRIX_FIGURE, *THETA.values())
WRITTEN_ROWS = 8192  # of a row group

COMPLEMENT = str.maketrans("ACGT", "TGCA")

Theta = tuple[str, npt.NDArray[np.float32], npt.NDArray[np.str_]]  # format, (M, D), words

_TOPIC = pa.field("topic", pa.dictionary(pa.int32(), pa.string()), nullable=False)
_FEATURE = pa.field("feature", pa.uint32(), nullable=False)  # 0-based column of the vocabulary
_WORD = pa.field("word", pa.string(), nullable=False)  # N is a wildcard


def kmers_schema() -> pa.Schema:
    """Features by topic, the most probable first."""
    return pa.schema(
        [
            _TOPIC,
            pa.field("rank", pa.int32(), nullable=False),  # from 1
            _FEATURE,
            _WORD,
            pa.field("probability", pa.float64(), nullable=False),  # theta
            # in the alignment; null of words that fit nowhere, or were not aligned
            pa.field("strand", pa.dictionary(pa.int8(), pa.string())),  # + -
            pa.field("offset", pa.int32()),  # columns from the leftmost word's
        ]
    )


def matrix_schema() -> pa.Schema:
    """Features as the figure has them; lists go by the document's `topics`."""
    values = pa.list_(pa.field("element", pa.float64(), nullable=False))
    return pa.schema([_FEATURE, _WORD, _TOPIC, pa.field("values", values, nullable=False)])


class TopicKmers:
    """What `topic_kmers` found.

    Attributes
    ----------
    table : pyarrow.Table
        See `kmers_schema`.
    features : pyarrow.Table
        The columns of the matrix, see `matrix_schema`.
    provenance : dict
        How they were made.
    topics : tuple of str
    alpha : dict of str to float
        The prior's concentration of each topic.
    path : Path or None
        Where they were written.
    """

    def __init__(
        self,
        table: pa.Table,
        features: pa.Table,
        provenance: dict[str, Any],
        path: Path | None = None,
    ) -> None:
        self.table, self.features, self.provenance = table, features, provenance
        self.topics = tuple(map(str, provenance["topics"]))
        self.alpha: dict[str, float] = dict(zip(self.topics, provenance["alpha"], strict=True))
        self.path = path

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "TopicKmers":
        """Open a folder; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        about = schemas.read_document(path / ABOUT, schemas.TOPIC_KMERS, "modelkit topics kmers")
        tables = []
        for name, expected in ((TABLE, kmers_schema()), (MATRIX, matrix_schema())):
            reader = TableReader(path / name)
            if schemas.read_metadata(reader.schema, reader.path, (schemas.TOPIC_KMERS,)) != about:
                raise InputError(
                    f"{reader.path}: is not of the same topics as {ABOUT}; make the folder again"
                )
            reader.expect(expected, reader.path)
            tables.append(reader.read())
        n, n_topics = len(tables[0]), len(about["topics"])
        lengths = tables[1]["values"].combine_chunks().value_lengths().to_numpy()
        if len(about["alpha"]) != n_topics or n % n_topics or (lengths != n_topics).any():
            raise InputError(f"{path}: its tables are not of {n_topics} topics; make it again")
        return cls(tables[0], tables[1], about, path)

    @cached_property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Figure 1b: float64, shape (topics, features)."""
        values = self.features["values"].combine_chunks().flatten().to_numpy()
        return np.ascontiguousarray(values.reshape(-1, len(self.topics)).T)

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """The first features of a topic."""
        if topic not in self.topics:
            raise InputError(f"topic: found {topic!r}, expected one of {self.topics[:5]}")
        number = self.topics.index(topic)
        most = len(self.table) // len(self.topics)
        rows: list[dict[str, Any]] = self.table.slice(number * most, most).to_pylist()
        return rows

    def aligned(self, topic: str) -> list[tuple[str, float]]:
        """Words of a topic laid on each other, of one length, and their probabilities.

        On the strand that they are aligned by: * for a wildcard, - beside a word. Words that fit
        nowhere are left out.
        """
        rows = [row for row in self.rows(topic) if row["offset"] is not None]
        width = max(row["offset"] + len(row["word"]) for row in rows)
        said = []
        for row in rows:
            word = row["word"]
            word = word[::-1].translate(COMPLEMENT) if row["strand"] == "-" else word
            laid = "-" * row["offset"] + word.replace("N", "*")
            said.append((laid.ljust(width, "-"), row["probability"]))
        return said

    def as_text(self) -> str:
        """All alignments, one topic after the other, those of the largest alpha first."""
        parts = []
        for topic in self.by_alpha():
            lines = [f"{topic}  alpha {self.alpha[topic]:.4g}"]
            lines += [f"{laid}  {p:.3e}" for laid, p in self.aligned(topic)]
            parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)

    def by_alpha(self) -> list[str]:
        """The topics, those of the largest alpha first."""
        return sorted(self.topics, key=lambda topic: -self.alpha[topic])

    def to_polars(self) -> "polars.DataFrame":
        """One row per topic and feature, as a Polars frame."""
        return as_polars(self.table)

    def write(self, output: Path, theta: Theta | None, *, force: bool) -> "TopicKmers":
        """Write the folder, whole or not at all."""
        from modelkit.interpretation.topics.topic_figures import draw_alignments, draw_matrix

        with atomic(output, force=force, folder=NAMES) as folder:
            write_whole(folder / TABLE, self.table, rows=WRITTEN_ROWS)
            write_whole(folder / MATRIX, self.features, rows=WRITTEN_ROWS)
            (folder / ABOUT).write_text(schemas.as_text(self.provenance) + "\n")
            (folder / TEXT).write_text(self.as_text())
            save(draw_alignments(self), folder / FIGURE)
            save(draw_matrix(self), folder / MATRIX_FIGURE)
            if theta is not None:
                _write_theta(folder / THETA[theta[0]], theta, self.topics, self.provenance)
        return TopicKmers.open(output)


def _write_theta(
    path: Path, theta: Theta, topics: tuple[str, ...], document: dict[str, Any]
) -> None:
    form, values, words = theta
    if form == "npy":
        with path.open("wb") as file:
            np.save(file, np.ascontiguousarray(values), allow_pickle=False)
        return
    schema = pa.schema(
        [_FEATURE, _WORD, *(pa.field(name, pa.float32(), nullable=False) for name in topics)]
    )
    columns = [pa.array(np.arange(len(words), dtype=np.uint32)), pa.array(words.tolist())]
    columns += [pa.array(row) for row in np.ascontiguousarray(values)]
    made = pa.Table.from_arrays(columns, schema=schemas.with_metadata(schema, document))
    write_whole(path, made, rows=WRITTEN_ROWS)
