"""bpAI-TAC on simulated cell types: do profiles help to predict totals, and with which loss?

    python -m bench.bpaitac_sweep [--seeds 5] [--more-seeds 3] [--jobs 2] [--minutes M]
    python -m bench.bpaitac_sweep --show        docs/bpaitac.md and its figure from the results

A seed draws everything: genome, cell types, counts, initial weights and order; trainings of one
seed differ in nothing but what is compared. A row is appended to results/models/bpaitac-sweep.json
when a training is done; rows that are there are not made again, so a run can be stopped and started
anew. In order of importance:

    sets     cross entropy and multinomial likelihood at lambda 0.5, beside lambda 0, on the data
             sets A, B and C (`bench.bpaitac_data`)
    lambdas  lambda 0, 0.1 ... 1 on A, and closer to 1
    losses   multinomial likelihood, Poisson and squared errors beside cross entropy on A
    tasks    of lineages on A: one network for all, or one for each; beside that of cell types

Scores are Pearson correlations across cell types (or lineages) of a region's predicted totals,
means over the test regions: with the expected totals of the simulator, and with the counts.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import kmerengine
from bench.bpaitac_data import SETS, Experiment, facts, make
from bench.data import WORK
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)

ABOUT = "bpAI-TAC on simulated cell types: do profiles help to predict totals?"
OP = "bpaitac-sweep"
MODELS = RESULTS / "models"  # not timings: apart from those
DOCUMENT = ROOT / "docs" / "bpaitac.md"
FIGURE = ROOT / "docs" / "figures" / "bpaitac_sweep.png"
PARTS = ("sets", "lambdas", "losses", "tasks")
FIRST_SEED = 11  # 0 to 2 were looked at while the experiment was planned
WITHOUT = ("cross-entropy", 0.0)  # of the profile nothing
BESIDE = (("mnll", 0.5), ("cross-entropy", 0.5))  # what is compared with it on all three sets
LAMBDAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
LOSSES = ("cross-entropy", "mnll", "poisson", "mse")
CELLS, LINEAGES, SINGLE = "cell types", "lineages", "single lineages"
EXPERIMENT = Experiment()
SIZES = {  # of the preset "small", changed to what a core trains in half a minute
    "network": {"channels": 24, "blocks": 3, "stem_width": 15, "head_width": 15, "stem_relu": True},
    "training": {
        "batch_size": 16,
        "epochs": 24,
        "learning_rate": 4e-3,
        "warm_up": 0,
        "drop": "none",
        "patience": None,
        "evaluate_first": False,
    },
    "data": {"workers": 0, "reverse_complement": True},
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What one row is of.

    Attributes
    ----------
    data : "A", "B", "C" or "D"
    loss, lambda_ : str, float
    tasks : str
        What the outputs are of: `CELLS`, `LINEAGES`, or `SINGLE`, one network for each lineage.
    seed : int
    """

    data: str = "A"
    loss: str = "cross-entropy"
    lambda_: float = 0.5
    tasks: str = CELLS
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and in lines of progress."""
        return f"{self.data}-{self.loss}-{self.lambda_:g}-{self.tasks.replace(' ', '-')}"


def trainings(seeds: int, more_seeds: int, parts: Sequence[str] = PARTS) -> list[Training]:
    """All of them, each once, by importance."""
    found: dict[Training, None] = {}
    if "sets" in parts:
        firsts = range(FIRST_SEED, FIRST_SEED + seeds)
        for loss, weight in BESIDE:
            for seed in firsts:
                # at lambda 0 profiles do nothing, and totals are the same in all sets
                found[Training(loss=WITHOUT[0], lambda_=WITHOUT[1], seed=seed)] = None
                for data in SETS:
                    found[Training(data=data, loss=loss, lambda_=weight, seed=seed)] = None
    for seed in range(FIRST_SEED, FIRST_SEED + more_seeds):
        if "lambdas" in parts:
            found |= {Training(lambda_=weight, seed=seed): None for weight in LAMBDAS}
        if "losses" in parts:
            found |= {Training(loss=loss, seed=seed): None for loss in LOSSES}
        if "tasks" in parts:
            found |= {Training(tasks=tasks, seed=seed): None for tasks in (CELLS, LINEAGES, SINGLE)}
    return list(found)


def folder_of(seed: int) -> Path:
    """Data and runs of a seed."""
    return WORK / OP / f"seed-{seed}"


def run_training(training: Training) -> Row:
    """Train, predict the test regions, score; of a process of its own."""
    from modelkit.metrics import is_constant

    started = time.monotonic()
    folder, lineages = folder_of(training.seed), EXPERIMENT.lineages
    if training.tasks == CELLS:
        groups: list[dict[str, list[str]] | None] = [None]
    elif training.tasks == LINEAGES:
        groups = [lineages]
    else:
        groups = [{name: cells} for name, cells in lineages.items()]
    found = [_trained(training, folder, each) for each in groups]
    predicted = np.concatenate([each.totals for each in found], axis=1)
    rows = found[0].rows
    rates = np.load(folder / "truth.npz")["rates"][rows].astype(np.float64)
    totals = kmerengine.Dataset.open(folder / training.data).totals
    assert totals is not None  # data sets of cuts have them
    counts = totals[rows]
    scores: Row = {}
    if training.tasks == CELLS:
        scores = _scores(predicted, rates, counts, "") | _baseline(training, rates, counts)
        predicted = _by_lineage(predicted)
    scores |= _scores(predicted, _by_lineage(rates), _by_lineage(counts), "lineages_")
    return {
        **asdict(training),
        **scores,
        "n_regions": len(rows),
        "n_constant": int(is_constant(found[0].totals).sum()) if training.tasks != SINGLE else 0,
        "best_epoch": [each.epoch for each in found],
        "seconds": round(time.monotonic() - started, 1),
    }


@dataclass(frozen=True, eq=False)
class _Trained:
    totals: Floats
    rows: npt.NDArray[np.int64]
    epoch: int


def _trained(training: Training, folder: Path, groups: dict[str, list[str]] | None) -> _Trained:
    """A finished network's predictions for the test regions."""
    import modelkit

    config = modelkit.read_config(model="bpaitac", preset="small").changed(SIZES)
    config = config.changed(
        {
            "objective": {"loss": training.loss, "lambda_": training.lambda_},
            "data": {"groups": groups},
            "training": {"seed": training.seed},
        }
    )
    name = training.name
    if training.tasks == SINGLE and groups is not None:
        name += f"-{next(iter(groups))}"
    path, data = folder / name, kmerengine.Dataset.open(folder / training.data)
    run = _finished(path, config.for_dataset(data)) if training.tasks == SINGLE else None
    if run is None:
        run = modelkit.train(config, data, path, device="cpu", threads=1, force=True)
    found = modelkit.predict(
        run, data, folder / f"{name}.predictions", split="test", bigwig=False,
        device="cpu", force=True,
    )  # fmt: skip
    assert found.totals is not None  # the network has a head for them
    return _Trained(found.totals, found.regions["row"].to_numpy(), run.about["best"]["epoch"])


