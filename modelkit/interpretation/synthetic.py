"""Trained models on sequences that no data set holds: shuffled ones, mutants, planted motifs.

The bias is not theirs to have, so it is 0: what is left of a profile is what the network itself
has learnt (deep footprints of bpAI-TAC and ChromBPNet).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kmerengine.datasets.dataset import OFF_BY_TWO
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.data.loader import Batch
from modelkit.devices import chosen_device
from modelkit.inference.ensemble import Ensemble, shortened
from modelkit.tasks.profile import Predicted
from modelkit.training.run import Run
from native_kernels.example_gather import gather_one_hot

__all__ = ["SequenceModels", "check_comparable"]

Codes = npt.NDArray[np.uint8]


class SequenceModels(Ensemble):
    """Runs with their weights, for sequences as long as those of a data set.

    Parameters
    ----------
    runs, dataset, split
        As of `Ensemble`: runs that fit each other and the data.
    device : str
        As of `modelkit.predict`.

    Attributes
    ----------
    names : tuple of str
        Of the runs: of their folders, with the folder above where two are called alike.
    length : int
        bp of a sequence.
    """

    def __init__(
        self,
        runs: Run | str | Path | Sequence[Run | str | Path],
        dataset: Dataset,
        split: str,
        device: str = "auto",
    ) -> None:
        super().__init__(runs, dataset, split)
        self.names = _names([run.path for run in self.runs])
        low, high = dataset.spans["sequence"]
        self.length = high - low
        self._moved = OFF_BY_TWO if dataset.off_by_two else 0
        self._device = chosen_device(device)
        self.load(self._device)

    def predictions(
        self, codes: Codes, *, batch_size: int = 64
    ) -> Iterator[tuple[slice, list[Predicted]]]:
        """What each run expects of sequences, without bias.

        Parameters
        ----------
        codes : uint8, shape (n, length)
            A C G T = 0 1 2 3, else no base.
        batch_size : int
            Sequences that are predicted at a time.

        Yields
        ------
        slice
            Of the sequences.
        list of Predicted
            By run: totals (B, T) and probabilities of the window's bp (B, T, W), on the device.
        """
        if batch_size < 1:
            raise InputError(f"batch_size: found {batch_size}, expected at least 1")
        for low in range(0, len(codes), batch_size):
            part = np.ascontiguousarray(codes[low : low + batch_size])
            n, width = part.shape
            rows, none = np.arange(n), np.zeros(n, np.int64)
            one_hot = gather_one_hot(part, rows, none, np.zeros(n, np.bool_), width)
            x = torch.from_numpy(one_hot).to(self._device)
            batch = Batch(x, None, None, None, None, torch.from_numpy(rows))
            with torch.inference_mode():
                found = [
                    task.predict(network, batch, bias=False)
                    for task, network in zip(self._predictors, self._networks, strict=True)
                ]
            yield slice(low, low + n), found

    def in_sequence(self, position: int) -> int:
        """The base of a sequence whose cuts are those at a bp of the window.

        With the correction by two, cuts at a base stand two bp after it.
        """
        return position + self.window[0] - self._moved

    @property
    def bins_stop(self) -> int:
        """bp of the window that are in a bin of every run; the rest have no probability."""
        width = self.window[1] - self.window[0]
        sizes = [task.network.bin_size for task in self._predictors]
        return min(width - width % size for size in sizes)


def check_comparable(first: SequenceModels, other: SequenceModels, split: str) -> None:
    """InputError unless two groups of runs predict the same of the same regions."""
    mine, yours = first.runs[0], other.runs[0]
    for what, one, two in (
        ("tasks", first.tasks, other.tasks),
        ("window", first.window, other.window),
        ("data.normalised", _normalised(mine), _normalised(yours)),
    ):
        if one != two:
            raise InputError(
                f"{yours.path}: {what}: found {shortened(two)}, {mine.path} has {shortened(one)}; "
                "expected the same, to compare them"
            )
    if not np.array_equal(first.rows, other.rows):
        raise InputError(
            f"{yours.path}: its split {split!r} is not that of {mine.path}, which may have learnt "
            "from it; expected runs of the same split, or --split all"
        )


def _normalised(run: Run) -> bool:
    return bool(getattr(run.config.data, "normalised", False))


def _names(paths: list[Path]) -> tuple[str, ...]:
    plain = [path.resolve().name for path in paths]
    names = [
        name if plain.count(name) == 1 else f"{path.resolve().parent.name}/{name}"
        for path, name in zip(paths, plain, strict=True)
    ]
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            raise InputError(f"{path}: is given twice, expected every run once")
    return tuple(names)
