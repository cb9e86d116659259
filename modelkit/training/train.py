"""Train a model on a data set."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from modelkit.config import Config
from modelkit.data.draws import Purpose, draw
from modelkit.devices import chosen_device, described
from modelkit.registry import MODELS
from modelkit.tasks.task import Task
from modelkit.training.loop import Reporter, Row, Silent, Trainer
from modelkit.training.ranks import Ranks, joined
from modelkit.training.run import LAST, LOG, NAMES, Run

__all__ = ["train", "train_folds"]


def train(
    config: Config | None,
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Train a model; several processes of torchrun train it together.

    Parameters
    ----------
    config : Config or None
        See `read_config`. None to resume: a run goes on with its own.
    dataset : Dataset or path
        What `kmerengine.dataset` wrote.
    output : path
        The run's folder, see `modelkit.training.run`.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    threads : int, optional
        Of PyTorch on the CPU; by default what it chooses. Sums of other threads differ in their
        last bits.
    resume : bool
        Go on with a run that was interrupted: with the bits that it would have had.
    force : bool
        Replace an existing run.
    reporter : Reporter, optional
        Told how training goes.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        A config that does not fit the data, an output that exists, a loss that is no number,
        another rank that ended.
    """
    output = Path(output)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    place = chosen_device(device)
    with joined(place) as ranks:
        if resume:
            run = _reopened(output, config, data)
        else:
            if config is None:
                raise InputError("config: found none, expected one for a run that is not resumed")
            run = _begun(output, config.for_dataset(data), data, ranks, force=force)
        entry, config = MODELS[run.config.model], run.config
        deterministic = config.training.deterministic
        with _settings(place, threads, deterministic=deterministic):
            task = entry.task(config, data)
            seed = draw(config.training.seed, 0, Purpose.WEIGHTS, np.zeros(1, np.int64))
            torch.manual_seed(int(seed[0]) >> 1)
            network = _built(entry.model, config).to(place)
            log = _Log(run.path / LOG, reporter or Silent(), first=ranks.first)
            trainer = Trainer(config, network, task, run, ranks, place, log)
            log.say(described(place, ranks.ranks))
            n_weights = sum(p.numel() for p in network.parameters() if p.requires_grad)
            log.say(_of_data(task, trainer, n_weights))
            if resume and (run.path / LAST).exists():
                trainer.resume()
                log.say(f"goes on at epoch {trainer.epoch}, batch {trainer.batch}")
            if ranks.first:
                run.write_about(
                    status="training",
                    device=described(place, ranks.ranks),
                    threads=torch.get_num_threads(),
                    torch=torch.__version__,
                    parameters=n_weights,
                    tasks=list(task.names),
                    skipped=task.skipped,
                )
            trainer.fit()
            best = trainer.rules.select
            log.say(f"best: {best.metric} {best.value} of epoch {best.epoch}")
            if ranks.first:
                run.write_about(
                    status="finished",
                    stopped=trainer.stopped or f"{config.training.epochs} epochs",
                    best={"metric": best.metric, "value": best.value, "epoch": best.epoch},
                )
            ranks.wait()
    return Run.open(output)


def train_folds(
    config: Config, dataset: Dataset | str | Path, output: str | Path, folds: int, **options: Any
) -> list[Run]:
    """Train a model for each of `folds` folds of chromosomes, into ``output/fold-0`` and so on.

    Fold i tests, the next one validates, the others train; see `kmerengine.datasets.splits`. Other
    arguments are those of `train`.
    """
    output = Path(output)
    runs = []
    output.mkdir(exist_ok=True)
    for fold in range(folds):
        own = config.changed({"data": {"split": f"fold={fold}/{folds}"}})
        here = output / f"fold-{fold}"
        again = bool(options.get("resume")) and here.exists()
        runs.append(train(own, dataset, here, **{**options, "resume": again}))
    return runs


def _begun(
    output: Path, config: Config, data: Dataset, ranks: Ranks, *, force: bool
) -> Run:
    about = schemas.provenance("train", {"dataset": _digest(data)}, {})
    about |= {
        "dataset": _digest(data),
        "samples": list(data.samples),
        "shift": data.shift,
        "off_by_two": bool(data.provenance.get("parameters", {}).get("off_by_two", False)),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    run = Run(output, config, about)
    if ranks.first:
        check_writable(output, force=force, folder=NAMES)
        output.mkdir(exist_ok=True)
        for name in NAMES:
            (output / name).unlink(missing_ok=True)
        run.write_about(status="begun")
    ranks.wait()
    return run


def _reopened(output: Path, config: Config | None, data: Dataset) -> Run:
    run = Run.open(output)
    if run.about.get("dataset") != _digest(data):
        raise InputError(
            f"{output}: was trained on {run.about.get('dataset', {}).get('name')}, not on "
            f"{data.path} as it is; expected the same data to go on"
        )
    if config is not None and config.for_dataset(data) != run.config:
        raise InputError(
            f"{output}: was begun with another config than is given; leave it out to go on, or "
            "train anew with --force"
        )
    return run


def _built(model: Callable[[Any], nn.Module], config: Config) -> nn.Module:
    try:
        return model(config.network)
    except ValueError as error:  # sizes that cannot be, such as pools of a short sequence
        raise InputError(f"network: {error}") from error


def _digest(data: Dataset) -> dict[str, Any]:
    text = json.dumps(data.provenance, sort_keys=True)
    return {"name": data.path.name, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _of_data(task: Task, trainer: Trainer, n_weights: int) -> str:
    parts = {name: len(task.rows(name)) for name in ("train", "validation", "test")}
    counted = ", ".join(f"{n:,} {name}" for name, n in parts.items())
    steps = trainer.n_batches // trainer.options.accumulate
    return f"examples: {counted}; {steps:,} steps an epoch; {n_weights:,} weights"


@contextmanager
def _settings(device: torch.device, threads: int | None, *, deterministic: bool) -> Iterator[None]:
    """PyTorch's settings for the time of a training; as they were afterwards."""
    before = torch.get_num_threads(), torch.get_rng_state()
    strict = torch.are_deterministic_algorithms_enabled()
    on_gpu = device.type == "cuda"
    if threads is not None:
        torch.set_num_threads(threads)
    if on_gpu and deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
        torch.use_deterministic_algorithms(True)  # noqa: FBT003
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(before[0])
        torch.set_rng_state(before[1])


class _Log:
    """A reporter that keeps what is said, of the first rank, in a file too."""

    def __init__(self, path: Path, reporter: Reporter, *, first: bool) -> None:
        self.path, self.reporter, self.first = path, reporter, first

    def say(self, line: str) -> None:
        if self.first:
            with self.path.open("a") as file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")
            self.reporter.say(line)

    def stepped(self, epoch: int, done: int, of: int) -> None:
        if self.first:
            self.reporter.stepped(epoch, done, of)

    def epoch(self, row: Row) -> None:
        if self.first:
            shown = (f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "step"))
            with self.path.open("a") as file:
                stamp = datetime.now(UTC).isoformat(timespec="seconds")
                file.write(f"{stamp} epoch {row['epoch']}: {', '.join(shown)}\n")
            self.reporter.epoch(row)
