"""What the cases must come out as, worked out by NumPy alone, without the engine.

Regions: k = 8, strands merged; gapped features have one wildcard or two adjacent ones.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data import REGION, WORK, Genome

K = 8
MASKS = [(), *((i,) for i in range(K)), *((i, i + 1) for i in range(K - 1))]  # the wildcards
CHUNK = 2_000  # regions

Ints = npt.NDArray[np.int64]


def expected_counts(
    genome: Genome, bed: Path, *, gapped: bool, work: Path = WORK
) -> dict[str, int]:
    """Facts about the exact counts, or about the gapped ones, of the regions in `bed`.

    The facts are the sum of all counts, the number of counts above zero, and for exact words a
    checksum of rows, words and counts: the sum of (row + 1)(word + 1) count, modulo 2**64.
    """
    path = work / f"{bed.stem}.{'gapped' if gapped else 'exact'}.json"
    if not path.exists():
        facts = count_gapped(genome, bed) if gapped else count_exact(genome, bed)
        path.write_text(json.dumps(facts))
    return json.loads(path.read_text())


def count_exact(genome: Genome, bed: Path) -> dict[str, int]:
    """Facts about the exact 8-mers of each region."""
    canonical = canonical_words()
    total = nonzeros = checksum = n_rows = 0
    for words in region_words(genome, bed):
        rows, windows = np.nonzero(words >= 0)
        keys = (rows + n_rows << 2 * K) + canonical[words[rows, windows]]
        keys, counts = np.unique(keys, return_counts=True)
        total += len(rows)
        nonzeros += len(keys)
        checksum += int(np.sum(((keys >> 2 * K) + 1) * ((keys & 4**K - 1) + 1) * counts))
        n_rows += len(words)
    return {"regions": n_rows, "total": total, "nonzeros": nonzeros, "checksum": checksum % 2**64}


def count_gapped(genome: Genome, bed: Path) -> dict[str, int]:
    """Facts about the gapped features of each region."""
    features = window_features()
    per_window = (features >= 0).sum(1)
    total = nonzeros = n_rows = 0
    for words in region_words(genome, bed):
        total += int(per_window[words[words >= 0]].sum())
        found = np.where(words[:, :, None] >= 0, features[words], -1).reshape(len(words), -1)
        found.sort(axis=1)
        new = np.diff(found, axis=1, prepend=-1) != 0
        nonzeros += int(np.count_nonzero(new & (found >= 0)))
        n_rows += len(words)
    return {"regions": n_rows, "feature_total": total, "feature_nonzeros": nonzeros}


def count_windows(genome: Genome, k: int) -> dict[str, int]:
    """How many windows of `k` bases have no N in them."""
    total = 0
    for number in range(genome.contigs):
        letters = genome.contig(number)
        stops = np.concatenate([[-1], np.flatnonzero(letters == ord("N")), [len(letters)]])
        total += int(np.maximum(np.diff(stops) - k, 0).sum())
    return {"total": total}


def region_words(genome: Genome, bed: Path) -> Iterator[Ints]:
    """Blocks of rows: the word of each window of each region as read, -1 if N is in it."""
    digit = np.full(256, -1, np.int8)
    for letters in (b"ACGT", b"acgt"):
        digit[np.frombuffer(letters, np.uint8)] = range(4)
    lines = np.array([line.split()[:2] for line in bed.read_text().splitlines()])
    for number in range(genome.contigs):
        starts = lines[lines[:, 0] == f"chr{number + 1}", 1].astype(np.int64)
        digits = digit[genome.contig(number)]
        for at in range(0, len(starts), CHUNK):
            bases = digits[starts[at : at + CHUNK, None] + np.arange(REGION)].astype(np.int64)
            windows = np.lib.stride_tricks.sliding_window_view(bases, K, axis=1)
            yield np.where((windows >= 0).all(2), windows @ 4 ** np.arange(K)[::-1], -1)


def all_digits() -> Ints:
    """The digits of every word, shape (4**8, 8)."""
    return np.arange(4**K)[:, None] // 4 ** np.arange(K)[::-1] % 4


def canonical_words() -> Ints:
    """The smaller of each word and its reverse complement, shape (4**8,)."""
    other = (3 - all_digits()[:, ::-1]) @ 4 ** np.arange(K)[::-1]
    return np.minimum(np.arange(4**K), other)


def window_features() -> Ints:
    """The distinct features of a window with each word, shape (4**8, 16); -1 fills up.

    A feature is a number in base 5, with 4 for a wildcard.
    """
    five = 5 ** np.arange(K)[::-1]
    features = np.empty((4**K, len(MASKS)), np.int64)
    for column, wildcards in enumerate(MASKS):
        digits = all_digits()
        other = 3 - digits[:, ::-1]
        digits[:, list(wildcards)] = 4
        other[:, [K - 1 - i for i in wildcards]] = 4
        features[:, column] = np.minimum(digits @ five, other @ five)
    features.sort(axis=1)
    features[:, 1:][features[:, 1:] == features[:, :-1]] = -1
    return features
