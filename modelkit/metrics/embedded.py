"""How well scores of bases find motifs that are known to be there.

The measures of Zheng et al. 2021 (AgentBind), Methods, "Model interpretation simulation
experiments", but for the run time; with k the number of a sequence's top bases, 5 % of them:

    accuracy         of the top bases, the share that lies in motifs
    recall           of the motifs, the share with at least half of their bases among the top
    auroc            of bases in motifs against all others, of all sequences together
    motif_auroc      the same with recall in place of the bases': a motif has the score of the base
                     that makes its half
    signal_to_noise  mean |score| in motifs / mean |score| of all other bases

The paper's fourth measure moves the threshold "in (3)", which may be either area. Higher scores
come first, so a score against the label does not count as found; the last measure alone takes |.|.

Bases of the *cores* (in the benchmark a motif that negatives have too) are in no numerator and no
denominator, and not among the k: ceil(5 % of the others).

Ties: tied bases come in any order with the same chance, and accuracy and recall are means over
these orders, by formula; the areas count a tie as one half. Nothing depends on where a base lies.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.metrics.labels import auroc

__all__ = ["TOP", "EmbeddedMetrics", "Motifs", "by_chance", "embedded_metrics", "perfect_scores"]

TOP = 0.05

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Motifs(NamedTuple):
    """Motifs that lie in sequences.

    Attributes
    ----------
    row : int64, shape (m,)
        The sequence.
    start, end : int64, shape (m,)
        bp in the sequence, 0-based half-open.
    """

    row: Ints
    start: Ints
    end: Ints


class EmbeddedMetrics(NamedTuple):
    """The measures; shares, not percent. No number (NaN) of what has nothing to be measured on.

    Attributes
    ----------
    accuracy, recall, auroc, motif_auroc, signal_to_noise : float
        `signal_to_noise` is infinite if all other bases have a score of 0.
    n_sequences, n_motifs : int
        That were measured.
    n_skipped : int
        Sequences whose scores are no numbers, left out with their motifs.
    """

    accuracy: float
    recall: float
    auroc: float
    motif_auroc: float
    signal_to_noise: float
    n_sequences: int
    n_motifs: int
    n_skipped: int


def embedded_metrics(
    scores: npt.ArrayLike, motifs: Motifs, *, cores: npt.ArrayLike | None = None, top: float = TOP
) -> EmbeddedMetrics:
    """Measure scores of bases.

    Parameters
    ----------
    scores : float, shape (n, P)
        Higher for bases that speak for the label. A row of NaN is left out and counted.
    motifs : Motifs
        They may overlap. What of them lies in a core does not count.
    cores : int, shape (n, 2), optional
        [start, end) of each sequence, whose bases are left out; by default none is.
    top : float
        Share of a sequence's bases that are its top ones; above 0, at most 1.

    Returns
    -------
    EmbeddedMetrics

    Raises
    ------
    ValueError
        Other shapes, motifs or cores beyond the sequences, a row of which some scores are no finite
        numbers.
    """
    values = np.asarray(scores, np.float64)
    counted, inside, sites = _placed(values.shape, motifs, cores, top)
    unknown = np.isnan(values)
    kept: Bools = np.asarray(~unknown.all(axis=1) | (values.shape[1] == 0))
    if not np.isfinite(values[kept]).all():
        row = int(np.flatnonzero(kept & ~np.isfinite(values).all(axis=1))[0])
        raise ValueError(
            f"scores: row {row} has NaN or infinity among its numbers, expected numbers, or NaN "
            "alone in a row that is to be left out"
        )
    counted &= kept[:, None]
    inside &= kept[:, None]
    sites = [site for site in sites if kept[site.row]]
    tops = [_Top.of(values[row, counted[row]], top) for row in range(len(values))]
    expected = sum(
        float(tops[row].chances(values[row, inside[row]]).sum()) for row in np.flatnonzero(kept)
    )
    n_top = sum(tops[row].k for row in np.flatnonzero(kept))
    found = [tops[site.row].half_chance(values[site.row, site.bases]) for site in sites]
    signal, noise = values[inside], values[counted & ~inside]
    halves = np.array([np.sort(values[s.row, s.bases])[-_half(len(s.bases))] for s in sites])
    return EmbeddedMetrics(
        accuracy=expected / n_top if n_top else np.nan,
        recall=float(np.mean(found)) if found else np.nan,
        auroc=_area(signal, noise),
        motif_auroc=_area(halves, noise),
        signal_to_noise=_ratio(signal, noise),
        n_sequences=int(kept.sum()),
        n_motifs=len(sites),
        n_skipped=int((~kept).sum()),
    )


def perfect_scores(shape: tuple[int, int], motifs: Motifs) -> Floats:
    """1 in motifs and 0 elsewhere, float64, shape (n, P): their measures are the ceilings."""
    _, inside, _ = _placed(shape, motifs, None, TOP)
    return inside.astype(np.float64)


def by_chance(
    shape: tuple[int, int],
    motifs: Motifs,
    *,
    cores: npt.ArrayLike | None = None,
    top: float = TOP,
) -> EmbeddedMetrics:
    """What scores that know nothing have in the mean: independent ones, without ties.

    `motif_auroc` is above a half: of w bases, the one that makes the half is the ceil(w / 2)th from
    the top, which is above a single other base with the chance (w + 1 - ceil(w / 2)) / (w + 1).

    Parameters
    ----------
    shape : (int, int)
        Of the scores.
    motifs, cores, top
        As of `embedded_metrics`.
    """
    constant = embedded_metrics(np.ones(shape), motifs, cores=cores, top=top)
    _, _, sites = _placed(shape, motifs, cores, top)
    widths = np.array([len(site.bases) for site in sites])
    half = -(-widths // 2)
    above = (widths + 1 - half) / (widths + 1)
    defined = not np.isnan(constant.motif_auroc)
    return constant._replace(motif_auroc=float(above.mean()) if defined else np.nan)


class _Site(NamedTuple):
    """Bases of a motif that count."""

    row: int
    bases: Ints


class _Top(NamedTuple):
    """The k highest of a sequence's scores: all above `least`, and some of the `n_tied` at it."""

    k: int
    least: float
    n_tied: int
    n_chosen: int  # of the tied

    @classmethod
    def of(cls, values: Floats, top: float) -> "_Top":
        # 9 decimals: 0.07 of 100 is not 7.000000000000001
        k = int(np.ceil(round(top * len(values), 9)))
        if not k:
            return cls(0, np.inf, 0, 0)
        least = float(np.partition(values, len(values) - k)[len(values) - k])
        n_above = int((values > least).sum())
        return cls(k, least, int((values == least).sum()), k - n_above)

    def chances(self, values: Floats) -> Floats:
        """That each of these bases is among the top."""
        tied = self.n_chosen / self.n_tied if self.n_tied else 0.0
        return np.where(values > self.least, 1.0, np.where(values == self.least, tied, 0.0))

    def half_chance(self, values: Floats) -> float:
        """That at least half of these bases are among the top."""
        from scipy.stats import hypergeom

        lacking = _half(len(values)) - int((values > self.least).sum())
        n_here = int((values == self.least).sum())
        if lacking <= 0:
            return 1.0
        if lacking > min(n_here, self.n_chosen):
            return 0.0
        return float(hypergeom.sf(lacking - 1, self.n_tied, n_here, self.n_chosen))


