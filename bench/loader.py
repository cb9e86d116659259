"""Training batches: examples per second, 2,114 bp in and 1,000 bp out, jittered and reversed.

    python -m bench.loader [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

A process opens the data set and makes two epochs; the second counts. All providers make the same
examples: which windows they are comes from one function, so their sums must agree.
"""

import json
import sys
from pathlib import Path

from bench.command import main
from bench.harness import Case, Facts, Provider
from bench.loader_alone import N_EXAMPLES, write
from bench.machine import package_version


def loader(name: str, kind: str, workers: int, package: str = "torch", **options: int) -> Provider:
    """One way of making batches, in a process of its own that times itself."""

    def observe(_: Path, stdout: str) -> Facts:
        said = json.loads(stdout.splitlines()[-1])
        return {fact: said[fact] for fact in ("examples", "bases", "cuts", "checksum")}

    return Provider(
        name=name,
        command=lambda _: [sys.executable, "-m", "bench.loader_alone", kind, str(workers)],
        observe=observe,
        version=lambda: package_version(package),
        self_timed=True,
        **options,
    )


def setup() -> Facts:
    """Write the data set; what comes of it is compared between the providers."""
    write()
    return {}


CASES = [
    Case(
        name="loader",
        label="one-hot and counts of 2,114 bp in, 1,000 bp out, jitter and reversal",
        work=N_EXAMPLES,
        unit="example",
        providers=[
            loader("modelkit.data, no worker", "modelkit", 0),
            loader("modelkit.data, 1 thread", "modelkit", 1),
            loader("modelkit.data, 2 threads", "modelkit", 2),
            loader("NumPy, whole batches", "numpy", 0, "numpy", runs=1),
            loader("PyTorch DataLoader, 2 processes", "dataloader", 2, runs=1),
        ],
        setup=setup,
    )
]


if __name__ == "__main__":
    main("loader", __doc__, CASES)
