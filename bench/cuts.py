"""`kmerengine cuts` and `profiles`, whole processes, next to the tools that count 5' ends.

    python -m bench.cuts [--repeats 3] [--large] [--case NAME ...] [--provider NAME ...] [--list]

Without a shift, since every tool has its own idea of one: so all of them count the same bases.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.command import main
from bench.cut_facts import (
    expected_cuts,
    expected_profiles,
    observe_bigwigs,
    observe_cuts,
    observe_profiles,
)
from bench.data import BIG, WORK
from bench.harness import BenchError, Case, Facts, Provider
from bench.machine import ROOT, package_version
from bench.reads import PairedReads

N_REGIONS = 76_218
READS = PairedReads(name="reads", genome=BIG, pairs=2_000_000, peaks=N_REGIONS)
MANY_READS = PairedReads(name="reads-20M", genome=BIG, pairs=10_000_000, peaks=N_REGIONS)

PARQUET, BIGWIG, BIGWIGS = "Parquet, by strand", "bigWig", "two bigWigs, by strand"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """`kmerengine cuts` writing one kind of output."""

    kind: str
    output: str
    observe: Callable[[Path], Facts]
    options: tuple[str, ...] = ()

    def command(self, reads: PairedReads, folder: Path) -> list[str]:
        return [
            *(sys.executable, "-m", "kmerengine", "cuts", str(reads.write()), "--shift", "none"),
            *("-o", str(folder / self.output), "--force", "--quiet", *self.options),
        ]

    def provider(self, reads: PairedReads) -> Provider:
        return Provider(
            name=f"kmerengine ({self.kind})",
            command=lambda folder: self.command(reads, folder),
            observe=lambda folder, _: self.observe(folder),
            version=lambda: package_version("kmerengine"),
        )


TO_PARQUET = Engine(
    kind=PARQUET, output="out.parquet", observe=lambda folder: observe_cuts(folder / "out.parquet")
)
TO_BIGWIG = Engine(
    kind=BIGWIG, output="out.bw", observe=lambda folder: observe_bigwigs(folder / "out.bw")
)
TO_BIGWIGS = Engine(
    kind=BIGWIGS,
    output="out.{strand}.bw",
    observe=lambda folder: observe_bigwigs(folder / "out.plus.bw", folder / "out.minus.bw"),
    options=("--strands", "split"),
)


def of_reads(name: str, label: str, reads: PairedReads, *, slow: bool) -> Case:
    """A case over one BAM file; `slow` tools run once, or not at all."""
    once = [peers.bam2bw(reads), peers.bedtools(reads)] if slow else []
    return Case(
        name=name,
        label=label,
        work=reads.reads,
        unit="read",
        providers=[
            *(engine.provider(reads) for engine in (TO_PARQUET, TO_BIGWIG, TO_BIGWIGS)),
            peers.figwig(reads, BIGWIG),
            peers.figwig(reads, BIGWIGS),
            peers.samtools(reads),
            *once,
        ],
        setup=lambda: expected_cuts(reads),
    )


def stored_cuts() -> Path:
    """The cuts of the reads, which profiles are cut out of."""
    return WORK / TO_PARQUET.output


def make_cuts() -> Facts:
    """Count the cuts with the program as it is, and say what the profiles must hold."""
    done = subprocess.run(
        TO_PARQUET.command(READS, WORK), cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"no cuts to make profiles of: {done.stderr.strip()}")
    return expected_profiles(READS, BIG.regions(N_REGIONS))


def profile_command(folder: Path) -> list[str]:
    """`kmerengine profiles` with its defaults."""
    return [
        *(sys.executable, "-m", "kmerengine", "profiles"),
        *(str(stored_cuts()), str(BIG.regions(N_REGIONS)), "-o", str(folder / "out"), "--quiet"),
    ]


CASES = [
    of_reads("cuts-4M", "5' ends of 4 M reads, a BAM of 205 MB", READS, slow=True),
    Case(
        name="profiles",
        label="profiles of 76,218 regions x 1 kb",
        work=N_REGIONS,
        unit="region",
        providers=[
            Provider(
                name="kmerengine",
                command=profile_command,
                observe=lambda folder, _: observe_profiles(folder / "out"),
                version=lambda: package_version("kmerengine"),
            )
        ],
        setup=make_cuts,
    ),
]
LARGE = [of_reads("cuts-20M", "5' ends of 20 M reads, a BAM of 930 MB", MANY_READS, slow=False)]


if __name__ == "__main__":
    main("cuts", __doc__, CASES, LARGE)
