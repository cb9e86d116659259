"""BindVAE on the peaks of real yeast reads: what its topics are like.

    python -m bench.bindvae_yeast            train, make motifs, and name them
    python -m bench.bindvae_yeast --show     the table of docs/bindvae.md from the results

The peaks are those of $KMERENGINE_DATA (by default ../shared/data), which are not in this
repository: 1,392 of them, a fiftieth of what the paper has, so that windows of 200 bp are taken
every 50 bp of a peak and not around its summit alone. Nor is a database of yeast's motifs here:
the sites of `SITES`, as the literature spells them, stand for it. No topic is thrown away: those
that are like no site are counted.
"""

import argparse
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kmerengine
from bench.bindvae_planted import unigram_perplexity
from bench.data import WORK
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)
from bench.yeast import DATA as SHARED
from kmerengine.motifs.motif import Motif
from kmerengine.simulators.sequences import consensus_matrix

OP = "bindvae-yeast"
ROWS = RESULTS / "models" / f"{OP}.json"
FIGURE = ROOT / "docs" / "figures" / "bindvae_yeast.png"
DATA = SHARED / "yeast"
Q = 0.05
STRICTNESS = 0.94  # of a site's letters
SITES = {
    "REB1": "TTACCCG",
    "ABF1": "RTCRYNNNNNACG",
    "RAP1": "ACACCCATACAYY",
    "TBF1": "ARCCCTAA",
    "MCM1": "CCYAATTNNGG",
    "CBF1": "RTCACGTG",
    "GCN4": "TGASTCA",
    "MBP1": "ACGCGT",
    "SWI4": "CRCGAAA",
    "HSF1": "TTCNNGAANNTTC",
    "STE12": "TGAAACA",
    "GAL4": "CGGNNNNNNNNNNNCCG",
    "MSN2": "AGGGG",
    "RPN4": "GGTGGCAAA",
    "INO4": "CATGTGAAA",
    "FKH2": "GTAAACA",
    "PAC": "GCGATGAGMT",
    "RRPE": "TGAAAAATTTT",
    "poly(dA:dT)": "AAAAAAAAAA",
}
WIDTH, STEP = 200, 50  # bp
CONFIG: dict[str, Any] = {"network": {"topics": 20}, "training": {"steps": 3_000}}


def run_all(results: Path = ROWS) -> None:
    """Train, make motifs of the topics, and name them."""
    import modelkit

    started = time.monotonic()
    folder = WORK / OP
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = kmerengine.dataset(
        windows(folder / "windows.bed"),
        output=folder / "data",
        genome=DATA / "sacCer3.fa.gz",
        width=WIDTH,
        split=["test=chrIV,chrXII"],
    )
    config = modelkit.read_config(model="bindvae", preset="small").changed(CONFIG)
    run = modelkit.train(config, data, folder / "run", device="cpu")
    measured = modelkit.evaluate(run, data, split="test").metrics["model"]
    kmers = modelkit.topic_kmers(run, folder / "kmers")
    known = [
        Motif(name=name, probabilities=consensus_matrix(site, STRICTNESS))
        for name, site in SITES.items()
    ]
    motifs = modelkit.topic_motifs(run, folder / "motifs", database=known, q=Q)
    shutil.copyfile(folder / "motifs" / "topic_motifs.png", FIGURE)
    topics = []
    for row in motifs.table.to_pylist():
        best = kmers.rows(row["topic"])[:5]
        topics.append(
            {
                "topic": row["topic"],
                "consensus": row["consensus"],
                "information": row["information"],
                "like": row["match"],
                "p": row["match_p"],
                "q": row["match_q"],
                "kmers": [each["word"] for each in best],
            }
        )
    row = {
        "op": OP,
        "date": datetime.now(UTC).date().isoformat(),
        **describe_commit(),
        "machine": describe_machine(1),
        "versions": describe_versions() | {"torch": package_version("torch")},
        "config": config.model_dump(mode="json"),
        "windows": len(data),
        "perplexity": measured["perplexity"],
        "unigram_perplexity": unigram_perplexity(folder / "data"),
        "topics": topics,
        "seconds": round(time.monotonic() - started, 1),
    }
    append_rows(results, [row])
    say(f"{len(data):,} windows, {row['seconds']:.0f} s")


def windows(path: Path) -> Path:
    """Windows every so many bp of each peak, all within it; of one that is narrower, none."""
    lines = []
    for line in (DATA / "yeast_peaks.narrowPeak").read_text().splitlines():
        chrom, start, end = line.split("\t")[0], *map(int, line.split("\t")[1:3])
        if chrom == "chrM":
            continue
        firsts = range(start, end - WIDTH + 1, STEP)
        lines += [f"{chrom}\t{first}\t{first + WIDTH}\n" for first in firsts]
    path.write_text("".join(lines))
    return path


def table(row: Row) -> str:
    """Markdown: topics that are like a known site, those with most information first."""
    named = [each for each in row["topics"] if each["like"] is not None]
    named.sort(key=lambda each: each["p"])
    lines = ["| topic | motif | like | p | q | k-mers |", "|---" * 6 + "|"]
    for each in named:
        words = ", ".join(word.replace("N", "\\*") for word in each["kmers"])
        lines.append(
            f"| {each['topic']} | {each['consensus']} | {each['like']} | {each['p']:.1e} "
            f"| {each['q']:.2g} | {words} |"
        )
    silent = sum(each["consensus"] is None for each in row["topics"])
    rest = len(row["topics"]) - len(named) - silent
    lines.append("")
    lines.append(
        f"{rest} topics are like none of the {len(SITES)} sites, {silent} are silent; held-out "
        f"perplexity {row['perplexity']:,.0f}, of the unigram {row['unigram_perplexity']:,.0f}."
    )
    return "\n".join(lines)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.bindvae_yeast", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--show", action="store_true", help="the table, no training")
    options = parser.parse_args()
    if not (DATA / "yeast_peaks.narrowPeak").exists():
        parser.error(f"{DATA}: has no yeast_peaks.narrowPeak; set KMERENGINE_DATA")
    if not options.show:
        run_all()
    rows = read_rows(ROWS)
    if not rows:
        parser.error("no results yet")
    print(table(rows[-1]))


if __name__ == "__main__":
    main()
