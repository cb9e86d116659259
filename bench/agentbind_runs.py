"""Data and networks for `bench.agentbind_interpretation`: AgentBind's GATA1 and TAL1 benchmark.

Sequences are those of `kmerengine simulate gata-tal`, seed 0, with JASPAR's MA0035.3 for GATA1 and
MA0091.1 for TAL1. The networks have the preset "paper", and begin from nothing: no pre-training.
A training that was killed, or whose time was up, goes on.

JASPAR's motifs are those of $KMERENGINE_DATA (by default ../shared/data), which are not in this
repository.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import kmerengine
from bench.data import WORK
from bench.harness import say
from bench.machine import ROOT

if TYPE_CHECKING:
    from modelkit.training.run import Run

__all__ = ["MOTIFS", "NETWORKS", "OP", "Size", "Trial", "changes_of", "control", "kept", "prepare"]

OP = "agentbind-interpretation"
MOTIFS = (
    Path(os.environ.get("KMERENGINE_DATA", ROOT.parent / "shared" / "data"))
    / "motifs"
    / "JASPAR_CORE_2016_vertebrates.meme"
)
CORE, CONTEXT = "MA0035.3", "MA0091.1"
SEED, LENGTH = 0, 1_000  # of the simulation; bp
NETWORKS: Mapping[str, str] = {"danq": "paper", "deepsea": "paper"}  # and their presets


class Size(NamedTuple):
    """Sequences of each split; half of them positive."""

    train: int = 50_000
    validation: int = 1_000
    test: int = 1_000

    @property
    def path(self) -> Path:
        """Everything of this size."""
        return WORK / OP / "-".join(map(str, self))

    @property
    def sequences(self) -> Path:
        """What was simulated."""
        return self.path / "sequences"

    @property
    def data(self) -> Path:
        """The data set."""
        return self.path / "data"


class Trial(NamedTuple):
    """One network."""

    network: str
    seed: int
    size: Size

    @property
    def name(self) -> str:
        """Of its folders."""
        return f"{self.network}-{self.seed}"

    @property
    def path(self) -> Path:
        """Its run, which training writes to."""
        return self.size.path / "runs" / self.name


class _TimeIsUp(Exception):
    """Training is to stop here."""


class _Clock:
    """Says what training says, until its time is up."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.until = name, time.monotonic() + seconds

    def say(self, line: str) -> None:
        say(f"{self.name}: {line}")

    def stepped(self, epoch: int, done: int, of: int) -> None:
        if time.monotonic() > self.until:
            raise _TimeIsUp(f"in epoch {epoch}, after {done:,} of {of:,} examples")

    def epoch(self, row: Mapping[str, float | int]) -> None:
        self.say(
            f"epoch {row['epoch']}: loss {row['train_loss']:.4f}, validation "
            f"{row['validation_loss']:.4f}, AU-ROC {row['validation_auroc']:.3f}, "
            f"{row['seconds']:.0f} s"
        )


def prepare(size: Size) -> None:
    """Make sequences and data set, unless they are there."""
    if not MOTIFS.exists():
        raise SystemExit(f"{MOTIFS}: not there; set KMERENGINE_DATA to the folder of test data")
    size.path.mkdir(parents=True, exist_ok=True)
    table = size.sequences / "sequences.parquet"
    if not table.exists():
        kmerengine.simulate_gata_tal(
            size.sequences, motifs=MOTIFS, core=CORE, context=CONTEXT, n_train=size.train,
            n_validation=size.validation, n_test=size.test, length=LENGTH, seed=SEED,
        )  # fmt: skip
    if not (size.data / "dataset.json").exists():
        kmerengine.dataset_from_sequences(table, output=size.data)


def trained(
    trial: Trial,
    *,
    changes: Sequence[str] = (),
    epochs: int | None = None,
    minutes: float = float("inf"),
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Train, or go on, or nothing if it is done; at most for so many minutes.

    What was done since the last checkpoint, 5 minutes at most, is lost when time is up. `changes`
    are those of `modelkit.read_config`; a run that goes on has its own, and may be given others
    only where they are the same. `epochs` may be more.
    """
    import modelkit
    from modelkit.training.run import LAST

    resume = (trial.path / LAST).exists()
    longer = [] if epochs is None else [f"training.epochs={epochs}"]
    config = None
    if not resume or changes:
        config = _config(trial, [*changes, *longer])
    elif epochs is not None:
        config = modelkit.Run.open(trial.path).config.changed({"training": {"epochs": epochs}})
    elif _is_finished(trial):
        return
    trial.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        modelkit.train(
            config, trial.size.data, trial.path, device=device, threads=threads, resume=resume,
            force=not resume, reporter=_Clock(trial.name, 60 * minutes),
        )  # fmt: skip
    except _TimeIsUp as where:
        say(f"{trial.name}: time is up {where}; the same command goes on")


def kept(trial: Trial) -> "Run | None":
    """The best weights that there are, as a run of its own, so that training may go on beside it.

    None if no epoch is over, or its record is being written.
    """
    import modelkit
    from kmerengine.io.link import link_or_copy
    from modelkit.training.checkpoint import read_checkpoint
    from modelkit.training.run import ABOUT, BEST, CONFIG, LINES

    if not (trial.path / BEST).exists():
        return None
    weights = trial.size.path / "weights"
    weights.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new.", dir=weights))
    try:
        for name in (BEST, LINES, CONFIG, ABOUT):  # the record is written after the weights
            link_or_copy(trial.path / name, folder / name)
        _, about = read_checkpoint(folder / BEST)
        if about["epoch"] > len((folder / LINES).read_text().splitlines()):
            return None
        named = weights / f"{trial.name}-epoch-{about['epoch']}"
        named.mkdir(exist_ok=True)
        for each in folder.iterdir():
            each.replace(named / each.name)
    finally:
        shutil.rmtree(folder)
    return modelkit.Run.open(named)


def control(trial: Trial) -> "Run":
    """The same network with weights that were never trained, of another seed."""
    import modelkit
    from modelkit.training.run import BEST

    path = trial.size.path / "weights" / f"{trial.name}-control"
    if (path / BEST).exists():
        return modelkit.Run.open(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    network = modelkit.Run.open(trial.path).config
    config = network.changed({"training": {"epochs": 0, "seed": trial.seed + 1}})
    return modelkit.train(config, trial.size.data, path, device="cpu", threads=1, force=True)


def changes_of(run: "Run", trial: Trial) -> dict[str, Any]:
    """What of a run's config is not that of the preset, by key; its seed apart."""
    preset = _config(trial, ()).for_dataset(kmerengine.Dataset.open(trial.size.data))
    return _differences(preset.model_dump(mode="json"), run.config.model_dump(mode="json"), "")


def _config(trial: Trial, changes: Sequence[str]) -> Any:
    import modelkit

    return modelkit.read_config(
        model=trial.network,
        preset=NETWORKS[trial.network],
        changes=[f"training.seed={trial.seed}", *changes],
    )


def _differences(before: dict[str, Any], after: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            found |= _differences(old, value, f"{where}{key}.")
        elif value != old:
            found[f"{where}{key}"] = value
    return found


def _is_finished(trial: Trial) -> bool:
    import modelkit

    return modelkit.Run.open(trial.path).about.get("status") == "finished"
