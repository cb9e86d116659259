"""Gapped k-mer counts and Tn5 cut profiles for ATAC-seq, in Arrow and Parquet."""

from typing import TYPE_CHECKING

from kmerengine._lazy import lazily

if TYPE_CHECKING:
    from kmerengine._count import count, count_sequences
    from kmerengine._cuts import cuts
    from kmerengine._profiles import profiles
    from kmerengine._vocab import vocab
    from kmerengine.counts import KmerCounts
    from kmerengine.cut_track import CutTrack
    from kmerengine.errors import InputError
    from kmerengine.io.bindvae import read_id_lists, read_vocabulary
    from kmerengine.simulators.koo import simulate_koo
    from kmerengine.simulators.peaks import simulate_peaks
    from kmerengine.total_counts import KmerTotals
    from kmerengine.vocabulary import Vocabulary

__all__ = [
    "CutTrack",
    "InputError",
    "KmerCounts",
    "KmerTotals",
    "Vocabulary",
    "count",
    "count_sequences",
    "cuts",
    "profiles",
    "read_id_lists",
    "read_vocabulary",
    "simulate_koo",
    "simulate_peaks",
    "vocab",
]

__getattr__ = lazily(
    __name__,
    {
        "CutTrack": "kmerengine.cut_track",
        "InputError": "kmerengine.errors",
        "KmerCounts": "kmerengine.counts",
        "KmerTotals": "kmerengine.total_counts",
        "Vocabulary": "kmerengine.vocabulary",
        "count": "kmerengine._count",
        "count_sequences": "kmerengine._count",
        "cuts": "kmerengine._cuts",
        "profiles": "kmerengine._profiles",
        "read_id_lists": "kmerengine.io.bindvae",
        "read_vocabulary": "kmerengine.io.bindvae",
        "simulate_koo": "kmerengine.simulators.koo",
        "simulate_peaks": "kmerengine.simulators.peaks",
        "vocab": "kmerengine._vocab",
    },
)
