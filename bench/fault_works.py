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


GENOME, PEAKS, CUTS = "{w}/e/genome.fa", "{w}/e/peaks.narrowPeak", "{w}/c.parquet"
CELLS = "{w}/e/cell_1.bam {w}/e/cell_2.bam"
COUNT = f"count {GENOME} {PEAKS} --width 200 -o"
SCAN = f"scan {GENOME} {{w}}/motifs.meme --p 1e-3 -o"

ENGINE = [
    Work(name=name, program="kmerengine", line=line)
    for name, line in {
        "count .parquet": f"{COUNT} out.parquet",
        "count .arrow": f"{COUNT} out.arrow",
        "count .npz": f"{COUNT} out.npz",
        "count .h5ad": f"{COUNT} out.h5ad",
        "count .txt": f"{COUNT} out.txt",
        "count --parts": f"{COUNT} out --parts",
        "count --materialize": f"{COUNT} out.parquet --materialize",
        "count --per-record": f"count {GENOME} --per-record -o out.parquet",
        "count, totals, k 8": f"count {GENOME} --materialize -o out.parquet",
        "count, totals, k 14": f"count {GENOME} -k 14 --max-wildcards 0 -o out.parquet",
        "count, no .fai": f"count genome.fa {PEAKS} --width 200 -o out.parquet",
        "cuts .parquet": f"cuts {CELLS} --genome {GENOME} -o out.parquet",
        "cuts .bw, two samples by strand":
            f"cuts {CELLS} --genome {GENOME} --strands split -o out.{{sample}}.{{strand}}.bw",
        "scan .parquet": f"{SCAN} out.parquet",
        "scan .bed.gz": f"{SCAN} out.bed.gz",
        "sample windows": f"sample windows {GENOME} {PEAKS} --width 200 -o out",
        "sample sites":
            f"sample sites {GENOME} {{w}}/hits.parquet {PEAKS} --motif GATA --width 200 -o out",
        "dataset":
            f"dataset {PEAKS} --genome {GENOME} --cuts {CUTS} --width 240 --window 80 "
            "--kmers -k 5 --split validation=chr2 -o out",
        "profiles": f"profiles {CUTS} {PEAKS} --width 400 -o out",
        "qc": f"qc {{w}}/e/cell_1.bam --regions {PEAKS} -o out",
        "simulate atac":
            "simulate atac out --n-contigs 2 --contig-length 60000 --n-cell-types 2 --n-peaks 40 "
            "--sites-per-tf 100 --n-decoys 50 --seed 3",
        "simulate kmers": "simulate kmers out --n-peaks 500 --n-probes 20",
        "vocab": "vocab -o out.parquet",
    }.items()
]  # fmt: skip

MODELS = [
    Work(name="train", program="modelkit", grows=True, resume="--resume", dated=True,
         line="train --model bpaitac --data {w}/d -o out --device cpu " + _sets(NETWORK)),
    Work(name="attribute", program="modelkit", resume="--resume",
         line="attribute {w}/run --data {w}/d -o out --rows 0:12 " + ATTRIBUTE),
    *(Work(name=name, program="modelkit", line=line) for name, line in {
        "predict": f"predict {{w}}/run --data {{w}}/d --genome {GENOME} -o out --device cpu",
        "evaluate": "evaluate {w}/run --data {w}/d --split validation -o out --device cpu",
        "seqlets": "seqlets {w}/scores -o out.parquet",
        "motifs": "motifs {w}/s.parquet --database {w}/motifs.meme -o out",
        "topics kmers": "topics kmers {w}/topics -o out",
    }.items()),
    Work(name="pipeline deepatac", program="modelkit", grows=True, dated=True,
         line=f"pipeline deepatac --genome {GENOME} --regions {PEAKS} --cuts {CUTS} --width 64 "
              "--labels gata={w}/gata.bed --labels tal={w}/tal.bed --explain gata --at-least 0 "
              "--split validation=chr2 --split test=chr3 --steps 4 --device cpu -o out "
              + _sets(BINDING)),
]  # fmt: skip

WORKS = [*ENGINE, *MODELS]

# print what they found to standard output
TABLES = [
    *(Work(name=f"{work.name} --json", program="kmerengine", line=f"{work.line} --json")
      for work in ENGINE
      if work.name in {"count .parquet", "cuts .parquet", "scan .parquet", "sample windows",
                       "sample sites", "qc"}),
    *(Work(name=f"{name}, table", program="modelkit", line=line) for name, line in {
        "evaluate": "evaluate {w}/run --data {w}/d --split validation --device cpu",
        "evaluate --json": "evaluate {w}/run --data {w}/d --split validation --device cpu --json",
        "filters": "filters {w}/run --data {w}/d --split validation --device cpu",
        "tomtom": "tomtom {w}/motifs.meme {w}/motifs.meme --threads 1",
        "topics kmers": "topics kmers {w}/topics",
        "topics motifs": "topics motifs {w}/topics --length 8 --device cpu",
        "topics proportions": "topics proportions {w}/topics {w}/d --device cpu",
    }.items()),
]  # fmt: skip


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
