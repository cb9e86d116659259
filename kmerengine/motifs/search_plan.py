"""A search as it is written down: what makes the same `Search` again, here or on a worker."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kmerengine.io.fasta import Genome
from kmerengine.motifs.motif import Motif
from kmerengine.motifs.pieces import Batch, Places
from kmerengine.motifs.scores import MotifScores
from kmerengine.motifs.search import Search, Strands


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchPlan:
    """Motifs and how they are scored; the tables of scores, which are large, are made of it.

    Attributes
    ----------
    motifs : list of Motif
    frequencies : float64, shape (4,), or None
        The background; None for each motif's own.
    pseudocount, p, strands, sequence
        As in `kmerengine.scan`.
    contigs : list of str
        Of the genome.
    """

    motifs: list[Motif]
    frequencies: npt.NDArray[np.float64] | None
    pseudocount: float
    p: float
    strands: Strands
    sequence: bool
    contigs: list[str]

    def scores(self) -> list[MotifScores]:
        """Scores against the background; where both strands are scanned it is the same for both."""
        scored = []
        for motif in self.motifs:
            own = motif.background if self.frequencies is None else self.frequencies
            background = own if self.strands == "plus" else (own + own[::-1]) / 2
            scored.append(MotifScores.of(motif, background, self.pseudocount))
        return scored

    def search(self, scores: list[MotifScores]) -> Search:
        """The search for motifs of these scores."""
        return Search(scores, self.p, self.strands, self.contigs, sequence=self.sequence)


@dataclass(frozen=True, eq=False)
class SearchOnWorker:
    """Called on a worker: opens the genome and the search, for places of its pieces.

    Attributes
    ----------
    genome : Path
    plan : SearchPlan
    what : "hits", "best" or "tally"
        The method of `Search`.
    q : float64 array, optional
        Of `Search`.
    """

    genome: Path
    plan: SearchPlan
    what: Literal["hits", "best", "tally"]
    q: npt.NDArray[np.float64] | None = None

    def __call__(self) -> Callable[[Places], Any]:
        genome = Genome.open(self.genome)
        search = self.plan.search(self.plan.scores())
        search.q = self.q
        method = getattr(search, self.what)
        return lambda places: method(Batch.read(genome, places))