def _finished(path: Path, config: Any) -> Any:
    """The run of a part of an ensemble, if it was made before: eight of them take minutes."""
    import modelkit

    try:
        run = modelkit.Run.open(path)
    except kmerengine.InputError:
        return None
    return run if run.config == config and run.about.get("status") == "finished" else None


def _baseline(training: Training, rates: Floats, counts: Floats) -> Row:
    """Scores of the mean counts of the training regions, the same for every region."""
    from modelkit.metrics import pearson

    data = kmerengine.Dataset.open(folder_of(training.seed) / training.data)
    assert data.totals is not None
    mean = data.totals[data.split("train")].mean(axis=0)
    return {
        "mean_rate": float(pearson(mean, rates).mean()),
        "mean_counts": float(pearson(mean, counts).mean()),
    }


def _by_lineage(values: Floats) -> Floats:
    """Means over the cell types of each lineage."""
    n, size = len(EXPERIMENT.lineages), EXPERIMENT.cells_per_lineage
    return values.reshape(len(values), n, size).mean(axis=2)


def _scores(predicted: Floats, rates: Floats, counts: Floats, of: str) -> Row:
    """Correlations across columns, and for each column across regions on a log scale."""
    from modelkit.metrics import pearson

    y = np.log1p(predicted.clip(min=0))
    found = {}
    for name, target in (("rate", rates), ("counts", counts)):
        r = pearson(predicted, target)
        found[f"{of}{name}"], found[f"{of}{name}_sd"] = float(r.mean()), float(r.std())
        found[f"{of}{name}_across_regions"] = float(pearson(y.T, np.log1p(target).T).mean())
    return found


