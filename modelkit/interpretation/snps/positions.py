"""Scores of genome positions: those of the sequences of a model, of which several may hold one.

A position has the greatest of its scores, and is in the core if it is in the core of any sequence.
Sequences that overlap are laid on each other, so that each of their positions is one element.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from modelkit.interpretation.context.sites import (
    Given,
    NamedSet,
    Sites,
    input_digests,
    named_sets,
    read_sites,
)

__all__ = ["Factor", "ScoredPositions", "check_contigs", "read_factors", "sequences_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class ScoredPositions:
    """Positions of the bound sequences of one model. m = positions.

    Attributes
    ----------
    score : float64, shape (m,)
    base : uint8, shape (m,)
        A C G T = 0 1 2 3, 255 where it is not known.
    core : bool, shape (m,)
    n_sequences : int
    left_out : dict of str to int
        Sequences that have no part, by reason.

    Raises
    ------
    InputError
        No bound sequence has a score.
    """

    def __init__(self, sites: Sites) -> None:
        rows, self.left_out = sites.bound_rows()
        self.n_sequences = len(rows)
        length = sites.scores.shape[1]
        chroms = sites.chroms[rows].astype(str)
        rows = rows[np.lexsort((sites.starts[rows], chroms))]
        chroms, starts = sites.chroms[rows].astype(str), sites.starts[rows]
        # a run is of sequences that overlap or touch
        new = np.ones(len(rows), np.bool_)
        new[1:] = (chroms[1:] != chroms[:-1]) | (starts[1:] > starts[:-1] + length)
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(rows)) - 1
        sizes = starts[last] + length - starts[first]
        ends = np.cumsum(sizes)
        self._runs: dict[str, tuple[Ints, Ints, Ints]] = {}
        for name in np.unique(chroms).tolist():
            here = np.flatnonzero(chroms[first] == name)
            self._runs[name] = (starts[first[here]], sizes[here], (ends - sizes)[here])
        total = int(ends[-1])
        self.score = np.full(total, -np.inf)
        self.base = np.full(total, 255, np.uint8)
        self.core = np.zeros(total, np.bool_)
        run = np.cumsum(new) - 1
        for i, row in enumerate(rows.tolist()):
            at = int((ends - sizes)[run[i]] + starts[i] - starts[first[run[i]]])
            part = slice(at, at + length)
            np.maximum(self.score[part], sites.scores[row], out=self.score[part])
            codes = sites.codes[row]
            self.base[part] = np.where(codes < 4, codes, self.base[part])
            low, high = sites.cores[row].tolist()
            self.core[at + low : at + high] = True

    @property
    def chroms(self) -> list[str]:
        """Contigs with sequences."""
        return list(self._runs)

    def find(self, chrom: str, positions: Ints) -> Ints:
        """The elements of positions (0-based) of a contig; -1 where there is no sequence."""
        if chrom not in self._runs:
            return np.full(len(positions), -1)
        starts, sizes, begins = self._runs[chrom]
        run = np.maximum(np.searchsorted(starts, positions, side="right") - 1, 0)
        within = positions - starts[run]
        inside = (within >= 0) & (within < sizes[run])
        return np.where(inside, begins[run] + within, -1)

    def places(self, chroms: npt.NDArray[np.str_], positions: Ints) -> Ints:
        """As `find`, of positions on several contigs."""
        found = np.full(len(positions), -1)
        for chrom in np.unique(chroms).tolist():
            here = np.flatnonzero(chroms == chrom)
            found[here] = self.find(chrom, positions[here])
        return found


class Factor(NamedTuple):
    """Scores of one factor."""

    name: str
    target: str
    positions: ScoredPositions


def read_factors(
    sets: Mapping[str, Given], targets: Mapping[str, str] | str | None, label: str | None
) -> tuple[list[Factor], dict[str, Any]]:
    """Positions of each factor, and what a document says of them; see `named_sets`."""
    wanted: list[NamedSet] = named_sets(sets, targets)
    found = []
    for each in wanted:
        sites = read_sites(each.given, each.target, label)
        name = f"{each.setting}:{each.name}" if each.setting else each.name
        found.append(Factor(name, sites.target, ScoredPositions(sites)))
    return found, input_digests(wanted)


def sequences_of(factors: list[Factor]) -> dict[str, Any]:
    """What a document says of the sequences of each factor: their number, and that of the others
    by reason.
    """
    return {
        "sequences": {each.name: each.positions.n_sequences for each in factors},
        "sequences_left_out": {each.name: each.positions.left_out for each in factors},
    }


def check_contigs(path: Path, contigs: Collection[str], factors: list[Factor]) -> None:
    """InputError where a file of variants has contigs, and none of them has a sequence."""
    known = {chrom for each in factors for chrom in each.positions.chroms}
    if contigs and known.isdisjoint(contigs):
        raise InputError(
            f"{path}: has contigs {', '.join(sorted(contigs)[:3])}, the sequences "
            f"{', '.join(sorted(known)[:3])}; expected some that both have"
        )
