"""Mean scores around core motifs: a table, and the folder that holds it.

profiles.parquet   one row per setting, factor, and bound or unbound sequences
profiles.png       its z-scores
aggregate.json     how they were made
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import as_polars
from modelkit.interpretation.column_tables import column, list_of
from modelkit.interpretation.context.folders import open_folder

if TYPE_CHECKING:
    import polars

__all__ = ["AggregateProfiles", "profiles_schema"]

TABLE, ABOUT, FIGURE = "profiles.parquet", "aggregate.json", "profiles"
NAMES = (TABLE, ABOUT, f"{FIGURE}.*")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def profiles_schema() -> pa.Schema:
    """Profiles in the order of the sets, the bound sequences of each before the unbound."""
    text, number = pa.string(), pa.int64()
    return pa.schema(
        [
            column("setting", text),  # "" where none is named
            column("name", text),  # of the factor
            column("bound", pa.bool_()),
            column("sequences", number),
            column("without_score", number),  # sequences that are left out
            column("place", number),  # of the factor among clusters, from 0
            column("first", number),  # bp from the middle of the core to the first value
            column("mean", list_of(pa.float64())),  # of |score|, by position
            column("z", list_of(pa.float64())),  # the same over the row's mean, in deviations
        ]
    )


class AggregateProfiles:
    """What `modelkit.aggregate` found.

    Attributes
    ----------
    table : pyarrow.Table
        See `profiles_schema`.
    provenance : dict
        How they were made.
    path : Path
        Where they were written.
    """

    def __init__(self, table: pa.Table, provenance: dict[str, Any], path: Path) -> None:
        self.table, self.provenance, self.path = table, provenance, path

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "AggregateProfiles":
        """Open a folder; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        table, document = open_folder(
            path,
            (TABLE, profiles_schema()),
            (ABOUT, schemas.CONTEXT_PROFILES),
            "modelkit aggregate",
        )
        if not len(table):
            raise InputError(f"{path / TABLE}: has no rows, expected at least one; make it again")
        return cls(table, document, path)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def offsets(self) -> Ints:
        """bp from the middle of the core motif to each value, int64 (W,)."""
        first = self.table["first"][0].as_py()
        return np.arange(len(self.table["mean"][0])) + int(first)

    @property
    def names(self) -> tuple[str, ...]:
        """Factors in the order of their clusters."""
        place = zip(self.table["place"].to_pylist(), self.table["name"].to_pylist(), strict=True)
        return tuple(name for _, name in sorted(set(place)))

    def profile(
        self, name: str, *, setting: str = "", bound: bool = True, z: bool = False
    ) -> Floats:
        """One row, float64 (W,); InputError if there is none."""
        for row in self.table.to_pylist():
            if (row["setting"], row["name"], row["bound"]) == (setting, name, bound):
                return np.array(row["z" if z else "mean"], np.float64)
        raise InputError(
            f"{self.path}: has no {'bound' if bound else 'unbound'} sequences of "
            f"{f'{setting}:{name}'.lstrip(':')!r}; it has {', '.join(self.names[:5])}"
        )

    def to_polars(self) -> "polars.DataFrame":
        """The table as a Polars frame."""
        return as_polars(self.table)
