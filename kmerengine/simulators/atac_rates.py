"""How often each base of a simulated ATAC experiment is cut, exactly.

Bases have weights, and fragments have a law:

    w(x) = bias(x) * (1 + sum of peaks, A exp(-(x - summit)^2 / 2 SIGMA^2)) * footprints(x)
    P(fragment cut at x and x + d) ~ w(x) w(x + d) L(d)

With probability `NEIGHBOUR` a fragment has a neighbour in the library: from the same right cut y
to y + d, with probability ~ w(y + d) L(d). So both come from one transposition, whose two cuts lie
9 bp apart: in half-open rows [left cut - 4, right cut + 5) neighbours share 9 bp. With

    S(x) = sum_d w(x + d) L(d)      R(x) = w(x) sum_d w(x - d) L(d)

the expected cuts per primary fragment are, up to Z = sum w S,

    w S + R + NEIGHBOUR (R + w conv(R / S, L))
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.simulators.atac_genome import FIRST_TF, WIDTHS, Contig
from kmerengine.simulators.sequences import IUPAC, Codes

Floats = npt.NDArray[np.float64]

TN5 = "AGNTYWRANCT"  # consensus around the middle of the duplication; it is its own complement
BEFORE, AFTER = 4, 5  # bp of a half-open fragment outside its cuts: cuts are start + 4, end - 5
SIGMA = 90.0  # bp, of a peak
NEIGHBOUR = 0.2
SHOULDER = 12  # bp on each side of a footprint; they gain what the dip loses
DIP = 2  # bp on each side of a motif that a bound factor covers
SHORTEST, LONGEST = 38, 700  # bp, fragments
MARGIN = 20  # bp at the ends of a contig that are not cut

_MATCH, _MISMATCH = 0.6, -0.2  # of a base; mean 0 in uniform DNA
_MATCH_TWO = 0.3  # of one of two bases; else as much less


class CellType(NamedTuple):
    """What differs between cell types.

    Attributes
    ----------
    name : str
    activity : float64, shape (n_words,)
        Of each factor, 0 to 1; 0 where the cell type lacks it.
    footprint : float64, shape (n_words,)
        Share of cuts that a bound factor keeps off its motif.
    """

    name: str
    activity: Floats
    footprint: Floats


def length_law() -> Floats:
    """L: probability of each distance between the two cuts of a fragment, shape (LONGEST - 8,).

    Fragments of DNA without nucleosomes, about 60 %, rise to about 55 bp and fall off
    exponentially; those around one, two and three nucleosomes lie about 195, 385 and 575 bp.
    All have a wave of the helix's 10.4 bp.
    """
    bp = np.arange(LONGEST + 1, dtype=np.float64)
    law = np.where(bp >= SHORTEST, 1 - np.exp(-(bp - SHORTEST + 1) / 12), 0) * np.exp(-bp / 45)
    law *= 0.6 / law.sum()
    for share, mean, spread in ((0.28, 195, 22), (0.09, 385, 35), (0.03, 575, 45)):
        hump = np.exp(-0.5 * ((bp - mean) / spread) ** 2)
        law += share * hump / hump.sum()
    law *= (1 + 0.15 * np.cos(2 * np.pi * (bp - 50) / 10.4)) * (bp >= SHORTEST)
    found: Floats = law[BEFORE + AFTER :] / law.sum()
    return found


def tn5_bias(codes: Codes, strength: float) -> Floats:
    """Logarithm of each base's preference as the middle of a transposition, shape (n,).

    0 within 5 bp of the ends. Its mean preference over all bases is 1, its strands are the same.
    """
    half = len(TN5) // 2
    score = np.zeros(len(codes))
    n = len(codes) - 2 * half
    for offset, letter in enumerate(TN5):
        two = len(IUPAC[letter]) == 2
        match, mismatch = (_MATCH_TWO, -_MATCH_TWO) if two else (_MATCH, _MISMATCH)
        if letter != "N":
            gain = np.array([match if base in IUPAC[letter] else mismatch for base in "ACGT"])
            score[half : half + n] += gain[codes[offset : offset + n]]
    score *= strength
    found: Floats = score - np.log(np.exp(score).mean())
    return found


def footprints(contig: Contig, cell: CellType) -> tuple[Floats, npt.NDArray[np.float32]]:
    """The factor of each base, shape (n,), and the depth of each site's dip, shape (n_sites,)."""
    sites = contig.sites
    depth = np.where(sites.bound, cell.footprint[sites.motif], 0.0)
    factor = np.ones(len(contig.codes))
    for width in np.unique(WIDTHS):
        part = (depth > 0) & (WIDTHS[sites.motif] == width)
        dip = width + 2 * DIP
        shape = np.concatenate([np.full(SHOULDER, dip / (2 * SHOULDER)), np.full(dip, -1.0)])
        shape = np.concatenate([shape, shape[:SHOULDER]])
        at = sites.start[part, None] - DIP - SHOULDER + np.arange(len(shape))
        np.multiply.at(factor, at, 1 + depth[part, None] * shape)
    return factor, depth.astype(np.float32)


def accessibility(
    contig: Contig, cell: CellType, strength: Floats, signal: float, gain: float
) -> Floats:
    """A of each peak: its cuts go with both ends of a fragment, so with the square of A."""
    sites = contig.sites
    part = sites.bound & (sites.peak >= 0) & (sites.motif >= FIRST_TF)
    helpers = np.bincount(sites.peak[part], cell.activity[sites.motif[part]], len(strength))
    found: Floats = signal * np.sqrt(
        strength * cell.activity[contig.pioneer] * (1 + gain * helpers)
    )
    return found


def weights(
    contig: Contig, preference: npt.NDArray[np.float32], heights: Floats, footprint: Floats
) -> Floats:
    """w, shape (n,); `preference` is the exponential of the bias."""
    envelope = np.ones(len(contig.codes))
    reach = int(5 * SIGMA)
    shape = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SIGMA) ** 2)
    for summit, height in zip(contig.summits.tolist(), heights.tolist(), strict=True):
        low, high = max(0, summit - reach), min(len(envelope), summit + reach + 1)
        envelope[low:high] += height * shape[low - summit + reach : high - summit + reach]
    found = preference * envelope * footprint
    found[:MARGIN] = 0
    found[-MARGIN:] = 0
    return found


def partners(w: Floats, law: Floats) -> Floats:
    """S: the weight of all second cuts of each first one, shape (n,)."""
    from scipy.signal import oaconvolve

    found: Floats = oaconvolve(w, law[::-1])[len(law) - 1 :]
    found[len(w) - MARGIN - (SHORTEST - BEFORE - AFTER) :] = 0  # nothing lies there: rounding
    return np.maximum(found, 0)


def expected_cuts(w: Floats, law: Floats) -> tuple[Floats, float]:
    """Expected cuts of each base times Z, shape (n,), and Z."""
    from scipy.signal import oaconvolve

    s = partners(w, law)
    right = w * np.maximum(oaconvolve(w, law)[: len(w)], 0)
    right[: MARGIN + SHORTEST - BEFORE - AFTER] = 0
    shared = np.divide(right, s, out=np.zeros(len(w)), where=s > 0)  # of a neighbour per weight
    third = w * np.maximum(oaconvolve(shared, law)[: len(w)], 0)
    left = w * s
    return left + right + NEIGHBOUR * (right * (s > 0) + third), float(left.sum())
