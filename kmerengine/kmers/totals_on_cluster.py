"""Word totals of a genome on a cluster: tables of its pieces, added up."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.cluster import Scheduler, connected
from kmerengine.errors import InputError
from kmerengine.io.code_stream import Tallied
from kmerengine.io.fasta import Genome
from kmerengine.kmers.options import CountOptions
from kmerengine.motifs.pieces import Batch, Pieces, Places
from native_kernels.kmer_count import MAX_TABLE_K, Tally, word_dtype

SHARE_BASES = 1 << 26  # in a piece of work; its words of k = 12 are 100 MB at most

Found = tuple[npt.NDArray[Any], npt.NDArray[np.uint64]]  # words that occur, ascending; counts


@dataclass(frozen=True)
class TotalsOnWorker:
    """Called on a worker: opens the genome, for places whose windows are counted together."""

    genome: Path
    k: int
    stranded: bool

    def __call__(self) -> Callable[[Places], Found]:
        genome = Genome.open(self.genome)

        def work(places: Places) -> Found:
            batch = Batch.read(genome, places)
            tally = Tally(self.k, stranded=self.stranded)
            tally.add(np.insert(batch.codes, batch.offsets[1:-1], 255))  # windows end with a piece
            return tally.result()

        return work


def words_on_cluster(
    genome: Path, options: CountOptions, scheduler: Scheduler
) -> tuple[Tallied, list[Found]]:
    """What the genome held, and all its words; InputError for k of more than 12."""
    vocabulary, k = options.vocabulary, options.vocabulary.k
    if k > MAX_TABLE_K:
        raise InputError(
            f"scheduler: found with totals of k = {k}, whose words of a whole genome are sorted "
            f"together; expected k of at most {MAX_TABLE_K}, REGIONS, or no scheduler"
        )
    total = np.zeros(4**k, np.uint64)
    with Genome.open(genome) as opened:
        held = Tallied(len(opened.contigs), sum(opened.contigs.values()))
        if held.bases == 0:
            raise InputError(f"{genome}: {held.records} records without a base, expected sequences")
        with connected(scheduler, opened) as cluster:
            assert cluster is not None
            found = cluster.in_order(
                TotalsOnWorker(genome.absolute(), k, vocabulary.stranded),
                Pieces.of_genome(opened, k).places(SHARE_BASES),
                progress=options.progress, size=lambda places: places.n_bases, of=held.bases,
            )  # fmt: skip
            with closing(found):
                for words, counts in found:
                    total[words] += counts
    present = np.flatnonzero(total)
    return held, [(present.astype(word_dtype(k)), total[present])]
