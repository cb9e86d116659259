"""`kmerengine count`, whole processes: regions out of a 250-Mb genome, and totals of all of it.

    python -m bench.count [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

Caches are warm and the index of the genome exists, since every provider runs once before.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import peers
from bench.command import main
from bench.data import BIG, REGION
from bench.expected import count_windows, expected_counts
from bench.harness import Case, Facts, Provider
from bench.machine import package_version
from bench.observe import observe_features, observe_regions, observe_totals

N_REGIONS = 76_218
N_TENFOLD = 762_180
N_FEW = 5_000  # what plain Python does in seconds


def engine(out: str, observe: Callable[[Path], Facts], *options: str, n: int = 0) -> Provider:
    """`kmerengine count` writing `out`, for `n` regions or the whole genome."""

    def command(output: Path) -> list[str]:
        inputs = [str(BIG.write()), *([str(BIG.regions(n))] if n else [])]
        return [
            *(sys.executable, "-m", "kmerengine", "count", *inputs, *options),
            *("-o", str(output / out), "--quiet", "--force"),
        ]

    return Provider(
        name="kmerengine",
        command=command,
        observe=lambda output, _: observe(output / out),
        version=lambda: package_version("kmerengine"),
    )


def alone(k: int) -> Provider:
    """The loop without start-up, reading or writing."""

    def observe(_: Path, stdout: str) -> Facts:
        said = json.loads(stdout)
        return {"total": said["total"], "distinct": said["distinct"]}

    return Provider(
        name="kmerengine, counting alone",
        command=lambda _: [sys.executable, "-m", "bench.count_alone", str(k)],
        observe=observe,
        version=lambda: package_version("kmerengine"),
        self_timed=True,
    )


def of_regions(
    name: str, label: str, n: int, providers: Sequence[Provider], *, gapped: bool = False
) -> Case:
    """A case over `n` regions, held to what NumPy makes of them."""
    return Case(
        name=name,
        label=label,
        work=n * REGION,
        unit="base",
        providers=providers,
        setup=lambda: expected_counts(BIG, BIG.regions(n), gapped=gapped),
    )


def materialized(name: str, label: str, out: str, *options: str) -> Case:
    """All gapped features of the regions, written in one of the formats."""
    provider = engine(out, observe_features, "--materialize", *options, n=N_REGIONS)
    return of_regions(name, label, N_REGIONS, [provider], gapped=True)


def totals(k: int, out: str, *options: str, others: Sequence[Provider]) -> Case:
    """Every exact word of the genome."""
    return Case(
        name=f"totals-{k}",
        label=f"exact words of 250 Mb, `-k {k}`",
        work=BIG.bases,
        unit="base",
        providers=[
            engine(out, observe_totals, "-k", str(k), *options),
            *([alone(k)] if k <= 12 else []),
            peers.kmc(BIG.write, k),
            *others,
        ],
        setup=lambda: count_windows(BIG, k),
    )


CASES = [
    of_regions(
        "regions",
        "76,218 regions x 200 bp",
        N_REGIONS,
        [
            engine("out.parquet", observe_regions, n=N_REGIONS),
            peers.scikit_learn(BIG.write, lambda: BIG.regions(N_REGIONS)),
        ],
    ),
    of_regions(
        "regions-10x",
        "762,180 regions x 200 bp",
        N_TENFOLD,
        [engine("out.parquet", observe_regions, n=N_TENFOLD)],
    ),
    materialized("features-arrow", "gapped features of the 76,218, Arrow", "out.arrow"),
    materialized(
        "features-parts", "gapped features of the 76,218, Parquet parts", "out", "--parts"
    ),
    materialized(
        "features-parquet", "gapped features of the 76,218, one Parquet file", "out.parquet"
    ),
    of_regions(
        "features-few",
        "5,000 regions x 200 bp, gapped features",
        N_FEW,
        [
            engine("out.parquet", observe_features, "--materialize", n=N_FEW),
            peers.plain_python(BIG.write, lambda: BIG.regions(N_FEW)),
        ],
        gapped=True,
    ),
    totals(8, "out.parquet", others=[peers.jellyfish(BIG.write, 8, hash_size="1M")]),
    # Jellyfish takes minutes a run from here on, and is no target
    totals(12, "out.parquet", others=[]),
    totals(21, "out", "--parts", others=[]),
]


if __name__ == "__main__":
    main("count", __doc__, CASES)
