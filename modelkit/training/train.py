"""Train a model on a data set."""

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
from modelkit.training.run import ABOUT, LAST, LOG, NAMES, Run, bias_of, digest_of, split_of
from modelkit.training.transfer import Start

__all__ = ["train"]


def train(
    config: Config | None,
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    start: Run | str | Path | None = None,
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
    start : Run or path, optional
        A run to begin with: the layers that its model passes on have its best weights, the others
        are drawn. See `modelkit.training.transfer`.
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
        A config that does not fit the data, a start of another model or other sizes, an output
        that exists, a loss that is no number, another rank that ended.
    """
    output, place = Path(output), chosen_device(device)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    if resume and force:
        raise InputError("force: found with resume, expected one: go on with a run, or replace it")
    if threads is not None and threads < 1:
        raise InputError(f"threads: found {threads}, expected at least 1")
    begun = None if start is None else Start(start)
    with joined(place) as ranks:
        if resume:
            run = _reopened(output, config, data)
            _check_start(run, begun)
            if threads is None and place.type == "cpu":
                threads = run.about.get("threads")
        elif config is not None:
            if not force and (output / ABOUT).exists() and (output / LAST).exists():
                raise InputError(
                    f"{output}: exists; go on with it (--resume), replace it (--force), or choose "
                    "another output"
                )
            check_writable(output, force=force, folder=NAMES)
            about = _about(data) | {"start": None if begun is None else begun.about}
            run = Run(output, config.for_dataset(data), about)
        else:
            raise InputError("config: found none, expected one for a run that is not resumed")
        ranks.wait()  # nobody writes before all have looked
        with (
            _settings(place, threads, deterministic=run.config.training.deterministic),
            _memory_is_an_input_error(),
        ):
            told = reporter or Silent()
            _train(run, data, place, ranks, told, start=begun, resume=resume, force=force)
        ranks.wait()
    return Run.open(output)


def _train(
    run: Run,
    data: Dataset,
    place: torch.device,
    ranks: Ranks,
    reporter: Reporter,
    *,
    start: Start | None,
    resume: bool,
    force: bool,
) -> None:
    """Make network and trainer, then the folder, then train."""
    config, entry = run.config, MODELS[run.config.model]
    task = entry.task(config, data)
    seed = draw(config.training.seed, 0, Purpose.WEIGHTS, np.zeros(1, np.int64))
    torch.manual_seed(int(seed[0]) >> 1)
    network = _built(entry.model, config)
    if start is not None:
        start.give(network, config.model)
    network.to(place)
    log = _Log(run.path / LOG, reporter, first=ranks.first)
    trainer = Trainer(config, network, task, run, ranks, place, log)
    device = described(place, ranks.ranks)
    if ranks.first:
        if resume:
            run.tidy()
        else:
            run.begin(force=force)
    log.say(device)
    if resume and run.about.get("device", device) != device:
        log.say(f"warning: the run began on {run.about['device']}: its last bits may differ")
    if start is not None and (warning := start.warning(run)):
        log.say(warning)
    n_weights = sum(p.numel() for p in network.parameters() if p.requires_grad)
    log.say(_of_data(task, trainer, n_weights))
    if resume and (run.path / LAST).exists():
        trainer.resume()
        log.say(f"goes on at epoch {trainer.epoch}, batch {trainer.batch}")
    if ranks.first:
        run.write_about(
            status="training",
            device=device,
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            parameters=n_weights,
            tasks=list(task.names),
            skipped=task.skipped,
        )
    trainer.fit()
    best = trainer.best
    if best["metric"] is None:
        log.say("no validation examples: the last weights are kept")
    elif best["value"] is None:
        log.say("no epoch was measured: the last weights are kept")
    else:
        log.say(f"best: {best['metric']} {best['value']:.6g} of epoch {best['epoch']}")
    if ranks.first:
        options = config.training
        took_all = trainer.stepper.step_number == options.steps
        reached = f"{options.steps} steps" if took_all else f"{options.epochs} epochs"
        stopped = trainer.stopped or reached
        run.write_about(status="finished", stopped=stopped, best=best)


def _about(data: Dataset) -> dict[str, Any]:
    return schemas.provenance("train", {"dataset": digest_of(data)}, {}) | {
        "dataset": digest_of(data),
        "samples": list(data.samples),
        "shift": data.shift,
        "off_by_two": data.off_by_two,
        "split": split_of(data),
        "bias": bias_of(data) if "bias" in data.provenance.get("arrays", {}) else None,
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _reopened(output: Path, config: Config | None, data: Dataset) -> Run:
    """The run to go on with; a config that is given may ask for more epochs, nothing else."""
    run = Run.open(output)
    trained_on = run.about.get("dataset")
    if trained_on is None:
        raise InputError(f"{output}: was not trained here, expected a run of modelkit train")
    if trained_on != digest_of(data):
        raise InputError(
            f"{output}: was trained on {trained_on.get('name')}, not on {data.path} as it is; "
            "expected the same data to go on"
        )
    if config is not None:
        more = run.config.changed({"training": {"epochs": config.training.epochs}})
        if config.for_dataset(data) != more:
            raise InputError(
                f"{output}: was begun with another config than is given (only training.epochs may "
                "change); leave it out to go on, or train anew with --force"
            )
        run.config = more
    return run


def _check_start(run: Run, start: Start | None) -> None:
    """A run goes on with what it began with; it is read again if no checkpoint has it yet."""
    begun = run.about.get("start")
    if start is not None and (begun is None or begun["weights"] != start.about["weights"]):
        raise InputError(
            f"start: {run.path} was begun with {begun['name'] if begun else 'none'}, not with the "
            f"weights of {start.run.path}; leave it out to go on, or train anew with --force"
        )
    if start is None and begun is not None and not (run.path / LAST).exists():
        raise InputError(
            f"{run.path}: was begun with {begun['name']} and holds no checkpoint; give it again "
            "(--start)"
        )


def _built(model: Callable[[Any], nn.Module], config: Config) -> nn.Module:
    try:
        return model(config.network)
    except ValueError as error:  # sizes that cannot be, such as pools of a short sequence
        raise InputError(f"network: {error}") from error


def _of_data(task: Task, trainer: Trainer, n_weights: int) -> str:
    parts = {name: len(task.rows(name)) for name in ("train", "validation", "test")}
    counted = ", ".join(f"{n:,} {name}" for name, n in parts.items())
    steps = trainer.n_batches // trainer.options.accumulate
    return f"examples: {counted}; {steps:,} steps an epoch; {n_weights:,} weights"


@contextmanager
def _memory_is_an_input_error() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # OutOfMemoryError of a GPU is one
        if "memory" not in str(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"not enough memory: {reason[:200]}; lower training.batch_size, raise "
            "training.accumulate, or choose a smaller network"
        ) from error


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
