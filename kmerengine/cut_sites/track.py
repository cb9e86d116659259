"""Tn5 cut sites on disk, read by sample and region."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kmerengine import schemas
from kmerengine.cut_sites.tally import Run
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader

if TYPE_CHECKING:
    import polars

ROWS = 1 << 18  # in a row group at most; each holds one sample and one contig

Group = tuple[int, int, int, int]  # first row, end row, lowest and highest position
Groups = dict[tuple[str, str], list[Group]]  # by sample and contig

Cuts = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]


class CutTrack:
    """Cut sites per base and strand of one or more samples.

    Attributes
    ----------
    samples : list of str
    contigs : dict of str to int
        Length of each contig, bp.
    lengths_known : bool
        False where no file told them: contigs are as long as rows of text files reach.
    shift : str
        What was added to the 5' bases of plus and minus reads, such as ``+4/-4``.
    provenance : dict
        How the cuts were made: inputs, parameters, reads dropped by reason and sample.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = TableReader(path)
        self._groups: Groups = {}
        document = schemas.read_metadata(self._table.schema, path, (schemas.CUTS,))
        self._table.expect(schemas.cuts_schema(), path)
        self.provenance = document
        self.samples: list[str] = list(document["samples"])
        self.contigs: dict[str, int] = {name: int(n) for name, n in document["contigs"]}
        self.lengths_known = bool(document["lengths_known"])
        self.shift = str(document["shift"])
        groups = _arrow_groups(path) if self._table.is_arrow else _parquet_groups(path)
        for first, stop, sample, chrom, low, high in groups:
            self._groups.setdefault((sample, chrom), []).append((first, stop, low, high))

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "CutTrack":
        """Open a .parquet or .arrow that `kmerengine cuts` wrote; InputError for other files."""
        return cls(Path(path))

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
        found = [
            self._table.read(first, last)
            for first, last, _, _ in self._overlapping(sample, chrom, start, end)
        ]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        stop = self.contigs[chrom] if end is None else end
        table = pa.concat_tables(found)
        position = table["position"].to_numpy().astype(np.int64)
        off = position[0] < 0 or position[-1] >= self.contigs[chrom]
        if off or (position[1:] < position[:-1]).any():
            raise InputError(
                f"{self.path}: cuts of {sample!r} on {chrom!r} do not ascend within its "
                f"{self.contigs[chrom]} bp; the file is damaged, make it again"
            )
        part = slice(np.searchsorted(position, start), np.searchsorted(position, stop))
        strands = table["strand"].combine_chunks()
        minus = np.array([name == "-" for name in strands.dictionary.to_pylist()], np.uint8)
        strand = minus[strands.indices.to_numpy()]
        return position[part], strand[part], table["count"].to_numpy()[part]

    def size(self, sample: str, chrom: str, start: int = 0, end: int | None = None) -> int:
        """At most so many rows of one sample are in [start, end) of a contig; nothing is read."""
        groups = self._overlapping(sample, chrom, start, end)
        return sum(last - first for first, last, _, _ in groups)

    def _overlapping(self, sample: str, chrom: str, start: int, end: int | None) -> list[Group]:
        """The row groups that may hold cuts of one sample in [start, end) of a contig."""
        if sample not in self.samples:
            raise InputError(f"{self.path}: no sample {sample!r}; it has {', '.join(self.samples)}")
        if chrom not in self.contigs:
            raise InputError(f"{self.path}: no contig {chrom!r}")
        stop = self.contigs[chrom] if end is None else end
        groups = self._groups.get((sample, chrom), [])
        return [group for group in groups if group[2] < stop and group[3] >= start]

    def to_polars(self) -> "polars.DataFrame":
        """The whole table as a Polars frame."""
        import polars

        frame = polars.from_arrow(self._table.read())
        assert isinstance(frame, polars.DataFrame)
        return frame


def _parquet_groups(path: Path) -> Iterator[tuple[int, int, str, str, int, int]]:
    """First row, end row, sample, contig, lowest and highest position of each row group."""
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
        stop = first + group.num_rows
        yield first, stop, sample.min, chrom.min, int(position.min), int(position.max)
        first = stop


def _arrow_groups(path: Path) -> Iterator[tuple[int, int, str, str, int, int]]:
    """The same of each batch; cuts are sorted, so its first and last row tell."""
    file = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
    first = 0
    for number in range(file.num_record_batches):
        batch = file.get_batch(number)
        ends = [
            (batch["sample"][i].as_py(), batch["chrom"][i].as_py(), batch["position"][i].as_py())
            for i in (0, batch.num_rows - 1)
        ]
        if ends[0][:2] != ends[1][:2]:
            raise InputError(f"{path}: batch {number} mixes samples or contigs; make it again")
        stop = first + batch.num_rows
        yield first, stop, *ends[0], ends[1][2]
        first = stop


def cut_batches(
    schema: pa.Schema,
    sample: int,
    samples: list[str],
    contigs: dict[str, int],
    pieces: Iterable[tuple[int, Run]],
) -> Iterator[pa.RecordBatch]:
    """The table's batches of one sample; each holds one contig.

    Parameters
    ----------
    pieces : iterable of (contig, (keys, counts))
        As `ShiftedCuts.pieces` gives them.
    """
    names = pa.array(list(contigs), pa.string())
    strands = pa.array(["+", "-"], pa.string())
    all_samples = pa.array(samples, pa.string())
    for contig, (keys, counts) in _row_groups(pieces):
        n = len(keys)
        strand = (keys & np.uint64(1)).astype(np.int8)
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(np.full(n, contig, np.int32)), names),
            pa.array((keys >> np.uint64(1)).astype(np.int32)),
            pa.DictionaryArray.from_arrays(pa.array(strand), strands),
            pa.DictionaryArray.from_arrays(pa.array(np.full(n, sample, np.int32)), all_samples),
            pa.array(counts),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _row_groups(pieces: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, Run]]:
    """The same cuts in groups of ROWS and a rest for each contig, however they come."""
    for contig, of_contig in groupby(pieces, key=itemgetter(0)):
        waiting: list[Run] = []
        n = 0
        for _, run in of_contig:
            waiting.append(run)
            n += len(run[0])
            if n >= ROWS:
                keys, counts = (np.concatenate(each) for each in zip(*waiting, strict=True))
                whole = n - n % ROWS
                for first in range(0, whole, ROWS):
                    part = slice(first, first + ROWS)
                    yield contig, (keys[part], counts[part])
                waiting, n = [(keys[whole:], counts[whole:])], n - whole
        if n:
            keys, counts = (np.concatenate(each) for each in zip(*waiting, strict=True))
            yield contig, (keys, counts)
