"""Other people's tools, and plain Python, as providers. The package depends on none of them."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from bench.harness import Facts, Provider
from bench.machine import package_version

THREADS = 2
COMPLEMENT = str.maketrans("ACGT", "TGCA")

Fasta = Callable[[], Path]


def kmc(genome: Fasta, k: int) -> Provider:
    """KMC 3, keeping words that occur once. Its database caps a count at 255, its totals do not."""

    def command(output: Path) -> list[str]:
        options = [f"-k{k}", f"-t{THREADS}", "-m4", "-fm", "-ci1"]
        return ["kmc", *options, str(genome()), str(output / "words"), str(output)]

    def observe(_: Path, stdout: str) -> Facts:
        return {
            "total": _number(r"Total no\. of k-mers\s*:\s*(\d+)", stdout),
            "distinct": _number(r"No\. of unique k-mers\s*:\s*(\d+)", stdout),
        }

    return Provider(
        name="KMC",
        command=command,
        observe=observe,
        version=lambda: _tool_version("kmc", r"ver\. (\S+)"),
    )


def jellyfish(genome: Fasta, k: int, *, hash_size: str, runs: int | None = None) -> Provider:
    """Jellyfish 2. `hash_size` is its -s; with less than the distinct words it must double."""

    def command(output: Path) -> list[str]:
        options = ["-C", "-t", str(THREADS), "-m", str(k), "-s", hash_size]
        return ["jellyfish", "count", *options, "-o", str(output / "words.jf"), str(genome())]

    def observe(output: Path, _: str) -> Facts:
        stats = ["jellyfish", "stats", str(output / "words.jf")]
        said = subprocess.run(stats, capture_output=True, text=True, check=True).stdout
        return {
            "total": _number(r"Total:\s*(\d+)", said),
            "distinct": _number(r"Distinct:\s*(\d+)", said),
        }

    return Provider(
        name="Jellyfish",
        command=command,
        observe=observe,
        version=lambda: _tool_version("jellyfish", r"(\d\S+)", "--version"),
        runs=runs,
    )


def plain_python(genome: Fasta, bed: Callable[[], Path]) -> Provider:
    """Strings and a dict: the gapped features of each region, strands merged."""

    def observe(_: Path, stdout: str) -> Facts:
        rows, total, nonzeros = stdout.split()
        return {
            "regions": int(rows),
            "feature_total": int(total),
            "feature_nonzeros": int(nonzeros),
        }

    return Provider(
        name="plain Python",
        command=lambda _: [sys.executable, "-m", "bench.peers", "plain", str(genome()), str(bed())],
        observe=observe,
        version=lambda: sys.version.split()[0],
    )


def scikit_learn(genome: Fasta, bed: Callable[[], Path]) -> Provider:
    """CountVectorizer on exact 8-mers as read: neither strands merged nor gaps."""

    def observe(_: Path, stdout: str) -> Facts:
        rows, total = stdout.split()
        return {"regions": int(rows), "total": int(total)}

    return Provider(
        name="scikit-learn (exact words, strands apart)",
        command=lambda out: [
            *(sys.executable, "-m", "bench.peers", "sklearn"),
            *(str(genome()), str(bed()), str(out / "counts.npz")),
        ],
        observe=observe,
        version=lambda: package_version("scikit-learn"),
    )


@cache
def _tool_version(tool: str, pattern: str, *arguments: str) -> str | None:
    """What the tool says its version is, or None if it is not on the path."""
    if shutil.which(tool) is None:
        return None
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern!r} in the tool's report:\n{text}")
    return int(found[1])


def region_strings(genome: str, bed: str) -> Iterator[str]:
    """The bases of each region, upper case."""
    contigs = {}
    for record in Path(genome).read_text().split(">")[1:]:
        name, _, lines = record.partition("\n")
        contigs[name] = lines.replace("\n", "").upper()
    for line in Path(bed).read_text().splitlines():
        chrom, start, end = line.split()[:3]
        yield contigs[chrom][int(start) : int(end)]


def gapped_counts(sequence: str) -> Counter[str]:
    """Gapped 8-mers of one sequence: 0, 1 or 2 adjacent wildcards, strands merged."""
    counts: Counter[str] = Counter()
    for start in range(len(sequence) - 7):
        window = sequence[start : start + 8]
        if "N" in window:
            continue
        words = {window}
        for at in range(8):
            words.add(window[:at] + "N" + window[at + 1 :])
        for at in range(7):
            words.add(window[:at] + "NN" + window[at + 2 :])
        counts.update({min(word, word.translate(COMPLEMENT)[::-1]) for word in words})
    return counts


def _plain(genome: str, bed: str) -> None:
    counts = [gapped_counts(sequence) for sequence in region_strings(genome, bed)]
    print(len(counts), sum(sum(c.values()) for c in counts), sum(map(len, counts)))


def _sklearn(genome: str, bed: str, out: str) -> None:
    import numpy as np
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer="char", ngram_range=(8, 8), lowercase=False)
    counts = vectorizer.fit_transform(region_strings(genome, bed))
    real = np.array(["N" not in word for word in vectorizer.get_feature_names_out()])
    sp.save_npz(out, counts, compressed=False)
    print(counts.shape[0], counts[:, real].sum())


if __name__ == "__main__":
    {"plain": _plain, "sklearn": _sklearn}[sys.argv[1]](*sys.argv[2:])
