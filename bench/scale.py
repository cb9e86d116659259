"""What a region, a read, a fragment, a base, a sequence and a piece of work cost: docs/scale.md.

    python -m bench.scale [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

Commands run on one thread, with little work and with more: the difference is the work's, the rest
is what every command costs. What counts is CPU seconds, which do not wait for neighbours.
`python -m bench.scale_plan` writes the page's tables from the rows.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.cells import Cells
from bench.command import main
from bench.data import BIG, Genome
from bench.harness import Case, Facts, Provider
from bench.machine import package_version
from bench.reads import PairedReads
from bench.scan import SMALL, seeded_motifs

MOTIFS = 50
LARGER = Genome(name="genome-36M", contigs=16, length=2_280_000)
PEAKS = 76_218  # that half of the reads lie near
FEW_READS = PairedReads(name="reads-400k", genome=BIG, pairs=200_000, peaks=PEAKS)
READS = PairedReads(name="reads", genome=BIG, pairs=2_000_000, peaks=PEAKS)
FEW_CELLS = Cells(name="cells-200k", genome=BIG, fragments=200_000)
CELLS = Cells(name="cells-2M", genome=BIG, fragments=2_000_000)
REGIONS = (20_000, 200_000)
SEQUENCES = 4
PIECES = 400

Call = Callable[[Path], Sequence[str]]
Observe = Callable[[Path, str], Facts]


class Step(NamedTuple):
    """What is measured with little work and with more.

    Attributes
    ----------
    name, few : str
        Of the cases.
    """

    name: str
    few: str


STEPS = (
    Step("cuts-bam", "cuts-bam-few"),
    Step("cuts-cells", "cuts-cells-few"),
    Step("count", "count-few"),
    Step("scan", "scan-few"),
)


def case(
    name: str, label: str, work: int, unit: str, call: Call, observe: Observe, *, expected: Facts,
    alone: str = "",
) -> Case:  # fmt: skip
    """Work that says that it was as much as `expected`; `alone`, a part of a command that stands on
    this package.
    """
    provider = Provider(
        name=alone or "kmerengine", command=call, observe=observe, self_timed=bool(alone),
        version=lambda: package_version(alone or "kmerengine"),
    )  # fmt: skip
    return Case(
        name=name, label=label, work=work, unit=unit, providers=[provider], setup=lambda: expected
    )


def kmerengine(*words: object, out: str = "out.parquet") -> Call:
    """A command, on one thread."""
    return lambda folder: [
        *(sys.executable, "-m", "kmerengine", *map(str, words), "--threads", "1"),
        *("-o", str(folder / out), "--quiet"),
    ]


def lazily(make: Callable[[], Call]) -> Call:
    """A command whose inputs are made when it is asked for."""
    return lambda folder: make()(folder)


def rows(folder: Path, _: str, *, name: str) -> Facts:
    """How many there are in the table."""
    return {name: pq.read_metadata(folder / "out.parquet").num_rows}


def cuts(folder: Path, _: str, *, source: Callable[[], Path]) -> Facts:
    """How many were counted, and the size of what they were counted in."""
    counts = pq.read_table(folder / "out.parquet", columns=["count"])["count"]
    return {"cuts": pc.sum(counts).as_py(), "bytes in": source().stat().st_size}


def said(_: Path, stdout: str) -> Facts:
    """What a part of a command says of itself."""
    found = json.loads(stdout.splitlines()[-1])
    return {name: value for name, value in found.items() if name != "seconds"}


def of_reads(name: str, reads: PairedReads) -> Case:
    """5' ends of a BAM."""
    return case(
        name, f"`cuts` of {reads.reads:,} reads in a BAM", reads.reads, "read",
        lazily(lambda: kmerengine("cuts", reads.write(), "--shift", "none")),
        partial(cuts, source=reads.write), expected={"cuts": reads.reads},
    )  # fmt: skip


def sizes() -> Path:
    """Of the contigs: text does not tell them."""
    return READS.sizes()


def of_cells(name: str, cells: Cells) -> Case:
    """Cuts of groups of cells."""
    n = f"{cells.fragments:,} fragments of {cells.cells:,} cells"
    return case(
        name, f"`cuts` of {n}, {cells.groups} groups", cells.fragments, "fragment",
        lazily(lambda: kmerengine(
            "cuts", cells.write(), "--groups", cells.table(), "--genome", sizes(),
            "--input-shift", "none",
        )),
        partial(cuts, source=cells.write), expected={"cuts": 2 * cells.fragments},
    )  # fmt: skip


def of_regions(name: str, n: int) -> Case:
    """Gapped words of regions."""
    return case(
        name, f"`count` of {n:,} regions of 200 bp", n, "region",
        lazily(lambda: kmerengine("count", BIG.write(), BIG.regions(n))),
        partial(rows, name="regions"), expected={"regions": n},
    )  # fmt: skip


def of_bases(name: str, genome: Genome) -> Case:
    """Motifs of a genome; `bench.scan` holds the hits to another tool's."""
    return case(
        name, f"`scan` of {genome.bases / 1e6:.2f} Mb with {MOTIFS} motifs", genome.bases, "base",
        lazily(lambda: kmerengine("scan", genome.write(), seeded_motifs(MOTIFS))),
        partial(rows, name="hits"), expected={},
    )  # fmt: skip


def alone(*arguments: object) -> Sequence[str]:
    """A part of a command, which says what it took."""
    return [sys.executable, "-m", "bench.scale_alone", *map(str, arguments)]


CASES = [
    of_reads("cuts-bam-few", FEW_READS),
    of_reads("cuts-bam", READS),
    of_cells("cuts-cells-few", FEW_CELLS),
    of_cells("cuts-cells", CELLS),
    case(
        "join", f"of these, joining and writing {2 * CELLS.fragments:,} cuts",
        2 * CELLS.fragments, "cut",
        lambda folder: alone(
            "join", CELLS.write(), CELLS.table(), sizes(), folder / "out.parquet"
        ),
        said, expected={"cuts": 2 * CELLS.fragments}, alone="kmerengine",
    ),
    of_regions("count-few", REGIONS[0]),
    of_regions("count", REGIONS[1]),
    of_bases("scan-few", SMALL),
    of_bases("scan", LARGER),
    case(
        "attribute", f"DeepSHAP with 20 shuffles of {SEQUENCES} sequences, BPNet of 64 filters, "
        "2,114 bp",
        SEQUENCES, "sequence", lambda _: alone("attribute", SEQUENCES), said,
        expected={"sequences": SEQUENCES}, alone="torch",
    ),
    case(
        "pieces", f"scheduler and command, of {PIECES} pieces of no work",
        PIECES, "piece", lambda _: alone("pieces", PIECES), said,
        expected={"total": PIECES * (PIECES - 1) // 2}, alone="distributed",
    ),
]  # fmt: skip


if __name__ == "__main__":
    main("scale", __doc__, CASES)
