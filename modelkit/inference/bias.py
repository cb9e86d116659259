"""Tn5 bias of a data set, as a bias model sees it.

Tn5 prefers some sequences to others, whatever is open. A bias model is bpAI-TAC with a profile of
one track and no totals, trained where no factor is thought to matter: naked DNA, or regions outside
peaks (Chandra et al. 2025). Its logits are added to those of a model of the peaks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from kmerengine import schemas
from kmerengine.datasets.folder import NAMES, Dataset
from kmerengine.datasets.with_bias import with_bias
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from modelkit.devices import chosen_device
from modelkit.models.bpaitac import BpAITAC, NetworkOptions
from modelkit.training.run import BEST, Run

__all__ = ["add_bias"]

BATCH_BASES = 1 << 18  # of a forward pass

ONE_HOT = np.zeros((256, 4), np.float32)  # any other base: zeros, as batches have it
ONE_HOT[:4] = np.eye(4)


def add_bias(
    run: Run | str | Path,
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    device: str = "auto",
    force: bool = False,
) -> Dataset:
    """Write the data set with a bias model's logits as its bias.

    Parameters
    ----------
    run : Run or path
        A bias model: bpAI-TAC with one task, a profile and no totals.
    dataset : Dataset or path
        Of cuts with the same shift. A bias that it has is left behind; its other files are shared
        with the output, not copied.
    output : path
        The folder to write, see `kmerengine.datasets.folder`. Its bias is of every bp of sequence
        that is stored, margins too: base i of the sequence beside logit i.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        Another model, another shift, or another correction by two than the data set has.

    Notes
    -----
    The network is all convolutions: it is built for the whole of the sequence with the weights that
    it has. As in training there are zeros beyond the ends of the sequence, so that the outermost
    bp, half of its receptive field, are less sure than those in the middle.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    place = chosen_device(device)
    options = _options(run)
    check_writable(Path(output), force=force, folder=NAMES)
    run.check_cuts(dataset)
    sequence, _ = dataset.stored("sequence")
    network = _widened(run, options, sequence.shape[1]).to(place)
    blocks = _logits(network, sequence, place)
    return with_bias(dataset, blocks, output, source=_source(run), force=force)


def _options(run: Run) -> NetworkOptions:
    """Those of the run's network, which must be that of a bias model."""
    network = run.config.network
    if not isinstance(network, NetworkOptions):
        raise InputError(f"{run.path}: is of {run.config.model}, expected bpaitac-bias")
    expected = {"tasks": 1, "total_head": "none", "profile_head": True, "bin_size": 1}
    for name, value in expected.items():
        found = getattr(network, name)
        if found != value:
            raise InputError(
                f"{run.path}: is no bias model: network.{name} is {found}, expected {value}; train "
                "one with --model bpaitac-bias"
            )
    return network


def _widened(run: Run, options: NetworkOptions, length: int) -> nn.Module:
    """The run's network, for sequences of another length and logits of all of it."""
    whole = {"length": length, "window": length, "window_start": 0}
    network = BpAITAC(options.model_copy(update=whole))
    network.load_state_dict(run.network().state_dict())
    return network.eval()


def _logits(
    network: nn.Module, sequence: npt.NDArray[np.uint8], device: torch.device
) -> Iterator[npt.NDArray[np.float32]]:
    """Logits of each base of each row, some rows at a time."""
    step = max(1, BATCH_BASES // sequence.shape[1])
    for first in range(0, len(sequence), step):
        one_hot = torch.from_numpy(ONE_HOT[sequence[first : first + step]]).to(device)
        with torch.inference_mode():  # not around the yield: it would hold for the caller too
            logits = network(one_hot.mT).logits
        yield logits[:, 0].float().cpu().numpy()


def _source(run: Run) -> dict[str, Any]:
    """What the document of the data set says of the bias."""
    about = run.about
    return {
        "run": run.path.name,
        "weights": schemas.digest(run.path / BEST),
        "config": run.config.model_dump(mode="json"),
        "shift": about.get("shift"),
        "off_by_two": about.get("off_by_two"),
    }
