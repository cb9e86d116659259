"""DeepATAC's whole pipeline on real reads: yeast, with motifs in peaks for labels.

    python -m bench.deepatac_yeast [--output FOLDER]

The labels are a function of the bases and of the cuts that made the peaks: this shows that the path
holds with real data, and its AUPRC says nothing about how well binding is predicted. It writes
docs/figures/deepatac_yeast.png. The data folder is that of the tests, $KMERENGINE_DATA.
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl

import kmerengine
import modelkit
from bench.data import WORK
from bench.harness import say
from bench.machine import ROOT
from kmerengine import Motif
from kmerengine.io.contigs import read_contigs
from kmerengine.simulators.sequences import consensus_matrix

__all__ = ["MOTIFS", "SPLIT", "WIDTH", "Prepared", "prepare"]

DATA = Path(os.environ.get("KMERENGINE_DATA", ROOT.parent / "shared" / "data"))
FIGURE = ROOT / "docs" / "figures" / "deepatac_yeast.png"
WIDTH = 200  # bp
SPLIT = ("validation=chrXII", "test=chrIV")
EXPLAINED = "REB1"
# consensus words of general regulatory factors, which keep nucleosomes off
MOTIFS = {"ABF1": "RTCRYNNNNNACG", "RAP1": "ACACCCRYACAY", "REB1": "TTACCCGG"}
CONFIG = [
    "network.filters=[24, 32, 48]", "network.dense=32", "network.dropouts=[0.1, 0.1, 0.2]",
    "network.norm_momentum=0.1", "data.reverse_complement=true", "training.batch_size=32",
    "training.learning_rate=2e-3",
]  # fmt: skip


class Prepared(NamedTuple):
    """Inputs of the pipeline."""

    genome: Path
    reads: Path
    peaks: Path
    regions: Path
    labels: dict[str, Path]


def prepare(data: Path, folder: Path) -> Prepared:
    """Windows around motifs in peaks, and labels: those of each motif.

    Raises
    ------
    InputError
        Without the data.
    """
    genome, peaks = data / "yeast" / "sacCer3.fa.gz", data / "yeast" / "yeast_peaks.narrowPeak"
    folder.mkdir(parents=True, exist_ok=True)
    motifs = [Motif(name=n, probabilities=consensus_matrix(w)) for n, w in MOTIFS.items()]
    hits = kmerengine.scan(genome, motifs, p=1e-4, strands="best", background="genome", threads=1)
    table = hits.to_polars().with_columns(pl.col("chrom", "motif").cast(pl.String))
    middle = (pl.col("start") + pl.col("end")) // 2
    sizes = pl.DataFrame(list(read_contigs(genome).items()), ["chrom", "size"], orient="row")
    table = table.join(sizes, on="chrom").with_columns(low=middle - WIDTH // 2)
    table = table.filter((pl.col("low") >= 0) & (pl.col("low") + WIDTH <= pl.col("size")))
    listed = pl.read_csv(peaks, separator="\t", has_header=False)
    opened = listed.select(pl.nth(0).alias("chrom"), pl.nth(1).alias("from"), pl.nth(2).alias("to"))
    inside = table.join(opened, on="chrom").filter(middle.is_between("from", pl.col("to") - 1))
    labels = {}
    for name in MOTIFS:
        labels[name] = folder / f"{name}.bed"
        _write(labels[name], inside.filter(pl.col("motif") == name))
    _write(folder / "windows.bed", inside)
    return Prepared(genome, data / "yeast" / "atac.bedpe.gz", peaks, folder / "windows.bed", labels)


def _write(path: Path, places: pl.DataFrame) -> None:
    rows = places.select("chrom", start="low", end=pl.col("low") + WIDTH).unique().sort(pl.all())
    rows.write_csv(path, separator="\t", include_header=False)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.deepatac_yeast", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--output", type=Path, default=WORK / "deepatac-yeast")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    made = prepare(DATA, options.output.with_name(options.output.name + ".inputs"))
    found = modelkit.pipeline_deepatac(
        made.genome, made.regions, made.labels, options.output, samples=[made.reads],
        split=SPLIT, peaks=made.peaks, explain=[EXPLAINED], at_least=0.5, steps=200,
        changes=[*CONFIG, f"training.epochs={options.epochs}"], device="cpu", threads=1, say=say,
    )  # fmt: skip
    shutil.copyfile(found.path / "figures" / f"{EXPLAINED}.png", FIGURE)
    say(f"{FIGURE}: drawn")


if __name__ == "__main__":
    main()
