"""A small data set of two samples, for tests that train."""

from pathlib import Path

import numpy as np

import kmerengine
from kmerengine import Dataset
from kmerengine.io.bigwig import write_bigwig

CONTIG = 6_000  # bp
WIDTH, WINDOW = 120, 40

# a network of a few hundred weights, and a few steps
SMALL = [
    "network.channels=6", "network.blocks=2", "network.stem_width=5", "network.head_width=5",
    "network.pools=[2, 2, 2]", "training.batch_size=8", "training.epochs=3", "training.warm_up=4",
]  # fmt: skip


def make_data(
    folder: Path,
    *,
    n_samples: int = 2,
    samples: tuple[int, ...] = (),
    shift: str = "+4/-4",
    seed: int = 5,
    **options: object,
) -> Dataset:
    """Regions on three contigs, a split each; cuts prefer the second half of every region."""
    rng = np.random.default_rng(seed)
    names = ("chr1", "chr2", "chr3")
    letters = {name: "".join(rng.choice(list("ACGT"), CONTIG)) for name in names}
    (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in letters.items()))
    starts = np.arange(200, CONTIG - 400, 140)
    (folder / "peaks.bed").write_text(
        "".join(f"{name}\t{s}\t{s + WIDTH}\n" for name in names for s in starts)
    )
    files = []
    for sample in samples or range(n_samples):
        rows = []
        for name in names:
            ends = rng.choice(starts, 1500) + rng.integers(55, 85, 1500)
            low = np.maximum(0, ends - rng.integers(35, 80, 1500))
            rows += sorted((name, int(s), int(e)) for s, e in zip(low, ends, strict=True))
        file = folder / f"s{sample}.tsv"
        file.write_text("".join(f"{n}\t{s}\t{e}\tx\t1\n" for n, s, e in rows))
        files.append(file)
    kmerengine.cuts(
        files, output=folder / "c.parquet", input_shift="none", shift=shift,
        genome=folder / "g.fa",
    )  # fmt: skip
    bias = [(n, np.arange(CONTIG), rng.normal(size=CONTIG).astype(np.float32)) for n in names]
    write_bigwig(folder / "b.bw", dict.fromkeys(names, CONTIG), bias)
    given = {
        "genome": folder / "g.fa", "cuts": folder / "c.parquet", "bias": folder / "b.bw",
        "split": ["validation=chr2", "test=chr3"], "width": WIDTH, "window": WINDOW,
        "output": folder / "d",
    }  # fmt: skip
    return kmerengine.dataset(folder / "peaks.bed", **(given | options))
