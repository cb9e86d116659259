"""Gapped k-mer counts and Tn5 cut profiles for ATAC-seq, in Arrow and Parquet."""

from typing import TYPE_CHECKING

from kmerengine._lazy import lazily

if TYPE_CHECKING:
    from kmerengine.cut_profiles.profiles import profiles
    from kmerengine.cut_sites.cuts import cuts
    from kmerengine.cut_sites.signal import SignalFiles
    from kmerengine.cut_sites.track import CutTrack
    from kmerengine.datasets.dataset import dataset
    from kmerengine.datasets.folder import Dataset
    from kmerengine.datasets.from_arrays import dataset_from_arrays, deepsea
    from kmerengine.datasets.from_sequences import dataset_from_sequences
    from kmerengine.datasets.from_sites import dataset_from_sites
    from kmerengine.errors import InputError
    from kmerengine.kmers.bindvae import read_id_lists, read_vocabulary
    from kmerengine.kmers.count import count, count_sequences
    from kmerengine.kmers.counts import KmerCounts
    from kmerengine.kmers.total_counts import KmerTotals
    from kmerengine.kmers.vocab import vocab
    from kmerengine.kmers.vocabulary import Vocabulary
    from kmerengine.motifs.files import read_motifs
    from kmerengine.motifs.fimo import read_fimo
    from kmerengine.motifs.hits import MotifHits
    from kmerengine.motifs.marginal import marginal_sequences
    from kmerengine.motifs.meme import write_meme
    from kmerengine.motifs.motif import Motif
    from kmerengine.motifs.scan import scan
    from kmerengine.quality.qc import QualityReport, qc
    from kmerengine.sampling.output import Sample
    from kmerengine.sampling.sites import sample_sites
    from kmerengine.sampling.windows import sample_windows
    from kmerengine.simulators.atac import simulate_atac
    from kmerengine.simulators.gata_tal import simulate_gata_tal
    from kmerengine.simulators.kmers import simulate_kmers
    from kmerengine.simulators.koo import simulate_koo
    from kmerengine.simulators.peaks import simulate_peaks

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
    "dataset_from_sequences",
    "dataset_from_sites",
    "deepsea",
    "marginal_sequences",
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
        "CutTrack": "kmerengine.cut_sites.track",
        "Dataset": "kmerengine.datasets.folder",
        "InputError": "kmerengine.errors",
        "KmerCounts": "kmerengine.kmers.counts",
        "KmerTotals": "kmerengine.kmers.total_counts",
        "Motif": "kmerengine.motifs.motif",
        "MotifHits": "kmerengine.motifs.hits",
        "QualityReport": "kmerengine.quality.qc",
        "Sample": "kmerengine.sampling.output",
        "SignalFiles": "kmerengine.cut_sites.signal",
        "Vocabulary": "kmerengine.kmers.vocabulary",
        "count": "kmerengine.kmers.count",
        "count_sequences": "kmerengine.kmers.count",
        "cuts": "kmerengine.cut_sites.cuts",
        "dataset": "kmerengine.datasets.dataset",
        "dataset_from_arrays": "kmerengine.datasets.from_arrays",
        "dataset_from_sequences": "kmerengine.datasets.from_sequences",
        "dataset_from_sites": "kmerengine.datasets.from_sites",
        "deepsea": "kmerengine.datasets.from_arrays",
        "marginal_sequences": "kmerengine.motifs.marginal",
        "profiles": "kmerengine.cut_profiles.profiles",
        "qc": "kmerengine.quality.qc",
        "read_fimo": "kmerengine.motifs.fimo",
        "read_id_lists": "kmerengine.kmers.bindvae",
        "read_motifs": "kmerengine.motifs.files",
        "read_vocabulary": "kmerengine.kmers.bindvae",
        "sample_sites": "kmerengine.sampling.sites",
        "sample_windows": "kmerengine.sampling.windows",
        "scan": "kmerengine.motifs.scan",
        "simulate_atac": "kmerengine.simulators.atac",
        "simulate_gata_tal": "kmerengine.simulators.gata_tal",
        "simulate_kmers": "kmerengine.simulators.kmers",
        "simulate_koo": "kmerengine.simulators.koo",
        "simulate_peaks": "kmerengine.simulators.peaks",
        "vocab": "kmerengine.kmers.vocab",
        "write_meme": "kmerengine.motifs.meme",
    },
)
