"""bpAI-TAC end to end on real reads: `make yeast`.

The chain of commands below runs in `bench/work/yeast`; then `bench.yeast_measures` measures. The
data are those of $KMERENGINE_DATA (by default ../shared/data), which are not in this repository.
"""

import os
import re
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.harness import append_rows, say
from bench.machine import ROOT, describe_commit, describe_machine, describe_versions

DATA = Path(os.environ.get("KMERENGINE_DATA", ROOT.parent / "shared" / "data"))
WORK = ROOT / "bench" / "work" / "yeast"
RESULTS = ROOT / "bench" / "results" / "models" / "yeast.json"  # not timings: apart from those
DOCS = ROOT / "docs" / "bpaitac.md"
BEGIN, END = "<!-- yeast:begin -->", "<!-- yeast:end -->"

PREFIX = "SRR1822137.rebuilt."  # of the names of the fragments, which are numbered from 1
LENGTHS = {"short": "--max-length 99", "long": "--min-length 150"}  # bp
HALVES = ("odd", "even", "first", "second")  # by number; at random
SEEDS = (0, 1, 2, 3)
SPLIT = "--split validation=chrXIII --split test=chrIV,chrXII"
SIZES = "--width 512 --margin 32 --genome $DATA/sacCer3.fa.gz " + SPLIT

CHAIN = f"""
kmerengine cuts $DATA/atac.bam --mode fragments --name short --max-length 99 -o short.parquet
kmerengine cuts $DATA/atac.bam --mode fragments --name long --min-length 150 -o long.parquet
kmerengine cuts $DATA/atac.bam --mode fragments --name all -o all.parquet
kmerengine cuts short.parquet long.parquet -o cuts.parquet

grep -v '^chrM' $DATA/yeast_peaks.narrowPeak > peaks.narrowPeak
kmerengine profiles cuts.parquet peaks.narrowPeak --width 576 -o profiles
kmerengine dataset peaks.narrowPeak --profiles profiles {SIZES} -o peaks
kmerengine dataset peaks.narrowPeak --cuts all.parquet {SIZES} -o peaks.all

printf 'chrM\\t0\\t85779\\n' > chrM.bed
kmerengine sample windows $DATA/sacCer3.fa.gz peaks.narrowPeak --exclude chrM.bed --width 250 \\
    --ratio 20 --balance positives -o windows
awk '$5 == 0' windows/regions.bed > closed.bed
kmerengine dataset closed.bed --cuts all.parquet --genome $DATA/sacCer3.fa.gz --width 330 \\
    {SPLIT} -o closed

modelkit train $HERE/yeast_bias.toml --data closed -o bias
modelkit add-bias bias --data peaks -o peaks.biased
for seed in {" ".join(map(str, SEEDS))}; do
    modelkit train $HERE/yeast.toml --data peaks.biased --set training.seed=$seed \\
        -o bpaitac.$seed || exit
done

python -m bench.yeast_mean peaks.biased peaks.mean
for seed in {" ".join(map(str, SEEDS))}; do
    modelkit train $HERE/yeast.toml --data peaks.mean --set training.seed=$seed \\
        -o bpaitac.mean.$seed || exit
done
""".strip()

HALF = """
kmerengine cuts $DATA/atac.bam --mode fragments --barcode name --groups {half}.short.tsv \
    --max-length 99 -o {half}.short.parquet
kmerengine cuts $DATA/atac.bam --mode fragments --barcode name --groups {half}.long.tsv \
    --min-length 150 -o {half}.long.parquet
kmerengine cuts {half}.short.parquet {half}.long.parquet -o {half}.parquet
kmerengine dataset peaks.narrowPeak --cuts {half}.parquet {sizes} -o {half}
""".strip()

EVALUATE = """
modelkit evaluate bpaitac.0 --data peaks.biased --replicates odd even -o evaluation
""".strip()


def main() -> None:
    """Run all of it and write the rows and the table."""
    data = DATA / "yeast"
    if not (data / "atac.bam").exists():
        sys.exit(f"no {data}/atac.bam; set KMERENGINE_DATA to the folder of real data")
    started, before = time.perf_counter(), _cpu_seconds()
    remade(WORK)
    seconds = run_all(CHAIN, WORK, data)
    write_halves(WORK, n_fragments(data / "atac.bam"))
    for half in HALVES:
        run_all(HALF.format(half=half, sizes=SIZES), WORK, data)
    run_all(EVALUATE, WORK, data)

    from bench.yeast_measures import measure  # PyTorch: not before the commands are done
    from bench.yeast_table import markdown

    measured = measure(WORK, SEEDS)
    shared = {
        "op": "yeast",
        "run": datetime.now(UTC).isoformat(timespec="seconds"),
        **describe_commit(),
        "versions": describe_versions(),
        "machine": describe_machine(len(os.sched_getaffinity(0))),
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(_cpu_seconds() - before, 1),
        "training_seconds": round(sum(took for line, took in seconds if " train " in line), 1),
    }
    rows = [{**row, **shared} for row in measured]
    append_rows(RESULTS, rows)
    table = markdown(rows)
    put_between(DOCS, table)
    print(table)


def remade(folder: Path) -> None:
    """An empty folder."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def run_all(commands: str, work: Path, data: Path) -> list[tuple[str, float]]:
    """Run lines of shell in `work`, each to its end; with the seconds that each took."""
    tools = Path(sys.executable).parent
    found = {
        "DATA": str(data),
        "HERE": str(Path(__file__).parent),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),  # for bench
    }
    took = []
    loops = re.sub("\n +(.*)\ndone", r" \1; done", commands.replace("\\\n", ""))  # in a line
    for line in loops.splitlines():
        if not line.strip():
            continue
        line = " ".join(line.split(" " * 4))
        say(f"$ {line}")
        started = time.perf_counter()
        subprocess.run(line, shell=True, cwd=work, check=True, env={**os.environ, **found})
        took.append((line, time.perf_counter() - started))
    return took


def n_fragments(bam: Path) -> int:
    """Pairs in a BAM of mapped pairs, from its index."""
    import pysam

    with pysam.AlignmentFile(bam) as opened:
        return int(opened.mapped) // 2


def write_halves(folder: Path, n: int) -> None:
    """Name the fragments of each half, for both lengths.

    Fragments are numbered by where they start. So those of odd and even numbers are more alike than
    two libraries would be: of two at the same place each half has one. Those at random are not.
    """
    number = np.arange(1, n + 1)
    coin = np.random.default_rng(0).random(n) < 0.5
    members = {"odd": number % 2 == 1, "even": number % 2 == 0, "first": coin, "second": ~coin}
    for half, chosen in members.items():
        for length in LENGTHS:
            lines = "".join(f"{PREFIX}{i}\t{length}\n" for i in number[chosen].tolist())
            (folder / f"{half}.{length}.tsv").write_text("barcode\tgroup\n" + lines)


def put_between(path: Path, table: str) -> None:
    """Put the table between the two marks of a document."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path}: lacks {BEGIN} or {END}")
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def _cpu_seconds() -> float:
    """Of this process and those it waited for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(each) for each in who]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
