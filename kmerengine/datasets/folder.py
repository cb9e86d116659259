"""A training data set: a folder of arrays with one row per example, memory-mapped.

    regions.parquet   chrom, start, end, name, score, strand, split, negative; core_start and
                      core_end of the motif that an example is of, and list columns labels (0 or
                      1), total and normalised cuts of each sample, where there are such
    sequence.arrow    examples x bp, uint8: A C G T = 0 1 2 3, 255 for anything else
    counts.arrow      examples x samples x [2 strands x] bp, int16, or wider where counts need it
    bias.arrow        examples x [2 strands x] bp, float32
    kmers.arrow       k-mer counts of the regions, as `kmerengine count` writes them
    dataset.json      names, spans, splits, and how it was made

Every array has a *span*: which bp, from the start of a region on, an example has of it. Around the
span may lie a margin, so that a loader can move the windows of all arrays together (jitter). The
*window* is the centre of counts and bias, bp from the start of their span; totals are its cuts.

With bpAI-TAC's correction by two (its code; not in the paper) a region of 1,000 bp has the sequence
and bias of [2, 1000) and the counts of [0, 998): base i of a sequence stands beside the cuts that
were counted two bases before it. The window stays [375, 625) of each span.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.splits import SPLITS
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array
from kmerengine.io.list_columns import read_matrix
from kmerengine.io.tables import TableReader

if TYPE_CHECKING:
    from kmerengine.kmers.counts import KmerCounts

__all__ = ["Dataset"]

REGIONS, KMERS, ABOUT = "regions.parquet", "kmers.arrow", "dataset.json"
ARRAYS = ("sequence", "counts", "bias")
NAMES = (REGIONS, KMERS, ABOUT, *(f"{name}.arrow" for name in ARRAYS))

Array = npt.NDArray[Any]
Span = tuple[int, int]


class Dataset:
    """A data set on disk, made by `kmerengine.dataset`; opened in milliseconds whatever its size.

    Attributes
    ----------
    samples : tuple of str
    label_names : tuple of str
    shift : str or None
        What was added to the 5' bases of plus and minus reads before they were counted.
    strands : "sum", "split" or None
        Of the counts.
    spans : dict of str to (int, int)
        Start and end of each array in an example, bp from the start of the region.
    margin : int
        bp that are stored on either side of every span.
    window : (int, int) or None
        The centre of counts and bias, bp from the start of their spans.
    warnings : list of str
        What a user should know, such as classes without positives.
    provenance : dict
        How it was made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.provenance = about = _read_about(path)
        self._arrays: dict[str, Array] = {}
        self.samples = tuple(map(str, about["samples"]))
        self.label_names = tuple(map(str, about["labels"]))
        self.shift, self.strands = about["shift"], about["strands"]
        self.margin, n_examples = int(about["margin"]), int(about["kept"])
        self.warnings = [str(each) for each in about["warnings"]]
        self.window: Span | None = _span(about["window"]) if about["window"] else None
        self.spans: dict[str, Span] = {k: _span(v) for k, v in about["spans"].items()}
        stored = {name: (int(a["start"]), a["file"]) for name, a in about["arrays"].items()}
        if self.margin < 0 or not all(
            isinstance(about.get(name, {}), dict) for name in ("parameters", "inputs")
        ):
            raise ValueError("its margin, parameters or inputs")
        self._starts = {name: start for name, (start, _) in stored.items()}
        for name, (start, described) in stored.items():
            array = map_array(path / f"{name}.arrow", described)
            low, high = self.spans.get(name, (0, 0))
            if (
                name not in ARRAYS
                or len(array) != n_examples
                or not start + self.margin <= low < high
                or high + self.margin > start + array.shape[-1]
            ):
                raise InputError(
                    f"{path / ABOUT}: describes {name} of {array.shape} from {start}, which does "
                    f"not hold [{low}, {high}) of {n_examples} examples; make the folder again"
                )
            self._arrays[name] = array
        self._table = TableReader(path / REGIONS)
        expected = schemas.dataset_schema(
            labels=bool(self.label_names), totals=self._has_totals, cores=self._has_cores
        )
        self._table.expect(expected, path / REGIONS)
        found = schemas.read_metadata(self._table.schema, path / REGIONS, (schemas.DATASET,))
        if found != about or self._table.n_rows != n_examples or "sequence" not in self._arrays:
            raise InputError(
                f"{path / REGIONS}: is not of the same data set as {ABOUT}; make the folder again"
            )

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Dataset":
        """Open a data set; InputError if it is missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    def __repr__(self) -> str:
        width = self.spans["sequence"][1] - self.spans["sequence"][0]
        return (
            f"Dataset({len(self):,} examples, {width:,} bp, {len(self.samples)} samples, "
            f"{len(self.label_names)} labels)"
        )

    @property
    def off_by_two(self) -> bool:
        """Whether it has bpAI-TAC's correction by two."""
        return bool(self.provenance.get("parameters", {}).get("off_by_two", False))

    @property
    def sequence(self) -> npt.NDArray[np.uint8]:
        """Codes of each example, shape (n, bp); a view of the file."""
        return self._example("sequence")

    @property
    def counts(self) -> Array | None:
        """Cuts per base as they were counted, shape (n, samples, [2,] bp); a view of the file."""
        return self._example("counts") if "counts" in self._arrays else None

    @property
    def bias(self) -> npt.NDArray[np.float32] | None:
        """Bias track, shape (n, [2,] bp); a view of the file."""
        return self._example("bias") if "bias" in self._arrays else None

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8] | None:
        """0 or 1, shape (n, labels)."""
        return self._matrix("labels", len(self.label_names)) if self.label_names else None

    @cached_property
    def totals(self) -> npt.NDArray[np.float64] | None:
        """Cuts of each sample in the window, both strands, shape (n, samples)."""
        return self._matrix("total", len(self.samples)) if self._has_totals else None

    @cached_property
    def normalised(self) -> npt.NDArray[np.float64] | None:
        """`totals`, quantile-normalised across samples."""
        return self._matrix("normalised", len(self.samples)) if self._has_totals else None

    @cached_property
    def cores(self) -> npt.NDArray[np.int64] | None:
        """Where the motif lies that each example is of: start and end, bp from the start of its
        region, shape (n, 2); None if they are of no motifs.
        """
        if not self._has_cores:
            return None
        table = self._table.read(columns=schemas.CORE_COLUMNS.names)
        found = np.stack([column.to_numpy().astype(np.int64) for column in table.columns], 1)
        low, high = self.spans["sequence"]
        bad = (found[:, 0] < low) | (found[:, 0] >= found[:, 1]) | (found[:, 1] > high)
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{self.path / REGIONS}: row {row}: found a motif at {found[row].tolist()}, "
                f"expected it within the sequence [{low}, {high}); make the folder again"
            )
        return found

    @cached_property
    def negative(self) -> npt.NDArray[np.bool_]:
        """Whether an example was given as a negative, shape (n,)."""
        found: npt.NDArray[np.bool_] = (
            self._table.read(columns=["negative"])["negative"].to_numpy().astype(np.bool_)
        )
        return found

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand, split of each example."""
        return self._table.read(columns=[*schemas.REGION_COLUMNS.names, "split"])

    @property
    def kmers(self) -> "KmerCounts | None":
        """K-mer counts of the regions, one row per example; None if there are none."""
        from kmerengine.kmers.counts import KmerCounts

        if not self.provenance.get("kmers"):
            return None
        counts = KmerCounts.open(self.path / KMERS)
        if len(counts) != len(self):
            raise InputError(f"{self.path / KMERS}: is of other regions; make the folder again")
        return counts

    @property
    def window_in_sequence(self) -> Span | None:
        """Where the window lies in `sequence`, bp from its start; None if there is no window.

        With the correction by two it is the same numbers as in counts and bias, as in bpAI-TAC's
        code; else the same bases.
        """
        if self.window is None:
            return None
        first = self.spans["sequence"][0]
        beside = self.spans.get("bias") or self.spans.get("counts") or (first, first)
        moved = 0 if self.off_by_two else beside[0] - first
        return self.window[0] + moved, self.window[1] + moved

    def split(self, name: str) -> npt.NDArray[np.int64]:
        """Rows of one split, ascending: train, validation or test."""
        if name not in SPLITS:
            raise InputError(f"split: found {name!r}, expected one of {', '.join(SPLITS)}")
        column = self._table.read(columns=["split"])["split"].combine_chunks()
        names = column.dictionary.to_pylist()
        wanted = np.array([each == name for each in names], np.bool_)
        return np.flatnonzero(wanted[column.indices.to_numpy()])

    def stored(self, name: str) -> tuple[Array, int]:
        """An array with its margins as it lies in its file, and where its first base lies in a
        region, bp from the region's start.
        """
        if name not in self._arrays:
            raise InputError(f"{self.path}: has no {name}; it has {', '.join(self._arrays)}")
        return self._arrays[name], self._starts[name]

    @property
    def _has_totals(self) -> bool:
        return bool(self.provenance.get("totals"))

    @property
    def _has_cores(self) -> bool:
        return bool(self.provenance.get("cores"))  # data sets of before have no such key

    def _example(self, name: str) -> Array:
        array, start = self.stored(name)
        low, high = self.spans[name]
        return array[..., low - start : high - start]

    def _matrix(self, name: str, n_columns: int) -> Array:
        return read_matrix(self._table, name, n_columns, self.path / REGIONS)


def _span(value: Any) -> Span:
    start, end = value
    return int(start), int(end)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        raw = (path / ABOUT).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: has no readable {ABOUT} ({error.strerror}); "
            "expected a folder that kmerengine dataset wrote"
        ) from error
    return schemas.parse_metadata(raw, path / ABOUT, (schemas.DATASET,))
