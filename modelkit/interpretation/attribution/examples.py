"""Which examples of a data set are explained, and where they lie in the genome."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from modelkit.interpretation.attribution.subject import Subject

__all__ = ["Examples", "chosen_examples"]

Rows = npt.NDArray[np.int64]


class Examples(NamedTuple):
    """Rows of the data set, their regions, and where their sequences start in the genome."""

    rows: Rows
    table: pa.Table
    starts: Rows


def chosen_examples(
    subject: Subject,
    data: Dataset,
    split: str,
    rows: Sequence[int] | Rows | None,
    regions: str | Path | None,
) -> Examples:
    """The examples of the split that are wanted: all, or some rows, or those that share a base with
    a region of a BED file; InputError if there is none.

    Regions that share no base with any of the sequences are counted in a UserWarning.
    """
    known = subject.rows if rows is None else _listed(rows, subject.rows, data, split)
    table = data.regions.take(pa.array(known)).combine_chunks()
    starts = table["start"].to_numpy().astype(np.int64) + data.spans["sequence"][0]
    if regions is not None:
        chroms = table["chrom"].to_pylist()
        shared, n_alone, n_given = _overlap(chroms, starts, subject.length, Path(regions))
        if not n_given:
            raise InputError(f"{regions}: has no region, expected some")
        if not shared.any():
            raise InputError(
                f"{regions}: shares no base with the {len(known):,} sequences of {data.path}, "
                f"split {split!r}; expected regions of the same genome, or another split"
            )
        if n_alone:
            warnings.warn(
                f"{regions}: {n_alone:,} of its {n_given:,} regions share no base with the "
                f"{len(known):,} sequences of split {split!r} and are left out",
                stacklevel=3,
            )
        known, starts = known[shared], starts[shared]
        table = table.filter(pa.array(shared)).combine_chunks()
    return Examples(known, table, starts)


def _listed(rows: Sequence[int] | Rows, known: Rows, data: Dataset, split: str) -> Rows:
    """Rows that were asked for, ascending; they must be of the split."""
    wanted = np.asarray(rows)
    if wanted.ndim != 1 or not len(wanted) or wanted.dtype.kind not in "iu":
        raise InputError(f"rows: found {wanted.dtype} {wanted.shape}, expected some row numbers")
    wanted = np.sort(wanted.astype(np.int64))
    if wanted[0] < 0 or wanted[-1] >= len(data):
        strange = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise InputError(f"rows: found {strange}, expected 0 to {len(data) - 1} of {data.path}")
    twice = wanted[1:][np.diff(wanted) == 0]
    if len(twice):
        raise InputError(f"rows: found {twice[0]} twice, expected each once")
    others = wanted[~np.isin(wanted, known)]
    if len(others):
        raise InputError(
            f"rows: found {others[0]}, which is not of {split!r}; expected rows of that split, or "
            "split 'all'"
        )
    return wanted


def _overlap(
    chroms: list[str], starts: Rows, length: int, path: Path
) -> tuple[npt.NDArray[np.bool_], int, int]:
    """Whether each sequence shares a base with a region of the file; how many regions share none,
    and how many there are.
    """
    given = read_regions(path)
    shared = np.zeros(len(starts), np.bool_)
    n_alone = 0
    names = np.array(chroms, np.object_)
    for number, name in enumerate(given.contig_names):
        of_contig = given.contig == number
        order = np.argsort(given.start[of_contig], kind="stable")
        begin = given.start[of_contig][order]
        furthest = np.maximum.accumulate(given.end[of_contig][order])
        here = np.flatnonzero(names == name)
        n_before = np.searchsorted(begin, starts[here] + length)  # that start before its end
        last = furthest[np.maximum(n_before - 1, 0)]
        shared[here] = (n_before > 0) & (last > starts[here])
        firsts = np.sort(starts[here])
        low = np.searchsorted(firsts, begin - length, side="right")
        n_alone += int((np.searchsorted(firsts, given.end[of_contig][order]) <= low).sum())
    return shared, n_alone, len(given.start)
