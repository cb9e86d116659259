"""Filters as motifs: a table, and the folder that holds it.

filters.parquet    one row per filter, those without a motif too
filters.meme       the motifs, clipped, of a uniform background; without filters that have none
filters.png        their logos
matches.parquet    motifs of a database that they are like, if one was given
filters.json       how they were made
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader, as_polars
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.motifs.naming import MotifMatches

if TYPE_CHECKING:
    import polars

__all__ = ["FilterMotifs", "filters_schema"]

TABLE, ABOUT, MEME, FIGURE = "filters.parquet", "filters.json", "filters.meme", "filters.png"
MATCHES = "matches.parquet"
NAMES = (TABLE, ABOUT, MEME, FIGURE, MATCHES)

Matrix = npt.NDArray[np.float64]


def filters_schema() -> pa.Schema:
    """Filters of a layer, in its order."""
    number, share, flag = pa.int64(), pa.float64(), pa.bool_()
    columns: list[tuple[str, pa.DataType, bool]] = [
        ("filter", pa.string(), False),
        ("sequences", number, False),  # that were looked at
        ("passed", number, False),  # of them, those that reach the threshold
        ("off_ends", number, False),  # windows left out, since they run off an end
        ("windows", number, False),  # that the motif is made of
        ("threshold", share, False),  # activation
        ("possible", share, True),  # largest activation there can be; null where not known
        ("observed", share, False),  # largest activation
        ("fallback", flag, False),  # the threshold is of the observed one, for want of sequences
        ("dead", flag, False),  # no activation on any sequence
        ("plain", flag, False),  # no position is informative: the motif is not clipped
        # the rest is null of a filter without windows
        ("start", pa.int32(), True),  # first position of the motif in the window, 0-based
        ("end", pa.int32(), True),  # exclusive
        ("information", share, True),  # bits, of the clipped motif
        ("consensus", pa.string(), True),  # of the clipped motif
        # the nearest motif of a database
        ("match", pa.string(), True),
        ("match_alt_name", pa.string(), True),
        ("match_p", share, True),
        ("match_e", share, True),
        # of A C G T at the first position of the whole window, then at the next
        ("frequencies", pa.list_(pa.field("element", share, nullable=False)), True),
    ]
    return pa.schema([pa.field(name, kind, nullable=null) for name, kind, null in columns])


class FilterMotifs:
    """What `modelkit.filters` found.

    Attributes
    ----------
    table : pyarrow.Table
        One row per filter, see `filters_schema`.
    provenance : dict
        How they were made: among others `layer`, and `field`, the bp that a filter sees.
    matches : MotifMatches or None
        Of the motifs in a database, if one was given.
    path : Path or None
        Where they were written.
    """

    def __init__(
        self,
        table: pa.Table,
        provenance: dict[str, Any],
        matches: MotifMatches | None = None,
        path: Path | None = None,
    ) -> None:
        self.table, self.provenance = table, provenance
        self.matches, self.path = matches, path

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "FilterMotifs":
        """Open a folder; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        about = schemas.read_document(path / ABOUT, schemas.FILTERS, "modelkit filters")
        reader = TableReader(path / TABLE)
        if schemas.read_metadata(reader.schema, reader.path, (schemas.FILTERS,)) != about:
            raise InputError(
                f"{reader.path}: is not of the same filters as {ABOUT}; make the folder again"
            )
        reader.expect(filters_schema(), reader.path)
        if not reader.n_rows:
            raise InputError(f"{reader.path}: has no rows, expected at least one; make it again")
        matches = MotifMatches.open(path / MATCHES) if about.get("matched") else None
        return cls(reader.read(), about, matches, path)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all filters."""
        return tuple(self.table["filter"].to_pylist())

    @cached_property
    def motifs(self) -> list[Motif]:
        """The clipped motifs; of filters without windows there is none."""
        found = []
        columns = ["filter", "windows", "start", "end", "frequencies"]
        for row in self.table.select(columns).to_pylist():
            if row["frequencies"] is not None:
                window = _matrix(row["frequencies"])[row["start"] : row["end"]]
                found.append(
                    Motif(name=row["filter"], probabilities=window, nsites=float(row["windows"]))
                )
        return found

    def frequencies(self, name: str) -> Matrix | None:
        """Of a filter's whole window, float64 (width, 4); None where there is no window."""
        if name not in self.names:
            raise InputError(f"filter: found {name!r}, expected one of {self.names[:5]}")
        listed = self.table["frequencies"][self.names.index(name)].as_py()
        return None if listed is None else _matrix(listed)

    @property
    def matched(self) -> float | None:
        """Share of all filters that are like a motif of the database; None without one."""
        return None if self.matches is None else len(self.matches.best()) / len(self)

    def to_polars(self) -> "polars.DataFrame":
        """One row per filter, as a Polars frame."""
        return as_polars(self.table)


def _matrix(listed: list[float]) -> Matrix:
    return np.array(listed, np.float64).reshape(-1, 4)
