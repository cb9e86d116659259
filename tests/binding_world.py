"""What tests of models of bases and cuts share: a genome with words and cuts, small networks."""

from pathlib import Path

import numpy as np

import kmerengine
from kmerengine import Dataset
from modelkit.config import Config
from modelkit.config_files import read_config

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
WORDS = {"gata": "AGATAAGG", "tal": "CAGCTGTT"}
CONTIGS = ("chr1", "chr2", "chr3")
SIZE, WIDTH = 6_000, 64  # bp
SPLIT = ["validation=chr2", "test=chr3"]

SMALL = [
    "network.filters=[6, 8]", "network.widths=[8, 8]", "network.pools=[4, 4]",
    "network.dropouts=[0.0, 0.0]", "network.dense=12", "network.norm_momentum=0.1",
    "training.batch_size=16", "training.epochs=2",
]  # fmt: skip


class World:
    """Letters, fragments of two samples and windows; and the data set that is made of them.

    Word `gata` lies in every second window, `tal` in every third; labels are files of regions.
    """

    def __init__(self, folder: Path, *, seed: int = 3, **options: object) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        rng = np.random.default_rng(seed)
        self.windows = [(c, s) for c in CONTIGS for s in range(100, SIZE - 200, 100)]
        letters = {c: rng.choice(list("ACGTN"), SIZE, p=[0.3, 0.2, 0.2, 0.29, 0.01])
                   for c in CONTIGS}  # fmt: skip
        self.bound: dict[str, list[tuple[str, int]]] = {name: [] for name in WORDS}
        for i, (contig, start) in enumerate(self.windows):
            for name, every, offset in (("gata", 2, 6), ("tal", 3, 40)):
                if i % every == 0:
                    at = start + offset + int(rng.integers(0, 8))
                    letters[contig][at : at + 8] = list(WORDS[name])
                    self.bound[name].append((contig, start))
        self.letters = {c: "".join(x) for c, x in letters.items()}
        self.fragments = [
            sorted(
                (contig, int(s), int(s) + int(n))
                for contig in CONTIGS
                for s, n in zip(
                    rng.integers(0, SIZE - 90, 900), rng.integers(30, 90, 900), strict=True
                )
            )
            for _ in range(2)
        ]
        (folder / "g.fa").write_text("".join(f">{c}\n{t}\n" for c, t in self.letters.items()))
        files = []
        for number, fragments in enumerate(self.fragments):
            files.append(folder / f"s{number}.tsv")
            files[-1].write_text("".join(f"{c}\t{s}\t{e}\tx\t1\n" for c, s, e in fragments))
        kmerengine.cuts(
            files, output=folder / "c.parquet", input_shift="none", shift="none",
            genome=folder / "g.fa",
        )  # fmt: skip
        self.write_bed("w.bed", [(c, s, s + WIDTH) for c, s in self.windows])
        (folder / "labels").mkdir(exist_ok=True)
        for name, places in self.bound.items():
            self.write_bed(f"labels/{name}.bed", [(c, s, s + WIDTH) for c, s in places])
        given: dict[str, object] = {
            "cuts": folder / "c.parquet", "labels": [folder / "labels"], "label_width": WIDTH,
            "split": SPLIT, "width": WIDTH, "window": WIDTH, "strands": "split",
            "output": folder / "d",
        }  # fmt: skip
        self.given = given | {"genome": folder / "g.fa"}
        self.data = self.make(**options)

    def make(self, **options: object) -> Dataset:
        """The data set, with other options."""
        return kmerengine.dataset(self.folder / "w.bed", **(self.given | options))

    def write_bed(self, name: str, rows: list[tuple[str, int, int]]) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in rows))
        return path

    def channels(self, contig: str, start: int, *, unknown: float = 0.0) -> list[list[float]]:
        """The six channels of a window, from letters and fragments: the first and the last base of
        each fragment are cuts of the forward and of the reverse strand.
        """
        text = self.letters[contig][start : start + WIDTH]
        bases = [[unknown if x == "N" else float(x == base) for x in text] for base in "ACGT"]
        cuts = [[0.0] * WIDTH, [0.0] * WIDTH]
        for fragments in self.fragments:
            for c, low, high in fragments:
                for strand, at in ((0, low), (1, high - 1)):
                    if c == contig and start <= at < start + WIDTH:
                        cuts[strand][at - start] += 1
        return bases + cuts


def small_config(*changes: str, preset: str | None = None) -> Config:
    return read_config(model="deepatac", preset=preset, changes=[*SMALL, *changes])
