"""Commands that are to survive faults, on small inputs that they make themselves."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.fault_forks import Forks

NETWORK = ["network.channels=6", "network.blocks=2", "network.stem_width=5", "network.head_width=5",
           "network.pools=[2,2,2]", "training.batch_size=16", "training.epochs=2",
           "training.checkpoint_steps=3", "objective.use_bias=false"]  # fmt: skip
BINDING = ["network.filters=[6,8]", "network.widths=[8,8]", "network.pools=[4,4]",
           "network.dropouts=[0.0,0.0]", "network.dense=12", "training.batch_size=16",
           "training.epochs=1"]  # fmt: skip
TOPICS = ["network.topics=4", "network.hidden=[6]", "training.batch_size=16", "training.epochs=1"]

SIMULATE = (
    "simulate atac e --n-contigs 3 --contig-length 100000 --n-cell-types 2 --n-peaks 120 "
    "--sites-per-tf 200 --n-decoys 100"
)
ATTRIBUTE = "--split all --method deepshap --n-references 2 --batch-size 2 --device cpu"


@dataclass(frozen=True, kw_only=True)
class Work:
    """A command and what it promises.

    Attributes
    ----------
    line : str
        Words of the command; `{w}` is the folder of inputs. It writes files of the current folder
        that begin with `out`.
    resume : str, optional
        What is added to go on after a kill; else, or if it finds nothing to go on with, the same
        line is given again, with --force where something is there.
    grows : bool
        The output is a folder that is filled while the command works, and says in a document how
        far it is; else outputs appear whole.
    dated : bool
        Some files hold when they were made and how long it took: the rest of them is promised.
    """

    name: str
    program: str
    line: str
    resume: str = ""
    grows: bool = False
    dated: bool = False

    def arguments(self, inputs: Path, *more: str) -> list[str]:
        return [*(word.replace("{w}", str(inputs)) for word in self.line.split()), *more]


def _sets(changes: list[str]) -> str:
    return " ".join(f"--set {change}" for change in changes)


ENGINE = [
    Work(name=f"count {kind}", program="kmerengine",
         line=f"count {{w}}/e/genome.fa {{w}}/e/peaks.narrowPeak --width 200 -o {output}")
    for kind, output in {
        ".parquet": "out.parquet", ".arrow": "out.arrow", ".npz": "out.npz", ".h5ad": "out.h5ad",
        ".txt": "out.txt", "--parts": "out --parts", "--materialize": "out.parquet --materialize",
    }.items()
] + [
    Work(name="count --per-record", program="kmerengine",
         line="count {w}/e/genome.fa --per-record -o out.parquet"),
    Work(name="count, totals, k 8", program="kmerengine",
         line="count {w}/e/genome.fa --materialize -o out.parquet"),
    Work(name="count, totals, k 14", program="kmerengine",
         line="count {w}/e/genome.fa -k 14 --max-wildcards 0 -o out.parquet"),
    Work(name="count, no .fai", program="kmerengine",
         line="count genome.fa {w}/e/peaks.narrowPeak --width 200 -o out.parquet"),
    Work(name="cuts .parquet", program="kmerengine",
         line="cuts {w}/e/cell_1.bam {w}/e/cell_2.bam --genome {w}/e/genome.fa -o out.parquet"),
    Work(name="cuts .bw, two samples by strand", program="kmerengine",
         line="cuts {w}/e/cell_1.bam {w}/e/cell_2.bam --genome {w}/e/genome.fa "
              "--strands split -o out.{sample}.{strand}.bw"),
    Work(name="scan .parquet", program="kmerengine",
         line="scan {w}/e/genome.fa {w}/motifs.meme --p 1e-3 -o out.parquet"),
    Work(name="scan .bed.gz", program="kmerengine",
         line="scan {w}/e/genome.fa {w}/motifs.meme --p 1e-3 -o out.bed.gz"),
    Work(name="sample windows", program="kmerengine",
         line="sample windows {w}/e/genome.fa {w}/e/peaks.narrowPeak --width 200 -o out"),
    Work(name="sample sites", program="kmerengine",
         line="sample sites {w}/e/genome.fa {w}/hits.parquet {w}/e/peaks.narrowPeak "
              "--motif GATA --width 200 -o out"),
    Work(name="dataset", program="kmerengine",
         line="dataset {w}/e/peaks.narrowPeak --genome {w}/e/genome.fa --cuts {w}/c.parquet "
              "--width 240 --window 80 --kmers -k 5 --split validation=chr2 -o out"),
    Work(name="profiles", program="kmerengine",
         line="profiles {w}/c.parquet {w}/e/peaks.narrowPeak --width 400 -o out"),
    Work(name="qc", program="kmerengine",
         line="qc {w}/e/cell_1.bam --regions {w}/e/peaks.narrowPeak -o out"),
    Work(name="simulate atac", program="kmerengine",
         line="simulate atac out --n-contigs 2 --contig-length 60000 --n-cell-types 2 "
              "--n-peaks 40 --sites-per-tf 100 --n-decoys 50 --seed 3"),
    Work(name="simulate kmers", program="kmerengine",
         line="simulate kmers out --n-peaks 500 --n-probes 20"),
    Work(name="vocab", program="kmerengine", line="vocab -o out.parquet"),
]  # fmt: skip

MODELS = [
    Work(name="train", program="modelkit", grows=True, resume="--resume", dated=True,
         line="train --model bpaitac --data {w}/d -o out --device cpu " + _sets(NETWORK)),
    Work(name="attribute", program="modelkit", resume="--resume",
         line="attribute {w}/run --data {w}/d -o out --rows 0:12 " + ATTRIBUTE),
    Work(name="predict", program="modelkit",
         line="predict {w}/run --data {w}/d --genome {w}/e/genome.fa -o out --device cpu"),
    Work(name="evaluate", program="modelkit",
         line="evaluate {w}/run --data {w}/d --split validation -o out --device cpu"),
    Work(name="seqlets", program="modelkit", line="seqlets {w}/scores -o out.parquet"),
    Work(name="motifs", program="modelkit",
         line="motifs {w}/s.parquet --database {w}/motifs.meme -o out"),
    Work(name="topics kmers", program="modelkit", line="topics kmers {w}/topics -o out"),
    Work(name="pipeline deepatac", program="modelkit", grows=True, dated=True,
         line="pipeline deepatac --genome {w}/e/genome.fa --regions {w}/e/peaks.narrowPeak "
              "--labels gata={w}/gata.bed --labels tal={w}/tal.bed --cuts {w}/c.parquet --width 64 "
              "--split validation=chr2 --split test=chr3 --explain gata --at-least 0 --steps 4 "
              "--device cpu -o out " + _sets(BINDING)),
]  # fmt: skip

WORKS = [*ENGINE, *MODELS]


def make_inputs(folder: Path, forks: dict[str, Forks]) -> None:
    """What commands read; those of models too where their forks are given."""
    import numpy as np

    from kmerengine import Motif, write_meme

    words = {"GATA": "AGATAAGG", "TAL": "CAGCTGTT"}
    motifs = [
        Motif(name=name, probabilities=np.array(
            [[0.91 if b == base else 0.03 for b in "ACGT"] for base in word]
        ))
        for name, word in words.items()
    ]  # fmt: skip
    write_meme(folder / "motifs.meme", motifs)
    if not forks["kmerengine"].run(SIMULATE.split(), folder).code:
        lines = (folder / "e" / "peaks.narrowPeak").read_text().splitlines(keepends=True)
        for name, every in (("gata", 2), ("tal", 3)):
            (folder / f"{name}.bed").write_text("".join(lines[::every]))
    engine = [
        "count e/genome.fa e/peaks.narrowPeak -o warm.parquet",
        "cuts e/cell_1.bam e/cell_2.bam --genome e/genome.fa -o c.parquet",
        "scan e/genome.fa motifs.meme --p 1e-3 -o hits.parquet",
        "dataset e/peaks.narrowPeak --genome e/genome.fa --cuts c.parquet --width 240 --window 80 "
        "--kmers -k 5 --split validation=chr2 -o d",
    ]
    models = [
        "train --model bpaitac --data d -o run --device cpu " + _sets(NETWORK),
        "train --model bindvae --data d -o topics --device cpu " + _sets(TOPICS),
        "attribute run --data d -o scores " + ATTRIBUTE,
        "seqlets scores -o s.parquet",
    ]
    for program, lines in {"kmerengine": engine, "modelkit": models}.items():
        for line in lines if program in forks else []:
            done = forks[program].run(line.split(), folder)
            if done.code:
                raise RuntimeError(f"{program} {line}: {done.said}")


TIMED = {"seconds", "validation_seconds", "examples_per_second"}


def promised(path: Path, *, dated: bool) -> bytes:
    """What a file holds but for times, where there are any."""
    content = path.read_bytes()
    if not dated:
        return content
    match path.name:
        case "pipeline.json" | "run.json" | "log.txt":
            return b""
        case "metrics.jsonl":
            rows = map(json.loads, content.decode().splitlines())
        case "metrics.parquet":
            import pyarrow.parquet as pq

            rows = iter(pq.read_table(path).to_pylist())
        case "last.safetensors":
            from modelkit.training.checkpoint import read_checkpoint

            _, about = read_checkpoint(path)
            return str(about["tensors_sha256"]).encode()
        case _:
            return content
    return str([{k: v for k, v in row.items() if k not in TIMED} for row in rows]).encode()


def is_good_run(path: Path) -> bool:
    """Whether a folder of training opens and its weights load; it is to be one or refuse."""
    from kmerengine import InputError
    from modelkit import Run

    try:
        return bool(Run.open(path).network())
    except InputError:
        return False
