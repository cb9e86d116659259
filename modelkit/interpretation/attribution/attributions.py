"""What each base of a data set's sequences did to a model's output: a folder.

attributions.arrow   examples x targets x channels x bp, float32: hypothetical scores
sequence.arrow       examples x bp, uint8: A C G T = 0 1 2 3, 255 for anything else
regions.parquet      the regions, with what was predicted and by how much the scores miss the sum
                     that they should have, by target; and with the motif that an example is of, and
                     its labels, where the data set has them
attributions.json    targets, method, and how they were made

A *hypothetical* score is that which a base would get if it stood there; a *contribution* is that of
the base that does. Base j of an example lies at `starts` + j in the genome. The first four channels
are bases; further ones are signals, with the scores of what they are. A motif that the network was
not shown (`data.core=blocked`) is unknown in the sequence too.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array, write_array
from kmerengine.io.atomic import atomic
from kmerengine.io.list_columns import list_column, read_matrix
from kmerengine.io.tables import TableReader, table_writer

__all__ = ["Attributions", "write_attributions"]

SCORES, SEQUENCE = "attributions.arrow", "sequence.arrow"
REGIONS, ABOUT = "regions.parquet", "attributions.json"
NAMES = (SCORES, SEQUENCE, REGIONS, ABOUT, "*.npz", "*.bw")
LABELS = "labels"  # a column of the regions
NUMBERS = ("prediction", "delta", "spread")  # columns of the regions, (n, K) each

BATCH_ROWS = 2048

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

EVERY = slice(None)


class Attributions:
    """Attributions on disk, made by `modelkit.attribute`; opened in milliseconds.

    n = examples, K = targets, C = channels, P = bp of sequence.

    Attributes
    ----------
    path : Path
    targets : tuple of str
    method, head : str
        Such as "deepshap" of "totals".
    label_names : tuple of str
        Of the columns of `labels`.
    hypothetical : float32, shape (n, K, C, P)
        A view of the file.
    sequence : uint8, shape (n, P)
        A view of the file.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = schemas.read_document(path / ABOUT, schemas.ATTRIBUTIONS, "modelkit attribute")
        self.provenance = about
        self.targets = tuple(map(str, about["targets"]))
        self.method, self.head = str(about["method"]), str(about["head"])
        self.label_names = tuple(map(str, about.get("labels", ())))
        described = about["arrays"]["hypothetical"], about["arrays"]["sequence"]
        self.hypothetical: Scores = map_array(path / SCORES, described[0])
        self.sequence: Codes = map_array(path / SEQUENCE, described[1])
        n, length = len(self.sequence), self.sequence.shape[-1]
        shape = self.hypothetical.shape
        if shape[:2] != (n, len(self.targets)) or shape[3:] != (length,) or shape[2] < 4:
            raise InputError(
                f"{path / ABOUT}: describes scores of {shape} for {len(self.targets)} targets of "
                f"{self.sequence.shape} bases, expected one score of each; make the folder again"
            )
        self._table = TableReader(path / REGIONS)
        found = schemas.read_metadata(self._table.schema, path / REGIONS, (schemas.ATTRIBUTIONS,))
        if found != about or self._table.n_rows != n:
            raise InputError(
                f"{path / REGIONS}: is not of the same attributions as {ABOUT}; make the folder "
                "again"
            )
        self._has_cores = bool(about.get("cores"))  # those of before have no such key
        expected = schemas.attributions_schema(cores=self._has_cores, labels=bool(self.label_names))
        self._table.expect(expected, path / REGIONS)

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Attributions":
        """Open attributions; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    def __repr__(self) -> str:
        n, n_targets, _, length = self.hypothetical.shape
        return (
            f"Attributions({self.method} of {self.head}, {n:,} examples, {n_targets} targets, "
            f"{length:,} bp)"
        )

    @cached_property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand, split, row of the data
        set, sequence_start, and the lists prediction, delta and spread, by target; core_start and
        core_end (bp from `start`) and the list labels, where there are such.
        """
        return self._table.read()

    @property
    def chroms(self) -> npt.NDArray[np.object_]:
        """Contig of each example, shape (n,)."""
        column = self.regions["chrom"].combine_chunks()
        names = np.array(column.dictionary.to_pylist(), np.object_)
        found: npt.NDArray[np.object_] = names[column.indices.to_numpy()]
        return found

    @property
    def starts(self) -> Rows:
        """Where base 0 of each example lies in the genome, 0-based, int64 (n,)."""
        return self._column("sequence_start")

    @property
    def rows(self) -> Rows:
        """Row of the data set of each example, int64 (n,)."""
        return self._column("row")

    @cached_property
    def cores(self) -> Rows | None:
        """Where the motif lies that each example is of: start and end, bp from base 0 of the
        sequence, int64 (n, 2); None if they are of no motifs.
        """
        if not self._has_cores:
            return None
        sides = np.stack([self._column(name) for name in schemas.CORE_COLUMNS.names], 1)
        moved: Rows = self._column("start") - self.starts
        return sides.astype(np.int64) + moved[:, None]

    @cached_property
    def labels(self) -> Codes | None:
        """0 or 1 for each example and label, uint8 (n, labels); None if there are none."""
        if not self.label_names:
            return None
        return read_matrix(self._table, "labels", len(self.label_names), self.path / REGIONS)

    @cached_property
    def prediction(self) -> Floats:
        """Output for each example and target, float64 (n, K)."""
        return self._matrix("prediction")

    @cached_property
    def delta(self) -> Floats:
        """By how much the scores miss the difference of the output from that of the references,
        float64 (n, K); no number for methods that promise no sum.
        """
        return self._matrix("delta")

    @cached_property
    def spread(self) -> Floats:
        """Mean |difference| of the output from that of a reference, float64 (n, K): `delta` should
        be small against it.
        """
        return self._matrix("spread")

    def target(self, name: str) -> int:
        """The number of a target; InputError if there is none of that name."""
        if name not in self.targets:
            listed = ", ".join(self.targets[:5]) + (", ..." if len(self.targets) > 5 else "")
            raise InputError(f"{self.path}: has no target {name!r}; it has {listed}")
        return self.targets.index(name)

    def read(self, first: int, stop: int) -> tuple[Scores, Codes]:
        """Hypothetical scores and sequence of examples [first, stop), copied from the files: of a
        view, all that was ever looked at can stay in memory.
        """
        return (
            self._copied(SCORES, "hypothetical", self.hypothetical, first, stop),
            self._copied(SEQUENCE, "sequence", self.sequence, first, stop),
        )

    def contributions(self, rows: slice = EVERY) -> Scores:
        """Scores of the bases that stand there, float32 (m, K, P); 0 where none is known."""
        first, stop, step = rows.indices(len(self))
        if step == 1:
            scores, codes = self.read(first, max(first, stop))
        else:
            scores, codes = self.hypothetical[rows], self.sequence[rows]
        place = np.minimum(codes, 3)[:, None, None].astype(np.intp)
        picked = np.take_along_axis(scores, place, 2)[:, :, 0]
        picked[np.broadcast_to((codes > 3)[:, None], picked.shape)] = 0
        return picked

    def _copied(self, file: str, name: str, view: Any, first: int, stop: int) -> Any:
        stop = min(stop, len(view))
        offset = int(self.provenance["arrays"][name]["offset"]) + first * view[:1].nbytes
        n = max(0, stop - first) * view[0].size
        values = np.fromfile(self.path / file, view.dtype, n, offset=offset)
        if len(values) != n:
            raise InputError(f"{self.path / file}: is truncated; make the folder again")
        return values.reshape(-1, *view.shape[1:])

    def _column(self, name: str) -> Rows:
        column: Rows = self.regions[name].to_numpy()
        return column

    def _matrix(self, name: str) -> Floats:
        return read_matrix(self._table, name, len(self.targets), self.path / REGIONS)


