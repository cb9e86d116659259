"""Other people's tools, and plain Python, as providers. The package depends on none of them."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from bench.cut_facts import observe_bedgraph, observe_bigwigs
from bench.harness import Facts, Provider
from bench.machine import package_version
from bench.reads import PairedReads

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


def figwig(reads: PairedReads, kind: str) -> Provider:
    """figwig's bam2bw, with as many threads as all others."""
    both = kind == "bigWig"

    def command(output: Path) -> list[str]:
        options = ["-s", str(reads.sizes()), "-p", str(THREADS), "-n", str(output / "out")]
        tool = [sys.executable, "-m", "figwig", "bam2bw", *(["-u"] if both else [])]
        return [*tool, *options, str(reads.write())]

    def observe(output: Path, _: str) -> Facts:
        names = ["out.bw"] if both else ["out.+.bw", "out.-.bw"]
        return observe_bigwigs(*(output / name for name in names))

    return Provider(
        name=f"figwig ({kind})",
        command=command,
        observe=observe,
        version=lambda: package_version("figwig"),
    )


def bam2bw(reads: PairedReads) -> Provider:
    """bam2bw, figwig's elder: pysam and pyBigWig, one thread."""

    def command(output: Path) -> list[str]:
        tool = str(Path(sys.executable).with_name("bam2bw"))
        options = ["-u", "-s", str(reads.sizes()), "-n", str(output / "out")]
        return [tool, *options, str(reads.write())]

    return Provider(
        name="bam2bw (bigWig)",
        command=command,
        observe=lambda output, _: observe_bigwigs(output / "out.bw"),
        version=lambda: package_version("bam2bw"),
        runs=1,
    )


def bedtools(reads: PairedReads) -> Provider:
    """Coverage of 5' ends as bedGraph; a bigWig would take another tool."""
    return Provider(
        name="bedtools (genomecov -5, bedGraph)",
        command=lambda output: [
            *("sh", "-c", 'exec bedtools genomecov -5 -bg -ibam "$0" > "$1"'),
            *(str(reads.write()), str(output / "out.bedgraph")),
        ],
        observe=lambda output, _: observe_bedgraph(output / "out.bedgraph"),
        version=lambda: _tool_version("bedtools", r"v(\d\S+)", "--version"),
        runs=1,
    )


def samtools(reads: PairedReads) -> Provider:
    """Reads and counts records: what inflating the file takes."""
    return Provider(
        name="samtools (view -c, reads only)",
        command=lambda _: ["samtools", "view", "-c", "-@", str(THREADS - 1), str(reads.write())],
        observe=lambda _, stdout: {"reads": int(stdout)},
        version=lambda: _tool_version("samtools", r"samtools (\d\S*)", "--version"),
    )


@cache
def _tool_version(tool: str, pattern: str, *arguments: str) -> str | None:
    """What the tool says its version is, or None if it is not on the path."""
    if shutil.which(tool) is None:
        return None
    done = subprocess.run([tool, *arguments], capture_output=True, errors="replace", check=False)
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
