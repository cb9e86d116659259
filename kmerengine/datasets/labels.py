"""Labels of regions: which of them lie in the regions of each of many files.

Around the centre of a region lies a bin. By the rule ``half`` (DeepSEA, Zhou and Troyanskaya 2015)
a bin has a label where the file's regions cover more than half of it; by the rule ``within``
(AgentBind) where one region holds all of it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from kmerengine.cut_sites.stretches import Stretches
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.io.text import text_blocks
from kmerengine.regions import Regions

__all__ = ["LabelRule", "label_files", "overlap_labels"]

LabelRule = Literal["half", "within"]

SUFFIXES = (".bed", ".narrowPeak", ".broadPeak")
TABLES = (".tsv", ".csv", ".txt")


def label_files(paths: Sequence[str | Path]) -> dict[str, Path]:
    """Files of regions by the name of their label.

    Parameters
    ----------
    paths : sequence of paths
        Region files, folders of them, and tables (.tsv, .csv, .txt) of name and file in each line,
        files relative to the table. Without a table a label is the file's name without suffixes.
    """
    found: list[tuple[str, Path]] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [each for each in sorted(path.iterdir()) if _is_regions(each)]
            if not inside:
                raise InputError(f"{path}: holds no region files, expected {' '.join(SUFFIXES)}")
            found += [(_stem(each), each) for each in inside]
        elif path.suffix in TABLES:
            found += _listed(path)
        else:
            found.append((_stem(path), path))
    names = [name for name, _ in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"labels: found {twice[0]!r} twice, expected each name once; name the files in a table"
        )
    return dict(found)


def overlap_labels(
    regions: Regions, files: dict[str, Path], *, width: int = 200, rule: LabelRule = "half"
) -> npt.NDArray[np.uint8]:
    """1 where the bin of a region lies in a file's regions.

    Parameters
    ----------
    regions : Regions
    files : dict of str to Path
        From `label_files`.
    width : int
        bp of a bin, around the centre of its region.
    rule : "half" or "within"
        See the module.

    Returns
    -------
    labels : uint8, shape (n_regions, n_files)
    """
    if rule not in ("half", "within") or width < 1:
        raise InputError(
            f"label rule: found {rule!r} of {width} bp, expected half or within of at least 1"
        )
    start = (regions.start + regions.end) // 2 - width // 2
    labels = np.zeros((len(regions), len(files)), np.uint8)
    place = {name: i for i, name in enumerate(regions.contig_names)}
    for column, path in enumerate(files.values()):
        listed = read_regions(path)
        number = np.array([place.get(name, -1) for name in listed.contig_names], np.int32)
        contig = number[listed.contig] if len(listed) else np.zeros(0, np.int32)
        if not (contig >= 0).any():
            raise InputError(
                f"{path}: none of its {len(listed):,} regions is on a contig of the genome, which "
                f"are {', '.join(regions.contig_names[:3])}; give regions of this genome"
            )
        holds = _covered if rule == "half" else _held
        for each in np.unique(regions.contig).tolist():
            rows, theirs = np.flatnonzero(regions.contig == each), contig == each
            if theirs.any():
                labels[rows, column] = holds(start[rows], width, listed.take(theirs))
    return labels


def _covered(start: npt.NDArray[np.int64], width: int, listed: Regions) -> npt.NDArray[np.bool_]:
    one_contig = np.zeros(len(listed), np.int32)
    edges = Stretches.merged(one_contig, listed.start, listed.end, 1).edges[0]
    steps = np.diff(edges)
    steps[1::2] = 0  # between two stretches nothing is added
    before = np.concatenate([[0], np.cumsum(steps)])  # covered bases in front of each edge
    covered = np.interp(start + width, edges, before) - np.interp(start, edges, before)
    return np.asarray(2 * covered > width)


def _held(start: npt.NDArray[np.int64], width: int, listed: Regions) -> npt.NDArray[np.bool_]:
    order = np.argsort(listed.start, kind="stable")
    reached = np.maximum.accumulate(listed.end[order])
    last = np.searchsorted(listed.start[order], start, side="right") - 1
    return np.asarray((last >= 0) & (reached[last] >= start + width))


def _is_regions(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(SUFFIXES)


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _listed(path: Path) -> list[tuple[str, Path]]:
    found = []
    for first, block in text_blocks(path, "a table of labels"):
        for number, line in enumerate(block.splitlines(), first):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [each.strip() for each in line.split("\t" if "\t" in line else ",")]
            if len(fields) != 2 or not all(fields):
                raise InputError(
                    f"{path}: line {number}: found {line[:60]!r}, expected a label and its file"
                )
            found.append((fields[0], path.parent / fields[1]))
    if not found:
        raise InputError(f"{path}: names no labels, expected a label and its file in each line")
    return found