def write_attributions(
    output: str | Path,
    regions: pa.Table,
    sequence: Codes,
    hypothetical: Scores,
    *,
    targets: Sequence[str],
    method: str,
    head: str,
    rows: Rows | None = None,
    starts: Rows | None = None,
    prediction: Floats | None = None,
    delta: Floats | None = None,
    spread: Floats | None = None,
    label_names: Sequence[str] = (),
    force: bool = False,
) -> Attributions:
    """Write attributions that are in memory, such as another tool's.

    Parameters
    ----------
    output : path
        The folder to write.
    regions : pyarrow.Table
        chrom, start, end, name, score, strand and split of each example; core_start, core_end and
        labels go with them if they are there.
    sequence : uint8, shape (n, P)
    hypothetical : float32, shape (n, K, C, P)
    targets : sequence of str
        K names.
    method, head : str
        What they are called.
    rows, starts : int64, shape (n,), optional
        Row of the data set, by default 0 to n - 1; and genome position of base 0, by default the
        start of the region.
    prediction, delta, spread : float64, shape (n, K), optional
        By default no number.
    label_names : sequence of str
        Of the regions' labels, if they have such.
    force : bool
        Replace an existing output.
    """
    n, n_targets, length = len(sequence), len(targets), sequence.shape[-1]
    found = hypothetical.shape
    if (
        (sequence.ndim, hypothetical.ndim) != (2, 4)
        or found != (n, n_targets, found[2], length)
        or found[2] < 4
        or sequence.dtype != np.uint8
        or hypothetical.dtype != np.float32
        or len(regions) != n
    ):
        raise InputError(
            f"{output}: found {len(regions)} regions with {sequence.dtype} {sequence.shape} and "
            f"{hypothetical.dtype} {found}, expected uint8 (n, P) and float32 (n, {n_targets}, 4 "
            "or more, P)"
        )
    if bool(label_names) != (LABELS in regions.column_names):
        raise InputError(
            f"{output}: found {len(label_names)} names of labels and regions "
            f"{'without' if label_names else 'with'} labels, expected both or none"
        )
    with atomic(Path(output), force=force, folder=NAMES) as folder:
        arrays = {
            "hypothetical": write_array(folder / SCORES, hypothetical),
            "sequence": write_array(folder / SEQUENCE, sequence),
        }
        document = schemas.provenance("attribute", {}, {}) | {
            "format": schemas.ATTRIBUTIONS,
            "targets": list(targets),
            "method": method,
            "head": head,
            **known_of(regions, label_names),
            "arrays": arrays,
        }
        none = np.full((n, n_targets), np.nan)
        given = dict(zip(NUMBERS, (prediction, delta, spread), strict=True))
        numbers = {name: none if each is None else each for name, each in given.items()}
        write_regions(
            folder,
            regions,
            np.arange(n) if rows is None else rows,
            regions["start"].to_numpy() if starts is None else starts,
            numbers,
            document,
        )
    return Attributions.open(output)


