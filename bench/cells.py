"""Seeded 10x fragment files on the bench's genome, in `bench/work/`, and groups of their cells.

Fragments lie at random places, so that nearly every cut has a base of its own: real ones share
bases, and cost and take less.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bench.data import FOUR_BASES, WORK, Genome
from bench.reads import BLOCK_BYTES, END, block

BARCODE = 16  # bp


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Fragments of cells.

    Attributes
    ----------
    name : str
        The file is `bench/work/<name>.tsv.gz`.
    fragments : int
        The same number on every contig.
    cells, groups : int
        Cell i is in group i modulo `groups`.
    """

    name: str
    genome: Genome
    fragments: int
    cells: int = 4_000
    groups: int = 20
    seed: int = 1

    def barcodes(self) -> list[str]:
        """Of each cell, as 10x writes them."""
        stream = np.random.default_rng(self.seed).bytes(self.cells * BARCODE // 4)
        letters = FOUR_BASES[np.frombuffer(stream, np.uint8)].tobytes().decode()
        return [letters[at : at + BARCODE] + "-1" for at in range(0, len(letters), BARCODE)]

    def write(self, work: Path = WORK) -> Path:
        """The file, made unless it is there; sorted, and compressed in blocks as bgzip's."""
        path = work / f"{self.name}.tsv.gz"
        if path.exists():
            return path
        work.mkdir(parents=True, exist_ok=True)
        names = pl.Series(self.barcodes())
        n = self.fragments // self.genome.contigs
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            for number in range(self.genome.contigs):
                rng = np.random.default_rng([self.seed, number, self.fragments])
                start = np.sort(rng.integers(0, self.genome.length - 1_000, n))
                size = np.clip(35 + rng.gamma(2, 60, n), 35, 900).astype(np.int64)
                rows = pl.DataFrame({
                    "chrom": pl.repeat(f"chr{number + 1}", n, eager=True),
                    "start": start, "end": start + size,
                    "barcode": names.gather(rng.integers(0, self.cells, n)),
                    "count": np.ones(n, np.int64),
                })  # fmt: skip
                text = rows.write_csv(separator="\t", include_header=False).encode()
                for at in range(0, len(text), BLOCK_BYTES):
                    file.write(block(text[at : at + BLOCK_BYTES]))
            file.write(END)
        temporary.replace(path)
        return path

    def table(self, work: Path = WORK) -> Path:
        """Barcode and group of every cell."""
        work.mkdir(parents=True, exist_ok=True)
        path = work / f"{self.name}.groups.tsv"
        rows = [f"{name}\tgroup{i % self.groups}\n" for i, name in enumerate(self.barcodes())]
        path.write_text("".join(rows))
        return path
