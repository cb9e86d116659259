"""The genome of a simulated ATAC experiment, and where its motifs lie.

Each contig has peaks in slots of equal length, one pioneer motif in each. DNA within 300 bp of a
pioneer motif is open, all other is closed, and the two differ in GC content. Sites of the other
factors lie in stretches of 48 bp, open or closed, perhaps with a co-factor's motif beside them.
A match of any word that nobody planted is destroyed: what the table of sites does not list is not
in the genome.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.simulators.sequences import IUPAC, Codes, consensus_matrix, draw_sites

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Words of no real factor; each has 22 bits or more and is no part of another. A site takes each of
# a letter's bases with equal probability.
PIONEERS = {
    "pioneer_1": "AAAGRGGAAGTG",
    "pioneer_2": "CWGATAAGGCAA",
    "pioneer_3": "TGTTTACWYAGC",
}
FACTORS = {
    "tf_1": "GGGRATTTCCAC",
    "tf_2": "CTTTGAWSTGCC",
    "tf_3": "ATGASTCAGCRT",
    "tf_4": "CCAYATGTTGGA",
}
COFACTORS = {
    "cofactor_1": "ACCGCRTCTGAA",
    "cofactor_2": "GTAACYGACTCG",
    "cofactor_3": "TCGCGRATAGAG",
    "cofactor_4": "CAGTCGAYTTAC",
}
DECOY = {"decoy": "CAGGTTAAACCTA"}  # Tn5 likes its middle best, see `atac_rates.TN5`

WORDS = {**PIONEERS, **FACTORS, **COFACTORS, **DECOY}
NAMES = list(WORDS)
WIDTHS = np.array([len(word) for word in WORDS.values()])  # bp
ROLES = ("pioneer", "tf", "cofactor", "decoy")
ROLE_OF = np.repeat(np.arange(4), [len(PIONEERS), len(FACTORS), len(COFACTORS), len(DECOY)])
FIRST_TF = len(PIONEERS)
FIRST_COFACTOR = FIRST_TF + len(FACTORS)
DECOY_NUMBER = FIRST_COFACTOR + len(COFACTORS)

REACH = 300  # bp; closer to a pioneer motif DNA is open
CELL = 48  # bp; holds a site, its co-factor's, and a gap between them and to the next
MIN_SLOT = 1_000  # bp for a peak
_EDGE = 300  # bp at the ends of a contig without peaks
_INSIDE = 400  # bp; a pioneer motif keeps this distance from the ends of its slot
_FIRST_CELL = 30  # bp from the middle of a pioneer motif
_CELLS = 5  # on either side
_CLOSED = 400  # bp; closed sites keep this distance from pioneer motifs
_GAP = (3, 10)  # bp between a motif and its co-factor's
_OFF_CENTRE = 60  # bp; a pioneer motif lies within this distance of its peak's summit
_ROUNDS = 50
_BIT = np.array([1, 2, 4, 8], np.uint8)


class Chances(NamedTuple):
    """Probabilities that are the same for every factor."""

    is_open: float
    cofactor: float
    bound: tuple[float, float, float]  # open with co-factor, open, closed


class Sites(NamedTuple):
    """Motifs in one contig, by start; arrays of shape (n,)."""

    start: Ints  # bp
    motif: Ints  # number in `NAMES`
    minus: Flags
    is_open: Flags
    cofactor: Flags  # a co-factor's motif lies beside it
    bound: Flags  # in cell types that have the factor
    peak: Ints  # of the contig's; -1 in closed DNA
    of: Ints  # of a co-factor's motif, the site that it goes with; else -1

    @property
    def end(self) -> Ints:
        """bp, exclusive."""
        found: Ints = self.start + WIDTHS[self.motif]
        return found


class Contig(NamedTuple):
    """Bases and sites of one contig."""

    name: str
    codes: Codes
    summits: Ints  # bp, ascending
    pioneer: Ints  # of each peak
    sites: Sites


def make_contig(
    name: str,
    length: int,
    n_peaks: int,
    n_sites: int,
    n_decoys: int,
    chances: Chances,
    gc: tuple[float, float],
    rng: np.random.Generator,
) -> Contig:
    """One contig.

    Parameters
    ----------
    name : str
    length : int
        bp.
    n_peaks : int
    n_sites : int
        Of each factor; how many are open is drawn.
    n_decoys : int
        Half of them in open DNA.
    chances : Chances
    gc : (float, float)
        Share of G and C in open DNA and elsewhere.
    rng : numpy Generator

    Raises
    ------
    InputError
        Peaks or sites that do not fit.
    """
    middle, summits = _peaks(name, length, n_peaks, rng)
    sites, pioneer = _sites(name, length, middle, n_sites, n_decoys, chances, rng)
    codes = _background(length, middle, gc, rng)
    planted = np.zeros(length, bool)
    for number, word in enumerate(WORDS.values()):
        for minus in (False, True):
            part = (sites.motif == number) & (sites.minus == minus)
            drawn = draw_sites(consensus_matrix(word), int(part.sum()), rng)
            at = sites.start[part, None] + np.arange(len(word))
            codes[at] = 3 - drawn[:, ::-1] if minus else drawn
            planted[at] = True
    _clear(codes, planted, sites, rng)
    return Contig(name, codes, summits, pioneer, sites)


def matches(codes: Codes, word: str, *, minus: bool = False) -> Ints:
    """Where the bases agree with `word`, or with its reverse complement; starts, ascending."""
    masks = _masks(word, minus=minus)
    bits = _BIT[codes]
    n = len(codes) - len(masks) + 1
    few = np.ones(max(n, 0), bool)
    for i in range(4):
        few &= (bits[i : i + n] & masks[i]) > 0
    at = np.flatnonzero(few)
    for i in range(4, len(masks)):
        at = at[(bits[at + i] & masks[i]) > 0]
    return at


def _masks(word: str, *, minus: bool) -> npt.NDArray[np.uint8]:
    masks = [sum(1 << "ACGT".index(base) for base in IUPAC[letter]) for letter in word]
    if minus:  # A C G T are bits 1 2 4 8: their complements are the bits reversed
        masks = [int(f"{mask:04b}"[::-1], 2) for mask in reversed(masks)]
    return np.array(masks, np.uint8)


def _peaks(name: str, length: int, n_peaks: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The middle of each pioneer motif, and each summit."""
    width = (length - 2 * _EDGE) // max(n_peaks, 1)
    if n_peaks and width < MIN_SLOT:
        raise InputError(
            f"--n-peaks: {n_peaks:,} on {name} of {length:,} bp leave {max(width, 0)} bp for each, "
            f"which needs {MIN_SLOT:,}; ask for fewer peaks, or for more or longer contigs"
        )
    slots = _EDGE + width * np.arange(n_peaks)
    middle = slots + rng.integers(_INSIDE, width - _INSIDE + 1, n_peaks)
    return middle, middle + rng.integers(-_OFF_CENTRE, _OFF_CENTRE + 1, n_peaks)


