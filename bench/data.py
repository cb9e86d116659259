"""The inputs: a seeded genome and regions on it, in `bench/work/`.

Nothing here is downloaded; the same seed gives the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.machine import ROOT

WORK = ROOT / "bench" / "work"
LINE = 60  # bases
REGION = 200  # bp

# Byte b of a random stream gives the four bases of its bit pairs.
FOUR_BASES = np.frombuffer(b"ACGT", np.uint8)[np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3]


@dataclass(frozen=True, kw_only=True)
class Genome:
    """Random contigs with N at both ends, N inside, and lower-case stretches.

    Attributes
    ----------
    name : str
        The file is `bench/work/<name>.fa`.
    contigs, length : int
        Number of contigs and bases in each.
    """

    name: str
    contigs: int
    length: int
    seed: int = 1

    @property
    def bases(self) -> int:
        """All contigs together, N included."""
        return self.contigs * self.length

    @property
    def telomere(self) -> int:
        """Bases of N at each end of a contig."""
        return self.length // 5_000

    def contig(self, number: int) -> npt.NDArray[np.uint8]:
        """The letters of one contig, uint8, shape (length,)."""
        rng = np.random.default_rng([self.seed, number])
        stream = np.frombuffer(rng.bytes(-(-self.length // 4)), np.uint8)
        letters = FOUR_BASES[stream].reshape(-1)[: self.length]
        self._mark(letters, rng, every=2_500, width=300, letter=None)
        self._mark(letters, rng, every=50_000, width=20, letter=ord("N"))
        if self.telomere:
            letters[: self.telomere] = letters[-self.telomere :] = ord("N")
        return letters

    def _mark(
        self,
        letters: npt.NDArray[np.uint8],
        rng: np.random.Generator,
        *,
        every: int,
        width: int,
        letter: int | None,
    ) -> None:
        """Set stretches of `width`, one in `every` bases, to `letter`; None: to lower case."""
        for start in rng.integers(0, self.length - width, self.length // every):
            stretch = letters[start : start + width]
            stretch[:] = stretch | 0x20 if letter is None else letter

    def write(self, work: Path = WORK) -> Path:
        """The FASTA file, made unless it is there."""
        path = work / f"{self.name}.fa"
        if path.exists():
            return path
        work.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            for number in range(self.contigs):
                file.write(f">chr{number + 1}\n".encode())
                file.write(wrap(self.contig(number)))
        temporary.replace(path)
        return path

    def regions(self, n: int, work: Path = WORK) -> Path:
        """A sorted BED file of `n` regions of 200 bp that keep off the contigs' ends."""
        path = work / f"{self.name}.{n}.bed"
        if path.exists():
            return path
        work.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([self.seed, n])
        low, high = self.telomere, self.length - self.telomere - REGION
        contig, start = np.divmod(
            np.sort(rng.integers(0, self.contigs * (high - low), n)), high - low
        )
        lines = [
            f"chr{c + 1}\t{s}\t{s + REGION}\n"
            for c, s in zip(contig.tolist(), (start + low).tolist(), strict=True)
        ]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(lines))
        temporary.replace(path)
        return path


def wrap(letters: npt.NDArray[np.uint8]) -> bytes:
    """`letters` in lines of 60."""
    full = len(letters) // LINE
    lines = np.full((full, LINE + 1), ord("\n"), np.uint8)
    lines[:, :LINE] = letters[: full * LINE].reshape(full, LINE)
    rest = letters[full * LINE :].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")


BIG = Genome(name="genome", contigs=5, length=50_000_000)
