"""Train a model several times: for folds of chromosomes, or with other seeds."""

from pathlib import Path
from typing import Any

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from modelkit.config import Config
from modelkit.devices import chosen_device
from modelkit.registry import MODELS
from modelkit.training.ranks import joined
from modelkit.training.run import ABOUT, Run
from modelkit.training.train import train

__all__ = ["train_folds", "train_seeds"]


def train_folds(
    config: Config, dataset: Dataset | str | Path, output: str | Path, folds: int, **options: Any
) -> list[Run]:
    """Train a model for each of `folds` folds of chromosomes, into ``output/fold-0`` and so on.

    Fold i tests, the next one validates, the others train; see `kmerengine.datasets.splits`. Other
    arguments are those of `train`; with `resume` folds that are done stay as they are.
    """
    if folds < 3:
        raise InputError(f"folds: found {folds}, expected at least 3: test, validation, training")
    configs = {
        f"fold-{i}": config.changed({"data": {"split": f"fold={i}/{folds}"}}) for i in range(folds)
    }
    return _train_each(configs, dataset, Path(output), "fold-*", **options)


def train_seeds(
    config: Config, dataset: Dataset | str | Path, output: str | Path, seeds: int, **options: Any
) -> list[Run]:
    """Train `seeds` trials of a model, with the config's seed and those after it.

    They are ``output/seed-0`` and so on, by their seeds; a trial differs from another in its first
    weights, the order of its examples and its dropout. Other arguments are those of `train`; with
    `resume` trials that are done stay as they are, and more can be asked for.
    """
    if seeds < 1:
        raise InputError(f"seeds: found {seeds}, expected at least 1")
    first = config.training.seed
    configs = {
        f"seed-{s}": config.changed({"training": {"seed": s}}) for s in range(first, first + seeds)
    }
    return _train_each(configs, dataset, Path(output), "seed-*", **options)


def _train_each(
    configs: dict[str, Config],
    dataset: Dataset | str | Path,
    output: Path,
    pattern: str,
    *,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    **options: Any,
) -> list[Run]:
    """Runs by their names, into a folder of nothing but such."""
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    if resume and force:
        raise InputError("force: found with resume, expected one: go on with runs, or replace them")
    for each in configs.values():  # all must be possible, before hours are spent on the first
        MODELS[each.model].task(each.for_dataset(data), data)
    check_writable(output, force=force or resume, folder=(pattern,))
    runs = []
    with joined(chosen_device(device)) as ranks:
        if ranks.first:
            output.mkdir(exist_ok=True)
        ranks.wait()
        for name, each in configs.items():
            here = output / name
            begun = resume and (here / ABOUT).exists()
            anew = not begun and (force or resume)
            runs.append(train(each, data, here, device=device, resume=begun, force=anew, **options))
    return runs
