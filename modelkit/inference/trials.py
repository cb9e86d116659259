"""Measure trials of a model: runs that differ in their seeds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.inference.by_name import BY_NAME, Spread, cell, spread, write_by_name
from modelkit.inference.evaluate import evaluate
from modelkit.inference.evaluation import MODEL, SHOWN, Evaluation, write_evaluation
from modelkit.training.checkpoint import as_json
from modelkit.training.run import Run

__all__ = ["Trials", "evaluate_trials"]

SUMMARY = "trials.json"
NAMES = ("trial-*", BY_NAME, SUMMARY)

Floats = npt.NDArray[np.float64]


class Trials(NamedTuple):
    """Evaluations of several runs of a model, and how they spread.

    Attributes
    ----------
    runs : tuple of str
        Names of their folders.
    each : tuple of Evaluation
        In the order of the runs: of the same examples and names.
    """

    runs: tuple[str, ...]
    each: tuple[Evaluation, ...]

    def over_trials(self) -> dict[str, Spread]:
        """How the metrics of the model spread over the trials."""
        found = [trial.metrics[MODEL] for trial in self.each]
        return {name: spread([metrics[name] for metrics in found]) for name in found[0]}

    def by_name(self) -> dict[str, list[Spread]]:
        """How each measure of each name spreads over the trials."""
        return {
            measure: [spread(values) for values in matrix.T]
            for measure, matrix in self._matrices().items()
        }

    def over_names(self) -> dict[str, Spread]:
        """How the means over the trials of each name spread over the names."""
        return {
            measure: spread([each.mean for each in spreads])
            for measure, spreads in self.by_name().items()
        }

    def summary(self) -> dict[str, Any]:
        """All but the measures of each example and name, for JSON."""
        named = zip(self.runs, self.each, strict=True)
        return {
            "trials": [{"run": run, **trial.summary()} for run, trial in named],
            "over_trials": {name: each._asdict() for name, each in self.over_trials().items()},
            "over_names": {name: each._asdict() for name, each in self.over_names().items()},
        }

    def columns(self) -> dict[str, Floats]:
        """Of each measure of the names: mean and deviation over the trials, and each trial's."""
        found = {}
        for measure, spreads in self.by_name().items():
            found[f"{measure}_mean"] = np.array([each.mean for each in spreads])
            found[f"{measure}_sd"] = np.array([each.sd for each in spreads])
            for run, values in zip(self.runs, self._matrices()[measure], strict=True):
                found[f"{run}.{measure}"] = values
        return found

    def lines(self) -> list[str]:
        """Tables for people: metrics of each trial, and measures of each name over the trials."""
        n = len(self.each)
        over = f"mean ± sd over {n} trials"
        found = [f"{'':28}" + "".join(f"{name[-26:]:>28}" for name in (*self.runs, over))]
        for name, each in self.over_trials().items():
            values = [trial.metrics[MODEL][name] for trial in self.each]
            cells = "".join(cell(f"{v:.4f}", v) for v in values)
            found.append(f"{name:<28}{cells}{cell(str(each), each.mean)}")
        by_name = self.by_name()
        if not by_name:
            return found
        found.append(f"{'by name, ± sd over trials':<28}" + "".join(f"{m:>28}" for m in by_name))
        names = self.each[0].names
        if len(names) <= SHOWN:
            for i, name in enumerate(names):
                spreads = [each[i] for each in by_name.values()]
                found.append(f"{name:<28}" + "".join(cell(str(s), s.mean) for s in spreads))
        else:
            found.append(f"{len(names):,} names: --output writes them all")
        cells = "".join(cell(str(each), each.mean) for each in self.over_names().values())
        return [*found, f"{f'mean ± sd over {len(names):,}':<28}{cells}"]

    def _matrices(self) -> dict[str, Floats]:
        """Of each measure (trials, names)."""
        found = [trial.by_name[MODEL] for trial in self.each]
        return {
            measure: np.array([measures[measure] for measures in found], np.float64)
            for measure in found[0]
        }


def evaluate_trials(
    runs: Sequence[Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path | None = None,
    *,
    split: str = "test",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Trials:
    """Measure trials of a model, as `evaluate` measures one, and their spread.

    Standard deviations are the population's: over the trials, and over the names (classes, cell
    types) of their means over the trials.

    Parameters
    ----------
    runs : sequence of Run or path
        Such as those of `train_seeds`.
    dataset : Dataset or path
    output : path, optional
        A folder: `trial-0` and so on are evaluations, by_name.parquet has mean and deviation of
        each name over the trials, trials.json the rest.
    split, force, progress
        As of `evaluate`.
    **options
        Further ones of `evaluate`.

    Raises
    ------
    InputError
        Runs of different models or examples, or data that do not fit one of them.
    """
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    if not opened:
        raise InputError("runs: found none, expected at least one")
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    _check_alike(opened)
    each: list[Evaluation] = []
    for i, run in enumerate(opened):

        def told(done: int, of: int, before: int = i) -> None:
            if progress is not None:
                progress(before * of + done, len(opened) * of)

        each.append(evaluate(run, data, split=split, progress=told, **options))
        if not np.array_equal(each[0].examples[MODEL]["row"], each[-1].examples[MODEL]["row"]):
            raise InputError(
                f"{run.path}: its split {split!r} has other examples than that of "
                f"{opened[0].path}; expected trials of one split"
            )
    found = Trials(_names(opened), tuple(each))
    if output is not None:
        _write(Path(output), opened, data, found, split, force=force)
    return found


def _check_alike(runs: list[Run]) -> None:
    """Trials may differ in how they were trained, not in what they are."""
    first = runs[0]
    for run in runs[1:]:
        for what, mine, yours in (
            ("model", first.config.model, run.config.model),
            ("names", first.about.get("tasks"), run.about.get("tasks")),
        ):
            if mine != yours:
                raise InputError(
                    f"{run.path}: found another {what} than that of {first.path}, expected trials "
                    "of one model; evaluate them one by one"
                )


def _names(runs: list[Run]) -> tuple[str, ...]:
    """Names of the folders; whole paths where two have one name."""
    names = [run.path.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"runs: found {twice} twice, expected each once")
    return tuple(names)


def _write(
    output: Path, runs: list[Run], data: Dataset, found: Trials, split: str, *, force: bool
) -> None:
    inputs = {"dataset": data.path.name, "runs": list(found.runs)}
    document = schemas.provenance("evaluate", inputs, {})
    document |= {"format": schemas.EVALUATION, "split": split}
    document["configs"] = [run.config.model_dump() for run in runs]
    with atomic(output, force=force, folder=NAMES) as folder:
        for i, (run, trial) in enumerate(zip(runs, found.each, strict=True)):
            (folder / f"trial-{i}").mkdir()
            write_evaluation(folder / f"trial-{i}", run, data, trial, split)
        write_by_name(folder / BY_NAME, found.each[0].names, found.columns(), document)
        (folder / SUMMARY).write_text(as_json({**document, **found.summary()}) + "\n")
