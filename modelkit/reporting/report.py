"""One page about a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.devices import chosen_device
from modelkit.inference.label_forecast import OF_LABELS
from modelkit.inference.member import fitting_task
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.motifs.motif_set import Motifs
from modelkit.registry import MODELS
from modelkit.reporting.about_data import about_data
from modelkit.reporting.curves import curves
from modelkit.reporting.footprint_figures import Footprinted, footprint_figures
from modelkit.reporting.labels import labels
from modelkit.reporting.measures import measures, read_measured
from modelkit.reporting.motif_table import motif_table
from modelkit.reporting.page import render
from modelkit.reporting.provenance import check_is_of, provenance
from modelkit.reporting.totals import totals
from modelkit.reporting.tracks import tracks
from modelkit.training.run import Run

__all__ = ["report"]


def report(
    run: Run | str | Path,
    output: str | Path,
    *,
    dataset: Dataset | str | Path | None = None,
    evaluation: str | Path | None = None,
    attributions: Attributions | str | Path | None = None,
    motifs: Motifs | str | Path | None = None,
    footprints: str | Path | None = None,
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
        The run's data: regions and depth, and totals or labels that are predicted for `split`.
    evaluation : path, optional
        What `modelkit.evaluate` wrote of this run.
    attributions : Attributions or path, optional
        What `modelkit.attribute` wrote.
    motifs : Motifs or path, optional
        What `modelkit.motifs` wrote.
    footprints : path, optional
        What `modelkit.footprint` wrote: the folder, or a file of it.
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
    if output.suffix not in (".html", ".htm"):
        raise InputError(f"{output}: found suffix {output.suffix!r}, expected .html")
    check_writable(output, force=force)
    run = run if isinstance(run, Run) else Run.open(run)
    data = Dataset.open(dataset) if isinstance(dataset, str | Path) else dataset
    measured = None if evaluation is None else read_measured(evaluation, run)
    if isinstance(attributions, str | Path):
        attributions = Attributions.open(attributions)
    if isinstance(motifs, str | Path):
        motifs = Motifs.open(motifs)
    prints = None if footprints is None else Footprinted(Path(footprints))
    for each in (attributions, prints):
        if each is not None:
            check_is_of(run, each.provenance, each.path)
    task = None if data is None else fitting_task(run, data)
    chosen = split or ("test" if measured is None else measured.split)
    others: dict[str, Mapping[str, Any]] = {}
    if measured is not None:
        others["evaluation"] = measured.provenance
    if attributions is not None:
        others["attributions"] = attributions.provenance
    if motifs is not None:
        others["motifs"] = motifs.provenance
    if prints is not None:
        others["footprints"] = prints.provenance
    predicted = labels if MODELS[run.config.model].task in OF_LABELS else totals
    sections = [
        about_data(run, data, task),
        curves(run),
        measures(measured),
        predicted(run, data, task, chosen, chosen_device(device)),
        tracks(attributions),
        motif_table(motifs),
        footprint_figures(prints),
        provenance(run, others),
    ]
    name = run.path.resolve().name
    page = render(f"Run {name}", _lead(run), sections)
    with atomic(output, force=force) as temporary:
        temporary.write_text(page, "utf-8")
    return output


def _lead(run: Run) -> str:
    about = run.about
    n_tasks = len(about.get("tasks") or ())
    said = [str(run.config.model), f"{n_tasks:,} {'task' if n_tasks == 1 else 'tasks'}"]
    if isinstance(about.get("parameters"), int):
        said.append(f"{about['parameters']:,} weights")
    return ", ".join(said)
