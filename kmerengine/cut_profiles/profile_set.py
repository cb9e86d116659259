"""Cut profiles of regions: regions x samples x bp, with their totals, in a folder.

    counts.arrow    regions x samples x [2 strands x] bp, as `kmerengine.io.arrays` writes them
    totals.parquet  one row per region: where it is, and its cuts in the window around its centre
                    by sample, as counted and quantile-normalised
    profiles.json   samples, shift, strands, width, window, and how the data set was made

Counts are int16, or the first of int32 and int64 that holds the largest. Totals are two list
columns in the samples' order: the table has one schema for any number of samples, a sample's name
cannot meet a column's, and a list column is a regions x samples matrix as it lies in memory.

Bases run along the genome for regions of either strand; coordinates are 0-based, half-open, in bp.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cut_profiles.quantiles import quantile_normalise, rescale
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array
from kmerengine.io.list_columns import read_matrix
from kmerengine.io.tables import TableReader
from native_kernels.cut_profile import Strands

__all__ = ["Profiles", "centre_start"]

COUNTS, TOTALS, ABOUT = "counts.arrow", "totals.parquet", "profiles.json"
NAMES = (COUNTS, TOTALS, ABOUT)

COPY_BYTES = 1 << 26

Counts = npt.NDArray[Any]
Rows = slice | npt.NDArray[Any]


def centre_start(width: int, window: int) -> int:
    """Where a window around the centre starts in a profile.

    The centre is base ``width // 2``, where `place_regions` puts a summit, and the window lies
    around it as `place_regions` would lay it: 250 bp of 1,000 are [375, 625). Cropping the end of
    a profile moves neither: of 1,000 bp whose last 2 were dropped the centre is still [375, 625),
    but it is not that of a region which is 998 bp wide ([374, 624)); a length alone cannot tell
    the two apart, so for cropped profiles give the start.
    """
    return width // 2 - window // 2


class Profiles:
    """Profiles on disk; counts are memory-mapped and read when they are asked for.

    Made by `kmerengine.cut_profiles.profile_write`, or opened with `Profiles.open`.

    Attributes
    ----------
    samples : tuple of str
    shift : str
        What was added to the 5' bases of plus and minus reads before they were counted.
    strands : "sum" or "split"
    width : int
        bp of a region.
    window : (int, int)
        Start and end of the stored totals within a region, bp.
    provenance : dict
        How the data set was made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.provenance = _read_about(path)
        self.samples = tuple(str(name) for name in self.provenance["samples"])
        self.shift = str(self.provenance["shift"])
        self.strands: Strands = self.provenance["strands"]
        self.width = int(self.provenance["width"])
        start, end = self.provenance["window"]
        self.window = (int(start), int(end))
        n_regions, counts = int(self.provenance["kept"]), self.provenance["counts"]
        if self.strands not in ("sum", "split"):
            raise InputError(
                f"{path / ABOUT}: found strands {self.strands!r}, expected sum or split; "
                "make the folder again"
            )
        self._counts = map_array(path / COUNTS, counts)
        shape = profile_shape(n_regions, len(self.samples), self.strands, self.width)
        if self._counts.shape != shape or self._counts.dtype.kind != "i":
            raise InputError(
                f"{path / ABOUT}: describes counts of {self._counts.dtype} {self._counts.shape}, "
                f"expected integers of {shape}; make the folder again"
            )
        self._table = TableReader(path / TOTALS)
        self._table.expect(schemas.profile_totals_schema(), path / TOTALS)
        about = schemas.read_metadata(self._table.schema, path / TOTALS, (schemas.PROFILES,))
        if about != self.provenance or self._table.n_rows != n_regions:
            raise InputError(
                f"{path / TOTALS}: is not of the same profiles as {ABOUT}; make the folder again"
            )

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "Profiles":
        """Open a folder of profiles; InputError if it is missing, damaged or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"Profiles({len(self):,} regions, {len(self.samples)} samples, {self.width:,} bp)"

    @property
    def regions(self) -> pa.Table:
        """chrom, start, end (bp, 0-based half-open), name, score, strand of every row."""
        return self._table.read(columns=schemas.REGION_COLUMNS.names)

    def counts(self, regions: Rows = slice(None), samples: Sequence[str] | None = None) -> Counts:
        """Cuts per base, as they were counted.

        Parameters
        ----------
        regions : slice, indices or mask
        samples : sequence of str, optional
            By default all, in the order of `samples`.

        Returns
        -------
        counts : int16, int32 or int64, shape (regions, samples, [2,] bp)
            Read-only and memory-mapped for a slice of all samples; else a copy.
        """
        if samples is None:
            return self._counts[regions]
        columns = self._columns(samples)
        if isinstance(regions, slice):
            return self._counts[regions][:, columns]
        return self._counts[np.arange(len(self))[regions][:, None], columns]

    def totals(self, window: int | None = None, start: int | None = None) -> npt.NDArray[np.int64]:
        """Cuts of each region and sample, both strands, in a window of each region.

        Parameters
        ----------
        window : int, optional
            bp; by default the stored window.
        start : int, optional
            Where the window starts in a region; by default it is centred (`centre_start`).

        Returns
        -------
        totals : int64, shape (n_regions, n_samples)
        """
        if window is None and start is None:
            return self._stored_totals.copy()
        if window is None:
            window = self.window[1] - self.window[0]
        part = centre_part(self.width, window, start)
        totals = np.empty((len(self), len(self.samples)), np.int64)
        for rows in self._pieces():
            totals[rows] = cuts_within(self._counts[rows], part)
        return totals

    def normalised(
        self, window: int | None = None, start: int | None = None
    ) -> npt.NDArray[np.float64]:
        """`totals` after quantile normalisation across all samples; float64."""
        if window is None and start is None:
            return self._stored_normalised.copy()
        return quantile_normalise(self.totals(window, start))

    def rescaled(
        self, regions: Rows = slice(None), samples: Sequence[str] | None = None
    ) -> npt.NDArray[np.float64]:
        """`counts` whose sums over the stored window are the normalised totals; float64.

        A profile without cuts in the window stays as it is.
        """
        columns = self._columns(self.samples if samples is None else samples)
        cells = np.ix_(np.arange(len(self))[regions], columns)
        return rescale(
            self.counts(regions, samples),
            self._stored_totals[cells],
            self._stored_normalised[cells],
        )

    def average(
        self,
        groups: dict[str, list[str]],
        regions: Rows = slice(None),
        *,
        normalised: bool = True,
    ) -> npt.NDArray[np.float64]:
        """Mean profile of the samples of each group, such as the cell types of a lineage.

        Parameters
        ----------
        groups : dict of str to list of str
            Samples by group; the groups' order is that of the result.
        regions : slice, indices or mask
        normalised : bool
            Average `rescaled` profiles; else the counts.

        Returns
        -------
        average : float64, shape (regions, groups, [2,] bp)
        """
        for name, members in groups.items():
            if not members or len(set(members)) != len(members):
                raise InputError(
                    f"groups: found {members} for {name!r}, expected samples, each once"
                )
        profile_of = self.rescaled if normalised else self.counts
        n_rows = len(np.arange(len(self))[regions])
        average = np.empty((n_rows, len(groups), *self._counts.shape[2:]), np.float64)
        for number, members in enumerate(groups.values()):
            profile_of(regions, members).mean(axis=1, out=average[:, number])
        return average

    @cached_property
    def _stored_totals(self) -> npt.NDArray[np.int64]:
        return self._stored("total")

    @cached_property
    def _stored_normalised(self) -> npt.NDArray[np.float64]:
        return self._stored("normalised")

    def _stored(self, name: str) -> npt.NDArray[Any]:
        """A list column as a matrix."""
        return read_matrix(self._table, name, len(self.samples), self.path / TOTALS)

    def _columns(self, samples: Sequence[str]) -> npt.NDArray[np.int64]:
        unknown = [name for name in samples if name not in self.samples]
        if unknown or isinstance(samples, str):
            raise InputError(
                f"{self.path}: no sample {unknown[0] if unknown else samples!r} in a list of "
                f"samples; it has {', '.join(self.samples)}"
            )
        return np.array([self.samples.index(name) for name in samples], np.int64)

    def _pieces(self) -> Iterator[slice]:
        step = max(1, COPY_BYTES // max(1, self._counts[:1].nbytes))
        return (slice(first, first + step) for first in range(0, len(self), step))


def centre_part(width: int, window: int, start: int | None) -> slice:
    """The part of a profile that totals are taken of."""
    first = centre_start(width, window) if start is None else start
    if window < 1 or first < 0 or first + window > width:
        raise InputError(
            f"window: found {window} bp from base {first}, expected a part of the {width} bp of a "
            "region; choose a smaller window"
        )
    return slice(first, first + window)


def cuts_within(counts: Counts, part: slice) -> npt.NDArray[np.int64]:
    """Cuts in a part of each profile, over all its bases and strands."""
    total: npt.NDArray[np.int64] = counts[..., part].sum(
        axis=tuple(range(2, counts.ndim)), dtype=np.int64
    )
    return total


def profile_shape(n_regions: int, n_samples: int, strands: str, width: int) -> tuple[int, ...]:
    return (n_regions, n_samples, *((2,) if strands == "split" else ()), width)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        raw = (path / ABOUT).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: has no readable {ABOUT} ({error.strerror}); "
            "expected a folder that kmerengine profiles wrote"
        ) from error
    return schemas.parse_metadata(raw, path / ABOUT, (schemas.PROFILES,))
