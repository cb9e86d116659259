"""Models of labels side by side on the same examples: which of them is better for which factors.

by_factor.parquet   AUPRC of each model and factor beside the share of positives, of all examples
                    and of those within some regions
wins.parquet        on how many factors the first model beats each other one, and by how much
curves.*            precision and recall of the first factors
scatter.*           AUPRC of the first model by that of each other one
compare.json        how they were made, and the wins
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import write_whole
from modelkit.devices import chosen_device
from modelkit.figures import Format, encoded
from modelkit.inference.compare_figures import draw_curves, draw_scatter
from modelkit.inference.compare_hits import hit_scores, places_of, within
from modelkit.inference.compare_tables import FACTORS, WINS, Wins, factor_rows, wins_of
from modelkit.inference.forecast import Asked
from modelkit.inference.label_forecast import LabelForecast
from modelkit.interpretation.row_tables import as_table
from modelkit.training.checkpoint import as_json
from modelkit.training.run import BEST, Run

__all__ = ["HITS", "Comparison", "compare"]

FORMAT = "kmerengine.compare"
HITS = "motif hits in peaks"  # the model of hits
NAMES = ("by_factor.parquet", "wins.parquet", "curves.*", "scatter.*", "compare.json")
ALL, WITHIN = "all", "within"

Floats = npt.NDArray[np.float64]


class Comparison(NamedTuple):
    """What was measured.

    Attributes
    ----------
    models, factors : tuple of str
    by_factor : pyarrow.Table
        See `modelkit.inference.compare_tables.FACTORS`.
    wins : list of Wins
        The first model against each of the others.
    rows : int64, shape (n,)
        Of the data set: the examples.
    scores : dict of str to float64, shape (n, factors)
        Of each model; NaN of factors that it does not know.
    """

    models: tuple[str, ...]
    factors: tuple[str, ...]
    by_factor: pa.Table
    wins: list[Wins]
    rows: npt.NDArray[np.int64]
    scores: dict[str, Floats]

    def auprc(self, model: str, where: str = ALL) -> Floats:
        """AUPRC of a model by factor, (factors,); NaN where there is none."""
        table = self.by_factor
        values = table["auprc"].to_numpy(zero_copy_only=False)
        mine = [
            (m, w) == (model, where)
            for m, w in zip(table["model"].to_pylist(), table["where"].to_pylist(), strict=True)
        ]
        found: Floats = values[np.array(mine)].astype(np.float64)
        return found

    def lines(self) -> list[str]:
        """The wins, for people."""
        return [str(each) for each in self.wins]


def compare(
    runs: Mapping[str, Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    split: str = "test",
    hits: str | Path | None = None,
    motifs: Mapping[str, str | Sequence[str]] | None = None,
    peaks: str | Path | None = None,
    q: float = 0.05,
    within_regions: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 64,
    figure: Format = "png",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Measure models of labels on the same examples (Hiranuma et al. 2017).

    Parameters
    ----------
    runs : dict of str to Run or path
        The first is compared with each of the others. All must predict the labels of the data.
    dataset : Dataset or path
    output : path
        The folder to write.
    split : str
        "train", "validation" or "test", as the runs had it, or "all".
    hits : path, optional
        Motif instances with q-values, of `kmerengine scan --q` or FIMO: one more model, whose score
        is that of the best instance in the window, within peaks.
    motifs : dict of str to str or sequence of str, optional
        Of `hits`: the motif (or motifs) of each factor that has one.
    peaks : path, optional
        Of `hits`: BED or narrowPeak.
    q : float
        Largest q-value of a hit.
    within_regions : path, optional
        BED or narrowPeak, such as peaks: measure the examples that share a base with one apart.
    device, batch_size
        As of `predict`.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.
    progress : callable, optional
        Called with (done, of) in runs.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        Runs of other labels than the data's or of other splits, hits without motifs or peaks, fewer
        than two models, regions that hold none of the examples, predictions that are no numbers.
    """
    output = Path(output)
    opened = {name: r if isinstance(r, Run) else Run.open(r) for name, r in runs.items()}
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    chosen = {k: (v,) if isinstance(v, str) else tuple(v) for k, v in (motifs or {}).items()}
    _check(opened, hits, chosen, peaks)
    check_writable(output, force=force, folder=NAMES)
    forecasts = {name: _forecast(run, data, split) for name, run in opened.items()}
    first = next(iter(forecasts.values()))
    for name, each in forecasts.items():
        if not np.array_equal(each.rows, first.rows):
            raise InputError(
                f"{name}: its split {split!r} is not that of {next(iter(forecasts))}, which may "
                "have learnt from it; expected runs of the same split, or --split all"
            )
    factors, rows = data.label_names, first.rows
    assert data.labels is not None  # the names are there
    labels = data.labels[rows].astype(np.bool_)
    places = places_of(data, rows)
    scores: dict[str, Floats] = {}
    if hits is not None:
        assert peaks is not None  # _check saw it
        scores[HITS] = hit_scores(places, hits, factors, chosen, peaks, q)
    masks = {ALL: np.ones(len(rows), np.bool_)}
    if within_regions is not None:
        masks[WITHIN] = within(places, within_regions, "within_regions")
    place = chosen_device(device)
    for done, (name, forecast) in enumerate(forecasts.items(), 1):
        scores[name] = _logits(name, forecast, batch_size, place)
        if progress is not None:
            progress(done, len(forecasts))
    scores = {name: scores[name] for name in (*opened, *scores)}  # runs first
    found = [
        row
        for where, mask in masks.items()
        for row in factor_rows(
            where, factors, labels[mask], {n: s[mask] for n, s in scores.items()}
        )
    ]
    made = Comparison(
        tuple(scores), factors, as_table(FACTORS, found), wins_of(found, tuple(scores)), rows,
        scores,
    )  # fmt: skip
    inputs = {
        "dataset": schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name},
        "runs": {
            name: schemas.digest(run.path / BEST) | {"name": run.path.resolve().name}
            for name, run in opened.items()
        },
        **{name: schemas.digest(Path(path)) for name, path in
           (("hits", hits), ("peaks", peaks), ("within_regions", within_regions))
           if path is not None},
    }  # fmt: skip
    parameters = {"split": split, "q": q, "motifs": chosen}
    document = schemas.provenance("compare", inputs, parameters) | {"format": FORMAT}
    with atomic(output, force=force, folder=NAMES) as folder:
        _write(folder, made, found, labels, document, figure)
    return made


