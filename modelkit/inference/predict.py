"""What trained models expect for the regions of a data set."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from kmerengine import schemas
from kmerengine.datasets.dataset import OFF_BY_TWO
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bigwig import write_bigwig
from kmerengine.io.contigs import read_contigs
from kmerengine.io.list_columns import list_column
from kmerengine.io.tables import table_writer
from kmerengine.parallel import available_threads
from modelkit.data.loader import Loader
from modelkit.devices import chosen_device
from modelkit.inference.ensemble import Ensemble, Kind
from modelkit.inference.overlay import Overlay, places_in
from modelkit.inference.predictions import ABOUT, NAMES, TOTALS, Predictions
from modelkit.training.run import BEST, Run

__all__ = ["predict"]

BATCH_ROWS = 8192
SPOOL = ".values"
SUFFIXES: dict[Kind, str] = {"with_bias": ".bw", "without_bias": ".without_bias.bw"}

Rows = npt.NDArray[np.int64]
Files = dict[str, dict[str, str]]  # by task and kind


def predict(
    runs: Run | str | Path | Sequence[Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    genome: str | Path | None = None,
    split: str = "all",
    bias: bool = True,
    reverse_complement: bool = False,
    bigwig: bool = True,
    device: str = "auto",
    batch_size: int = 64,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Write expected cuts of regions: totals as Parquet, and per base as bigWigs of each task.

    A base's expected cuts are the window's total times the base's probability (that of a bin is
    shared evenly among its bp); of a model without totals, the probability. A base in the windows
    of several regions has their mean.

    Parameters
    ----------
    runs : Run, path or sequence of them
        What `train` wrote. Of several, the totals and the expected cuts per base are averaged; they
        must have the same tasks and window.
    dataset : Dataset or path
        Of cuts with the shift that the runs learnt, or of sequences alone.
    output : path
        The folder to write, see `modelkit.inference.predictions`. While it is made it takes 4 bytes
        more for each base that is predicted and each bigWig.
    genome : path, optional
        FASTA, .fai or chromosome sizes: bigWigs need the lengths of the contigs, in their order.
    split : str
        "train", "validation" or "test" as the runs had it, or "all".
    bias : bool
        Write TASK.bw with the data set's bias beside TASK.without_bias.bw, if the models use it.
    reverse_complement : bool
        Average with the predictions for the other strand, turned back.
    bigwig : bool
        Write bigWigs, not the totals alone.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    batch_size : int
        Regions that are predicted at a time.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in regions.

    Returns
    -------
    Predictions

    Raises
    ------
    InputError
        A run of another shift than the data set's, runs that do not fit each other or the data, a
        contig that `genome` lacks.
    """
    output = Path(output)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    check_writable(output, force=force, folder=NAMES)
    models = Ensemble(runs, data, split)
    if reverse_complement:
        models.check_reversible(data)
    kinds = _kinds(models, data, bias=bias, bigwig=bigwig)
    files = _files(models.tasks, kinds)
    contigs = _contigs(genome) if bigwig else {}
    first = data.spans["sequence"][0]
    if data.off_by_two and first:  # not of arrays, whose regions begin where their sequences do
        first -= OFF_BY_TWO
    window = (first + models.window[0], first + models.window[1])
    regions = _regions(data, models.rows)
    places = None
    if genome and bigwig:
        chroms, starts = regions["chrom"].to_pylist(), regions["start"].to_numpy()
        places = places_in(
            Path(genome), contigs, chroms, starts + window[0], window[1] - window[0]
        )  # fmt: skip
    place = chosen_device(device)
    models.load(place)
    document = _document(models, data, genome, contigs) | {
        "parameters": {"split": split, "bias": bias, "reverse_complement": reverse_complement},
        "files": files,
        "window": list(window),
        "kept": len(models.rows),
    }
    with atomic(output, force=force, folder=NAMES) as folder:
        overlay: Overlay | None = None
        order = np.arange(len(models.rows))
        if places is not None:
            n_tracks = len(kinds) * len(models.tasks)
            overlay = Overlay(folder / SPOOL, *places, window[1] - window[0], n_tracks)
            order = overlay.order
        loader = Loader(
            data, models.rows[order], batch_size=batch_size, shuffle=False, device=place,
            centre=data.window is not None,
        )  # fmt: skip
        totals = np.zeros((len(order), len(models.tasks)))
        done = 0
        for batch in loader.batches(0):
            found = models.expected(batch, kinds, reverse_complement=reverse_complement)
            here = order[done : done + len(batch.rows)]
            if found.totals is not None:
                totals[here] = found.totals.cpu().numpy()
            if overlay is not None:
                overlay.add(torch.cat([found.tracks[kind] for kind in kinds], 1).cpu().numpy())
            done += len(here)
            if progress is not None:
                progress(done, len(order))
        if overlay is not None:
            _write_bigwigs(folder, overlay, files, contigs)
            (folder / SPOOL).unlink()
        column = totals if models.has_totals else None
        _write_table(folder / TOTALS, regions, models.rows, column, document)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
    return Predictions.open(output)


