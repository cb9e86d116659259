"""How much of each topic sequences have, as a topic model says.

    concentrations   eta, the parameters of the posterior Dirichlet(eta) of a sequence
    proportions      eta / sum(eta), its mean

The released code of BindVAE writes concentrations; the paper calls them proportions where it sums
them. Both are kept.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.list_columns import list_column, read_matrix
from kmerengine.io.tables import TableReader, as_polars, table_writer
from modelkit.interpretation.topics.sources import Source, opened
from modelkit.interpretation.topics.topic_model import TopicModel, proportions_of
from modelkit.training.run import Run

if TYPE_CHECKING:
    import polars

    from kmerengine.datasets.folder import Dataset
    from kmerengine.kmers.counts import KmerCounts

__all__ = ["KINDS", "Proportions", "topic_proportions"]

Kind = Literal["proportions", "concentrations"]
KINDS = ("proportions", "concentrations")

NAMELESS = ("", ".")  # a BED file's . says that there is no name
WRITTEN_ROWS = 8192  # of a row group

Floats = npt.NDArray[np.float64]

_LIST = pa.list_(pa.field("element", pa.float64(), nullable=False))


def proportions_schema(*, regions: bool) -> pa.Schema:
    """Sequences with their topics; lists go by the document's `topics`."""
    name = pa.field("name", pa.string(), nullable=False)
    listed = [pa.field(kind, _LIST, nullable=False) for kind in KINDS]
    if not regions:  # a list of ids says nothing else of its rows
        return pa.schema([name, *listed])
    return pa.schema([*schemas.REGION_COLUMNS, *listed])


