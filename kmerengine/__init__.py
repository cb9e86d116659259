"""Gapped k-mer counts and Tn5 cut profiles for ATAC-seq, in Arrow and Parquet."""

from typing import TYPE_CHECKING

from kmerengine._lazy import lazily

if TYPE_CHECKING:
    from kmerengine._array_dataset import dataset_from_arrays, deepsea
    from kmerengine._count import count, count_sequences
    from kmerengine._cuts import cuts
    from kmerengine._dataset import dataset
    from kmerengine._profiles import profiles
    from kmerengine._qc import QualityReport, qc
    from kmerengine._sample_sites import sample_sites
    from kmerengine._sample_windows import sample_windows
    from kmerengine._scan import scan
    from kmerengine._vocab import vocab
    from kmerengine.counts import KmerCounts
    from kmerengine.cut_signal import SignalFiles
    from kmerengine.cut_track import CutTrack
    from kmerengine.dataset_folder import Dataset
    from kmerengine.errors import InputError
    from kmerengine.io.bindvae import read_id_lists, read_vocabulary
    from kmerengine.io.fimo import read_fimo
    from kmerengine.io.meme import write_meme
    from kmerengine.io.motif_files import read_motifs
    from kmerengine.motif_hits import MotifHits
    from kmerengine.motifs import Motif
    from kmerengine.sampling.output import Sample
    from kmerengine.simulators.atac import simulate_atac
    from kmerengine.simulators.gata_tal import simulate_gata_tal
    from kmerengine.simulators.kmers import simulate_kmers
    from kmerengine.simulators.koo import simulate_koo
    from kmerengine.simulators.peaks import simulate_peaks
    from kmerengine.total_counts import KmerTotals
    from kmerengine.vocabulary import Vocabulary

__all__ = [
    "CutTrack",
    "Dataset",
    "InputError",
    "KmerCounts",
    "KmerTotals",
    "Motif",
    "MotifHits",
    "QualityReport",
    "Sample",
    "SignalFiles",
    "Vocabulary",
    "count",
    "count_sequences",
    "cuts",
    "dataset",
    "dataset_from_arrays",
    "deepsea",
    "profiles",
    "qc",
    "read_fimo",
    "read_id_lists",
    "read_motifs",
    "read_vocabulary",
    "sample_sites",
    "sample_windows",
    "scan",
    "simulate_atac",
    "simulate_gata_tal",
    "simulate_kmers",
    "simulate_koo",
    "simulate_peaks",
    "vocab",
    "write_meme",
]

__getattr__ = lazily(
    __name__,
    {
        "CutTrack": "kmerengine.cut_track",
        "Dataset": "kmerengine.dataset_folder",
        "InputError": "kmerengine.errors",
        "KmerCounts": "kmerengine.counts",
        "KmerTotals": "kmerengine.total_counts",
        "Motif": "kmerengine.motifs",
        "MotifHits": "kmerengine.motif_hits",
        "QualityReport": "kmerengine._qc",
        "Sample": "kmerengine.sampling.output",
        "SignalFiles": "kmerengine.cut_signal",
        "Vocabulary": "kmerengine.vocabulary",
        "count": "kmerengine._count",
        "count_sequences": "kmerengine._count",
        "cuts": "kmerengine._cuts",
        "dataset": "kmerengine._dataset",
        "dataset_from_arrays": "kmerengine._array_dataset",
        "deepsea": "kmerengine._array_dataset",
        "profiles": "kmerengine._profiles",
        "qc": "kmerengine._qc",
        "read_fimo": "kmerengine.io.fimo",
        "read_id_lists": "kmerengine.io.bindvae",
        "read_motifs": "kmerengine.io.motif_files",
        "read_vocabulary": "kmerengine.io.bindvae",
        "sample_sites": "kmerengine._sample_sites",
        "sample_windows": "kmerengine._sample_windows",
        "scan": "kmerengine._scan",
        "simulate_atac": "kmerengine.simulators.atac",
        "simulate_gata_tal": "kmerengine.simulators.gata_tal",
        "simulate_kmers": "kmerengine.simulators.kmers",
        "simulate_koo": "kmerengine.simulators.koo",
        "simulate_peaks": "kmerengine.simulators.peaks",
        "vocab": "kmerengine._vocab",
        "write_meme": "kmerengine.io.meme",
    },
)
