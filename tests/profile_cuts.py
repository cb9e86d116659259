"""What tests of profiles share: cuts in dicts, and profiles of those counted by hand."""

from collections import defaultdict

import numpy as np

from kmerengine.regions import Regions

CONTIGS = {"chr1": 400, "chr2": 90, "empty": 50}


class DictCuts:
    """Cuts as a dict of (sample, contig) to {(position, strand): count}."""

    shift = "+4/-4"

    def __init__(self, samples, contigs, cuts):
        self.samples = list(samples)
        self.contigs = contigs
        self.by_place = cuts
        self.asked = []

    def cuts(self, sample, chrom, start, end):
        assert 0 <= start <= end <= self.contigs[chrom]
        self.asked.append((sample, chrom, start, end))
        here = self.by_place.get((sample, chrom), {})
        found = sorted((*key, n) for key, n in here.items() if start <= key[0] < end)
        position, strand, count = zip(*found, strict=True) if found else ((), (), ())
        return np.array(position, np.int64), np.array(strand, np.uint8), np.array(count, np.uint32)


def random_cuts(samples=("B", "NK"), contigs=CONTIGS, n=300, seed=0, most=5):
    rng = np.random.default_rng(seed)
    cuts = defaultdict(dict)
    for sample in samples:
        for chrom, length in contigs.items():
            if chrom == "empty":
                continue
            edges = {(0, 0): 1, (0, 1): 2, (length - 1, 0): 3, (length - 1, 1): 4}
            cuts[sample, chrom] = edges | {
                (int(rng.integers(length)), int(rng.integers(2))): int(rng.integers(1, most))
                for _ in range(n)
            }
    return DictCuts(samples, contigs, cuts)


def regions_of(*places, contigs=CONTIGS):
    names = list(contigs)
    n = len(places)
    return Regions(
        contig_names=tuple(names),
        contig=np.array([names.index(place[0]) for place in places], np.int32),
        start=np.array([place[1] for place in places], np.int64),
        end=np.array([place[2] for place in places], np.int64),
        name=[f"peak{i}" for i in range(n)],
        score=np.where(np.arange(n) % 2, np.nan, 1.5),
        strand=np.array([b"+", b"-", b"."] * n, "S1")[:n],
        summit=np.full(n, -1, np.int64),
        line=np.arange(1, n + 1),
    )


def expected_counts(source, places, strands):
    """What every base of every region has, looked up one by one."""
    whole = []
    for chrom, start, end in places:
        row = []
        for sample in source.samples:
            here = source.by_place.get((sample, chrom), {})
            plus, minus = ([here.get((at, s), 0) for at in range(start, end)] for s in (0, 1))
            both = [a + b for a, b in zip(plus, minus, strict=True)]
            row.append([plus, minus] if strands == "split" else both)
        whole.append(row)
    return whole


PLACES = [
    ("chr2", 70, 90),  # ends with its contig
    ("chr1", 380, 400),
    ("chr1", 0, 20),  # starts with its contig
    ("chr1", 1, 21),
    ("empty", 5, 25),
    ("chr1", 100, 120),
    ("chr2", -7, 13),  # leaves it on either side
    ("chr2", 85, 105),
    ("chr1", 100, 120),  # twice
    ("chr1", 110, 130),
]
