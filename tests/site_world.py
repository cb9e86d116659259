"""A genome with two words planted on both strands, and samples of the places where they lie."""

from pathlib import Path

import numpy as np

import kmerengine
from kmerengine import Dataset
from kmerengine.sampling.output import Sample

COMPLEMENT = str.maketrans("ACGTNacgtn", "TGCANtgcan")
WORDS = ("GATTACA", "GCATTGCC")  # of odd and of even length, neither the same on both strands
CONTIGS = ("chr1", "chr8", "chr9", "chrX")
HEADER = (
    "# motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\t"
    "matched_sequence\n"
)

Site = tuple[str, int, int, str]  # contig, start, end, strand


def backwards(text: str) -> str:
    """The reverse complement."""
    return text[::-1].translate(COMPLEMENT)


class SiteWorld:
    """Genome, sites and peaks, in plain Python.

    Attributes
    ----------
    genome : dict of str to str
    sites : list of Site
        Where the words stand, by string search.
    bound : set of Site
    """

    def __init__(self, folder: Path, *, seed: int = 4, size: int = 3000) -> None:
        rng = np.random.default_rng(seed)
        self.folder = folder
        self.genome = {}
        for name in CONTIGS:
            letters = rng.choice(list("ACGTN"), size, p=[0.28, 0.21, 0.21, 0.28, 0.02]).tolist()
            for i, at in enumerate(range(60, size - 60, 90)):
                word = WORDS[i % 2]
                place = at + int(rng.integers(0, 20))
                letters[place : place + len(word)] = word if rng.random() < 0.5 else backwards(word)
            text = "".join(letters)
            self.genome[name] = text[: size // 2].lower() + text[size // 2 :]
        self.sites = self._search()
        self.bound = {site for site in self.sites if rng.random() < 0.5}
        (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in self.genome.items()))
        (folder / "peaks.bed").write_text(
            "".join(f"{c}\t{start - 1}\t{end + 1}\n" for c, start, end, _ in sorted(self.bound))
        )
        rows = [
            f"M\t\t{c}\t{start + 1}\t{end}\t{strand}\t9.5\t1e-05\t\t\n"
            for c, start, end, strand in self.sites
        ]
        (folder / "hits.txt").write_text(HEADER + "".join(rows))

    def _search(self) -> list[Site]:
        found = []
        for contig, mixed in self.genome.items():
            text = mixed.upper()
            for word in WORDS:
                for pattern, strand in ((word, "+"), (backwards(word), "-")):
                    at = text.find(pattern)
                    while at >= 0:
                        found.append((contig, at, at + len(word), strand))
                        at = text.find(pattern, at + 1)
        return found

    def sample(self, name: str = "sample", **options: object) -> Sample:
        """A sample of the sites."""
        given = {"width": 41, "seed": 1, "balance": "positives"} | options
        return kmerengine.sample_sites(
            self.folder / "g.fa", self.folder / "hits.txt", self.folder / "peaks.bed",
            output=self.folder / name, **given,
        )  # fmt: skip

    def data(self, name: str = "data", *, width: int = 41, **options: object) -> Dataset:
        """A data set of a sample."""
        sample = self.sample(f"{name}.sample", width=width)
        given = {"split": ["validation=chr8", "test=chr9"]} | options
        return kmerengine.dataset_from_sites(
            sample.regions, genome=self.folder / "g.fa", output=self.folder / name, **given
        )