def settings() -> dict[str, Any]:
    """What all rows of a run have in common; rows made with others do not count."""
    return {"experiment": asdict(EXPERIMENT), "config": SIZES}


def done(rows: Sequence[Row]) -> dict[Training, Row]:
    """The newest row of each training that was made with these settings."""
    mine = [row for row in rows if row["settings"] == settings()]
    return {Training(**{name: row[name] for name in Training.__annotations__}): row for row in mine}


def sweep(
    wanted: Sequence[Training], *, jobs: int, minutes: float = math.inf, results: Path = MODELS
) -> None:
    """Make what is not there, `jobs` at a time, each on one core; a row is kept as it is done.

    After so many minutes nothing more is begun.
    """
    path = results / f"{OP}.json"
    missing = [each for each in wanted if each not in done(read_rows(path))]
    say(f"{len(wanted)} trainings, {len(wanted) - len(missing)} are done")
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # of the processes to come
        os.environ[name] = "1"
    shared = {
        "op": OP,
        "date": datetime.now(UTC).date().isoformat(),
        **describe_commit(),
        "machine": describe_machine(jobs),
        "versions": describe_versions() | {"torch": package_version("torch")},
    }
    end = time.monotonic() + 60 * minutes
    left = iter(missing)
    running: dict[Future[Row], Training] = {}
    n_done = 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        seeds = sorted({each.seed for each in missing})
        known = dict(zip(seeds, pool.map(prepare, seeds), strict=True))

        def start() -> None:
            each = next(left, None) if time.monotonic() < end else None
            if each is not None:
                running[pool.submit(run_training, each)] = each

        for _ in range(jobs):
            start()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                each = running.pop(future)
                row = shared | future.result() | {"data_facts": known[each.seed]}
                append_rows(path, [row | {"settings": settings()}])
                start()
                n_done += 1
                say(
                    f"{n_done}/{len(missing)} seed {each.seed} {each.name}: "
                    f"r {row.get('rate', row['lineages_rate']):.3f}, {row['seconds']:.0f} s"
                )


def prepare(seed: int) -> dict[str, float]:
    """Make the data of a seed; how real they look."""
    make(folder_of(seed), EXPERIMENT, seed)
    return facts(folder_of(seed))


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.bpaitac_sweep", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=5, help="of the part sets (default 5)")
    parser.add_argument("--more-seeds", type=int, default=3, help="of the others (default 3)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (default 2)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after these")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", default=[])
    parser.add_argument("--show", action="store_true", help="tables and figure, no training")
    options = parser.parse_args()
    if not options.show:
        wanted = trainings(options.seeds, options.more_seeds, options.only or PARTS)
        sweep(wanted, jobs=options.jobs, minutes=options.minutes)
    found = done(read_rows(MODELS / f"{OP}.json"))
    if not found:
        parser.error("no results yet")
    from bench.bpaitac_figure import draw, put, tables

    DOCUMENT.write_text(put(DOCUMENT.read_text(), tables(found)))
    draw(found, FIGURE)
    say(f"{DOCUMENT} and {FIGURE}: {len(found)} trainings")


if __name__ == "__main__":
    from bench import bpaitac_sweep  # rows are keyed by its `Training`, not by that of __main__

    bpaitac_sweep.main()
