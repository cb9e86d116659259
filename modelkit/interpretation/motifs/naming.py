"""Names for motifs: the motifs of a database that they are like, by Tomtom.

p-values are those of S. Gupta et al., Genome Biology 8 (2007) R24, as memelite computes them: of
the best offset and strand, for the number of them, against the columns of all targets. q-values
are Benjamini and Hochberg's over the targets of one query.
"""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import TableReader, as_polars, table_writer
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.motifs.seqlet_tables import matches_schema

if TYPE_CHECKING:
    import polars

__all__ = ["MotifMatches", "q_values", "tomtom"]

FEW = 50  # targets: below it p-values depend much on which they are
SUFFIXES = (".parquet", ".tsv")


class MotifMatches:
    """What `tomtom` found.

    Attributes
    ----------
    path : Path or None
        Where it was written.
    table : pyarrow.Table
        query, target, target_alt_name, p, q, score, offset, overlap, strand.
    notes : list of str
        What a user should know of the p-values.
    """

    def __init__(self, table: pa.Table, path: Path | None = None) -> None:
        self.table, self.path = table, path
        self.notes: list[str] = []

    @classmethod
    def open(cls, path: str | Path) -> "MotifMatches":
        """Open a Parquet file that `tomtom` wrote; InputError if it is none."""
        reader = TableReader(Path(path))
        schemas.read_metadata(reader.schema, Path(path), (schemas.MOTIF_MATCHES,))
        schemas.require(reader.schema, matches_schema(), Path(path))
        return cls(reader.read(), Path(path))

    def __len__(self) -> int:
        return len(self.table)

    def best(self) -> dict[str, dict[str, object]]:
        """The nearest target of each query that has one, as a row."""
        found: dict[str, dict[str, object]] = {}
        for row in self.table.to_pylist():
            found.setdefault(row["query"], row)
        return found

    def to_polars(self) -> "polars.DataFrame":
        """All matches as a Polars frame."""
        return as_polars(self.table)


def q_values(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Benjamini-Hochberg q-values of the tests along the last axis.

    That of the i-th smallest of n p-values is the least n p_j / j of all j >= i.
    """
    n = p.shape[-1]
    order = np.argsort(p, axis=-1, kind="stable")
    rates = np.take_along_axis(p, order, -1) * n / np.arange(1, n + 1)
    least = np.minimum.accumulate(rates[..., ::-1], axis=-1)[..., ::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(least, 1.0), -1)
    return q


def tomtom(
    query: str | Path | Sequence[Motif],
    database: str | Path | Sequence[Motif],
    output: str | Path | None = None,
    *,
    q: float = 0.05,
    threads: int | None = None,
    force: bool = False,
) -> MotifMatches:
    """Find the motifs of a database that motifs are like.

    Parameters
    ----------
    query, database : path or sequence of Motif
        Motif files of any format that `kmerengine.read_motifs` knows, or motifs.
    output : path, optional
        Write there: .parquet or .tsv.
    q : float
        Give targets with at most this q-value; 1 gives all.
    threads : int, optional
        By default the processors this process may use.
    force : bool
        Replace an existing output.

    Returns
    -------
    MotifMatches
        By query, in their order, then by p-value; of equal ones in the database's order.

    Raises
    ------
    InputError
        memelite is not installed; a motif file is none.
    """
    path = None if output is None else Path(output)
    if not 0 < q <= 1:
        raise InputError(f"q: found {q}, expected more than 0 and at most 1")
    if path is not None:
        if path.suffix not in SUFFIXES:
            raise InputError(
                f"{path}: found suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}"
            )
        check_writable(path, force=force)
    inputs = {
        name: schemas.digest(Path(given))
        for name, given in (("query", query), ("database", database))
        if isinstance(given, (str, Path))
    }
    queries = read_motifs(query) if isinstance(query, (str, Path)) else list(query)
    targets = read_motifs(database) if isinstance(database, (str, Path)) else list(database)
    if not queries or not targets:
        what = "database" if queries else "query"
        raise InputError(f"{what}: found no motifs, expected at least one")
    table = _matches(queries, targets, q, threads)
    document = schemas.provenance("tomtom", inputs, {"q": q}) | {"format": schemas.MOTIF_MATCHES}
    table = table.replace_schema_metadata(schemas.with_metadata(table.schema, document).metadata)
    if path is not None:
        with atomic(path, force=force) as temporary:
            _write(temporary, table, path.suffix)
    found = MotifMatches(table, path)
    if len(targets) < FEW:
        found.notes.append(
            f"the database holds {len(targets)} motifs: below {FEW} p-values depend much on which"
        )
    return found


def _matches(queries: list[Motif], targets: list[Motif], q: float, threads: int | None) -> pa.Table:
    try:
        from memelite import tomtom as compare  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            "found no memelite, which compares motifs; install it with pip install memelite"
        ) from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tomtom was given", category=UserWarning)
        p, score, offset, overlap, strand = compare(
            [np.ascontiguousarray(each.probabilities.T) for each in queries],
            [np.ascontiguousarray(each.probabilities.T) for each in targets],
            n_jobs=-1 if threads is None else threads,
        )
    rates = q_values(p)
    rows: list[dict[str, object]] = []
    for i, each in enumerate(queries):
        for j in np.argsort(p[i], kind="stable").tolist():
            if rates[i, j] <= q:
                rows.append(
                    {
                        "query": each.name,
                        "target": targets[j].name,
                        "target_alt_name": targets[j].alt_name,
                        "p": p[i, j],
                        "q": rates[i, j],
                        "score": score[i, j],
                        "offset": int(offset[i, j]),
                        "overlap": int(overlap[i, j]),
                        "strand": "-" if strand[i, j] else "+",
                    }
                )
    return pa.Table.from_pylist(rows, schema=matches_schema())


def _write(path: Path, table: pa.Table, suffix: str) -> None:
    if suffix == ".tsv":
        with path.open("w", newline="") as file:
            lines = csv.writer(file, delimiter="\t", lineterminator="\n")
            lines.writerow(table.column_names)
            lines.writerows(row.values() for row in table.to_pylist())
        return
    with table_writer(path, table.schema, suffix) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write(batch)
