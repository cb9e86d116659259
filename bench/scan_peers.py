"""Motif scanning in one process: memelite's FIMO, and either tool's second call by the clock.

python -m bench.scan_peers memelite GENOME MATRICES OUT P
python -m bench.scan_peers memelite-alone GENOME MATRICES P
python -m bench.scan_peers kmerengine-alone GENOME MOTIFS P
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

BIN = 0.01  # bits


def _fimo(genome: str, matrices: str, p: float) -> list:
    from memelite import fimo

    with np.load(matrices) as file:
        motifs = {name: file[name] for name in file.files}
    return fimo(motifs, genome, threshold=p, eps=0, bin_size=BIN)


def _memelite(genome: str, matrices: str, out: str, p: str) -> None:
    import pandas

    pandas.concat(_fimo(genome, matrices, float(p))).to_parquet(out)


def _timed(call: Callable[[], int]) -> None:
    call()
    start = time.perf_counter()
    motifs = call()
    print(json.dumps({"seconds": time.perf_counter() - start, "motifs": motifs}))


def _memelite_alone(genome: str, matrices: str, p: str) -> None:
    _timed(lambda: len(_fimo(genome, matrices, float(p))))


def _kmerengine_alone(genome: str, motifs: str, p: str) -> None:
    from kmerengine import scan

    _timed(lambda: len(scan(genome, motifs, p=float(p)).provenance["motifs"]))


if __name__ == "__main__":
    {
        "memelite": _memelite,
        "memelite-alone": _memelite_alone,
        "kmerengine-alone": _kmerengine_alone,
    }[sys.argv[1]](*sys.argv[2:])
