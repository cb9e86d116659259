"""`kmerengine sample`, whole processes, against what the letters of the genome say.

    python -m bench.sample [--repeats 3] [--large] [--case NAME ...] [--provider NAME ...] [--list]

No other tool that we know draws the same, so none is compared: the facts come from sums over the
letters, and every negative is looked at again.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.command import main
from bench.data import BIG, WORK, Genome
from bench.harness import Case, Facts, Provider
from bench.machine import package_version
from kmerengine import schemas

HUGE = Genome(name="genome-3G", contigs=60, length=50_000_000)

WIDTH = 1_000
N_REGIONS = {BIG.name: 20_000, HUGE.name: 100_000}
N_SITES = 2_000_000
MOTIF = 15  # bp

Ints = npt.NDArray[np.int64]


def gc_bins(genome: Genome, contig: Ints, start: Ints) -> tuple[Ints, Ints]:
    """Bins of 0.02 of windows, by sums over letters, and how many N each window has."""
    bins, others = np.zeros((2, len(start)), np.int64)
    for number in np.unique(contig).tolist():
        letters = genome.contig(number) & 0xDF  # upper case
        mine = np.flatnonzero(contig == number)
        low, high = start[mine], start[mine] + WIDTH
        n, gc = (
            sums[high] - sums[low]
            for sums in (
                np.append(0, np.cumsum(np.isin(letters, list(of)))) for of in (b"N", b"CG")
            )
        )
        bins[mine] = np.minimum(gc * 50 // np.maximum(WIDTH - n, 1), 49)
        others[mine] = n
    return bins, others


def checksum(bins: Ints) -> int:
    """A number that tells how many windows each bin has."""
    return int((np.bincount(bins, minlength=50) * (1 + np.arange(50)) ** 2).sum())


def listed(path: Path) -> Iterator[tuple[int, int, int]]:
    """Number of the contig, start and end of each line of a BED file."""
    for line in path.read_text().splitlines():
        chrom, start, end, *_ = line.split("\t")
        yield int(chrom.removeprefix("chr")) - 1, int(start), int(end)


@cache
def regions_of(genome: Genome) -> Ints:
    """Contig, start and end of the positives, shape (3, n)."""
    return np.array(list(listed(genome.regions(N_REGIONS[genome.name]))), np.int64).T


def expected_windows(genome: Genome) -> Facts:
    """As many negatives as positives in each bin, none on a positive or on one another."""
    genome.write()
    contig, start, end = regions_of(genome)
    bins, others = gc_bins(genome, contig, (start + end) // 2 - WIDTH // 2)
    n, gc = int((others == 0).sum()), checksum(bins[others == 0])
    return {"positives": n, "positive_gc": gc, "negatives": n, "negative_gc": gc,
            "others": 0, "overlaps": 0}  # fmt: skip


def observe_windows(genome: Genome, folder: Path) -> Facts:
    """Count what was drawn, and measure it again."""
    drawn = folder / "out/regions.bed"
    contig, start, end = np.array(list(listed(drawn)), np.int64).T
    label = np.array([line.split("\t")[4] == "1" for line in drawn.read_text().splitlines()])
    bins, others = gc_bins(genome, contig, start)
    facts = {"others": int(others.sum())}
    for name, mine in (("positive", label), ("negative", ~label)):
        facts |= {f"{name}s": int(mine.sum()), f"{name}_gc": checksum(bins[mine])}
    negatives = np.array([contig, start, end])[:, ~label]
    every = np.concatenate([negatives, regions_of(genome)], axis=1)
    order = np.lexsort([every[1], every[0]])
    every, is_negative = every[:, order], order < negatives.shape[1]
    near = (every[0, 1:] == every[0, :-1]) & (every[1, 1:] < every[2, :-1])
    return facts | {"overlaps": int((near & (is_negative[1:] | is_negative[:-1])).sum())}


def windows(name: str, label: str, genome: Genome) -> Case:
    """A case of GC-matched windows."""
    return Case(
        name=name,
        label=label,
        work=genome.bases,
        unit="base",
        providers=[
            Provider(
                name="kmerengine",
                command=lambda folder: [
                    *(sys.executable, "-m", "kmerengine", "sample", "windows", "--quiet"),
                    *(str(genome.write()), str(genome.regions(N_REGIONS[genome.name]))),
                    *("-o", str(folder / "out"), "--threads", "2"),
                ],
                observe=lambda folder, _: observe_windows(genome, folder),
                version=lambda: package_version("kmerengine"),
            )
        ],
        setup=lambda: expected_windows(genome),
    )


def site_arrays() -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Contig, start and -log10 p of motif instances, all at different places."""
    rng = np.random.default_rng([1, N_SITES])
    every = BIG.contigs * BIG.length
    contig, start = np.divmod(np.unique(rng.integers(0, every, N_SITES)), BIG.length)
    inside = (start >= WIDTH) & (start < BIG.length - WIDTH)
    contig, start = contig[inside], start[inside]
    return contig, start, 4.05 + rng.geometric(0.2, len(start)) / 10


