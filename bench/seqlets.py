"""Seqlets to motifs: correlations of all pairs, complete linkage, alignment.

    python -m bench.seqlets [--repeats 3] [--large] [--case NAME ...] [--provider NAME ...] [--list]

Next to it SciPy's complete linkage of the same distances, which must make the same clusters; it
needs 8 bytes for a pair, twice, and does not lay seqlets over each other.
"""

import json
import sys

from bench.command import main
from bench.harness import Case, Provider
from bench.machine import package_version


def provider(name: str, how: str, n: int, package: str) -> Provider:
    """`bench.seqlets_alone` with n seqlets."""
    return Provider(
        name=name,
        command=lambda _: [sys.executable, "-m", "bench.seqlets_alone", str(n), how],
        observe=lambda _, stdout: {
            key: value
            for key, value in json.loads(stdout.splitlines()[-1]).items()
            if key != "seconds"
        },
        version=lambda: package_version(package),
        self_timed=True,
    )


def case(n: int, *, peer: bool) -> Case:
    """n seqlets of 4 to 29 bp; work is their pairs."""
    providers = [provider("kmerengine", "ours", n, "kmerengine")]
    if peer:
        providers.append(provider("kmerengine's distances, scipy's linkage", "scipy", n, "scipy"))
    return Case(
        name=f"seqlets-{n // 1000}k",
        label=f"{n:,} seqlets of 4 to 29 bp to motifs",
        work=n * (n - 1) // 2,
        unit="pair",
        providers=providers,
    )


CASES = [case(5_000, peer=True)]
LARGE = [case(30_000, peer=False)]

if __name__ == "__main__":
    main("seqlets", __doc__, CASES, LARGE)
