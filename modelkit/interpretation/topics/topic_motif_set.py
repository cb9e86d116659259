"""Motifs of topics: tables, and the folder that holds them.

topic_motifs.parquet   one row per topic, those without a motif too
oligos.parquet         the sequences that have the most of each topic, and how they are aligned
topic_motifs.meme      the motifs; without topics that have none
topic_motifs.png       their logos
matches.parquet        motifs of a database that they are like, if one was given
topic_motifs.json      how they were made
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import TableReader, as_polars, write_whole
from kmerengine.motifs.meme import write_meme
from kmerengine.motifs.motif import Motif
from modelkit.figures import save
from modelkit.interpretation.motifs.naming import MotifMatches

if TYPE_CHECKING:
    import polars

__all__ = ["TopicMotifs", "oligos_schema", "topic_motifs_schema"]

TABLE, OLIGOS, ABOUT = "topic_motifs.parquet", "oligos.parquet", "topic_motifs.json"
MEME, FIGURE, MATCHES = "topic_motifs.meme", "topic_motifs.png", "matches.parquet"
NAMES = (TABLE, OLIGOS, ABOUT, MEME, FIGURE, MATCHES)


def topic_motifs_schema() -> pa.Schema:
    """Topics, in the model's order."""
    number, real = pa.int64(), pa.float64()
    columns: list[tuple[str, pa.DataType, bool]] = [
        ("topic", pa.string(), False),
        ("silent", pa.bool_(), False),  # it prefers no sequence, and has no motif
        ("highest", real, False),  # concentration of the first sequence
        ("lowest", real, False),  # of the last one that the motif is made of
        # the rest is null of a silent topic
        ("aligned", number, True),  # sequences in the motif; the others fit nowhere
        ("information", real, True),  # bits
        ("consensus", pa.string(), True),
        # the nearest motif of a database
        ("match", pa.string(), True),
        ("match_alt_name", pa.string(), True),
        ("match_p", real, True),
        ("match_q", real, True),
        # of A C G T at the first position, then at the next
        ("frequencies", pa.list_(pa.field("element", real, nullable=False)), True),
    ]
    return pa.schema([pa.field(name, kind, nullable=null) for name, kind, null in columns])


def oligos_schema() -> pa.Schema:
    """Sequences by topic, those that have the most of it first."""
    text = pa.dictionary(pa.int32(), pa.string())
    columns: list[tuple[str, pa.DataType, bool]] = [
        ("topic", text, False),
        ("rank", pa.int32(), False),  # from 1
        ("sequence", pa.string(), False),  # the strand whose letters come first
        ("concentration", pa.float64(), False),  # of the topic
        ("proportion", pa.float64(), False),
        # where it lies in the motif; null of sequences that do not
        ("strand", pa.dictionary(pa.int8(), pa.string()), True),  # + -
        ("offset", pa.int32(), True),  # bp from the motif's first position to the sequence's
    ]
    return pa.schema([pa.field(name, kind, nullable=null) for name, kind, null in columns])


class TopicMotifs:
    """What `topic_motifs` found.

    Attributes
    ----------
    table : pyarrow.Table
        One row per topic, see `topic_motifs_schema`.
    oligos : pyarrow.Table
        See `oligos_schema`.
    provenance : dict
        How they were made: among others `n`, the number of sequences that were looked at.
    matches : MotifMatches or None
        Of the motifs in a database, if one was given.
    path : Path or None
        Where they were written.
    """

    def __init__(
        self,
        table: pa.Table,
        oligos: pa.Table,
        provenance: dict[str, Any],
        matches: MotifMatches | None = None,
        path: Path | None = None,
    ) -> None:
        self.table, self.oligos, self.provenance = table, oligos, provenance
        self.matches, self.path = matches, path

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "TopicMotifs":
        """Open a folder; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        about = schemas.read_document(path / ABOUT, schemas.TOPIC_MOTIFS, "modelkit topics motifs")
        tables = []
        for name, expected in ((TABLE, topic_motifs_schema()), (OLIGOS, oligos_schema())):
            reader = TableReader(path / name)
            if schemas.read_metadata(reader.schema, reader.path, (schemas.TOPIC_MOTIFS,)) != about:
                raise InputError(
                    f"{reader.path}: is not of the same topics as {ABOUT}; make the folder again"
                )
            reader.expect(expected, reader.path)
            tables.append(reader.read())
        matches = MotifMatches.open(path / MATCHES) if about.get("matched") else None
        found = cls(tables[0], tables[1], about, matches, path)
        len(found.motifs)  # made here, so that a row that is none is refused with its file
        return found

    def __len__(self) -> int:
        return len(self.table)

    @property
    def topics(self) -> tuple[str, ...]:
        """All that were looked at."""
        return tuple(self.table["topic"].to_pylist())

    @cached_property
    def motifs(self) -> list[Motif]:
        """Named after their topics; of silent topics there is none."""
        columns = ["topic", "aligned", "frequencies"]
        return [
            Motif(
                name=row["topic"],
                probabilities=np.array(row["frequencies"], np.float64).reshape(-1, 4),
                nsites=float(row["aligned"]),
            )
            for row in self.table.select(columns).to_pylist()
            if row["frequencies"] is not None
        ]

    def to_polars(self) -> "polars.DataFrame":
        """One row per topic, as a Polars frame."""
        return as_polars(self.table)

    def write(self, output: Path, *, force: bool) -> "TopicMotifs":
        """Write the folder, whole or not at all."""
        from modelkit.interpretation.topics.topic_figures import draw_topic_motifs

        with atomic(output, force=force, folder=NAMES) as folder:
            write_whole(folder / TABLE, self.table)
            write_whole(folder / OLIGOS, self.oligos)
            if self.matches is not None:
                write_whole(folder / MATCHES, self.matches.table)
            (folder / ABOUT).write_text(schemas.as_text(self.provenance) + "\n")
            if self.motifs:
                write_meme(folder / MEME, self.motifs)
            save(draw_topic_motifs(self), folder / FIGURE)
        made = TopicMotifs.open(output)
        if made.matches is not None and self.matches is not None:
            made.matches.notes = self.matches.notes
        return made