def sites() -> Path:
    """The instances as `kmerengine scan` writes them."""
    path = WORK / f"sites-{N_SITES}.parquet"
    if path.exists():
        return path
    contig, start, logs = site_arrays()
    document = schemas.provenance("scan", {}, {}) | {"format": schemas.MOTIF_HITS}
    schema = schemas.with_metadata(schemas.hits_schema(), document)
    names = pa.array([f"chr{i + 1}" for i in range(BIG.contigs)])
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(contig, pa.int32()), names),
        pa.array(start),
        pa.array(start + MOTIF),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(start), np.int32)), pa.array(["m"])),
        pa.array(logs),
        pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(start), np.int8)), pa.array(["+", "-"])
        ),
        pa.array(10.0**-logs),
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)
    return path


def expected_sites() -> Facts:
    """Of each bin of p-values and GC the smaller class, twice."""
    BIG.write()
    sites()
    contig, start, logs = site_arrays()
    regions = regions_of(BIG)
    bound = np.zeros(len(start), np.bool_)
    for number in range(BIG.contigs):
        mine, peaks = np.flatnonzero(contig == number), regions[1:, regions[0] == number]
        covered = np.zeros(BIG.length, np.bool_)  # first bases of motifs within a peak
        for low, high in peaks.T.tolist():
            covered[low : high - MOTIF + 1] = True
        bound[mine] = covered[start[mine]]
    bins, others = gc_bins(BIG, contig, start - (WIDTH - MOTIF) // 2)
    known = others < WIDTH
    pairs, bound = (np.floor(logs * 10).astype(np.int64) * 50 + bins)[known], bound[known]
    counts = [np.bincount(pairs[of], minlength=1 + pairs.max()) for of in (bound, ~bound)]
    n = int(np.minimum(*counts).sum())
    return {"positives": n, "negatives": n, "bins": int((counts[0] + counts[1] > 0).sum())}


def observe_sites(folder: Path) -> Facts:
    """Count what was drawn."""
    label = pq.read_table(folder / "out/regions.parquet", columns=["label"])["label"].to_numpy()
    n_bins = pq.read_metadata(folder / "out/bins.parquet").num_rows
    return {"positives": int(label.sum()), "negatives": int((label == 0).sum()), "bins": n_bins}


CASES = [
    windows("sample-windows", "20,000 GC-matched windows of 250 Mb", BIG),
    Case(
        name="sample-sites",
        label="2 M motif sites matched by p-value and GC",
        work=N_SITES,
        unit="site",
        providers=[
            Provider(
                name="kmerengine",
                command=lambda folder: [
                    *(sys.executable, "-m", "kmerengine", "sample", "sites", "--quiet"),
                    *(str(BIG.write()), str(sites()), str(BIG.regions(N_REGIONS[BIG.name]))),
                    *("-o", str(folder / "out"), "--setting", "gc", "--threads", "2"),
                ],
                observe=lambda folder, _: observe_sites(folder),
                version=lambda: package_version("kmerengine"),
            )
        ],
        setup=expected_sites,
    ),
]
LARGE = [windows("sample-windows-3G", "100,000 GC-matched windows of 3 Gb", HUGE)]


if __name__ == "__main__":
    main("sample", __doc__, CASES, LARGE)
