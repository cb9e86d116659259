"""Tn5 cut sites on disk, read by sample and region."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader

if TYPE_CHECKING:
    import polars

ROWS = 1 << 18  # in a row group at most; each holds one sample and one contig

Cuts = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]


class CutTrack:
    """Cut sites per base and strand of one or more samples.

    Attributes
    ----------
    samples : list of str
    contigs : dict of str to int
        Length of each contig, bp.
    shift : str
        What was added to the 5' bases of plus and minus reads, such as ``+4/-4``.
    provenance : dict
        How the cuts were made: inputs, parameters, reads dropped by reason and sample.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = TableReader(path)
        document = schemas.read_metadata(self._table.schema, path, (schemas.CUTS,))
        schemas.require(self._table.schema, schemas.cuts_schema(), path)
        self.provenance = document
        self.samples: list[str] = list(document["samples"])
        self.contigs: dict[str, int] = {name: int(n) for name, n in document["contigs"]}
        self.shift = str(document["shift"])
        self._groups = _row_groups(path)

    @classmethod
    def open(cls, path: str | Path) -> "CutTrack":
        """Open cuts that `kmerengine cuts` wrote to Parquet; InputError if they are none."""
        path = Path(path)
        try:
            return cls(path)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path}: its kmerengine metadata is damaged; make it again"
            ) from error

    def __len__(self) -> int:
        return self._table.n_rows

    def cuts(self, sample: str, chrom: str, start: int = 0, end: int | None = None) -> Cuts:
        """Cuts of one sample in [start, end) of a contig, sorted by position and strand.

        Returns
        -------
        position : int64, shape (n,)
            bp, 0-based.
        strand : uint8, shape (n,)
            0 plus, 1 minus.
        count : uint32, shape (n,)

        Raises
        ------
        InputError
            For a sample or contig that the track lacks.
        """
        if sample not in self.samples:
            raise InputError(f"{self.path}: no sample {sample!r}; it has {', '.join(self.samples)}")
        if chrom not in self.contigs:
            raise InputError(f"{self.path}: no contig {chrom!r}")
        stop = self.contigs[chrom] if end is None else end
        found = [
            self._table.read(first, last)
            for first, last, lowest, highest in self._groups.get((sample, chrom), [])
            if lowest < stop and highest >= start
        ]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        table = pa.concat_tables(found)
        position = table["position"].to_numpy().astype(np.int64)
        part = slice(np.searchsorted(position, start), np.searchsorted(position, stop))
        strands = table["strand"].combine_chunks()
        minus = np.array([name == "-" for name in strands.dictionary.to_pylist()], np.uint8)
        strand = minus[strands.indices.to_numpy()]
        return position[part], strand[part], table["count"].to_numpy()[part]

    def to_polars(self) -> "polars.DataFrame":
        """The whole table as a Polars frame."""
        import polars

        frame = polars.from_arrow(self._table.read())
        assert isinstance(frame, polars.DataFrame)
        return frame


def _row_groups(path: Path) -> dict[tuple[str, str], list[tuple[int, int, int, int]]]:
    """First row, end row, lowest and highest position of each row group by sample and contig."""
    groups: dict[tuple[str, str], list[tuple[int, int, int, int]]] = {}
    metadata = pq.read_metadata(path)
    first = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = {
            group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)
        }
        sought = [columns[name].statistics for name in ("sample", "chrom", "position")]
        if any(each is None or not each.has_min_max for each in sought):
            raise InputError(f"{path}: row group {number} has no statistics; make the file again")
        sample, chrom, position = sought
        if sample.min != sample.max or chrom.min != chrom.max:
            raise InputError(f"{path}: row group {number} mixes samples or contigs; make it again")
        rows = (first, first + group.num_rows, int(position.min), int(position.max))
        groups.setdefault((sample.min, chrom.min), []).append(rows)
        first += group.num_rows
    return groups


def cut_batches(
    schema: pa.Schema,
    sample: int,
    samples: list[str],
    contigs: dict[str, int],
    pieces: Iterable[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]],
) -> Iterator[pa.RecordBatch]:
    """The table's batches of one sample from ascending keys; each holds one contig."""
    names = pa.array(list(contigs), pa.string())
    strands = pa.array(["+", "-"], pa.string())
    all_samples = pa.array(samples, pa.string())
    starts = np.concatenate([[0], np.cumsum(list(contigs.values()))]).astype(np.int64)
    for keys, counts in pieces:
        place = (keys >> np.uint64(1)).astype(np.int64)
        edges = np.searchsorted(place, starts)
        for contig in np.flatnonzero(np.diff(edges)).tolist():
            for first in range(edges[contig], edges[contig + 1], ROWS):
                part = slice(first, min(first + ROWS, edges[contig + 1]))
                n = part.stop - part.start
                strand = (keys[part] & np.uint64(1)).astype(np.int8)
                columns = [
                    pa.DictionaryArray.from_arrays(pa.array(np.full(n, contig, np.int32)), names),
                    pa.array((place[part] - starts[contig]).astype(np.int32)),
                    pa.DictionaryArray.from_arrays(pa.array(strand), strands),
                    pa.DictionaryArray.from_arrays(
                        pa.array(np.full(n, sample, np.int32)), all_samples
                    ),
                    pa.array(counts[part]),
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