def _forecast(run: Run, data: Dataset, split: str) -> LabelForecast:
    made = LabelForecast([run], data, Asked(split, None, True, False, False))  # noqa: FBT003
    if made.tasks != data.label_names:
        mine, yours = (", ".join(each[:5]) for each in (made.tasks, data.label_names))
        raise InputError(
            f"{run.path}: predicts {mine}, {data.path} has {yours}; expected the same in the same "
            "order"
        )
    return made


def _logits(name: str, forecast: LabelForecast, batch_size: int, device: torch.device) -> Floats:
    forecast.load(device)
    order, done = np.arange(len(forecast.rows)), 0
    for batch in forecast.batches(order, batch_size, device):
        forecast.take(order[done : done + len(batch.rows)], batch)
        done += len(batch.rows)
    found = np.asarray(forecast.finish(Path())["logit"], np.float64)
    finite = np.isfinite(found).all(1)
    if not finite.all():
        row = forecast.rows[int(np.argmin(finite))]
        raise InputError(
            f"{name}: its prediction for row {row} of the data set is no finite number; expected a "
            "network whose outputs are, evaluate it first"
        )
    return found


def _check(
    runs: Mapping[str, Run],
    hits: str | Path | None,
    motifs: Mapping[str, Sequence[str]],
    peaks: str | Path | None,
) -> None:
    if not runs or len(runs) + (hits is not None) < 2:
        raise InputError(
            f"runs: found {len(runs)}, expected two or more, or one beside --hits: the first is "
            "compared with the others"
        )
    if HITS in runs:
        raise InputError(f"runs: found one called {HITS!r}, expected another name")
    beside = {"motifs": bool(motifs), "peaks": peaks is not None}
    for name, given in beside.items():
        if given != (hits is not None):
            found, expected = ("some", "hits") if given else ("none", name)
            raise InputError(
                f"{name}: found {found} {'without' if given else 'with'} hits, expected {expected} "
                "too: --hits, --motif and --peaks go together"
            )


def _write(
    folder: Path,
    made: Comparison,
    rows: list[dict[str, Any]],
    labels: npt.NDArray[np.bool_],
    document: dict[str, Any],
    figure: Format,
) -> None:
    wins = [each._asdict() for each in made.wins]
    tables = {"by_factor": made.by_factor, "wins": as_table(WINS, wins)}
    for name, table in tables.items():
        schema = schemas.with_metadata(table.schema, document | {"table": name})
        write_whole(folder / f"{name}.parquet", table.cast(schema))
    drawn = {
        "curves": draw_curves(made.factors, labels, made.scores),
        "scatter": draw_scatter(rows, made.wins, made.models),
    }
    for name, each in drawn.items():
        (folder / f"{name}.{figure}").write_bytes(encoded(each, figure))
    document = document | {"examples": len(made.rows), "wins": wins}
    (folder / "compare.json").write_text(as_json(document) + "\n")
