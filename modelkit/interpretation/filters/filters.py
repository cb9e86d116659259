"""The motifs that a network's filters look for (Koo and Eddy 2019, Methods).

    paper   one window of each test sequence, where the filter's activation is largest, of sequences
            whose largest is at least 70 % of what the filter could reach at most
    code    every window whose activation is above 50 % of the largest, weighted by it

Windows lie on each other as they are; a position's frequencies are those of the bases there.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from modelkit.devices import chosen_device
from modelkit.interpretation.attribution.subject import Subject
from modelkit.interpretation.filters.activations import add_windows, thresholds
from modelkit.interpretation.filters.alignment import Windows
from modelkit.interpretation.filters.filter_set import NAMES, FilterMotifs
from modelkit.interpretation.filters.filter_write import filter_motifs, write_filters
from modelkit.interpretation.filters.layers import FilterLayer
from modelkit.interpretation.filters.presets import preset_of
from modelkit.training.run import BEST, Run

__all__ = ["filters"]

COVERED = 0.5  # of the windows of a deeper layer: fewer do not tell of a position


def filters(
    run: Run | str | Path,
    dataset: Dataset | str | Path,
    output: str | Path | None = None,
    *,
    layer: int = 0,
    preset: str = "paper",
    threshold: float | None = None,
    width: int | None = None,
    split: str = "test",
    database: str | Path | Sequence[Motif] | None = None,
    e: float = 0.1,
    batch_size: int = 64,
    device: str = "auto",
    threads: int | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FilterMotifs:
    """Make motifs of the filters of a layer.

    Parameters
    ----------
    run : Run or path
        Of a network with lists of convolutions and pools, such as koo, danq, deepsea or deepatac;
        or of one with a first convolution, of which that can be shown, such as bpaitac.
    dataset : Dataset or path
        Whose sequences are looked at.
    output : path, optional
        The folder to write, see `modelkit.interpretation.filters.filter_set`.
    layer : int
        0 is the convolution on the bases.
    preset : "paper" or "code"
        Gives the rule of the windows, see above, and threshold and width where nothing else is
        said: 0.7 and what the filter sees, or 0.5 and 19 bp.
    threshold : float, optional
        Share of the largest activation that a window needs.
    width : int, optional
        bp of a window, around the middle of what the filter sees.
    split : str
        "train", "validation" or "test" as the run had it, or "all".
    database : path or sequence of Motif, optional
        Say which motifs of these each is like, by Tomtom.
    e : float
        Largest E-value of a match.
    batch_size : int
        Sequences that pass the network together.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    threads : int, optional
        Of Tomtom; by default the processors this process may use.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in sequences, each of which passes twice.

    Returns
    -------
    FilterMotifs

    Raises
    ------
    InputError
        A network whose convolutions are not known, a layer that it has not, data that do not fit.

    Notes
    -----
    In the paper's way windows that run off an end of their sequence are left out. A filter for
    which fewer than 10 sequences reach 70 % of the possible goes by 70 % of the observed largest
    activation, and is flagged `fallback`; one that never answers is flagged `dead` and has no
    motif.

    A deeper layer's filter sees several positions of the layer below, and the window is all bases
    that it depends on. There the largest possible activation is not known, and the observed one
    stands for it. Windows may run off an end, since they can be wider than a sequence; positions
    that less than half of the windows cover are uniform. Pools blur: where in a pool a part lay is
    not known, so that motifs are sharp to the bp only below the first pool.
    """
    chosen = preset_of(preset)
    share = chosen.threshold if threshold is None else threshold
    if not 0 < share <= 1:
        raise InputError(f"threshold: found {share}, expected more than 0 and at most 1")
    for name, number in (("batch_size", batch_size), ("width", width), ("threads", threads)):
        if number is not None and number < 1:
            raise InputError(f"{name}: found {number}, expected at least 1")
    if not 0 < e < np.inf:
        raise InputError(f"e: found {e}, expected a number of more than 0")
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    run = run if isinstance(run, Run) else Run.open(run)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    place = chosen_device(device)
    targets = read_motifs(database) if isinstance(database, (str, Path)) else database
    subject = Subject(run, data, None, split)
    known = FilterLayer(run.network(place), layer, subject.length, run.path)
    if width is None and not layer:
        width = chosen.width
    whole = not (chosen.every or layer)
    windows = Windows(known.n_filters, width or known.field.width, whole=whole)
    passes = _Passes(subject, batch_size, place, progress)
    with torch.inference_mode():
        limits = thresholds(known, passes, share, possible=chosen.possible)
        if not np.isfinite(limits.observed).all():
            raise InputError(
                f"{run.path}: has activations that are no finite numbers; expected a network whose "
                "outputs are, evaluate it first"
            )
        passed = add_windows(known, passes, limits.value, windows, every=chosen.every)
    parameters = {
        "layer": layer,
        "preset": preset,
        "threshold": share,
        "width": windows.width,
        "split": split,
        "e": e,
    }
    document = schemas.provenance("filters", _inputs(run, data, database), parameters) | {
        "format": schemas.FILTERS,
        "layer": layer,
        "field": known.field.width,
        "sequences": len(subject.rows),
        "matched": targets is not None,
    }
    found = filter_motifs(
        windows.frequencies(COVERED if layer else 0.0),
        windows, limits, passed, known.possible, document,
        targets=targets, e=e, threads=threads,
    )  # fmt: skip
    return found if output is None else write_filters(found, Path(output), force=force)


class _Passes:
    """The batches of a split, as often as they are asked for."""

    def __init__(
        self,
        subject: Subject,
        batch_size: int,
        device: torch.device,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._subject, self._size, self._device = subject, batch_size, device
        self._progress, self._done = progress, 0

    def __iter__(self) -> Iterator[Tensor]:
        rows = self._subject.rows
        for x_BCP in self._subject.batches(rows, self._size, self._device):
            yield x_BCP
            self._done += len(x_BCP)
            if self._progress is not None:
                self._progress(self._done, 2 * len(rows))


def _inputs(
    run: Run, data: Dataset, database: str | Path | Sequence[Motif] | None
) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "dataset": schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name},
        "run": schemas.digest(run.path / BEST) | {"name": run.path.resolve().name},
    }
    if isinstance(database, (str, Path)):
        inputs["database"] = schemas.digest(Path(database))
    return inputs
