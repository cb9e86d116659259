"""Each of some models on each of some data sets: across factors, or across cell types.

pairs.parquet     one row per run and data set: auROC, auPRC, partial auROC
best.parquet      one row per data set: the best run, and what its own gains over the others
cross.*           the matrix of auROC
roc.*             ROC curves: of each data set its own run and those that have no data of theirs
gc.parquet, gc.*  GC of bound and unbound sequences against auROC, where samples are given
cross.json        how they were made, and the gains in short
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import nn

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import write_whole
from modelkit.devices import chosen_device
from modelkit.figures import Format, encoded
from modelkit.inference.cross_class import OneClass, class_of, task_of_one_class
from modelkit.inference.cross_figures import draw_cross, draw_curves, draw_gc
from modelkit.inference.cross_gc import GcDifference, gc_difference
from modelkit.inference.cross_tables import BEST, MEASURES, PAIRS, Gains, best_rows, gains
from modelkit.metrics import auprc, auroc, pauc
from modelkit.metrics.labels import roc_points
from modelkit.tasks.observe import observe_all
from modelkit.tasks.task import Observed
from modelkit.training.checkpoint import as_json
from modelkit.training.run import Run

__all__ = ["Cross", "cross"]

NAMES = ("pairs.parquet", "best.parquet", "gc.*", "cross.*", "roc.*")
MAX_FPR = 0.1  # of the partial auROC (AgentBind)

Floats = npt.NDArray[np.float64]


class Cross(NamedTuple):
    """What was measured.

    Attributes
    ----------
    runs, data : tuple of str
        Their names.
    pairs : pyarrow.Table
        One row per run and data set, see `modelkit.inference.cross_tables.PAIRS`.
    best : pyarrow.Table
        One row per data set, by auROC, see `modelkit.inference.cross_tables.BEST`.
    gains : Gains
        Of the best table in short.
    curves : dict of dict of (false, true positive rate)
        ROC curves by data set and run.
    gc : GcDifference or None
        Where samples were given.
    """

    runs: tuple[str, ...]
    data: tuple[str, ...]
    pairs: pa.Table
    best: pa.Table
    gains: Gains
    curves: dict[str, dict[str, tuple[Floats, Floats]]]
    gc: GcDifference | None

    def matrix(self, measure: str = "auroc") -> Floats:
        """A measure of each run on each data set, (runs, data); NaN where there is none."""
        values: Floats = self.pairs[measure].to_numpy(zero_copy_only=False).astype(np.float64)
        return values.reshape(len(self.runs), len(self.data))

    def lines(self) -> list[str]:
        """auROC as a table for people, of one data set all measures; and the gains."""
        one = len(self.data) == 1
        columns = MEASURES if one else self.data
        values = np.hstack([self.matrix(name) for name in MEASURES]) if one else self.matrix()
        width = max(12, *(len(name) + 2 for name in (*self.runs, *columns)))
        corner = self.data[0][: width - 1] if one else MEASURES[0]
        found = [f"{corner:<{width}}" + "".join(f"{name:>{width}}" for name in columns)]
        for name, row in zip(self.runs, values, strict=True):
            cells = (f"{value:.4f}" if value == value else "-" for value in row)
            found.append(f"{name:<{width}}" + "".join(f"{cell:>{width}}" for cell in cells))
        best = self.best["best"].to_pylist()
        if not one:
            cells = (f"{each or '-':>{width}}" for each in best)
            found.append(f"{'best':<{width}}" + "".join(cells))
        if self.gains.n:
            found.append(str(self.gains))
        if self.gc is not None:
            found.append(f"GC difference and auROC: r {self.gc.r:.3f}, p {self.gc.p:.3g}")
        return found


def cross(
    runs: Mapping[str, Run | str | Path],
    datasets: Mapping[str, Dataset | str | Path],
    output: str | Path | None = None,
    *,
    as_class: Mapping[str, str] | None = None,
    samples: Mapping[str, str | Path] | None = None,
    split: str = "test",
    max_fpr: float = MAX_FPR,
    device: str = "auto",
    batch_size: int = 64,
    figure: Format = "png",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Cross:
    """Measure each run on each data set of one label (Zheng et al. 2021, Methods).

    A run with the name of a data set is its own: what it gains over the best of the others says
    how much of what it learnt is of its factor, or cell type, alone.

    Parameters
    ----------
    runs : dict of str to Run or path
        Models of labels. One of several classes is judged by that with the name of the data's
        label.
    datasets : dict of str to Dataset or path
        Of one label each, split by the rule of the runs.
    output : path, optional
        The folder to write.
    as_class : dict of str to str, optional
        Runs of several classes, by name, and the one class by which each is judged on all data: of
        a model of many cell types such as its accessibility in one.
    samples : dict of str to path, optional
        regions.parquet of `kmerengine sample sites` of some data sets, by their names: GC of bound
        and unbound sequences is compared with the auROC of their own runs.
    split : str
        "train", "validation" or "test", as the runs had it, or "all".
    max_fpr : float
        False positive rate up to which the partial auROC is taken, raw (over that rate) and as
        McClish has it.
    device, batch_size
        As of `evaluate`. Both strands are measured where the run learnt both.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.
    progress : callable, optional
        Called with (done, of) in pairs of run and data set.

    Raises
    ------
    InputError
        Runs that are not of labels, data that do not fit them, names that are not there.
    """
    opened = {name: r if isinstance(r, Run) else Run.open(r) for name, r in runs.items()}
    data = {n: d if isinstance(d, Dataset) else Dataset.open(d) for n, d in datasets.items()}
    chosen, given = dict(as_class or {}), dict(samples or {})
    _check(opened, data, chosen, given)
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr: found {max_fpr}, expected above 0 and at most 1")
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    numbers = {
        (r, d): class_of(opened[r], data[d], chosen.get(r)) for r in opened for d in data
    }  # before any work
    for (r, d), _ in numbers.items():
        opened[r].check_split(data[d], split)
    place = chosen_device(device)
    rows: list[dict[str, Any]] = []
    curves: dict[str, dict[str, tuple[Floats, Floats]]] = {name: {} for name in data}
    for r, run in opened.items():
        network = run.network(place)
        for d, each in data.items():
            found = _observed(run, each, OneClass(network, numbers[r, d]), split, place, batch_size)
            label, logit = found["label"][:, 0], found["logit"][:, 0].astype(np.float64)
            classes = run.about["tasks"]
            row = {"run": r, "data": d, "class": classes[numbers[r, d]]}
            row |= {"label": each.label_names[0], "examples": len(label)}
            rows.append(row | {"positives": int(label.sum())} | measures(label, logit, max_fpr))
            if 0 < label.sum() < len(label):
                curves[d][r] = roc_points(label, logit)
            if progress is not None:
                progress(len(rows), len(opened) * len(data))
    pairs = pa.Table.from_pylist(
        [{k: None if v != v else v for k, v in row.items()} for row in rows], schema=PAIRS
    )
    best = best_rows(
        np.array([row["auroc"] for row in rows]).reshape(len(opened), len(data)),
        tuple(opened), tuple(data),
    )  # fmt: skip
    made = Cross(
        tuple(opened), tuple(data), pairs, pa.Table.from_pylist(best, schema=BEST), gains(best),
        curves, _gc(given, best) if given else None,
    )  # fmt: skip
    if output is not None:
        inputs = {
            "runs": {name: each.path.name for name, each in opened.items()},
            "data": {name: each.path.name for name, each in data.items()},
            "samples": {name: Path(each).name for name, each in given.items()},
        }
        parameters = {"as_class": chosen, "split": split, "max_fpr": max_fpr}
        document = schemas.provenance("cross", inputs, parameters) | {"format": schemas.CROSS}
        with atomic(Path(output), force=force, folder=NAMES) as folder:
            _write(folder, made, document, figure, max_fpr)
    return made


def measures(label: npt.ArrayLike, logit: npt.ArrayLike, max_fpr: float) -> dict[str, float]:
    """The `MEASURES` of one class; NaN without both 0 and 1."""
    part = pauc(label, logit, max_fpr)
    found = (auroc(label, logit), auprc(label, logit), part.raw, part.mcclish)
    return {name: float(value) for name, value in zip(MEASURES, found, strict=True)}


def _observed(
    run: Run, data: Dataset, network: nn.Module, split: str, place: torch.device, batch_size: int
) -> Observed:
    task = task_of_one_class(run, data)
    rows = task.rows(split)
    if not len(rows):
        raise InputError(f"{data.path}: has no example of {split!r}; choose another split")
    batches = task.batches(rows, training=False, batch_size=batch_size, device=place)
    return observe_all(task, network, batches.batches(0))


def _gc(samples: dict[str, str | Path], best: list[dict[str, Any]]) -> GcDifference:
    """Against the auROC of each data set's own run."""
    own = {row["data"]: row["own"] for row in best if row["own"] is not None}
    return gc_difference(samples, own)


