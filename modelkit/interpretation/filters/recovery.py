"""How many filters of a network are known motifs, and how many those of the factors that matter.

Koo and Eddy 2019, Table 1, of n filters and the hits of Tomtom at E <= 0.1 in JASPAR:

    matched  = filters with any hit / n                                     "JASPAR %"
    relevant = filters with any hit among the accepted motifs / n           "Relevant %"

Any hit counts, not the best one alone. A filter without a motif (one that never fires) is among
the n and matches nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kmerengine.errors import InputError
from modelkit.interpretation.motifs.naming import MotifMatches

__all__ = ["Recovery", "recovery"]


class Recovery(NamedTuple):
    """What filters were found to be.

    Attributes
    ----------
    n_filters : int
    matched : float
        Share of the filters with any hit.
    relevant : float
        Share of the filters with a hit among the accepted motifs of any factor.
    by_factor : dict of str to tuple of str
        Filters with a hit among the motifs of each factor, in the order of the matches. A filter
        may stand under several factors; one without any is not found at all.
    """

    n_filters: int
    matched: float
    relevant: float
    by_factor: dict[str, tuple[str, ...]]

    @property
    def recovered(self) -> int:
        """Factors that at least one filter found."""
        return sum(map(bool, self.by_factor.values()))


def recovery(matches: MotifMatches, n_filters: int, truth: Mapping[str, Sequence[str]]) -> Recovery:
    """Count the filters that are known motifs, and those of given factors.

    Parameters
    ----------
    matches : MotifMatches
        Of the filters in a database, cut as wanted: `tomtom(filters, database, e=0.1)`.
    n_filters : int
        All filters of the layer, with and without a motif.
    truth : mapping of str to sequence of str
        Accepted names of the database's motifs by factor, such as `KOO_TRUTH`.

    Returns
    -------
    Recovery

    Raises
    ------
    InputError
        No filters, or fewer than have matches; no accepted names.
    """
    rows = matches.table.select(["query", "target"]).to_pylist()
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["query"], set()).add(row["target"])
    if n_filters < max(1, len(found)):
        raise InputError(
            f"n_filters: found {n_filters}, expected all filters of the layer: at least "
            f"{max(1, len(found))}, as many have matches"
        )
    if not any(truth.values()):
        raise InputError("truth: found no names of motifs, expected those of at least one factor")
    by_factor = {
        factor: tuple(name for name, targets in found.items() if not targets.isdisjoint(accepted))
        for factor, accepted in truth.items()
    }
    relevant = {name for names in by_factor.values() for name in names}
    return Recovery(n_filters, len(found) / n_filters, len(relevant) / n_filters, by_factor)