class Proportions:
    """What `topic_proportions` found.

    Attributes
    ----------
    names : list of str
        Of the sequences: that of a region or record, else where it lies.
    concentrations : float64, shape (n, M)
        eta.
    topics : tuple of str
        topic_0, topic_1 ...
    kind : "proportions" or "concentrations"
        What `values` are.
    provenance : dict
        How they were made: among others `skipped`, by reason, and `without_words`, the number of
        sequences of which the model sees nothing, so that they all have the same topics.
    path : Path or None
        Where they were written.
    """

    def __init__(
        self, table: pa.Table, concentrations: Floats, document: dict[str, Any], path: Path | None
    ) -> None:
        self._table, self.concentrations = table, concentrations
        self.provenance, self.path = document, path
        self.topics = tuple(map(str, document["topics"]))
        self.kind: Kind = document["kind"]

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Proportions":
        """Open a Parquet file that `topic_proportions` wrote; InputError if it is none."""
        path = Path(path)
        reader = TableReader(path)
        about = schemas.read_metadata(reader.schema, path, (schemas.TOPIC_PROPORTIONS,))
        has_regions = "chrom" in reader.schema.names
        reader.expect(proportions_schema(regions=has_regions), path)
        topics, kind, n = about.get("topics"), about.get("kind"), about.get("n")
        if not isinstance(topics, list) or kind not in KINDS or n != reader.n_rows:
            raise InputError(f"{path}: is not what its own metadata say; make it again")
        found = [read_matrix(reader, each, len(topics), path) for each in KINDS]
        wrong = ~(np.isfinite(found[1]) & (found[1] > 0))
        if wrong.any():
            row, topic = np.argwhere(wrong)[0].tolist()
            raise InputError(
                f"{path}: row {row}: found {found[1][row, topic]} of {topics[topic]}, expected "
                "concentrations above 0; make the file again"
            )
        if not np.allclose(found[0], proportions_of(found[1]), rtol=1e-9, atol=0):
            raise InputError(f"{path}: its two matrices do not fit each other; make it again")
        if has_regions:
            bool(about["whole_sequences"])
        expected = proportions_schema(regions=has_regions).names
        table = reader.read(columns=[name for name in expected if name not in KINDS])
        return cls(table, found[1], about, path)

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"Proportions({len(self):,} sequences, {len(self.topics)} topics)"

    @cached_property
    def names(self) -> list[str]:
        names: list[str] = self._table["name"].to_pylist()
        if self.regions is None:
            return names
        whole = bool(self.provenance["whole_sequences"])
        columns = (self.regions[name].to_pylist() for name in ("chrom", "start", "end"))
        return [
            name if name not in NAMELESS else chrom if whole else f"{chrom}:{start}-{end}"
            for name, chrom, start, end in zip(names, *columns, strict=True)
        ]

    @property
    def regions(self) -> pa.Table | None:
        """chrom, start, end (bp, 0-based half-open), name, score, strand; None of id lists.

        Of a record of a FASTA file chrom is its name.
        """
        return self._table if "chrom" in self._table.column_names else None

    @cached_property
    def mean(self) -> Floats:
        """Proportions, float64, shape (n, M); each row sums to 1."""
        return proportions_of(self.concentrations)

    @property
    def values(self) -> Floats:
        """The matrix that was asked for, float64, shape (n, M)."""
        return self.mean if self.kind == "proportions" else self.concentrations

    def to_polars(self) -> "polars.DataFrame":
        """Sequences with both matrices as lists, as a Polars frame."""
        return as_polars(self._with_matrices())

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write to a .parquet file."""
        table = self._with_matrices()
        with (
            atomic(_parquet(path), force=force) as temporary,
            table_writer(temporary, table.schema, ".parquet") as writer,
        ):
            for batch in table.combine_chunks().to_batches(max_chunksize=WRITTEN_ROWS):
                writer.write(batch)

    def _with_matrices(self) -> pa.Table:
        schema = schemas.with_metadata(
            proportions_schema(regions=self.regions is not None), self.provenance
        )
        matrices = {"proportions": self.mean, "concentrations": self.concentrations}
        columns = [self._table[name].combine_chunks() for name in self._table.column_names]
        columns += [list_column(matrices[name], schema.field(name)) for name in KINDS]
        return pa.Table.from_arrays(columns, schema=schema)


def topic_proportions(
    run: Run | str | Path,
    source: "Dataset | KmerCounts | str | Path | Iterable[str]",
    output: str | Path | None = None,
    *,
    kind: Kind = "proportions",
    split: str = "all",
    device: str = "auto",
    batch_size: int = 4096,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Proportions:
    """Say how much of each topic sequences have.

    Parameters
    ----------
    run : Run or path
        Of bindvae.
    source : Dataset, KmerCounts, path, or iterable of str
        A data set; k-mer counts, of exact words or of the model's features; a FASTA file; a .txt of
        BindVAE's id lists; or sequences.
    output : path, optional
        Write there: .parquet, with both matrices.
    kind : "proportions" or "concentrations"
        What `Proportions.values` are: eta / sum(eta), or eta.
    split : str
        Of a data set: "train", "validation" or "test" as the run had it, or "all".
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    batch_size : int
        Sequences that pass the encoder together.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in sequences.

    Returns
    -------
    Proportions
        In the order of the source. Sequences shorter than a word are left out of FASTA files.

    Raises
    ------
    InputError
        A run of another model, counts of another vocabulary, a source without any word.
    """
    if kind not in KINDS:
        raise InputError(f"kind: found {kind!r}, expected one of {', '.join(KINDS)}")
    if batch_size < 1:
        raise InputError(f"batch_size: found {batch_size}, expected at least 1")
    if output is not None:
        check_writable(_parquet(output), force=force)
    model = TopicModel(run, device)
    found = opened(source, model, split)
    concentrations, without = _concentrations(model, found, batch_size, progress)
    document = schemas.provenance(
        "topics proportions", {"run": model.provenance, **found.inputs}, {"split": split}
    ) | {
        "format": schemas.TOPIC_PROPORTIONS,
        "topics": list(model.topics),
        "kind": kind,
        "n": len(concentrations),
        "whole_sequences": found.whole,
        "skipped": found.skipped,
        "without_words": without,
    }
    made = Proportions(found.table, concentrations, document, None)
    if output is not None:
        made.save(output, force=force)
        made.path = Path(output)
    return made


def _concentrations(
    model: TopicModel,
    source: Source,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Floats, int]:
    """eta of every sequence, and how many have no word."""
    n = len(source.table)
    found = np.empty((n, len(model.topics)))
    encode = model.of_features if source.are_features else model.of_words
    done = without = 0
    for indptr, columns, counts in source.batches(batch_size):
        here = slice(done, done + len(indptr) - 1)
        found[here] = model.concentrations(encode(indptr, columns, counts))
        done = here.stop
        without += int((np.diff(indptr) == 0).sum())
        if progress is not None:
            progress(done, n)
    assert done == n
    if n == without:
        raise InputError(
            f"{source.where}: found no word of {model.vocabulary.k} bases A C G T in {n} "
            "sequences, expected some"
        )
    if not np.isfinite(found).all():
        raise InputError(
            f"{model.run.path}: says topics that are no finite numbers; expected a network whose "
            "outputs are, evaluate it first"
        )
    return found, without


def _parquet(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".parquet":
        raise InputError(f"{path}: found suffix {path.suffix!r}, expected .parquet")
    return path
