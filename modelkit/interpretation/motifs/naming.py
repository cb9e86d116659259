"""Names for motifs: the motifs of a database that they are like, by Tomtom.

Tomtom is S. Gupta et al., Genome Biology 8 (2007) R24, with "complete" scores, as memelite computes
it. Two columns are the more alike the smaller their Euclidean distance is: of the paper's seven
measures the one that `tomtom` of the MEME Suite 4.12 takes unless told otherwise. memelite has no
other, so no Pearson correlation. From the scores of a query's column its median over the columns
of all targets, on both strands, is taken. An alignment of any overlap, from 1 position, scores the
sum of the columns that lie on each other, in whole steps, a hundredth of the range or more.

    p = P(the best of all offsets scores as much | target columns drawn from all targets)
    p, of both strands = 1 - (1 - p)^2, of the likelier one
    e = p * number of targets           what Tomtom calls the E-value
    q = Benjamini and Hochberg's, over the targets of one query

Offsets count as independent, as in Tomtom, and motifs get its pseudocount of 0.1 sites. memelite
is asked for neither of its approximations (columns merged, medians binned coarsely): p-values are
then those of the MEME Suite's program to a part in a thousand. Its q-values are others: they are
over both strands, with Storey's share of true nulls.
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
from kmerengine.io.tables import TableReader, as_polars, write_whole
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.motifs.seqlet_tables import matches_schema

if TYPE_CHECKING:
    import polars

__all__ = ["MotifMatches", "q_values", "tomtom"]

FEW = 50  # targets: below it p-values depend much on which they are
LARGEST_Q = 0.05  # where nothing else is asked
MEDIAN_BINS = 100_000  # medians are exact; with memelite's 1,000 a p-value was off sevenfold
SUFFIXES = (".parquet", ".tsv")


class MotifMatches:
    """What `tomtom` found.

    Attributes
    ----------
    path : Path or None
        Where it was written.
    table : pyarrow.Table
        query, target, target_alt_name, p, e, q, score, offset, overlap, strand.
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
        reader.expect(matches_schema(), Path(path))
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
    q: float | None = None,
    e: float | None = None,
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
    q : float, optional
        Give targets with at most this q-value; 1 gives all. By default 0.05, or any if `e` is
        given.
    e : float, optional
        Give targets with at most this E-value: so many targets as good as this one are expected by
        chance, in a database of this size. With `q` too, both must hold.
    threads : int, optional
        By default the processors this process may use, and not more than those.
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
    if q is None and e is None:
        q = LARGEST_Q
    if q is not None and not 0 < q <= 1:
        raise InputError(f"q: found {q}, expected more than 0 and at most 1")
    if e is not None and not 0 < e < np.inf:
        raise InputError(f"e: found {e}, expected a number of more than 0")
    if threads is not None and threads < 1:
        raise InputError(f"threads: found {threads}, expected at least 1")
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
    table = _matches(queries, targets, q, e, threads)
    document = schemas.provenance("tomtom", inputs, {"q": q, "e": e})
    document |= {"format": schemas.MOTIF_MATCHES}
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


def _matches(
    queries: list[Motif],
    targets: list[Motif],
    q: float | None,
    e: float | None,
    threads: int | None,
) -> pa.Table:
    import numba

    try:
        from memelite import tomtom as compare  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            "found no memelite, which compares motifs; install it with pip install memelite"
        ) from error
    # Numba raises an error where more threads are asked for than it has
    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tomtom was given", category=UserWarning)
        p, score, offset, overlap, strand = compare(
            [np.ascontiguousarray(each.smoothed().T) for each in queries],
            [np.ascontiguousarray(each.smoothed().T) for each in targets],
            n_target_bins=None,  # or columns that are nearly equal are merged
            n_median_bins=MEDIAN_BINS,
            n_jobs=-1 if threads is None else min(threads, most),
        )
    rates, expected = q_values(p), p * len(targets)
    kept = (rates <= (1.0 if q is None else q)) & (expected <= (np.inf if e is None else e))
    rows: list[dict[str, object]] = []
    for i, each in enumerate(queries):
        for j in np.argsort(p[i], kind="stable").tolist():
            if kept[i, j]:
                rows.append(
                    {
                        "query": each.name,
                        "target": targets[j].name,
                        "target_alt_name": targets[j].alt_name,
                        "p": p[i, j],
                        "e": expected[i, j],
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
    write_whole(path, table, suffix)
