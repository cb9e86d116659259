"""Counting alone: `python -m bench.count_alone K` prints seconds from codes to words, and facts.

The loops are compiled, or read from Numba's cache, before the clock starts.
"""

import json
import sys
import time

import numpy as np

from bench.data import BIG
from bench.peers import THREADS
from native_kernels.kmer_count import count_words


def genome_codes() -> np.ndarray:
    """Every contig, one code that is no base between two."""
    code = np.full(256, 255, np.uint8)
    for letters in (b"ACGT", b"acgt"):
        code[np.frombuffer(letters, np.uint8)] = range(4)
    codes = np.full(BIG.bases + BIG.contigs, 255, np.uint8)
    for number in range(BIG.contigs):
        start = number * (BIG.length + 1)
        codes[start : start + BIG.length] = code[BIG.contig(number)]
    return codes


def main(k: int) -> None:
    """Count the k-mers of the genome on two threads."""
    codes = genome_codes()
    count_words(codes[:1_000_000], k, threads=THREADS)
    start = time.perf_counter()
    words, counts = count_words(codes, k, threads=THREADS)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "total": int(counts.sum()), "distinct": len(words)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
