"""Data and networks for `bench.koo_table1`: the twelve networks of Koo and Eddy.

    python -m bench.koo_runs [--only cnn-2,cnn-25] [--seeds 1] [--jobs 2]

The sequences are those of `kmerengine simulate koo`, preset code, seed 33: 17,500 train, 2,500
validate, 5,000 test. Every network has the preset "paper": 100 epochs of Adam at 3e-4, none left
out, and the weights of the lowest validation loss. A seed is that of weights, order and dropout.
Runs that are done are kept, and one that was killed goes on, so it can be stopped and started anew.
In vivo the same networks learn from DeepSEA's files.

JASPAR's motifs are those of $KMERENGINE_DATA (by default ../shared/data), which are not in this
repository.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import kmerengine
from bench.data import WORK
from bench.harness import say
from bench.machine import ROOT

__all__ = [
    "IN_VIVO",
    "MOTIFS",
    "NETWORKS",
    "SIMULATED",
    "Trial",
    "data_of",
    "prepare",
    "prepare_in_vivo",
    "sequences",
    "train_all",
]

MOTIFS = (
    Path(os.environ.get("KMERENGINE_DATA", ROOT.parent / "shared" / "data"))
    / "motifs"
    / "JASPAR_CORE_2016_vertebrates.meme"
)
SIMULATED, IN_VIVO = "koo", "koo-in-vivo"  # folders of `WORK`
DEEPSEA = {"train": "train.mat", "validation": "valid.mat", "test": "test.mat"}
SEED, N_SEQUENCES = 33, 25_000  # the authors'
CHANGES: tuple[str, ...] = ()  # of the config
NETWORKS = (
    "cnn-2", "cnn-25", "cnn-4", "cnn-50", "cnn9-4", "cnn9-25", "cnn3-2", "cnn3-50", "cnn19-1-2",
    "cnn-10", "cnn-100", "cnn-50-2",
)  # fmt: skip


class Trial(NamedTuple):
    """One training."""

    network: str
    seed: int
    of: str = SIMULATED

    @property
    def path(self) -> Path:
        """Its run."""
        return WORK / self.of / "runs" / f"{self.network}-{self.seed}"


def sequences() -> Path:
    """What was simulated; models.npy there has the base probabilities of the test sequences."""
    return WORK / SIMULATED / "sequences"


def data_of(kind: str) -> Path:
    """The data set of `SIMULATED` or `IN_VIVO`."""
    return WORK / kind / "data"


def prepare() -> None:
    """Make sequences and data set, unless they are there."""
    if not MOTIFS.exists():
        raise SystemExit(f"{MOTIFS}: not there; set KMERENGINE_DATA to the folder of test data")
    table = sequences() / "sequences.parquet"
    table.parent.parent.mkdir(parents=True, exist_ok=True)
    if not table.exists():
        kmerengine.simulate_koo(
            sequences(), motifs=MOTIFS, preset="code", n_sequences=N_SEQUENCES, seed=SEED
        )
    if not (data_of(SIMULATED) / "dataset.json").exists():
        kmerengine.dataset_from_sequences(table, output=data_of(SIMULATED))


def prepare_in_vivo(folder: Path) -> None:
    """Make the data set of DeepSEA's files, unless it is there."""
    missing = [name for name in DEEPSEA.values() if not (folder / name).exists()]
    if missing:
        raise SystemExit(
            f"{folder / missing[0]}: not there; Table 2 needs the files of DeepSEA's training "
            "bundle, deepsea_train_bundle.v0.9.tar.gz: train.mat, valid.mat and test.mat"
        )
    data = data_of(IN_VIVO)
    if not (data / "dataset.json").exists():
        data.parent.mkdir(parents=True, exist_ok=True)
        files = {split: folder / name for split, name in DEEPSEA.items()}
        kmerengine.deepsea(files, output=data, columns="koo", width=1000)


def trained(trial: Trial, threads: int) -> Trial:
    """Train, or go on, or nothing if it is done."""
    import modelkit

    changes = [f"training.seed={trial.seed}", *CHANGES]
    config = modelkit.read_config(model="koo", preset=f"{trial.network},paper", changes=changes)
    resume = (trial.path / "run.json").exists()
    if resume and modelkit.Run.open(trial.path).about.get("status") == "finished":
        return trial
    trial.path.parent.mkdir(parents=True, exist_ok=True)
    data = data_of(trial.of)
    modelkit.train(config, data, trial.path, device="cpu", threads=threads, resume=resume)
    return trial


def train_all(
    trials: Sequence[Trial], *, jobs: int, then: Callable[[Trial], None] | None = None
) -> None:
    """Train `jobs` networks at a time, each on one core; alone, on all. Of each, call `then`."""
    threads = 1 if jobs > 1 else len(os.sched_getaffinity(0))
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # of the processes to come
        os.environ[name] = str(threads)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(trained, trial, threads) for trial in trials]
        for n_done, each in enumerate(as_completed(waiting), 1):
            trial = each.result()
            say(f"{n_done}/{len(trials)} {trial.network}, seed {trial.seed}: trained")
            if then is not None:
                then(trial)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="bench.koo_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(NETWORKS), help="networks (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="of each (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (default 2)")
    options = parser.parse_args()
    names = options.only.split(",")
    unknown = sorted(set(names) - set(NETWORKS))
    if unknown:
        parser.error(f"--only: found {unknown[0]}, expected some of {', '.join(NETWORKS)}")
    prepare()
    train_all([Trial(n, s) for s in range(options.seeds) for n in names], jobs=options.jobs)


if __name__ == "__main__":
    main()
