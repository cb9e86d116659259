"""Contigs end to end on one line, so that one number is a place in the genome."""

import hashlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def name_key(name: str) -> int:
    """A number for a contig's name, to seed what must not depend on the contigs' order."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


class Line:
    """Contigs by name, each with a gap behind it: no window spans two of them.

    Parameters
    ----------
    contigs : dict of str to int
        Length of each contig, bp. Their order plays no part in the line.
    gap : int
        bp between contigs.

    Attributes
    ----------
    first : int64, shape (n_contigs,)
        Where each contig starts on the line, by its number in `contigs`.
    by_name : int64, shape (n_contigs,)
        Numbers of the contigs in the order in which they lie on the line.
    """

    def __init__(self, contigs: dict[str, int], gap: int) -> None:
        names = list(contigs)
        self.by_name = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        lengths = np.array(list(contigs.values()), np.int64)
        self.first = np.zeros(len(names), np.int64)
        self.first[self.by_name[1:]] = np.cumsum((lengths + gap)[self.by_name])[:-1]

    def places(self, contig: npt.NDArray[np.integer], position: Ints) -> Ints:
        """Places on the line."""
        return np.asarray(self.first[contig] + position)

    def positions(self, place: Ints) -> tuple[Ints, Ints]:
        """Contig and position of places."""
        rank = np.searchsorted(self.first[self.by_name], place, side="right") - 1
        contig = self.by_name[rank]
        return contig, place - self.first[contig]


def merged(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """The union of stretches, as disjoint ones that ascend; those that touch become one."""
    order = np.argsort(start, kind="stable")
    start, reached = start[order], np.maximum.accumulate(end[order])
    is_new = np.ones(len(start), np.bool_)
    is_new[1:] = start[1:] > reached[:-1]
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(start))[: len(first)] - 1
    return start[first], reached[last]


def overlap(start: Ints, end: Ints, union: tuple[Ints, Ints]) -> Flags:
    """Whether each of [start, end) shares a base with a `merged` union."""
    low, high = union
    after = np.searchsorted(high, start, side="right")  # the first stretch that ends behind start
    begins = np.append(low, np.iinfo(np.int64).max)[after]
    return np.asarray(begins < end)


def inside_one(start: Ints, end: Ints, low: Ints, high: Ints, *, strict: bool = False) -> Flags:
    """Whether each of [start, end) lies within one of the stretches [low, high).

    One, not the union: what spans two stretches that overlap lies within neither. With `strict`
    a base of the stretch must be left over on either side.
    """
    if not len(low):
        return np.zeros(len(start), np.bool_)
    order = np.argsort(low, kind="stable")
    low, reached = low[order], np.maximum.accumulate(high[order])
    # of the stretches that begin early enough, does any reach far enough?
    n = np.searchsorted(low, start, side="left" if strict else "right")
    furthest = np.where(n > 0, reached[np.maximum(n, 1) - 1], -1)
    return np.asarray((furthest > end) if strict else (furthest >= end))
