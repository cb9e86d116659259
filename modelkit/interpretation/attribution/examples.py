"""Which examples of a data set are explained, and where they lie in the genome."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.io.list_columns import list_column
from modelkit.interpretation.attribution.subject import Subject

__all__ = ["Examples", "chosen_examples", "confident_examples"]

Rows = npt.NDArray[np.int64]


class Examples(NamedTuple):
    """Which examples are explained.

    Attributes
    ----------
    rows : int64
        Of the data set.
    table : pyarrow.Table
        Their regions; with core_start, core_end and labels where the data set has them.
    starts : int64
        Where their sequences start in the genome.
    skipped : dict of str to int
        Examples that are left out by what they are, by reason.
    """

    rows: Rows
    table: pa.Table
    starts: Rows
    skipped: dict[str, int]

    def only(self, kept: npt.NDArray[np.bool_], reason: str) -> "Examples":
        """Those that are kept; the others have a reason."""
        n = int((~kept).sum())
        return Examples(
            self.rows[kept],
            self.table.filter(pa.array(kept)).combine_chunks(),
            self.starts[kept],
            self.skipped | ({reason: n} if n else {}),
        )


def chosen_examples(
    subject: Subject,
    data: Dataset,
    split: str,
    rows: Sequence[int] | Rows | None,
    regions: str | Path | None,
    labelled: str | None,
) -> Examples:
    """The examples of the split that are wanted: all, or some rows, or those that share a base with
    a region of a BED file, or that have a label; InputError if there is none.

    Regions that share no base with any of the sequences are counted in a UserWarning.
    """
    known = subject.rows if rows is None else _listed(rows, subject.rows, data, split)
    table = _regions(data).take(pa.array(known)).combine_chunks()
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
    found = Examples(known, table, starts, {})
    return found if labelled is None else found.only(_has(labelled, data, known), f"not {labelled}")


def confident_examples(
    examples: Examples, subject: Subject, weights: Tensor, least: float, batch_size: int,
    device: torch.device,
) -> Examples:  # fmt: skip
    """Those whose label is predicted with a probability of at least `least`, on the strand that the
    data have; InputError if there is none, or if what is explained is not one label.
    """
    if not 0 <= least <= 1:
        raise InputError(f"at_least: found {least}, expected a probability, 0 to 1")
    of_target = weights.nonzero()
    if len(of_target) != 1:
        raise InputError(
            f"at_least: found {weights.shape[1]} targets of {len(of_target)} tasks in all, "
            "expected one target that is one label; choose it with targets"
        )
    number = int(of_target[0, 0])
    p = subject.probabilities(examples.rows, batch_size, device)[:, number]
    if np.isnan(p).any():
        raise InputError(
            f"row {examples.rows[int(np.argmax(np.isnan(p)))]} of the data set: its prediction is "
            "no number; expected a network whose outputs are, evaluate it first"
        )
    if not (p >= least).any():
        raise InputError(
            f"at_least: found no probability of {subject.tasks[number]} above "
            f"{p.max():.4g} in {len(p):,} examples, expected one of {least} or "
            "more; lower it"
        )
    return examples.only(p >= least, f"probability of {subject.tasks[number]} below {least:g}")


def _regions(data: Dataset) -> pa.Table:
    """Regions of all rows, with motif and labels."""
    table = data.regions
    if data.cores is not None:
        for field, side in zip(schemas.CORE_COLUMNS, data.cores.T, strict=True):
            table = table.append_column(field, pa.array(side, field.type))
    if data.labels is not None:
        field = schemas.dataset_schema(labels=True).field("labels")
        table = table.append_column(field, list_column(data.labels, field))
    return table


def _has(label: str, data: Dataset, rows: Rows) -> npt.NDArray[np.bool_]:
    """Which rows have a label; InputError if none has, or there is no such label."""
    if data.labels is None or label not in data.label_names:
        listed = ", ".join(data.label_names[:5]) + (", ..." if len(data.label_names) > 5 else "")
        raise InputError(
            f"labelled: found {label!r}, but {data.path} has "
            f"{f'the labels {listed}' if listed else 'no labels'}; expected one of its labels"
        )
    has: npt.NDArray[np.bool_] = data.labels[rows, data.label_names.index(label)] == 1
    if not has.any():
        raise InputError(
            f"labelled: none of {len(rows):,} examples of {data.path} is {label}; choose another "
            "split or label"
        )
    return has


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
