"""Bound and unbound motif instances in windows, matched by p-value and GC.

Zheng et al. 2021 (AgentBind), Methods: an instance is bound if it lies fully within a ChIP-seq
peak; around it a window of 1 kb is cut out; bound and unbound ones are drawn in equal numbers from
bins of 0.1 of -log10 p, and for the GC-controlled set from bins of GC within them.

Where paper and code of the authors differ, the defaults here are the paper's. Their code takes an
instance as bound only with bases of the peak left over on both sides, keeps all bound instances of
a bin that has too few unbound ones, and reads FIMO's 1-based start as 0-based, so that windows and
motifs lie one base to the right; the last is not offered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.sampling.balance import Balance, kept_per_bin
from kmerengine.sampling.gc_content import GcBins
from kmerengine.sampling.hits import Instances
from kmerengine.sampling.places import Line

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SMALLEST = 5e-324  # the smallest double: stands for p-values that were rounded to 0
UNMATCHED = -1  # the bin of GC where GC plays no part


def of_motifs(instances: Instances, names: list[str], where: object) -> Instances:
    """The instances of these motifs; of all where none is named and there is one."""
    known = instances.motif_names
    if not names and len(known) > 1:
        raise InputError(
            f"{where}: found {len(known)} motifs ({', '.join(known[:3])}...), expected one; choose "
            "with --motif, several for one factor"
        )
    for name in names:
        if name not in known:
            raise InputError(
                f"{where}: found no motif {name!r}, expected one of its {len(known)}, such as "
                f"{', '.join(known[:3])}"
            )
    if not names:
        return instances
    return instances.take(np.isin(instances.motif, [known.index(name) for name in names]))


def onto_genome(
    instances: Instances, contigs: dict[str, int], where: object, *, skip_missing_contigs: bool
) -> Instances:
    """The instances whose contig the genome has, with `contig` numbering the genome's contigs."""
    number = {name: i for i, name in enumerate(contigs)}
    places = np.array([number.get(name, -1) for name in instances.contig_names], np.int32)
    contig = places[instances.contig]
    missing = np.flatnonzero(contig < 0)
    if len(missing) and not skip_missing_contigs:
        name = instances.contig_names[instances.contig[missing[0]]]
        raise InputError(
            f"{where}: instance {instances.row[missing[0]] + 1}: the genome has no contig "
            f"{name!r}, its contigs are {', '.join(list(contigs)[:3])}{prefix_hint(name, number)}; "
            "give the genome that was scanned, or leave such instances out with "
            "--skip-missing-contigs"
        )
    placed = instances.replace(contig=contig).take(contig >= 0)
    lengths = np.array(list(contigs.values()), np.int64)
    past = np.flatnonzero(placed.end > lengths[placed.contig])
    if len(past):
        row = past[0]
        name, length = list(contigs)[placed.contig[row]], lengths[placed.contig[row]]
        raise InputError(
            f"{where}: instance {placed.row[row] + 1}: {name}:{placed.start[row]}-"
            f"{placed.end[row]} reaches past the end of {name}, which has {length} bp; give the "
            "genome that was scanned"
        )
    return placed.replace(contig_names=list(contigs))


def prefix_hint(name: str, known: dict[str, int]) -> str:
    """What to say where contigs are called chr1 here and 1 there; else an empty string."""
    other = name[3:] if name.startswith("chr") else f"chr{name}"
    return " (the names differ by the prefix 'chr')" if other in known else ""


