"""What counts of 5' ends must come out as, from the fragments alone; and what tools wrote.

A checksum is the sum of (contig number from 1) (position + 1) count, modulo 2**64; of profiles,
the sum of (row + 1) (column + 1) count.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from bench.data import WORK
from bench.harness import Facts
from bench.reads import PairedReads
from kmerengine.cut_profiles.profile_set import Profiles

WIDTH = 1_000  # bp of a profile, the default
ALL, PLUS, MINUS = "", "plus ", "minus "

Ints = npt.NDArray[np.int64]


class Sums:
    """Totals and checksums, by strand and together."""

    def __init__(self) -> None:
        self._facts: dict[str, int] = {}

    def add(self, strand: str, contig: str, positions: Ints, counts: Ints) -> None:
        """Count cuts on a strand, or of both together; contigs are chr1 and so on."""
        number = int(contig.removeprefix("chr"))
        checksum = number * int(np.sum((positions + 1) * counts))
        self._fact(f"{strand}cuts", int(counts.sum()))
        self._fact(f"{strand}checksum", checksum)

    def _fact(self, name: str, value: int) -> None:
        self._facts[name] = (self._facts.get(name, 0) + value) % 2**64

    def facts(self) -> dict[str, int]:
        """The facts; of both strands together too, if both were added."""
        facts = dict(self._facts)
        if f"{PLUS}cuts" in facts and f"{ALL}cuts" not in facts:
            for name in ("cuts", "checksum"):
                facts[name] = (facts[f"{PLUS}{name}"] + facts[f"{MINUS}{name}"]) % 2**64
        return facts


def expected_cuts(reads: PairedReads, work: Path = WORK) -> dict[str, int]:
    """Facts about the 5' ends of every read."""
    sums = Sums()
    n_bases = 0
    for number in range(reads.genome.contigs):
        start, end = reads.fragments(number, work)
        ones = np.ones(len(start), np.int64)
        sums.add(PLUS, f"chr{number + 1}", start, ones)
        sums.add(MINUS, f"chr{number + 1}", end - 1, ones)
        n_bases += len(np.unique(np.concatenate([start, end - 1])))
    return sums.facts() | {"reads": reads.reads, "bases": n_bases}


def expected_profiles(reads: PairedReads, bed: Path, work: Path = WORK) -> dict[str, int]:
    """Facts about windows of 1 kb around the middles of regions, both strands together."""
    rows = [line.split()[:3] for line in bed.read_text().splitlines()]
    contigs = np.array([row[0] for row in rows])
    middles = np.array([(int(row[1]) + int(row[2])) // 2 for row in rows])
    total = checksum = 0
    for number in range(reads.genome.contigs):
        start, end = reads.fragments(number, work)
        cuts = np.sort(np.concatenate([start, end - 1]))
        regions = np.flatnonzero(contigs == f"chr{number + 1}")
        first = middles[regions] - WIDTH // 2
        low, high = np.searchsorted(cuts, first), np.searchsorted(cuts, first + WIDTH)
        n = high - low
        own = np.repeat(np.arange(len(regions)), n)
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        columns = cuts[low[own] + within] - first[own]
        total += int(n.sum())
        checksum += int(np.sum((regions[own] + 1) * (columns + 1)))
    return {"regions": len(rows), "cuts": total, "checksum": checksum % 2**64}


def observe_cuts(path: Path) -> Facts:
    """What `kmerengine cuts` wrote to Parquet."""
    sums = Sums()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["chrom", "position", "strand", "count"]):
            frame = pa.Table.from_batches([batch])
            position = frame["position"].to_numpy().astype(np.int64)
            count = frame["count"].to_numpy().astype(np.int64)
            chrom = np.asarray(frame["chrom"].cast(pa.string()))
            strand = np.asarray(frame["strand"].cast(pa.string()))
            for contig in np.unique(chrom):
                for name, sign in ((PLUS, "+"), (MINUS, "-")):
                    mine = (chrom == contig) & (strand == sign)
                    sums.add(name, contig, position[mine], count[mine])
    return sums.facts()


def observe_bigwigs(*paths: Path) -> Facts:
    """One bigWig of both strands, or two: plus, minus."""
    from figwig import BigWigReader

    sums = Sums()
    n_bases = 0
    for path, strand in zip(paths, (ALL,) if len(paths) == 1 else (PLUS, MINUS), strict=True):
        reader = BigWigReader(path)
        for contig, length in reader.chrom_sizes.items():
            (values,) = reader.read(contig, [0], length)
            positions = np.flatnonzero(values)
            n_bases += len(positions)
            sums.add(strand, contig, positions, values[positions].astype(np.int64))
    return sums.facts() | ({"bases": n_bases} if len(paths) == 1 else {})


def observe_bedgraph(path: Path) -> Facts:
    """Lines of contig, start, end and count; both strands together."""
    names = ["contig", "start", "end", "count"]
    table = csv.read_csv(
        path, csv.ReadOptions(column_names=names), csv.ParseOptions(delimiter="\t")
    )
    sums = Sums()
    start, end, count = (table[name].to_numpy() for name in names[1:])
    contigs = np.asarray(table["contig"])
    n = end - start
    for contig in np.unique(contigs):
        of = contigs == contig
        # n bases from start on have the sum of positions n start + n (n - 1) / 2
        places = n[of] * (start[of] + 1) + n[of] * (n[of] - 1) // 2
        sums.add(ALL, contig, places - 1, count[of])
    facts = sums.facts()
    return facts | {"cuts": int((n * count).sum()), "bases": int(n[count > 0].sum())}


def observe_profiles(folder: Path) -> Facts:
    """What `kmerengine profiles` wrote, of one sample and both strands together."""
    return profile_facts(Profiles.open(folder).counts())


def profile_facts(counts: npt.NDArray[Any]) -> Facts:
    """Of counts, regions x 1 x bp."""
    total = checksum = 0
    columns = np.arange(1, WIDTH + 1)
    for first in range(0, len(counts), 5_000):
        block = counts[first : first + 5_000, 0].astype(np.int64)
        total += int(block.sum())
        checksum += int(np.sum(block @ columns * np.arange(first + 1, first + len(block) + 1)))
    return {"regions": len(counts), "cuts": total, "checksum": checksum % 2**64}