def _sites(
    name: str,
    length: int,
    middle: Ints,
    n_sites: int,
    n_decoys: int,
    chances: Chances,
    rng: np.random.Generator,
) -> tuple[Sites, Ints]:
    """Every site of the contig, and the number of each peak's pioneer."""
    n_peaks = len(middle)
    pioneer = rng.integers(0, FIRST_TF, n_peaks)
    n_open = rng.binomial(n_sites, chances.is_open, len(FACTORS))
    open_decoys = n_decoys // 2 if n_peaks else 0
    motif = np.concatenate(
        [
            np.repeat(np.arange(len(FACTORS)) + FIRST_TF, n_sites),
            np.full(n_decoys, DECOY_NUMBER),
        ]
    )
    is_open = np.concatenate(
        [*(np.arange(n_sites) < n for n in n_open), np.arange(n_decoys) < open_decoys]
    )
    cell, peak = _cells(name, length, middle, is_open, rng)
    is_tf = motif < DECOY_NUMBER
    cofactor = is_tf & (rng.random(len(motif)) < chances.cofactor)
    p_bound = np.where(is_open, np.where(cofactor, chances.bound[0], chances.bound[1]),
                       chances.bound[2])  # fmt: skip
    bound = is_tf & (rng.random(len(motif)) < p_bound)

    gap = rng.integers(_GAP[0], _GAP[1] + 1, len(motif))
    partner = np.where(cofactor, motif - FIRST_TF + FIRST_COFACTOR, 0)
    beside = np.where(cofactor, gap + WIDTHS[partner], 0)
    span = WIDTHS[motif] + beside
    left = cell + (rng.random(len(motif)) * (CELL - span)).astype(np.int64)
    first = rng.integers(0, 2, len(motif)) == 1  # the co-factor's motif is on the left
    start = left + np.where(cofactor & first, beside, 0)
    with_partner = np.flatnonzero(cofactor)
    partner_start = np.where(first, left, left + WIDTHS[motif] + gap)[with_partner]

    n_partners = len(with_partner)
    start = np.concatenate([middle - WIDTHS[pioneer] // 2, start, partner_start])
    nothing = np.zeros(n_partners, bool)
    found = Sites(
        start,
        np.concatenate([pioneer, motif, partner[with_partner]]),
        rng.integers(0, 2, len(start)) == 1,
        np.concatenate([np.ones(n_peaks, bool), is_open, is_open[with_partner]]),
        np.concatenate([np.zeros(n_peaks, bool), cofactor, nothing]),
        np.concatenate([np.ones(n_peaks, bool), bound, nothing]),
        np.concatenate([np.arange(n_peaks), peak, peak[with_partner]]),
        np.concatenate([np.full(n_peaks + len(motif), -1), n_peaks + with_partner]),
    )
    order = np.argsort(found.start, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of = np.where(found.of >= 0, rank[found.of], -1)  # rows move with their order
    return Sites._make(column[order] for column in found._replace(of=of)), pioneer


def _cells(
    name: str, length: int, middle: Ints, is_open: Flags, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """A stretch for each site, its start and its peak (-1 in closed DNA); none is used twice."""
    side = _FIRST_CELL + CELL * np.arange(_CELLS)
    offsets = np.concatenate([-side - CELL, side])
    open_cells = (middle[:, None] + offsets).ravel()
    open_peaks = np.repeat(np.arange(len(middle)), len(offsets))
    edges = np.concatenate([[_EDGE - _CLOSED], middle, [length - _EDGE + _CLOSED]])
    low, high = edges[:-1] + _CLOSED, edges[1:] - _CLOSED
    per_stretch = np.maximum((high - low) // CELL, 0)
    number = np.arange(per_stretch.sum()) - np.repeat(
        np.cumsum(per_stretch) - per_stretch, per_stretch
    )
    closed_cells = np.repeat(low, per_stretch) + CELL * number
    cell = np.empty(len(is_open), np.int64)
    peak = np.full(len(is_open), -1, np.int64)
    for which, cells, what in ((is_open, open_cells, "open"), (~is_open, closed_cells, "closed")):
        n = int(which.sum())
        if n > len(cells):
            raise InputError(
                f"--sites-per-tf: {n:,} sites in {what} DNA of {name}, which has room for "
                f"{len(cells):,}; ask for fewer sites, or for more peaks or longer contigs"
            )
        taken = rng.permutation(len(cells))[:n]
        cell[which] = cells[taken]
        if what == "open":
            peak[which] = open_peaks[taken]
    return cell, peak


def _background(
    length: int, middle: Ints, gc: tuple[float, float], rng: np.random.Generator
) -> Codes:
    """Independent bases, G and C more frequent in open DNA."""
    change = np.zeros(length + 1, np.int8)
    change[middle - REACH] += 1
    change[middle + REACH] -= 1
    share = np.where(np.cumsum(change[:-1]) > 0, np.float32(gc[0]), np.float32(gc[1]))
    strong = rng.random(length, np.float32) < share  # C or G, else A or T
    second = rng.integers(0, 2, length, np.uint8)
    return np.where(strong, second + 1, 3 * second).astype(np.uint8)


def _clear(codes: Codes, planted: Flags, sites: Sites, rng: np.random.Generator) -> None:
    """Change a base of every match that nobody planted, until there is none."""
    for _ in range(_ROUNDS):
        n_left = 0
        for number, word in enumerate(WORDS.values()):
            for minus in (False, True):
                part = (sites.motif == number) & (sites.minus == minus)
                at = np.setdiff1d(
                    matches(codes, word, minus=minus), sites.start[part], assume_unique=True
                )
                n_left += len(at)
                columns = at[:, None] + np.arange(len(word))
                strict = np.isin(_masks(word, minus=minus), _BIT)  # a complement is no match
                mine = ~planted[columns] & strict
                chosen = np.argmax(mine * rng.random(mine.shape), axis=1)
                at = columns[np.arange(len(at)), chosen][mine.any(axis=1)]
                codes[at] = 3 - codes[at]  # the complement: GC content stays
        if n_left == 0:
            return
    raise AssertionError("two planted words make a third")
