"""`kmerengine scan`, whole processes and scanning alone, next to memelite's FIMO.

    python -m bench.scan [--repeats 3] [--large] [--case NAME ...] [--provider NAME ...] [--list]

memelite gets the integer scores that kmerengine makes, as probabilities, so that both look for the
same: its hits are held to the same thresholds, and those over N, which it counts as no score, are
left out.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from bench.command import main
from bench.data import BIG, WORK, Genome
from bench.harness import Case, Facts, Provider
from bench.machine import ROOT, package_version
from kmerengine import Motif, read_motifs, write_meme
from kmerengine.io.fasta import Genome as Fasta
from kmerengine.motifs.scores import MotifScores

P = 1e-4
P_ROUNDED = 1.2e-4  # memelite rounds scores to 0.01 bits: it is asked for a little more
UNIFORM = np.full(4, 0.25)

SMALL = Genome(name="genome-12M", contigs=16, length=760_000)
REAL = Path(os.environ.get("KMERENGINE_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A genome and motifs, made when they are asked for."""

    genome: Callable[[], Path]
    motifs: Callable[[], Path]


def seeded_motifs(n: int) -> Path:
    """Motifs of 6 to 20 bp, of about 1.1 bits a position as JASPAR's are."""
    path = WORK / f"motifs-{n}.meme"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([1, n])
        motifs = [
            Motif(name=f"m{i}", probabilities=rng.dirichlet([0.3] * 4, rng.integers(6, 21)))
            for i in range(n)
        ]
        write_meme(path, motifs)
    return path


def yeast() -> Path:
    """The yeast genome, unpacked: memelite reads no bgzip."""
    path = WORK / "sacCer3.fa"
    if not path.exists():
        import gzip

        WORK.mkdir(parents=True, exist_ok=True)
        packed = (REAL / "yeast/sacCer3.fa.gz").read_bytes()
        path.write_bytes(gzip.decompress(packed))
    return path


def fifty_of_jaspar() -> Path:
    """Every 17th motif of JASPAR 2024's vertebrates."""
    path = WORK / "jaspar-50.meme"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        database = REAL / "motifs/JASPAR2024_CORE_vertebrates_non-redundant.meme"
        write_meme(path, read_motifs(database)[::17][:50])
    return path


@cache
def scores_of(motifs: Path) -> list[MotifScores]:
    """The scores that kmerengine looks for."""
    return [MotifScores.of(motif, UNIFORM) for motif in read_motifs(motifs)]


def as_probabilities(motifs: Path) -> Path:
    """The integer scores as what memelite takes: of each motif 2^(bits) / 4, shape (4, length)."""
    path = motifs.with_suffix(".npz")
    if not path.exists():
        arrays: dict[str, Any] = {
            each.motif.name: 2.0 ** (each.weights / each.scale + each.offset).T / 4
            for each in scores_of(motifs)
        }
        with path.open("wb") as file:
            np.savez(file, **arrays)
    return path


def checksum(*columns: npt.NDArray[Any]) -> int:
    """The same for the same hits in any order."""
    product = np.ones(len(columns[0]), np.uint64)
    for column in columns:
        product *= column.astype(np.uint64) + np.uint64(1)
    return int(product.sum())


def observe_ours(path: Path, inputs: Inputs) -> Facts:
    """Facts of a Parquet file that kmerengine wrote."""
    table = pq.read_table(path)
    contigs = list(_contigs(inputs))
    motifs = [each.motif.name for each in scores_of(inputs.motifs())]
    return {
        "hits": len(table),
        "checksum": checksum(
            _number(table["chrom"].to_pylist(), contigs),
            table["start"].to_numpy(),
            _number(table["motif"].to_pylist(), motifs),
            _number(table["strand"].to_pylist(), ["+", "-"]),
        ),
    }


