"""One page about a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kmerengine.datasets.folder import Dataset
from kmerengine.io.atomic import atomic, check_writable
from modelkit.devices import chosen_device
from modelkit.interpretation.attributions import Attributions
from modelkit.report.about_data import about_data
from modelkit.report.curves import curves
from modelkit.report.measures import measures, read_measured
from modelkit.report.page import plain, render
from modelkit.report.provenance import provenance
from modelkit.report.totals import fitting_task, totals
from modelkit.report.tracks import tracks
from modelkit.training.run import Run

__all__ = ["report"]


def report(
    run: Run | str | Path,
    output: str | Path,
    *,
    dataset: Dataset | str | Path | None = None,
    evaluation: str | Path | None = None,
    attributions: Attributions | str | Path | None = None,
    split: str | None = None,
    device: str = "auto",
    force: bool = False,
) -> Path:
    """Write one HTML page about a run: figures and tables in one file that loads nothing.

    A section whose input is not given says which command makes it. The same inputs give the same
    bytes.

    Parameters
    ----------
    run : Run or path
    output : path
        The file to write.
    dataset : Dataset or path, optional
        The run's data: regions and depth, and totals that are predicted for `split`.
    evaluation : path, optional
        What `modelkit.evaluate` wrote of this run.
    attributions : Attributions or path, optional
        What `modelkit.attribute` wrote.
    split : str, optional
        By default that of the evaluation, or "test".
    device : str
        As of `predict`.
    force : bool
        Replace an existing output.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError
        An input that is missing, damaged, or of another run.
    """
    output = Path(output)
    check_writable(output, force=force)
    run = run if isinstance(run, Run) else Run.open(run)
    data = dataset
    if isinstance(data, str | Path):
        data = Dataset.open(data)
    measured = None if evaluation is None else read_measured(evaluation, run)
    if isinstance(attributions, str | Path):
        attributions = Attributions.open(attributions)
    task = None if data is None else fitting_task(run, data)
    chosen = split or ("test" if measured is None else measured.split)
    others: dict[str, Mapping[str, Any]] = {}
    if attributions is not None:
        others["attributions"] = attributions.provenance
    sections = [
        about_data(run, data, task),
        curves(run),
        measures(measured),
        totals(run, data, task, chosen, chosen_device(device)),
        tracks(attributions),
        provenance(run, others),
    ]
    about = run.about
    n_tasks = len(about.get("tasks") or ())
    lead = f"{run.config.model}, {n_tasks:,} {'task' if n_tasks == 1 else 'tasks'}"
    if about.get("parameters"):
        lead += f", {about['parameters']:,} weights"
    name = plain(run.path.resolve().name)
    page = render(f"Run {name}", lead, sections, ["Made by modelkit report."])
    with atomic(output, force=force) as temporary:
        temporary.write_text(page, "utf-8")
    return output