def _kinds(models: Ensemble, data: Dataset, *, bias: bool, bigwig: bool) -> list[Kind]:
    """Of the bigWigs: with and without bias."""
    where = models.runs[0].path
    if not bigwig:
        if not models.has_totals:
            raise InputError(f"{where}: predicts no totals, expected bigwig=True: nothing is left")
        return []
    if not models.has_profiles:
        raise InputError(f"{where}: predicts no profiles, expected --no-bigwig")
    if not (bias and models.uses_bias):
        return ["without_bias"]
    if data.bias is None:
        raise InputError(
            f"{data.path}: has no bias, which {where} learnt beside; add it with modelkit "
            "add-bias, or choose --no-bias"
        )
    if data.bias.ndim != 2:
        raise InputError(f"{data.path}: has a bias of two strands, expected one for both")
    return ["with_bias", "without_bias"]


def _files(tasks: tuple[str, ...], kinds: list[Kind]) -> Files:
    """Names that every file system takes."""
    found: Files = {}
    taken: dict[str, str] = {}
    for task in tasks if kinds else ():
        stem = re.sub(r"[^\w.+-]", "_", task).lstrip(".") or "_"
        found[task] = {kind: stem + SUFFIXES[kind] for kind in kinds}
        for name in found[task].values():
            if name in taken:
                raise InputError(
                    f"tasks {taken[name]!r} and {task!r} would share the file {name}; rename one, "
                    "or choose --no-bigwig"
                )
            taken[name] = task
    return found


def _contigs(genome: str | Path | None) -> dict[str, int]:
    if genome is None:
        raise InputError(
            "genome: found none, expected FASTA, .fai or chromosome sizes: a bigWig needs the "
            "lengths of the contigs; or choose --no-bigwig"
        )
    return read_contigs(genome)


def _regions(data: Dataset, rows: Rows) -> pa.Table:
    return data.regions.take(pa.array(rows)).combine_chunks()


def _document(
    models: Ensemble, data: Dataset, genome: str | Path | None, contigs: dict[str, int]
) -> dict[str, Any]:
    """How the predictions are made."""
    inputs: dict[str, Any] = {
        "dataset": schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name},
        "runs": [
            schemas.digest(run.path / BEST) | {"name": run.path.resolve().name}
            for run in models.runs
        ],
    }
    if genome is not None and contigs:
        inputs["genome"] = schemas.contigs_digest(Path(genome), contigs)
    about = models.runs[0].about
    return schemas.provenance("predict", inputs, {}) | {
        "format": schemas.PREDICTIONS,
        "tasks": list(models.tasks),
        "totals": models.has_totals,
        "configs": [run.config.model_dump(mode="json") for run in models.runs],
        "shift": about.get("shift"),
        "off_by_two": about.get("off_by_two"),
    }


def _write_bigwigs(folder: Path, overlay: Overlay, files: Files, contigs: dict[str, int]) -> None:
    names, threads = tuple(contigs), available_threads()
    for task, by_kind in enumerate(files.values()):
        for kind, name in enumerate(by_kind.values()):
            runs = overlay.runs(kind * len(files) + task, names)
            write_bigwig(folder / name, contigs, runs, threads=threads)


def _write_table(
    path: Path,
    regions: pa.Table,
    rows: Rows,
    totals: npt.NDArray[np.float64] | None,
    document: dict[str, Any],
) -> None:
    plain = schemas.predictions_schema(totals=totals is not None)
    schema = schemas.with_metadata(plain, document)
    with table_writer(path, schema, ".parquet") as writer:
        for low in range(0, len(rows), BATCH_ROWS):
            part = slice(low, low + BATCH_ROWS)
            known = regions.slice(low, BATCH_ROWS).combine_chunks()
            columns = [*(each.combine_chunks() for each in known.columns), pa.array(rows[part])]
            if totals is not None:
                columns.append(list_column(totals[part], schema.field("total")))
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))
