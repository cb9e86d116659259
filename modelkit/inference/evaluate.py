"""Measure a trained model on examples that it has not seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.data.loader import Batch
from modelkit.devices import chosen_device
from modelkit.inference.baselines import baselines, replicate
from modelkit.inference.cross_class import OneClass, class_of, task_of_one_class
from modelkit.inference.evaluation import CEILING, MODEL, NAMES, Evaluation, write_evaluation
from modelkit.inference.known import Known
from modelkit.inference.member import fitting_task
from modelkit.metrics import bootstrap
from modelkit.models.bpaitac import ProfileOutput
from modelkit.tasks.observe import as_arrays, joined
from modelkit.tasks.profile import ProfileTask
from modelkit.tasks.task import Observed, Task
from modelkit.training.run import Run

__all__ = ["evaluate"]

BOTH_STRANDS = "each example counts twice, as it is and as its reverse complement"


def evaluate(
    run: Run | str | Path,
    dataset: Dataset | str | Path,
    output: str | Path | None = None,
    *,
    split: str = "test",
    as_class: str | None = None,
    compare: bool = True,
    replicates: tuple[str | Path, str | Path] | None = None,
    device: str = "auto",
    batch_size: int = 64,
    resamples: int = 1000,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a model, and what it must beat.

    Parameters
    ----------
    run : Run or path
    dataset : Dataset or path
        Of the same shift, window and tasks as the run's.
    output : path, optional
        A folder: examples.parquet has the measures of each example, by_name.parquet those of each
        class or cell type, metrics.json all others.
    split : str
        "train", "validation" or "test" as the run had it, or "all".
    as_class : str, optional
        Measure this class of a run of several, alone, on data of one label, whatever that is
        called: what a model of many classes knows of one (AgentBind's baselines).
    compare : bool
        For profiles: the mean profile and the bias, fitted to the training split, beside it.
    replicates : (path, path), optional
        Data sets of the same regions from two halves of the reads: the first as prediction of the
        second is a ceiling for any model ("replicate").
    device, batch_size
        As of `predict`.
    resamples : int
        Of the bootstrap; its unit is the example.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in examples.

    Raises
    ------
    InputError
        Data that do not fit the run, or a split without examples.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    if resamples < 1:
        raise InputError(f"resamples: found {resamples}, expected at least 1")
    number = None if as_class is None else class_of(run, data, as_class)
    task: Task = fitting_task(run, data) if number is None else task_of_one_class(run, data)
    place = chosen_device(device)
    if replicates is not None and not isinstance(task, ProfileTask):
        raise InputError(
            f"replicates: found two data sets, but {run.path} predicts no cuts, of which alone "
            "there are replicates; leave them out"
        )
    run.check_split(data, split)
    rows = task.rows(split)
    if not len(rows):
        raise InputError(f"{data.path}: has no example of {split!r}; choose another split")
    network = run.network(place)
    if number is not None:
        network = OneClass(network, number)
    observed: dict[str, list[dict[str, Any]]] = {MODEL: []}
    others = _others(task, data, split, place, batch_size) if compare else {}
    plain = ProfileTask(_without_bias(run), data) if others else None
    done = 0
    with torch.inference_mode():
        batches = _batches(task, rows, batch_size, place)
        for batch in batches.batches(0):
            observed[MODEL].append(as_arrays(task.observe(network, batch)))
            for name, expect in others.items():
                assert plain is not None  # it goes with the others
                known = Known(expect(batch))
                observed.setdefault(name, []).append(as_arrays(plain.observe(known, batch)))
            done += len(batch[0])
            if progress is not None:
                progress(done, batches.n_examples)
        if replicates is not None:
            observed[CEILING] = _ceiling(run, replicates, data, rows, batch_size, place)
    whole = {name: joined(parts) for name, parts in observed.items()}
    notes = [
        run.other_bias(data),
        BOTH_STRANDS if batches.n_examples > len(rows) else None,
        None if as_class is None else f"by class {as_class} of {run.path.name}",
    ]
    said = tuple(note for note in notes if note is not None)
    found = _evaluation(task, whole, len(rows), resamples, said)
    if output is not None:
        with atomic(Path(output), force=force, folder=NAMES) as folder:
            write_evaluation(folder, run, data, found, split)
    return found


def _without_bias(run: Run) -> Any:
    return run.config.changed({"objective": {"use_bias": False}})


def _batches(task: Task, rows: Any, batch_size: int, device: torch.device) -> Any:
    return task.batches(rows, training=False, batch_size=batch_size, device=device)


def _others(
    task: Task, data: Dataset, split: str, device: torch.device, batch_size: int
) -> dict[str, Callable[[Batch], ProfileOutput]]:
    """Baselines of a profile task, fitted to its training rows."""
    if not isinstance(task, ProfileTask) or not task.network.profile_head:
        return {}
    rows = task.rows("train")
    if not len(rows) or split in ("train", "all") or data.counts is None:
        return {}
    return baselines(task, lambda: _batches(task, rows, batch_size, device).batches(0))


def _ceiling(
    run: Run,
    replicates: tuple[str | Path, str | Path],
    data: Dataset,
    rows: Any,
    batch_size: int,
    device: torch.device,
) -> list[dict[str, Any]]:
    halves = [Dataset.open(each) for each in replicates]
    columns = ["chrom", "start", "end"]
    for half in halves:
        run.check_cuts(half)
        same = half.regions.select(columns).equals(data.regions.select(columns))
        if not same or half.window != data.window or half.samples != data.samples:
            raise InputError(
                f"{half.path}: is not of the regions, window and samples of {data.path}; expected "
                "replicates of the same"
            )
    config = _without_bias(run)
    first, second = (ProfileTask(config, half) for half in halves)
    expect = replicate(first, _batches(first, rows, batch_size, device))
    found = []
    for batch in _batches(second, rows, batch_size, device).batches(0):
        found.append(as_arrays(second.observe(Known(expect(batch)), batch)))
    return found


def _evaluation(
    task: Task, observed: dict[str, Observed], n: int, resamples: int, notes: tuple[str, ...]
) -> Evaluation:
    metrics, intervals, examples, by_name = {}, {}, {}, {}
    quartiles: dict[str, dict[str, float]] = {}
    for name, found in observed.items():
        metrics[name] = task.metrics(found)
        by_name[name] = task.by_name(found)
        measures = task.by_example(found)
        quartile = measures.pop("cv_quartile", None)
        examples[name] = {"row": measures.pop("row", found["row"]), **measures}
        intervals[name] = {
            measure: bootstrap(values[~np.isnan(values)], n=resamples)
            for measure, values in measures.items()
        }
        if quartile is not None and name == MODEL:
            for measure in ("pearson_across_tasks", "spearman_across_tasks"):
                quartiles[measure] = {
                    f"quartile {q + 1}": float(measures[measure][quartile == q].mean())
                    for q in range(4)
                    if (quartile == q).any()
                }
    return Evaluation(
        n, task.skipped, metrics, intervals, quartiles, examples, task.names, by_name, notes
    )
