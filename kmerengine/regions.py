"""Genome regions as columns, and the choice of those that a genome and the options allow.

Coordinates are 0-based and half-open, in bp, everywhere in this module.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError

MISSING_CONTIG = "contig not in genome"
LEAVES_CONTIG = "window leaves its contig"
TOO_SHORT = "shorter than k"
BELOW_BEST = "below the max_regions best scores"

MAX_WIDTH = 1 << 40  # bp; longer than any contig


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """Regions of a genome, one row each, in the order of the file they come from.

    Parameters
    ----------
    contig_names : tuple of str
        Distinct names: of the file, in order of first appearance; after `place_regions`, every
        contig of the genome in the genome's order.
    contig : int32, shape (n,)
        Index into `contig_names`.
    start, end : int64, shape (n,)
        0-based half-open, bp.
    name : list of str, length n
        As in the file, "." included; "" where the file has no such column.
    score : float64, shape (n,)
        NaN where the file has none.
    strand : bytes (S1), shape (n,)
        ``b"+"``, ``b"-"`` or ``b"."``.
    summit : int64, shape (n,)
        Position of the summit on the contig (not the offset of the file), -1 where unknown.
    line : int64, shape (n,)
        1-based line of the file, for messages.
    """

    contig_names: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    name: list[str]
    score: npt.NDArray[np.float64]
    strand: npt.NDArray[np.bytes_]
    summit: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: slice | npt.NDArray[Any]) -> "Regions":
        """The regions of `rows`: indices, a mask or a slice; the contig names stay."""
        index = np.arange(len(self))[rows]
        return Regions(
            contig_names=self.contig_names,
            contig=self.contig[index],
            start=self.start[index],
            end=self.end[index],
            name=[self.name[row] for row in index.tolist()],
            score=self.score[index],
            strand=self.strand[index],
            summit=self.summit[index],
            line=self.line[index],
        )


def place_regions(
    regions: Regions,
    contigs: dict[str, int],
    where: Path,
    *,
    width: int | None = None,
    min_length: int = 1,
    max_regions: int | None = None,
    skip_missing_contigs: bool = False,
) -> tuple[Regions, dict[str, int]]:
    """The regions to use on this genome, in the input's order, and how many were skipped and why.

    Parameters
    ----------
    regions : Regions
        As read from a file.
    contigs : dict of str to int
        Length of each contig of the genome, bp, in the genome's order.
    where : Path
        The file the regions come from, for messages.
    width : int, optional
        Replace every region by the window of this many bp around its summit, or its midpoint
        ``(start + end) // 2`` where the summit is unknown:
        ``[centre - width // 2, centre - width // 2 + width)``. Windows that leave their contig
        are skipped. By default regions are used as they are.
    min_length : int
        Skip shorter regions (bp): the length of the words to count.
    max_regions : int, optional
        Of the regions that are otherwise usable, keep this many with the highest scores; of equal
        scores the earlier, and regions without a score last.
    skip_missing_contigs : bool
        Skip regions on contigs that the genome lacks, instead of refusing the file.

    Returns
    -------
    placed : Regions
        `contig` indexes all contigs of the genome.
    skipped : dict of str to int
        Number of regions by reason; only reasons that occurred. A region is counted once, under
        the first that applies: missing contig, window leaves it, too short, score.

    Raises
    ------
    InputError
        A region that itself reaches past the end of its contig (with `width`, too: it belongs to
        another genome); a contig that the genome lacks; options out of range.
    """
    _check_options(width, min_length, max_regions)
    placed = _onto(regions, contigs, where, skip_missing_contigs=skip_missing_contigs)
    skipped = {MISSING_CONTIG: len(regions) - len(placed)}
    lengths = np.array(list(contigs.values()), np.int64)[placed.contig]
    _check_inside(placed, lengths, where)

    if width is not None:
        placed = _windows(placed, width)
        inside = (placed.start >= 0) & (placed.end <= lengths)
        skipped[LEAVES_CONTIG] = int((~inside).sum())
        placed = placed.take(inside)

    long_enough = placed.end - placed.start >= min_length
    skipped[TOO_SHORT] = int((~long_enough).sum())
    if skipped[TOO_SHORT]:
        placed = placed.take(long_enough)

    if max_regions is not None:
        best = _best(placed, max_regions, where)
        skipped[BELOW_BEST] = len(placed) - len(best)
        placed = placed.take(best)
    return placed, {reason: count for reason, count in skipped.items() if count}


def _check_options(width: int | None, min_length: int, max_regions: int | None) -> None:
    if width is not None and width < max(min_length, 1):
        raise InputError(
            f"--width {width}: every window would be shorter than the {max(min_length, 1)} bp "
            "needed; choose a larger width"
        )
    if width is not None and width > MAX_WIDTH:
        raise InputError(f"--width {width}: expected at most {MAX_WIDTH}; choose a smaller width")
    if max_regions is not None and max_regions < 1:
        raise InputError(f"--max-regions {max_regions}: expected at least 1; leave it out for all")


def _onto(
    regions: Regions, contigs: dict[str, int], where: Path, *, skip_missing_contigs: bool
) -> Regions:
    """The regions whose contig the genome has, with `contig` indexing the genome's contigs."""
    index = {name: i for i, name in enumerate(contigs)}
    used = np.zeros(len(regions.contig_names), bool)
    used[regions.contig] = True
    missing = [
        name
        for name, is_used in zip(regions.contig_names, used.tolist(), strict=True)
        if is_used and name not in index
    ]
    if missing and not skip_missing_contigs:
        raise InputError(_missing_message(regions, missing, contigs, where))
    new = np.array([index.get(name, -1) for name in regions.contig_names], np.int32)
    contig = new[regions.contig]
    kept = regions.take(contig >= 0) if missing else regions
    return _replace(kept, contig_names=tuple(contigs), contig=contig[contig >= 0])


def _missing_message(
    regions: Regions, missing: list[str], contigs: dict[str, int], where: Path
) -> str:
    first = regions.contig_names.index(missing[0])
    line = int(regions.line[np.argmax(regions.contig == first)])
    renamed = [name[3:] if name.startswith("chr") else f"chr{name}" for name in missing]
    if any(name in contigs for name in renamed):
        verb = "remove" if missing[0].startswith("chr") else "add"
        advice = f"the names differ by the prefix 'chr': {verb} it in one of the two files, or"
    else:
        advice = "use the genome these regions were made on, or"
    return (
        f"{where}: line {line}: the genome has no contig {_three(missing)}; "
        f"its contigs are {_three(list(contigs))}; {advice} leave such regions out with "
        "--skip-missing-contigs"
    )


def _three(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} (and {len(names) - 3} more)" if len(names) > 3 else shown or "(none)"


def _check_inside(regions: Regions, lengths: npt.NDArray[np.int64], where: Path) -> None:
    past = regions.end > lengths
    if past.any():
        row = int(np.argmax(past))
        contig = regions.contig_names[regions.contig[row]]
        raise InputError(
            f"{where}: line {regions.line[row]}: {contig}:{regions.start[row]}-{regions.end[row]} "
            f"reaches past the end of {contig}, which has {lengths[row]} bp in this genome "
            f"({int(past.sum())} such regions); use the genome these regions were made on, "
            "or clip them to its contigs"
        )


def _windows(regions: Regions, width: int) -> Regions:
    centre = np.where(regions.summit >= 0, regions.summit, (regions.start + regions.end) // 2)
    start = centre - width // 2
    return _replace(regions, start=start, end=start + width)


def _best(regions: Regions, n: int, where: Path) -> npt.NDArray[np.int64]:
    """Rows of the `n` highest scores, ascending; ties go to the earlier row, NaN comes last."""
    if len(regions) and np.isnan(regions.score).all():
        raise InputError(
            f"{where}: --max-regions {n} keeps the regions with the highest scores, but no region "
            "has one; add scores in column 5, or leave the option out"
        )
    return np.sort(np.argsort(-regions.score, kind="stable")[:n])


def _replace(regions: Regions, **columns: Any) -> Regions:
    return Regions(**(vars(regions) | columns))