def _write(
    folder: Path, made: Cross, document: dict[str, Any], figure: Format, max_fpr: float
) -> None:
    for name, table in (("pairs", made.pairs), ("best", made.best)):
        schema = schemas.with_metadata(table.schema, document | {"table": name})
        write_whole(folder / f"{name}.parquet", table.cast(schema))
    drawn = draw_cross(made.matrix(), made.runs, made.data, made.best["best"].to_pylist())
    (folder / f"cross.{figure}").write_bytes(encoded(drawn, figure))
    shown = {
        d: {r: of for r, of in each.items() if r == d or r not in made.data}
        for d, each in made.curves.items()
    }
    shown = {d: each for d, each in shown.items() if each}
    if shown:
        (folder / f"roc.{figure}").write_bytes(encoded(draw_curves(shown, max_fpr), figure))
    document = document | {"gains": made.gains._asdict()}
    if made.gc is not None:
        table = made.gc.table
        schema = schemas.with_metadata(table.schema, document | {"table": "gc"})
        write_whole(folder / "gc.parquet", table.cast(schema))
        difference, area = (table[name].to_numpy() for name in ("difference", "auroc"))
        drawn = draw_gc(difference, area, table["data"].to_pylist(), made.gc.r, made.gc.p)
        (folder / f"gc.{figure}").write_bytes(encoded(drawn, figure))
        document["gc"] = {"r": made.gc.r, "p": made.gc.p}
    (folder / "cross.json").write_text(as_json(document) + "\n")


def _check(
    runs: Mapping[str, Run],
    data: Mapping[str, Dataset],
    as_class: Mapping[str, str],
    samples: Mapping[str, str | Path],
) -> None:
    if not runs or not data:
        raise InputError(
            f"cross: found {len(runs)} runs and {len(data)} data sets, expected one of each or more"
        )
    for what, names, known in (("as_class", as_class, runs), ("samples", samples, data)):
        for name in names:
            if name not in known:
                raise InputError(f"{what}: found {name!r}, expected one of {', '.join(known)}")
    for name in samples:
        if name not in runs:
            raise InputError(
                f"samples: found {name!r}, of which there is no run; its GC is compared with the "
                f"auROC of a run of that name, expected one beside {', '.join(runs)}"
            )