def observe_memelite(path: Path, inputs: Inputs) -> Facts:
    """The same of memelite's: hits that reach the threshold exactly, and hold no N."""
    table = pq.read_table(path)
    scores = scores_of(inputs.motifs())
    motif = _number(table["motif_name"].to_pylist(), [each.motif.name for each in scores])
    cuts = np.array([float(s.bits(np.array(s.lowest_score(P)))) for s in scores])
    names = list(_contigs(inputs))
    contig = _number(table["sequence_name"].to_pylist(), names)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    kept = table["score"].to_numpy() >= cuts[motif] - 1e-6
    with Fasta.open(inputs.genome()) as fasta:
        for number, length in enumerate(fasta.contigs.values()):
            codes, _ = fasta.fetch(*(np.array([x], np.int64) for x in (number, 0, length)))
            strange = np.concatenate([[0], np.cumsum(codes > 3)])
            here = np.flatnonzero(contig == number)
            kept[here] &= strange[end[here]] == strange[start[here]]
    strand = _number(table["strand"].to_pylist(), ["+", "-"])
    columns = (contig[kept], start[kept], motif[kept], strand[kept])
    return {"hits": int(kept.sum()), "checksum": checksum(*columns)}


def _contigs(inputs: Inputs) -> dict[str, int]:
    with Fasta.open(inputs.genome()) as fasta:
        return fasta.contigs


def _number(words: list[str], known: list[str]) -> npt.NDArray[np.int64]:
    place = {word: at for at, word in enumerate(known)}
    return np.fromiter((place[word] for word in words), np.int64, len(words))


def ours(inputs: Inputs) -> Provider:
    """`kmerengine scan` writing Parquet."""
    return Provider(
        name="kmerengine",
        command=lambda out: [
            *(sys.executable, "-m", "kmerengine", "scan", str(inputs.genome())),
            *(str(inputs.motifs()), "-o", str(out / "out.parquet"), "--quiet"),
        ],
        observe=lambda out, _: observe_ours(out / "out.parquet", inputs),
        version=lambda: package_version("kmerengine"),
    )


def memelite(inputs: Inputs) -> Provider:
    """memelite's FIMO, its tables written to one Parquet file."""
    return Provider(
        name="memelite",
        command=lambda out: [
            *(sys.executable, "-m", "bench.scan_peers", "memelite", str(inputs.genome())),
            *(str(as_probabilities(inputs.motifs())), str(out / "out.parquet"), str(P_ROUNDED)),
        ],
        observe=lambda out, _: observe_memelite(out / "out.parquet", inputs),
        version=lambda: package_version("memelite"),
    )


def alone(inputs: Inputs, tool: str) -> Provider:
    """The second call in a process: reading and scanning, without start-up and writing."""
    motifs = inputs.motifs if tool == "kmerengine" else lambda: as_probabilities(inputs.motifs())
    return Provider(
        name=f"{tool}, the call alone",
        command=lambda _: [
            *(sys.executable, "-m", "bench.scan_peers", f"{tool}-alone"),
            *(str(inputs.genome()), str(motifs()), str(P)),
        ],
        observe=lambda _, stdout: {"motifs": json.loads(stdout.splitlines()[-1])["motifs"]},
        version=lambda: package_version(tool),
        self_timed=True,
    )


def of_inputs(name: str, label: str, bases: int, inputs: Inputs) -> Case:
    """A case with every provider."""
    return Case(
        name=name,
        label=label,
        work=bases,
        unit="base",
        providers=[ours(inputs), memelite(inputs)],
    )


def of_calls(name: str, label: str, bases: int, inputs: Inputs) -> Case:
    """The calls alone."""
    providers = [alone(inputs, tool) for tool in ("kmerengine", "memelite")]
    return Case(name=name, label=label, work=bases, unit="base", providers=providers)


SEEDED = Inputs(genome=SMALL.write, motifs=lambda: seeded_motifs(50))
YEAST = Inputs(genome=yeast, motifs=fifty_of_jaspar)
HUNDREDS = Inputs(genome=BIG.write, motifs=lambda: seeded_motifs(300))

CASES = [
    of_inputs("scan-12M", "50 motifs x 12 Mb, both strands", SMALL.bases, SEEDED),
    of_calls("scan-12M-alone", "the same, the call alone", SMALL.bases, SEEDED),
]
if REAL.is_dir():
    CASES += [
        of_inputs("scan-yeast", "50 JASPAR motifs x yeast, both strands", 12_157_105, YEAST),
        of_calls("scan-yeast-alone", "the same, the call alone", 12_157_105, YEAST),
    ]
LARGE = [
    Case(
        name="scan-250M",
        label="300 motifs x 250 Mb, both strands",
        work=BIG.bases,
        unit="base",
        providers=[ours(HUNDREDS)],
    )
]


if __name__ == "__main__":
    main("scan", __doc__, CASES, LARGE)
