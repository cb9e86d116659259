"""Windows of a genome with the GC of given ones.

Contigs are cut into cells of one stride, and each cell has one candidate at a random place in it:
every base of the genome is as likely to begin a candidate, and all candidates of a genome of any
size can be held. Within a bin of GC candidates are tried in random order. The random numbers of a
contig and of a bin depend on the seed, the contig's name and the bin alone, so neither threads nor
the order of contigs in the genome play a part.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.io.fasta import Genome
from kmerengine.sampling.gc_content import GcBins, measure_gc
from kmerengine.sampling.places import Line, name_key, overlap
from native_kernels.disjoint_windows import take_disjoint

Ints = npt.NDArray[np.int64]

CANDIDATES = 1 << 25  # in a genome, about: 90 bp apart in one of 3 Gb; every window of a small one
_AT_ONCE = 1 << 22  # candidates measured at a time
_NONE = np.uint16(65535)  # the bin of what is no candidate

_PLACES, _CHOICE = 1, 2  # what random numbers are for


class Candidates(NamedTuple):
    """Windows that may become negatives.

    Attributes
    ----------
    place : int64, shape (n,)
        Where they start on the line, ascending.
    bins : uint16, shape (n,)
        Of GC; 65535 for a window that may not be taken.
    cells : int64, shape (n_contigs + 1,)
        The candidates of the contig of rank i are ``cells[i]`` to ``cells[i + 1]``.
    """

    place: Ints
    bins: npt.NDArray[np.uint16]
    cells: Ints


class Group(NamedTuple):
    """A bin of GC, on one contig or on all of them (-1), and the windows wanted of it."""

    contig: int
    bin: int
    wanted: int


def list_candidates(
    genome: Genome,
    line: Line,
    allowed: npt.NDArray[np.bool_],
    width: int,
    bins: GcBins,
    *,
    blocked: tuple[Ints, Ints],
    max_n: float,
    seed: int,
    threads: int,
    stride: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """Find the candidates of a genome and their GC.

    Parameters
    ----------
    genome : Genome
    line : Line
        The genome's contigs, with gaps of at least `width`.
    allowed : bool, shape (n_contigs,)
        Contigs that may have candidates.
    width : int
        bp of a window.
    bins : GcBins
    blocked : pair of int64 arrays
        What candidates must not overlap: a `merged` union on the line.
    max_n : float
        The largest share of bases other than A C G T.
    seed, threads : int
    stride : int, optional
        bp between candidates; by default as `CANDIDATES` asks.
    progress : callable, optional
        Called with (done, of) in bases.
    """
    names = list(genome.contigs)
    lengths = np.array(list(genome.contigs.values()), np.int64)
    n_starts = np.where(allowed, np.maximum(lengths - width + 1, 0), 0)[line.by_name]
    stride = max(1, -(-int(n_starts.sum()) // CANDIDATES)) if stride is None else stride
    cells = np.concatenate([[0], np.cumsum(-(-n_starts // stride))])
    place = np.empty(cells[-1], np.int64)
    for rank in np.flatnonzero(n_starts).tolist():
        contig, n = line.by_name[rank], int(cells[rank + 1] - cells[rank])
        rng = np.random.default_rng([seed, _PLACES, name_key(names[contig])])
        within = np.arange(n) * stride + rng.integers(0, stride, n)
        place[cells[rank] : cells[rank + 1]] = line.first[contig] + within
    found = np.full(len(place), _NONE, np.uint16)
    for low in range(0, len(place), _AT_ONCE):
        part = np.arange(low, min(low + _AT_ONCE, len(place)))
        contig, start = line.positions(place[part])
        is_blocked = overlap(place[part], place[part] + width, blocked)
        usable = (start + width <= lengths[contig]) & ~is_blocked
        part, contig, start = part[usable], contig[usable], start[usable]
        gc, known = measure_gc(genome, contig, start, width, threads=threads)
        clean = (known > 0) & (width - known <= max_n * width)
        found[part[clean]] = bins.of(gc, known)[clean]
        if progress is not None:
            progress(min((low + _AT_ONCE) * stride, int(lengths.sum())), int(lengths.sum()))
    return Candidates(place, found, cells)


def choose(
    candidates: Candidates,
    line: Line,
    names: list[str],
    groups: list[Group],
    width: int,
    *,
    disjoint: bool,
    seed: int,
) -> tuple[list[Ints], Ints]:
    """Take windows at random for each group, those that are hardest to serve first.

    Parameters
    ----------
    candidates : Candidates
    line : Line
    names : list of str
        Of the genome's contigs.
    groups : list of Group
    width : int
        bp of a window.
    disjoint : bool
        No two windows overlap, of whatever groups.
    seed : int

    Returns
    -------
    taken : list of int64 arrays
        Places on the line of each group's windows, in random order, at most as many as wanted.
    available : int64, shape (n_groups,)
        Candidates of each group, of which many overlap.
    """
    rank = np.empty(len(names), np.int64)
    rank[line.by_name] = np.arange(len(names))
    spans = [
        (0, len(candidates.place))
        if group.contig < 0
        else tuple(candidates.cells[rank[group.contig] : rank[group.contig] + 2].tolist())
        for group in groups
    ]
    last = max((group.bin for group in groups), default=0)
    counts: dict[tuple[int, ...], Ints] = {}
    for span in dict.fromkeys(spans):
        found = candidates.bins[slice(*span)]
        counts[span] = np.bincount(found[found != _NONE], minlength=last + 1)
    available = np.array(
        [counts[span][group.bin] for span, group in zip(spans, groups, strict=True)], np.int64
    )
    wanted = np.array([group.wanted for group in groups], np.int64)
    keys = [0 if group.contig < 0 else name_key(names[group.contig]) for group in groups]
    plenty = (available / np.maximum(wanted, 1)).tolist()
    order = sorted(range(len(groups)), key=lambda i: (plenty[i], keys[i], groups[i].bin))
    free = np.ones(len(candidates.place), np.bool_)
    taken = [np.empty(0, np.int64)] * len(groups)
    for i in order:
        low, high = spans[i]
        mine = low + np.flatnonzero(candidates.bins[low:high] == groups[i].bin)
        rng = np.random.default_rng([seed, _CHOICE, keys[i], groups[i].bin])
        if disjoint:
            mine = rng.permutation(mine)
            chosen = take_disjoint(candidates.place, free, mine, width, int(wanted[i]))
        else:
            chosen = rng.permutation(mine)[: wanted[i]]
        taken[i] = candidates.place[chosen]
    return taken, available
