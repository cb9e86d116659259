"""Data and networks for `bench.interpretation`: simulated cell types whose motifs are known.

    python -m bench.interpretation_runs [--jobs 2]

The data are those of `bench.bpaitac_data`, set A, of a seed that no other experiment uses. Every
network is that of `bench.bpaitac_sweep`; a seed is that of weights and order:

    bpaitac     lambda 0.5, multinomial likelihood, ten seeds
    aitac       lambda 0, fifteen seeds
    unbiased    as bpaitac, without Tn5's preference as an input, two seeds
    destroyed   as bpaitac, of sequences in which every site of `DESTROYED` is overwritten; five

Finished runs are kept, so it can be stopped and started anew.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import kmerengine
from bench.bpaitac_data import CENTRE, Experiment, cell_types, genome, make
from bench.bpaitac_sweep import SIZES
from bench.data import WORK
from bench.harness import say
from kmerengine.io.atomic import atomic
from kmerengine.simulators.atac_genome import NAMES, Contig
from kmerengine.simulators.atac_rates import CellType
from kmerengine.simulators.sequences import LETTERS, wrapped

__all__ = ["DATA", "DESTROYED", "EXPERIMENT", "FOLDER", "KINDS", "runs_of", "truth"]

EXPERIMENT, SEED = Experiment(), 21
FOLDER = WORK / "interpretation"
DATA = FOLDER / "A"
DESTROYED = "tf_1"
WITHOUT = FOLDER / f"A-without-{DESTROYED}"
KINDS: dict[str, tuple[range, dict[str, Any]]] = {  # seeds, and what differs in the config
    "bpaitac": (range(1, 11), {"objective": {"loss": "mnll", "lambda_": 0.5}}),
    "aitac": (range(1, 16), {"objective": {"loss": "mnll", "lambda_": 0.0}}),
    "unbiased": (
        range(1, 3),
        {"objective": {"loss": "mnll", "lambda_": 0.5, "use_bias": False}},
    ),
    "destroyed": (range(1, 6), {"objective": {"loss": "mnll", "lambda_": 0.5}}),
}


def truth() -> tuple[list[Contig], list[CellType]]:
    """Bases and sites, and cell types, as `bench.bpaitac_data.make` draws them."""
    rng = np.random.default_rng(SEED)
    contigs = genome(EXPERIMENT, rng)
    for contig in contigs:  # the strengths of peaks come between
        rng.normal(0, EXPERIMENT.strength, len(contig.summits))
    return contigs, cell_types(EXPERIMENT, rng)


def runs_of(kind: str) -> list[Path]:
    """Folders of the runs of a kind, by seed."""
    return [FOLDER / f"{kind}-{seed}" for seed in KINDS[kind][0]]


def prepare() -> None:
    """Make both data sets, unless they are there."""
    make(FOLDER, EXPERIMENT, SEED)
    if (WITHOUT / "dataset.json").exists():
        return
    rng = np.random.default_rng(SEED + 1)
    path = FOLDER / "genome-without.fa"
    found, _ = truth()
    with atomic(path, force=True) as temporary, temporary.open("wb") as file:
        for contig in found:
            codes = contig.codes.copy()
            sites = contig.sites
            part = sites.motif == NAMES.index(DESTROYED)
            for start, end in zip(sites.start[part], sites.end[part], strict=True):
                codes[start:end] = rng.integers(0, 4, end - start)
            file.write(f">{contig.name}\n".encode() + wrapped(LETTERS[codes]))
    kmerengine.dataset(
        FOLDER / "peaks.bed",
        output=WITHOUT,
        genome=path,
        cuts=FOLDER / "A.parquet",
        bias=FOLDER / "bias.npy",
        split=[f"validation={found[-2].name}", f"test={found[-1].name}"],
        width=CENTRE,
        window=CENTRE,
        input_width=EXPERIMENT.input_width,
        force=True,
    )


def train(kind: str, seed: int) -> str:
    """Train a network, unless it is there; in a process of its own."""
    import modelkit

    path = FOLDER / f"{kind}-{seed}"
    config = modelkit.read_config(model="bpaitac", preset="small").changed(SIZES)
    config = config.changed(KINDS[kind][1]).changed({"training": {"seed": 100 + seed}})
    data = kmerengine.Dataset.open(WITHOUT if kind == "destroyed" else DATA)
    try:
        run = modelkit.Run.open(path)
        if run.config == config.for_dataset(data) and run.about["status"] == "finished":
            return f"{path.name}: is there"
    except kmerengine.InputError:
        pass
    run = modelkit.train(config, data, path, device="cpu", threads=1, force=True)
    best = run.about["best"]
    return f"{path.name}: {best['metric']} {best['value']:.3f}, epoch {best['epoch']}"


def main() -> None:
    """Train all that are missing, the first seeds of every kind first."""
    parser = argparse.ArgumentParser(
        prog="bench.interpretation_runs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (default 2)")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # of the processes to come
        os.environ[name] = "1"
    prepare()
    wanted = sorted((seed, kind) for kind, (seeds, _) in KINDS.items() for seed in seeds)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(train, kind, seed) for seed, kind in wanted]
        for n, future in enumerate(as_completed(futures), 1):
            say(f"{n}/{len(wanted)} {future.result()}")


if __name__ == "__main__":
    main()
