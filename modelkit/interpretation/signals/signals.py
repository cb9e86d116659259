"""A figure of what the bases and the cuts of one example did to a prediction."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.config import parse_config
from modelkit.figures import save
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.signals.signal_figure import Shown, draw_signals
from modelkit.registry import MODELS
from modelkit.tasks.binding import BindingTask

__all__ = ["signals"]

CHANNELS = 6  # bases, forward and reverse cuts

Floats = npt.NDArray[np.float64]


def signals(
    attributions: Attributions | str | Path,
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    target: str | None = None,
    row: int | None = None,
    region: str | None = None,
    force: bool = False,
) -> Path:
    """Draw contributions of the bases, attributions of cuts of each strand, and the cuts.

    Parameters
    ----------
    attributions : Attributions or path
        Of a model of bases and cuts, such as deepatac.
    dataset : Dataset or path
        That they are of; it has the cuts.
    output : path
        The figure to write, .png or .svg.
    target : str, optional
        By default the first.
    row : int, optional
        The example, by its row of the data set; by default that of the largest prediction.
    region : str, optional
        Only a part, such as chr1:1000-1100 (0-based, half-open); parts of up to 100 bp have
        letters in place of bars.
    force : bool
        Replace an existing figure.

    Returns
    -------
    Path
        The figure.

    Raises
    ------
    InputError
        Attributions without cuts or scores of them (ism), of other data or without that row or
        target; a part that does not lie in the example.
    """
    found = (
        attributions if isinstance(attributions, Attributions) else Attributions.open(attributions)
    )
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    _check(found, data)
    k = 0 if target is None else found.target(target)
    i = _example(found, k, row)
    scores, codes = found.read(i, i + 1)
    if not np.isfinite(scores[0, k, 4:]).all():
        raise InputError(
            f"{found.path}: its scores of cuts are no numbers, since {found.method} explains bases "
            "alone; expected another method, such as ig"
        )
    bases = codes[0][:, None] == np.arange(4)
    shown = Shown(
        title=f"{found.targets[k]}: predicted {found.head} {found.prediction[i, k]:.3g}",
        chrom=str(found.chroms[i]),
        start=int(found.starts[i]),
        contributions=np.where(bases, scores[0, k, :4].T.astype(np.float64), 0.0),
        scores=scores[0, k, 4:].astype(np.float64),
        cuts=_cuts(found, data, int(found.rows[i])),
    )
    save(draw_signals(shown if region is None else _part(shown, region)), output, force=force)
    return Path(output)


def _cuts(found: Attributions, data: Dataset, row: int) -> Floats:
    """Channels of the cuts as the network took them, (2, P)."""
    given = found.provenance["config"]
    entry = MODELS[given["model"]]
    task = entry.task(parse_config(entry.config, given, str(found.path)), data)
    rows = np.array([row], np.int64)
    device = torch.device("cpu")
    for batch in task.batches(rows, training=False, batch_size=1, device=device).batches(0):
        x_6P: Any = task.inputs(batch)[0]
        return np.asarray(x_6P[4:].numpy(), np.float64).copy()
    raise AssertionError("a row is a batch")


def _check(found: Attributions, data: Dataset) -> None:
    model = found.provenance.get("config", {}).get("model")
    channels = found.hypothetical.shape[2]
    if channels != CHANNELS or model not in MODELS or MODELS[model].task is not BindingTask:
        raise InputError(
            f"{found.path}: is of {model}, of {channels} channels; expected a model of bases and "
            f"cuts, of {CHANNELS}"
        )
    given = found.provenance.get("inputs", {}).get("dataset", {})
    if given.get("sha256") != schemas.digest(data.path / DATASET_ABOUT)["sha256"]:
        raise InputError(
            f"{found.path}: is of the data set {given.get('name')}, not of {data.path} as it is; "
            "expected the same"
        )


def _example(found: Attributions, k: int, row: int | None) -> int:
    if row is None:
        values = found.prediction[:, k]
        return int(np.where(np.isfinite(values), values, -np.inf).argmax())
    places = np.flatnonzero(found.rows == row)
    if not len(places):
        raise InputError(f"row: found {row}, which is none of the {len(found):,} of {found.path}")
    return int(places[0])


def _part(shown: Shown, region: str) -> Shown:
    chrom, colon, ends = region.rpartition(":")
    first, dash, last = ends.replace(",", "").partition("-")
    length = len(shown.contributions)
    whole = f"{shown.chrom}:{shown.start}-{shown.start + length}"
    if not (colon and dash and first.isdecimal() and last.isdecimal()):
        raise InputError(f"region: found {region!r}, expected a part of {whole}")
    low, high = int(first) - shown.start, int(last) - shown.start
    if chrom != shown.chrom or not 0 <= low < high <= length:
        raise InputError(f"region: found {region!r}, expected a part of {whole}, which is shown")
    return shown._replace(
        start=shown.start + low,
        contributions=shown.contributions[low:high],
        scores=shown.scores[:, low:high],
        cuts=shown.cuts[:, low:high],
    )
