"""What trained models predict of the examples of a data set."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.list_columns import list_column
from kmerengine.io.tables import table_writer
from modelkit.devices import chosen_device
from modelkit.inference.cut_forecast import CutForecast
from modelkit.inference.forecast import Asked, Forecast
from modelkit.inference.label_forecast import LabelForecast
from modelkit.inference.predictions import ABOUT, NAMES, Predictions, table_of
from modelkit.registry import MODELS
from modelkit.tasks.binding import BindingTask
from modelkit.tasks.labels import LabelTask
from modelkit.tasks.profile import ProfileTask
from modelkit.training.run import BEST, Run

__all__ = ["predict"]

BATCH_ROWS = 8192

FORECASTS: dict[Any, Callable[[Sequence[Run], Dataset, Asked], Forecast]] = {
    ProfileTask: CutForecast,
    LabelTask: LabelForecast,
    BindingTask: LabelForecast,
}  # by the task of the models

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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
    """Write what models predict of the examples of a data set.

    Profile models: totals of the regions as Parquet, and expected cuts per base as bigWigs of each
    task. Models of labels: logits and probabilities as Parquet.

    A base's expected cuts are the window's total times the base's probability (that of a bin is
    shared evenly among its bp); of a model without totals, the probability. A base in the windows
    of several regions has their mean.

    Parameters
    ----------
    runs : Run, path or sequence of them
        What `train` wrote. Of several, the totals and the expected cuts per base are averaged, or
        the probabilities of labels; they must have the same tasks and window.
    dataset : Dataset or path
        Of cuts with the shift that the runs learnt, or of sequences alone.
    output : path
        The folder to write, see `modelkit.inference.predictions`. While it is made it takes 4 bytes
        more for each base that is predicted and each bigWig.
    genome : path, optional
        Of the data set, as FASTA, .fai or chromosome sizes: bigWigs need the lengths of the
        contigs, in their order.
    split : str
        "train", "validation" or "test" as the runs had it, or "all".
    bias : bool
        Write TASK.bw with the data set's bias beside TASK.without_bias.bw, if the models use it.
    reverse_complement : bool
        Average with the predictions for the other strand, turned back.
    bigwig : bool
        Of profile models, write bigWigs, not the totals alone.
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
        `genome` that is not the data set's.
    """
    output = Path(output)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    check_writable(output, force=force, folder=NAMES)
    opened = _opened(runs)
    asked = Asked(split, genome, bias, reverse_complement, bigwig)
    forecast = _forecast(opened, data, asked)
    regions = data.regions.take(pa.array(forecast.rows)).combine_chunks()
    place = chosen_device(device)
    forecast.load(place)
    document = _document(opened, data, forecast) | {
        "parameters": {"split": split, "bias": bias, "reverse_complement": reverse_complement},
    }
    with atomic(output, force=force, folder=NAMES) as folder:
        order, done = forecast.begin(folder), 0
        for batch in forecast.batches(order, batch_size, place):
            here = order[done : done + len(batch.rows)]
            forecast.take(here, batch)
            done += len(here)
            if progress is not None:
                progress(done, len(order))
        values = forecast.finish(folder)
        _write_table(folder / table_of(document), regions, forecast.rows, values, document)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
    return Predictions.open(output)


def _opened(runs: Run | str | Path | Sequence[Run | str | Path]) -> list[Run]:
    listed = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not listed:
        raise InputError("runs: found none, expected at least one")
    return [each if isinstance(each, Run) else Run.open(each) for each in listed]


def _forecast(runs: list[Run], data: Dataset, asked: Asked) -> Forecast:
    """That of the first run's task, which looks at the others."""
    made = FORECASTS.get(MODELS[runs[0].config.model].task)
    if made is None:
        known = ", ".join(name for name, each in MODELS.items() if each.task in FORECASTS)
        raise InputError(f"{runs[0].path}: is of {runs[0].config.model}, expected one of {known}")
    return made(runs, data, asked)


def _document(runs: list[Run], data: Dataset, forecast: Forecast) -> dict[str, Any]:
    """How the predictions are made."""
    about = dict(forecast.document)
    inputs: dict[str, Any] = {
        "dataset": schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name},
        "runs": [
            schemas.digest(run.path / BEST) | {"name": run.path.resolve().name} for run in runs
        ],
    }
    if "genome" in about:
        inputs["genome"] = about.pop("genome")
    return (
        schemas.provenance("predict", inputs, {})
        | about
        | {
            "format": schemas.PREDICTIONS,
            "tasks": list(forecast.tasks),
            "configs": [run.config.model_dump(mode="json") for run in runs],
            "kept": len(forecast.rows),
        }
    )


def _write_table(
    path: Path,
    regions: pa.Table,
    rows: Rows,
    values: Mapping[str, Floats],
    document: dict[str, Any],
) -> None:
    schema = schemas.with_metadata(schemas.predictions_schema(*values), document)
    with table_writer(path, schema, ".parquet") as writer:
        for low in range(0, len(rows), BATCH_ROWS):
            part = slice(low, low + BATCH_ROWS)
            known = regions.slice(low, BATCH_ROWS).combine_chunks()
            columns = [*(each.combine_chunks() for each in known.columns), pa.array(rows[part])]
            columns += [list_column(v[part], schema.field(name)) for name, v in values.items()]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))
