"""Which motifs one of two models goes by more often than the other: Fisher's exact test.

Of each motif the table is [[n, m], [N - n, M - m]]: n of the N units of one model have it, m of the
M of the other. Units are *sequences* (as bpAI-TAC's notebook counts), *lineages*, that is pairs of
a sequence and a target (its paper: "counting motifs in all lineages"), or the *seqlets* themselves.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.interpretation.motifs.presets import Count

__all__ = ["Counts", "count_units", "fisher_greater"]

Ints = npt.NDArray[np.int64]


class Counts(NamedTuple):
    """Units of each motif and model, and of each model."""

    seqlets: Ints  # (motifs, models)
    units: Ints  # (motifs, models)
    of: Ints  # (models,)


def count_units(
    motif: Ints,
    model: Ints,
    example: Ints,
    target: Ints,
    *,
    n_motifs: int,
    sizes: Sequence[tuple[int, int]],
    unit: Count,
) -> Counts:
    """Count units with a seqlet of each motif.

    Parameters
    ----------
    motif, model, example, target : int64, shape (n,)
        Of each seqlet.
    n_motifs : int
    sizes : sequence of (int, int)
        Examples and targets of each model.
    unit : "lineages", "sequences" or "seqlets"
    """
    shape = (n_motifs, len(sizes))
    seqlets = np.zeros(shape, np.int64)
    np.add.at(seqlets, (motif, model), 1)
    if unit == "seqlets":
        return Counts(seqlets, seqlets, seqlets.sum(0))
    place = np.zeros_like(target) if unit == "sequences" else target
    distinct = np.unique(np.stack([motif, model, example, place]), axis=1)
    units = np.zeros(shape, np.int64)
    np.add.at(units, (distinct[0], distinct[1]), 1)
    of = [n if unit == "sequences" else n * n_targets for n, n_targets in sizes]
    return Counts(seqlets, units, np.array(of, np.int64))


def fisher_greater(n: Ints, of_n: int, m: Ints, of_m: int) -> npt.NDArray[np.float64]:
    """One-sided p-values: that n of `of_n` is as much or more, given n + m of `of_n` + `of_m`."""
    from scipy.stats import hypergeom

    p: npt.NDArray[np.float64] = np.asarray(
        hypergeom.sf(n - 1, of_n + of_m, n + m, of_n), np.float64
    )
    return np.minimum(p, 1.0)
