"""A simulated ATAC-seq experiment: its size, tables and cuts."""

import numpy as np
import pyarrow.parquet as pq

import kmerengine

SIZE = {
    "n_contigs": 2, "contig_length": 1_000_000, "n_cell_types": 3, "n_peaks": 400, "n_decoys": 400,
}  # fmt: skip
CELLS = ["cell_1", "cell_2", "cell_3"]


def counted(made, output):
    track = kmerengine.cuts(made.bams, output=output)
    counts = np.zeros((len(track.samples), len(track.contigs), 1_000_000), np.int64)
    for i, sample in enumerate(track.samples):
        for j, contig in enumerate(track.contigs):
            position, _, count = track.cuts(sample, contig)
            np.add.at(counts[i, j], position, count)
    return track, counts


def table(path):
    columns = pq.read_table(path).to_pydict()
    return {
        name: np.array(values) if None not in values else values for name, values in columns.items()
    }


def totals(made, counts):
    """Cuts in 250 bp around each summit, shape (peaks, cell types)."""
    peaks = table(made.peak_truth)
    return np.array([
        counts[:, int(chrom == "chr2"), summit - 125 : summit + 125].sum(axis=1)
        for chrom, summit in zip(peaks["chrom"], peaks["summit"], strict=True)
    ])  # fmt: skip
