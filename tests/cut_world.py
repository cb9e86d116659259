"""What tests of cuts share: random reads, and where they are cut."""

from collections import Counter
from pathlib import Path

import numpy as np
from bam_oracle import Read, bam, text_tag

import kmerengine

CONTIGS = {"chr1": 5_000, "chr2": 900, "empty": 10}
LENGTHS = list(CONTIGS.values())
BARCODES = ["AAAA-1", "CCCC-1", "GGGG-1"]
SITES = Counter[tuple[str, int, int]]


def sites(track: kmerengine.CutTrack, sample: str) -> SITES:
    found: SITES = Counter()
    for chrom in track.contigs:
        for at, minus, n in zip(*track.cuts(sample, chrom), strict=True):
            found[chrom, int(at), int(minus)] += int(n)
    return found


def named(found: Counter[tuple[int, int, int]]) -> SITES:
    names = list(CONTIGS)
    return Counter({(names[contig], at, strand): n for (contig, at, strand), n in found.items()})


def reads_of(seed: int, n: int, *, tagged: bool = False) -> list[Read]:
    rng = np.random.default_rng(seed)
    reads = []
    for i, contig in enumerate(sorted(rng.integers(0, 2, n).tolist())):
        barcode = BARCODES[int(rng.integers(0, 3))]
        reads.append(
            Read(
                contig=contig,
                start=int(rng.integers(0, LENGTHS[contig] - 60)),
                cigar=(("S", 3), ("M", int(rng.integers(1, 40))), ("D", 2), ("M", 5)),
                flag=int(rng.choice([0, 0x10, 0x4, 0x400])),
                name=f"{barcode}:{i}" if tagged else f"r{i}",
                tags=text_tag("RG", "x") + text_tag("CB", barcode) if tagged else b"",
            )
        )
    return reads


def write_bam(path: Path, reads: list[Read]) -> Path:
    path.write_bytes(bam(CONTIGS, reads))
    return path
