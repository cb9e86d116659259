"""Words around core motifs: a table, and the folder that holds it.

kmers.parquet   one row per setting, factor and word
heatmap.png     odds ratios of the words that stand out; not there if none does
kmers.json      how they were made, counts of each factor, and what the heatmap shows
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import as_polars
from modelkit.interpretation.column_tables import column
from modelkit.interpretation.context.folders import open_folder

if TYPE_CHECKING:
    import polars

__all__ = ["ContextKmers", "kmers_schema"]

TABLE, ABOUT, FIGURE = "kmers.parquet", "kmers.json", "heatmap"
NAMES = (TABLE, ABOUT, f"{FIGURE}.*")


def kmers_schema() -> pa.Schema:
    """Words of a factor, in the order of the alphabet."""
    text, number, share = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        [
            column("setting", text),  # "" where none is named
            column("name", text),  # of the factor
            column("kmer", text),  # along the strand of the core motif
            column("top", number),  # top windows that are the word
            column("rest", number),  # other windows that are the word
            column("top_others", number),  # top windows of other words
            column("rest_others", number),
            column("odds_ratio", share, nullable=True),  # null of a word that is not there
            column("p", share),  # Fisher's exact test, one-sided: more among the top
            column("log10_p", share),  # where p is too small for a number
            column("bonferroni", share),  # p times the number of words, at most 1
            column("rank", number),  # of the factor, from 1, by P
        ]
    )


class ContextKmers:
    """What `modelkit.kmers` found.

    Attributes
    ----------
    table : pyarrow.Table
        See `kmers_schema`.
    provenance : dict
        How they were made.
    path : Path
        Where they were written.
    """

    def __init__(self, table: pa.Table, provenance: dict[str, Any], path: Path) -> None:
        self.table, self.provenance, self.path = table, provenance, path

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "ContextKmers":
        """Open a folder; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        table, document = open_folder(
            path, (TABLE, kmers_schema()), (ABOUT, schemas.CONTEXT_KMERS), "modelkit kmers"
        )
        made = cls(table, document, path)
        _ = made._known, made.without, made.heatmap
        return made

    def __len__(self) -> int:
        return len(self.table)

    @property
    def sets(self) -> list[dict[str, Any]]:
        """Of each setting and factor what was counted: sequences, windows, top, threshold, and
        what was left out by reason.
        """
        return list(self.provenance["sets"])

    @property
    def _known(self) -> list[str]:
        """Of the sets: setting:factor, or the factor alone."""
        return [f"{each['setting']}:{each['name']}".lstrip(":") for each in self.sets]

    @property
    def without(self) -> list[dict[str, str]]:
        """Setting and name of the factors that have no sequence of the part."""
        return list(self.provenance["without"])

    @property
    def heatmap(self) -> dict[str, list[str]]:
        """The `names` and `kmers` of the heatmap, in their order."""
        return dict(self.provenance["heatmap"])

    def best(self, name: str, n: int = 10, *, setting: str = "") -> list[dict[str, Any]]:
        """The rows of the n words with the smallest P; InputError if there is no such factor."""
        import pyarrow.compute as pc

        of_set = pc.and_(
            pc.equal(self.table["setting"], setting), pc.equal(self.table["name"], name)
        )
        rows: list[dict[str, Any]]
        rows = self.table.filter(of_set).sort_by("rank").slice(0, n).to_pylist()
        if not rows:
            raise InputError(
                f"{self.path}: has no {f'{setting}:{name}'.lstrip(':')!r}; it has "
                f"{', '.join(self._known[:5])}"
            )
        return rows

    def to_polars(self) -> "polars.DataFrame":
        """The table as a Polars frame."""
        return as_polars(self.table)
