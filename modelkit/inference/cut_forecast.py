"""Expected cuts: totals of regions, and bigWigs of cuts per base with bias and without."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kmerengine import schemas
from kmerengine.datasets.dataset import OFF_BY_TWO
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.bigwig import write_bigwig
from kmerengine.io.contigs import read_contigs
from kmerengine.parallel import available_threads
from modelkit.data.loader import Batch, Loader
from modelkit.inference.assembly import check_assembly
from modelkit.inference.ensemble import Ensemble, Kind
from modelkit.inference.forecast import Asked
from modelkit.inference.overlay import Overlay, places_in
from modelkit.training.run import Run

__all__ = ["CutForecast"]

SPOOL = ".values"
SUFFIXES: dict[Kind, str] = {"with_bias": ".bw", "without_bias": ".without_bias.bw"}

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Files = dict[str, dict[str, str]]  # by task and kind


class CutForecast:
    """A `Forecast` of profile models."""

    def __init__(self, runs: Sequence[Run], dataset: Dataset, asked: Asked) -> None:
        self._models = models = Ensemble(runs, dataset, asked.split)
        self._data, self._both = dataset, asked.reverse_complement
        if self._both:
            models.check_reversible(dataset)
        self.tasks, self.rows = models.tasks, models.rows
        self._kinds = _kinds(models, dataset, asked)
        self._files = _files(models.tasks, self._kinds)
        self._contigs = _contigs(asked.genome) if asked.bigwig else {}
        first = dataset.spans["sequence"][0]
        if dataset.off_by_two and first:  # not of arrays, whose regions begin with their sequences
            first -= OFF_BY_TWO
        self._window = (first + models.window[0], first + models.window[1])
        about = models.runs[0].about
        self.document: dict[str, Any] = {
            "values": ["total"] if models.has_totals else [],
            "files": self._files,
            "window": list(self._window),
            "shift": about.get("shift"),
            "off_by_two": about.get("off_by_two"),
        }
        self._places = None
        if asked.genome and asked.bigwig:
            self.document["genome"] = schemas.contigs_digest(Path(asked.genome), self._contigs)
            regions = dataset.regions.take(self.rows).combine_chunks()
            chroms, starts = regions["chrom"].to_pylist(), regions["start"].to_numpy()
            low, high = self._window
            self._places = places_in(
                Path(asked.genome), self._contigs, chroms, starts + low, high - low
            )
            check_assembly(dataset, self.rows, Path(asked.genome), self._contigs)
        self._totals = np.zeros((len(self.rows), len(self.tasks)))
        self._overlay: Overlay | None = None

    def load(self, device: torch.device) -> None:
        """Read the weights."""
        self._models.load(device)

    def begin(self, folder: Path) -> Rows:
        """With bigWigs the order of the genome."""
        if self._places is None:
            return np.arange(len(self.rows))
        n_tracks = len(self._kinds) * len(self.tasks)
        low, high = self._window
        self._overlay = Overlay(folder / SPOOL, *self._places, high - low, n_tracks)
        return self._overlay.order

    def batches(self, order: Rows, batch_size: int, device: torch.device) -> Iterator[Batch]:
        """Sequences and, where there is one, the bias."""
        return Loader(
            self._data, self.rows[order], batch_size=batch_size, shuffle=False, device=device,
            centre=self._data.window is not None,
        ).batches(0)  # fmt: skip

    def take(self, places: Rows, batch: Batch) -> None:
        """Totals are kept, cuts per base are laid over the genome."""
        found = self._models.expected(batch, self._kinds, reverse_complement=self._both)
        if found.totals is not None:
            self._totals[places] = found.totals.cpu().numpy()
        if self._overlay is not None:
            tracks = torch.cat([found.tracks[kind] for kind in self._kinds], 1)
            self._overlay.add(tracks.cpu().numpy())

    def finish(self, folder: Path) -> Mapping[str, Floats]:
        """Write the bigWigs; the totals are left."""
        if self._overlay is not None:
            names, threads = tuple(self._contigs), available_threads()
            for task, by_kind in enumerate(self._files.values()):
                for kind, name in enumerate(by_kind.values()):
                    runs = self._overlay.runs(kind * len(self._files) + task, names)
                    write_bigwig(folder / name, self._contigs, runs, threads=threads)
            (folder / SPOOL).unlink()
        return {"total": self._totals} if self._models.has_totals else {}


def _kinds(models: Ensemble, data: Dataset, asked: Asked) -> list[Kind]:
    """Of the bigWigs: with and without bias."""
    where = models.runs[0].path
    if not asked.bigwig:
        if not models.has_totals:
            raise InputError(f"{where}: predicts no totals, expected bigwig=True: nothing is left")
        return []
    if not models.has_profiles:
        raise InputError(f"{where}: predicts no profiles, expected --no-bigwig")
    if not (asked.bias and models.uses_bias):
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
