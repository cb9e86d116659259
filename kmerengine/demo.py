"""`python -m kmerengine.demo [FOLDER]`: plant motifs in a genome, count, and find them by name.

Words are compared by their counts in the peaks and in the whole genome. Were peaks like the rest
of the genome, each of a word's T occurrences would lie in a peak with the same probability
f = (k-mers in peaks) / (k-mers in the genome), so

    expected = T f        z = (observed - expected) / sqrt(T f (1 - f))
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import numpy.typing as npt

from kmerengine.cli._group import in_one_line
from kmerengine.errors import InputError
from kmerengine.simulators.peaks import MOTIFS, simulate_peaks
from kmerengine.simulators.sequences import IUPAC

N_TOP = 20
MIN_BASES = 6  # of a word, on informative positions of a consensus, to bear the motif's name
MIN_SHARED = 5  # equal bases of two words that count as one finding
MIN_Z = 4.0  # SD; words below it are not searched for the best of a motif

FILES = {
    *("genome.fa", "genome.fa.fai", "peaks.narrowPeak", "motif_instances.bed"),
    *("peaks.kmers.parquet", "genome.kmers.parquet"),
}


class Enrichment(NamedTuple):
    """Of each word, shape (n,)."""

    expected: npt.NDArray[np.float64]
    z: npt.NDArray[np.float64]  # standard deviations; 0 for a word that the genome lacks


def enrichment(observed: npt.NDArray[np.int64], total: npt.NDArray[np.int64]) -> Enrichment:
    """Compare counts in the peaks with counts in the whole genome, peaks included."""
    share = observed.sum() / max(total.sum(), 1)
    expected = total * share
    spread = np.sqrt(expected * (1 - share))
    z = np.divide(observed - expected, spread, out=np.zeros(len(total)), where=spread > 0)
    return Enrichment(expected, z)


def motifs_with(word: str) -> list[str]:
    """The planted motifs whose consensus contains `word` on either strand.

    A wildcard matches anything, also beyond the ends of the consensus; at least `MIN_BASES`
    bases must lie on letters that do not accept every base.
    """
    core = word.strip("N")
    return [
        name
        for name, consensus in MOTIFS.items()
        if any(
            _shared(each, consensus[start : start + len(each)]) >= MIN_BASES
            for each in (core, _reverse_complement(core))
            for start in range(len(consensus) - len(each) + 1)
        )
    ]


def distinct(ranked: Iterable[int], word: Callable[[int], str], n: int) -> list[int]:
    """The first `n` features, best first, without those that overlap a better one.

    Two words overlap when some shift of one over the other, on either strand, has
    `MIN_SHARED` equal bases and no mismatch.
    """
    chosen: list[int] = []
    for feature in ranked:
        if len(chosen) == n:
            break
        if not any(_overlap(word(feature), word(better)) for better in chosen):
            chosen.append(feature)
    return chosen


def best_words(ranked: Iterable[int], word: Callable[[int], str]) -> dict[str, int]:
    """For each motif the first feature of `ranked`, best first, that is in no other motif."""
    best: dict[str, int] = {}
    for feature in ranked:
        if len(best) == len(MOTIFS):
            break
        names = motifs_with(word(feature))
        if len(names) == 1:
            best.setdefault(names[0], feature)
    return best


def _overlap(a: str, b: str) -> bool:
    return any(
        _shared(a[max(shift, 0) : len(b) + shift], other[max(-shift, 0) : len(a) - shift])
        >= MIN_SHARED
        for other in (b, _reverse_complement(b))
        for shift in range(MIN_SHARED - len(b), len(a) - MIN_SHARED + 1)
    )


def _shared(word: str, letters: str) -> int:
    """Positions where a base meets a letter that accepts it and not all; -1 for a mismatch."""
    n = 0
    for base, letter in zip(word, letters, strict=True):
        if base != "N" and letter != "N":
            if base not in IUPAC[letter]:
                return -1
            n += 1
    return n


def _reverse_complement(word: str) -> str:
    return word.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def demo(folder: Path) -> None:
    """Make `folder` and print the words that are enriched in its peaks."""
    _check_folder(folder)
    files = simulate_peaks(folder, force=True)
    click.echo(f"{folder}: a random genome; {', '.join(MOTIFS)} are planted in its peaks")
    in_peaks, in_genome = folder / "peaks.kmers.parquet", folder / "genome.kmers.parquet"
    _run("count", files.genome, files.peaks, "--width", 200, "-o", in_peaks)
    _run("count", files.genome, "-o", in_genome)

    import kmerengine

    counts = kmerengine.KmerCounts.open(in_peaks)
    observed = np.asarray(counts.features().sum(axis=0, dtype=np.int64)).ravel()
    total = kmerengine.KmerTotals.open(in_genome).features().astype(np.int64)
    expected, z = enrichment(observed, total)
    ranked = np.argsort(-z, kind="stable").tolist()
    word = counts.vocabulary.word

    def row(feature: int, *names: str) -> str:
        numbers = f"{observed[feature]:>8,}  {expected[feature]:>8.1f}  {z[feature]:>6.1f}"
        return "  ".join([f"{word(feature):<8}", numbers, *names])

    header = f"{'word':<8}  {'observed':>8}  {'expected':>8}  {'z (SD)':>6}"
    click.echo(
        f"\nTop {N_TOP} of {len(total):,} gapped words (N: any base) in {len(counts):,} peaks of "
        "200 bp, against the whole genome.\n"
        "observed: k-mers in peaks, on either strand\n"
        f"expected: {observed.sum() / total.sum():.1%} of those in the genome, as for all words\n"
        "z: standard deviations (SD) above expected\n"
        f"Words that agree with a better one in {MIN_SHARED} or more aligned bases, without a "
        "mismatch, are left out.\n\n"
        f"{header}  planted motif that contains it"
    )
    for feature in distinct(ranked, word, N_TOP):
        click.echo(row(feature, ", ".join(motifs_with(word(feature))) or "-"))
    click.echo(f"\nBest word of each planted motif that no other contains\n\n{header}  motif")
    best = best_words((feature for feature in ranked if z[feature] >= MIN_Z), word)
    for name, consensus in MOTIFS.items():
        found = row(best[name]) if name in best else f"{f'none with z >= {MIN_Z}':<36}"
        click.echo(f"{found}  {name:<8}  {consensus}")


def _check_folder(folder: Path) -> None:
    """Only a folder of an earlier demo is replaced."""
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in found if name not in FILES]
    if others or (folder.exists() and not folder.is_dir()):
        what = f"holds {others[0]!r}" if others else "is a file"
        raise InputError(
            f"{folder}: {what}, expected a folder of an earlier demo or none; name another folder"
        )


def _run(*arguments: object) -> None:
    """Show a command and run it."""
    words = [str(argument) for argument in arguments]
    click.echo(f"$ kmerengine {shlex.join(words)}")
    status = subprocess.run([sys.executable, "-m", "kmerengine", *words], check=False).returncode
    if status:
        raise InputError(f"kmerengine {words[0]} ended with status {status}; its message is above")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo"))
def main(folder: Path) -> None:
    """Plant motifs in a small genome, count gapped words, and print the enriched ones.

    FOLDER receives the files (default: demo).
    """
    with in_one_line():
        demo(folder)


if __name__ == "__main__":
    main()