def known_of(regions: pa.Table, label_names: Sequence[str]) -> dict[str, Any]:
    """What the document of attributions says of what is known of the examples."""
    has_cores = all(name in regions.column_names for name in schemas.CORE_COLUMNS.names)
    return {"cores": has_cores, "labels": list(label_names)}


def write_regions(
    folder: Path,
    regions: pa.Table,
    rows: Rows,
    starts: Rows,
    numbers: dict[str, Floats],
    document: dict[str, Any],
) -> None:
    """Write the table and the document of a folder whose arrays are there."""
    plain = schemas.attributions_schema(
        cores=document.get("cores", False), labels=bool(document.get("labels"))
    )
    schema = schemas.with_metadata(plain, document)
    names = schema.names[: schema.get_field_index("row")]
    names += schema.names[schema.get_field_index(NUMBERS[-1]) + 1 :]
    with table_writer(folder / REGIONS, schema, ".parquet") as writer:
        for low in range(0, len(rows), BATCH_ROWS):
            part = slice(low, low + BATCH_ROWS)
            known = regions.select(names).slice(low, BATCH_ROWS).combine_chunks()
            columns = {name: known[name].combine_chunks() for name in names}
            columns["row"] = pa.array(rows[part], pa.int64())
            columns["sequence_start"] = pa.array(starts[part], pa.int64())
            for name in NUMBERS:
                columns[name] = list_column(numbers[name][part], schema.field(name))
            ordered = [columns[name] for name in schema.names]
            writer.write(pa.RecordBatch.from_arrays(ordered, schema=schema))
    (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