def _half(n: int) -> int:
    return -(-n // 2)


def _area(signal: Floats, noise: Floats) -> float:
    if not len(signal) or not len(noise):
        return np.nan
    labels = np.repeat([True, False], [len(signal), len(noise)])
    return float(auroc(labels, np.concatenate([signal, noise])))


def _ratio(signal: Floats, noise: Floats) -> float:
    if not len(signal) or not len(noise):
        return np.nan
    above, below = float(np.abs(signal).mean()), float(np.abs(noise).mean())
    if below == 0:
        return np.inf if above > 0 else np.nan
    return above / below


def _placed(
    shape: tuple[int, ...], motifs: Motifs, cores: npt.ArrayLike | None, top: float
) -> tuple[Bools, Bools, list[_Site]]:
    """Bases that count, those of them in motifs, and those of each motif that has any."""
    if len(shape) != 2:
        raise ValueError(f"scores: found shape {shape}, expected (sequences, bp)")
    if not 0 < top <= 1:
        raise ValueError(f"top: found {top}, expected above 0 and at most 1")
    n, length = shape
    row, start, end = (np.asarray(each, np.int64) for each in motifs)
    if not (
        row.ndim == 1
        and row.shape == start.shape == end.shape
        and ((row >= 0) & (row < n) & (start >= 0) & (start < end) & (end <= length)).all()
    ):
        raise ValueError(
            f"motifs: found some that are empty or beyond the {n} sequences of {length} bp, "
            "expected rows from 0 and 0 <= start < end <= length"
        )
    counted = np.ones((n, length), np.bool_)
    if cores is not None:
        spans = np.asarray(cores, np.int64)
        if spans.shape != (n, 2) or ((spans < 0) | (spans > length)).any():
            raise ValueError(
                f"cores: found shape {spans.shape}, or ends beyond {length} bp, expected start and "
                f"end in each of the {n} sequences"
            )
        at = np.arange(length)
        counted = ~((at >= spans[:, :1]) & (at < spans[:, 1:]))
    inside = np.zeros((n, length), np.bool_)
    sites = []
    for each, low, high in zip(row.tolist(), start.tolist(), end.tolist(), strict=True):
        inside[each, low:high] = True
        bases = low + np.flatnonzero(counted[each, low:high])
        if len(bases):
            sites.append(_Site(each, bases))
    return counted, inside & counted, sites