def best_of_each_place(instances: Instances, line: Line) -> Instances:
    """Of instances with the same bases the one with the lowest p-value, then of the plus strand.

    As FIMO's --max-strand, which the authors use: both strands of one place are one site, and so
    are hits given twice, for regions that overlap. Sites that overlap without being the same bases
    are all kept, as theirs are. The result is sorted by contig name, start and end.
    """
    place = line.places(instances.contig, instances.start)
    is_minus = instances.strand != b"+"
    order = np.lexsort([instances.row, is_minus, instances.p, instances.end, place])
    place, end = place[order], instances.end[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (place[1:] != place[:-1]) | (end[1:] != end[:-1])
    return instances.take(order[is_new])


def window_starts(start: Ints, end: Ints, width: int) -> Ints:
    """Starts of windows around motifs: ``start - int((width - (end - start)) / 2)``.

    The formula of the authors' code. Where one base more must lie on one side, it is the right.
    """
    return start - (width - (end - start)) // 2


class PBins:
    """Bins of -log10 p: bin b holds ``b * width <= -log10 p < (b + 1) * width``."""

    def __init__(self, width: float) -> None:
        if not 1e-4 <= width <= 400:
            raise InputError(f"p_bin: found {width}, expected 0.0001 to 400, such as 0.1")
        self._width = Fraction(width).limit_denominator(10_000)

    def of(self, p: npt.NDArray[np.float64]) -> Ints:
        """Bins of p-values; 0, a value too small to be written, counts as the smallest double."""
        logs = -np.log10(np.maximum(p, _SMALLEST))
        bins = np.floor(logs * self._width.denominator / self._width.numerator)
        return np.asarray(bins, np.int64)

    def edges(self, bins: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The least -log10 p of each bin, and what it stays below."""
        low = [float(b * self._width) for b in bins.tolist()]
        high = [float((b + 1) * self._width) for b in bins.tolist()]
        return np.array(low, np.float64), np.array(high, np.float64)


@dataclass(frozen=True, eq=False)
class Matched:
    """Rows drawn, and the bins they were drawn from, arrays of shape (n_bins,).

    Attributes
    ----------
    rows : int64, shape (n_kept,)
    p_bin, gc_bin : int64
        Of each bin; `gc_bin` is -1 where GC plays no part.
    positives, negatives, kept_positives, kept_negatives : int64
    """

    rows: Ints
    p_bin: Ints
    gc_bin: Ints
    positives: Ints
    negatives: Ints
    kept_positives: Ints
    kept_negatives: Ints


def match(
    bound: Flags,
    p_bin: Ints,
    gc_bin: Ints | None,
    named: Callable[[int, int], str],
    *,
    ratio: int,
    balance: Balance,
    seed: int,
) -> Matched:
    """Draw bound and unbound instances from the same bins.

    Parameters
    ----------
    bound : bool, shape (n,)
        In an order that does not depend on the input's.
    p_bin : int64, shape (n,)
    gc_bin : int64, shape (n,), optional
        Without it, GC plays no part.
    named : callable
        Puts a bin of p-values and one of GC into words, for the error.
    ratio, balance
        As for `kmerengine.sampling.balance.kept_per_bin`.
    seed : int
        What a bin draws depends on the seed, the bin and its instances alone.
    """
    gc_bin = np.full(len(bound), UNMATCHED, np.int64) if gc_bin is None else gc_bin
    n_gc = int(gc_bin.max(initial=0)) + 2
    keys, group = np.unique(p_bin * n_gc + gc_bin + 1, return_inverse=True)
    p_of, gc_of = keys // n_gc, keys % n_gc - 1
    positives = np.bincount(group[bound], minlength=len(keys))
    negatives = np.bincount(group[~bound], minlength=len(keys))
    kept_positives, kept_negatives = kept_per_bin(
        positives, negatives, ratio, balance, lambda i: named(int(p_of[i]), int(gc_of[i]))
    )
    order = np.argsort(group, kind="stable")
    edges = np.concatenate([[0], np.cumsum(positives + negatives)])
    drawn = [np.empty(0, np.int64)]
    for i in np.flatnonzero(kept_positives + kept_negatives).tolist():
        mine = order[edges[i] : edges[i + 1]]
        rng = np.random.default_rng([seed, int(p_of[i]), int(gc_of[i]) + 1])
        drawn.append(rng.permutation(mine[bound[mine]])[: kept_positives[i]])
        drawn.append(rng.permutation(mine[~bound[mine]])[: kept_negatives[i]])
    rows = np.sort(np.concatenate(drawn))
    return Matched(
        rows, p_of, gc_of, positives, negatives, np.asarray(kept_positives), kept_negatives
    )


def bin_words(p_bins: PBins, gc_bins: GcBins, p_bin: int, gc_bin: int) -> str:
    """The bounds of one bin, for messages."""
    low, high = (edge[0] for edge in p_bins.edges(np.array([p_bin])))
    text = f"the bin of -log10 p {low:g} to {high:g}"
    if gc_bin == UNMATCHED:
        return text
    low, high = (edge[0] for edge in gc_bins.edges(np.array([gc_bin])))
    return f"{text}, GC {low:g} to {high:g}"
