"""What a motif by itself adds to the cuts that models expect (bpAI-TAC, figure 3c).

A motif is put into dinucleotide shuffles of regions that the models have not learnt from; its
effect is the total that is predicted with it, less that of the same shuffle without it. A folder:

    summary.parquet       one row per motif, target and run, and per group of several runs
    comparison.parquet    one row per motif and target: two groups of runs against each other
    differences.parquet   if asked for, every background's totals without and with the motif
    marginal.png          (or .svg) the differences of each motif by target
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import table_writer
from modelkit.figures import Format, save
from modelkit.interpretation.insertions.insertion_figures import draw_marginals
from modelkit.interpretation.insertions.insertions import (
    Motifs,
    Strand,
    backgrounds,
    chosen_motifs,
    inputs_of,
    inserted,
    place,
    strands_of,
)
from modelkit.interpretation.insertions.marginal_tables import (
    ALL_SCHEMA,
    COMPARISON_SCHEMA,
    SUMMARY_SCHEMA,
    Found,
)
from modelkit.interpretation.methods.explained import Combine, weights_of
from modelkit.interpretation.row_tables import as_batch, as_table, write_rows
from modelkit.interpretation.synthetic import SequenceModels, check_comparable
from modelkit.training.run import Run

__all__ = ["Marginals", "marginalize"]

SUMMARY, COMPARISON, ALL = "summary.parquet", "comparison.parquet", "differences.parquet"
FIGURE = "marginal"
NAMES = (SUMMARY, COMPARISON, ALL, f"{FIGURE}.png", f"{FIGURE}.svg")

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

class Marginals(NamedTuple):
    """What `marginalize` wrote.

    Attributes
    ----------
    path : Path
        The folder.
    summary : pyarrow.Table
    comparison : pyarrow.Table or None
    provenance : dict
    """

    path: Path
    summary: pa.Table
    comparison: pa.Table | None
    provenance: dict[str, Any]


def marginalize(
    runs: Run | str | Path | Sequence[Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    motifs: Motifs | None = None,
    words: Sequence[str] = (),
    names: Sequence[str] = (),
    consensus: bool = False,
    against: Sequence[Run | str | Path] = (),
    targets: dict[str, Sequence[str]] | Sequence[str] = (),
    combine: Combine = "mean",
    split: str = "test",
    n_backgrounds: int = 1000,
    strand: Strand = "plus",
    offset: int = 0,
    seed: int = 0,
    differences: bool = False,
    figure: Format = "png",
    device: str = "auto",
    batch_size: int = 64,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Marginals:
    """Write what motifs change in the totals that models predict for shuffled regions.

    Every motif and every run sees the same backgrounds. Two groups of runs are compared by
    Wilcoxon's rank-sum test of their differences, one value per background, which tells whether
    these models differ. Whether other trainings would, is told by the same test over the runs'
    mean differences.

    Parameters
    ----------
    runs : Run, path or sequence of them
        What `modelkit.train` wrote, with totals.
    dataset : Dataset or path
        Its regions are shuffled; of the width that the runs take.
    output : path
        The folder to write.
    motifs, words, names, consensus
        What is inserted; see `modelkit.interpretation.insertions.insertions.chosen_motifs`.
    against : sequence of Run or path
        Runs that are compared with the others.
    targets : sequence of str, or dict of str to sequence of str, optional
        As of `modelkit.attribute`; by default every task.
    combine : "mean" or "sum"
        Of the tasks of a target.
    split : str
        Of the regions: "test" as the runs had it; see `modelkit.predict`.
    n_backgrounds : int
        Shuffles: of as many regions, or of fewer regions several each.
    strand : "plus", "minus" or "both"
        Of the motif in the background; of both the mean.
    offset : int
        bp from the window's middle to the motif's.
    seed : int
        The same seed gives the same backgrounds and motifs.
    differences : bool
        Write `differences.parquet` too.
    figure : "png" or "svg"
    device, batch_size, force
        As of `modelkit.predict`.
    progress : callable, optional
        Called with (done, of) in sequences, each for all runs.

    Raises
    ------
    InputError
        Runs that do not fit each other or the data, or predict no totals; a motif that does not
        fit the window; a split without regions.
    """
    output = Path(output)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    check_writable(output, force=force, folder=NAMES)
    if figure not in ("png", "svg"):
        raise InputError(f"figure: found {figure!r}, expected png or svg")
    chosen = chosen_motifs(motifs, words, names, consensus=consensus)
    strands = strands_of(strand)
    groups: dict[str, SequenceModels] = {"runs": SequenceModels(runs, data, split, device)}
    if against:
        groups["against"] = SequenceModels(against, data, split, device)
        check_comparable(groups["runs"], groups["against"], split)
    models = groups["runs"]
    for each in groups.values():
        if not each.has_totals:
            raise InputError(f"{each.runs[0].path}: predicts no totals, expected runs that do")
    labels, weights = weights_of(models.tasks, targets or None, combine)
    places = {name: place(models, name, len(each), offset) for name, each in chosen.items()}
    codes = backgrounds(data, models.rows, n_backgrounds, seed)
    document = schemas.provenance(
        "marginalize",
        inputs_of(data, **{name: each.runs for name, each in groups.items()}),
        {
            "split": split, "strand": strand, "offset": offset, "seed": seed, "combine": combine,
            "consensus": consensus,
        },
    ) | {
        "format": schemas.MARGINALS,
        "motifs": list(chosen),
        "targets": list(labels),
        "tasks": list(models.tasks),
        "backgrounds": n_backgrounds,
        "regions": min(len(models.rows), n_backgrounds),
        "tests": len(chosen) * len(labels) if against else 0,
    }  # fmt: skip
    n = len(codes) * (1 + len(strands) * len(chosen))
    work = _Work(groups, weights, batch_size, n, progress)
    found = Found(labels)
    with atomic(output, force=force, folder=NAMES) as folder, ExitStack() as stack:
        writer = None
        if differences:
            full = schemas.with_metadata(ALL_SCHEMA, document | {"table": ALL})
            writer = stack.enter_context(table_writer(folder / ALL, full, ".parquet"))
        without = work.totals(codes)
        for name, motif in chosen.items():
            parts = [
                work.totals(inserted(models, codes, motif, places[name], each, seed))
                for each in strands
            ]
            for group, each in groups.items():
                within = np.stack([part[group] for part in parts]).mean(0)
                every = found.add(name, group, each.names, without[group], within)
                if writer is not None:
                    writer.write(as_batch(ALL_SCHEMA, every))
            if against:
                found.compare(name)
        found.correct()
        write_rows(folder / SUMMARY, SUMMARY_SCHEMA, found.summary, document)
        if against:
            write_rows(folder / COMPARISON, COMPARISON_SCHEMA, found.comparison, document)
        titles = {group: _title(each.names) for group, each in groups.items()}
        save(draw_marginals(found.boxes, labels, titles), folder / f"{FIGURE}.{figure}")
    comparison = as_table(COMPARISON_SCHEMA, found.comparison) if against else None
    return Marginals(output, as_table(SUMMARY_SCHEMA, found.summary), comparison, document)


class _Work:
    """Totals of sequences by all groups of runs."""

    def __init__(
        self,
        groups: dict[str, SequenceModels],
        weights: Tensor,
        batch_size: int,
        of: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._groups, self._batch_size = groups, batch_size
        self._weights = weights.double().numpy()
        self._done, self._of, self._progress = 0, of * len(groups), progress

    def totals(self, codes: Codes) -> dict[str, Floats]:
        """Of each group's runs and targets, shape (runs, n, targets)."""
        found = {}
        for group, models in self._groups.items():
            shape = (len(models.runs), len(codes), self._weights.shape[1])
            out = np.empty(shape)
            for part, predicted in models.predictions(codes, batch_size=self._batch_size):
                for run, each in enumerate(predicted):
                    assert each.totals is not None  # marginalize has seen that they are there
                    out[run, part] = each.totals.cpu().double().numpy() @ self._weights
                self._done += part.stop - part.start
                if self._progress is not None:
                    self._progress(self._done, self._of)
            found[group] = out
        return found


def _title(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
