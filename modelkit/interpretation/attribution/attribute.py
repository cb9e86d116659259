"""What the bases of a data set's sequences do to a model's output."""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kmerengine import schemas
from kmerengine.cluster import Cluster, Scheduler, connected
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.contigs import read_contigs
from modelkit.devices import chosen_device
from modelkit.inference.assembly import check_assembly
from modelkit.inference.overlay import places_in
from modelkit.interpretation.attribution.attributions import (
    ABOUT,
    NAMES,
    Attributions,
    known_of,
)
from modelkit.interpretation.attribution.chunks import (
    Explain,
    ExplainOnWorker,
    explained_chunk,
    on_both_strands,
)
from modelkit.interpretation.attribution.examples import (
    Examples,
    chosen_examples,
    confident_examples,
)
from modelkit.interpretation.attribution.exports import (
    BIGWIG,
    NPZ,
    file_names,
    write_bigwigs,
    write_npz,
)
from modelkit.interpretation.attribution.partial import Partial
from modelkit.interpretation.attribution.subject import Subject
from modelkit.interpretation.methods.explain import Explainer, IncompleteWarning
from modelkit.interpretation.methods.explained import Combine, weights_of
from modelkit.interpretation.methods.options import AttributionOptions, Method
from modelkit.training.ranks import Ranks, joined
from modelkit.training.run import BEST, Run

__all__ = ["attribute"]

Rows = npt.NDArray[np.int64]
Targets = dict[str, Sequence[str]] | Sequence[str]


def attribute(
    run: Run | str | Path,
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    method: Method = "deepshap",
    head: str | None = None,
    targets: Targets = (),
    combine: Combine = "mean",
    split: str = "test",
    rows: Sequence[int] | Rows | None = None,
    regions: str | Path | None = None,
    labelled: str | None = None,
    at_least: float | None = None,
    reverse_complement: bool = False,
    npz: bool = False,
    bigwig: bool = False,
    genome: str | Path | None = None,
    batch_size: int = 16,
    device: str = "auto",
    scheduler: Scheduler | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Attributions:
    """Write attributions of a data set's sequences.

    Parameters
    ----------
    run : Run or path
    dataset : Dataset or path
        Of cuts with the shift that the run learnt, or of sequences alone.
    output : path
        The folder to write, see `modelkit.interpretation.attribution.attributions`. While it is
        made there is a folder `.NAME.partial` beside it, which stays if the process ends early.
    method : str
        "deepshap", "deeplift", "ig", "saliency", "guided", "gradcam" or "ism".
    head : str, optional
        What of the output: "totals" or "profile" of bpAI-TAC; by default the task's first.
    targets : sequence of str, or dict of str to sequence of str, optional
        Tasks that are targets and texts NAME=TASK,TASK,...; or the tasks of each target, such as
        the cell types of a lineage; by default every task.
    combine : "mean" or "sum"
        Of the tasks of a target.
    split : str
        "train", "validation" or "test" as the run had it, or "all".
    rows : sequence of int, optional
        Examples of the split, by their row of the data set; by default all.
    regions : path, optional
        BED or narrowPeak: only examples whose sequence shares a base with one of these.
    labelled : str, optional
        Only examples with this label of the data set.
    at_least : float, optional
        Only examples for which the run predicts the label that is explained (there must be one)
        with this probability or more, on the strand that the data have.
    reverse_complement : bool
        Average with the attributions of the other strand, turned back.
    npz, bigwig : bool
        Write the same for other tools, see `modelkit.interpretation.attribution.exports`.
    genome : path, optional
        Of the data set, as FASTA, .fai or chromosome sizes: bigWigs need the lengths of the
        contigs, in their order.
    batch_size : int
        Sequences that are explained together, and recorded together: what a kill may cost.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    scheduler : str or distributed.Client, optional
        Explain on a Dask cluster, a batch at a time, on the same kind of device (see
        `kmerengine.cluster`); not under torchrun.
    resume : bool
        Go on with the partial folder if there is one; an output of just this is there already
        then, and is left as it is.
    force : bool
        Replace an existing output, and begin anew if there is a partial folder; with `resume`
        replace an existing output alone.
    progress : callable, optional
        Called with (done, of) in examples.
    **options
        Further ones of `AttributionOptions`, such as `n_references`, `steps` and `seed`.

    Returns
    -------
    Attributions

    Raises
    ------
    InputError
        A run that does not fit the data, a head, target, label or row that is not there, no example
        that is left, another process's partial folder that was begun for something else.

    Notes
    -----
    Batches are the same whatever is already done and however many processes of torchrun share the
    work, and so are all bits, on the same device with as many threads.
    """
    chosen = AttributionOptions(method=method, **options)
    run = run if isinstance(run, Run) else Run.open(run)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    output, place = Path(output), chosen_device(device)
    if batch_size < 1:
        raise InputError(f"batch_size: found {batch_size}, expected at least 1")
    subject = Subject(run, data, head, split)
    if reverse_complement:
        subject.check_reversible()
    names, weights = weights_of(subject.tasks, targets or None, combine)
    examples = chosen_examples(subject, data, split, rows, regions, labelled)
    if at_least is not None:
        examples = confident_examples(examples, subject, weights, at_least, batch_size, place)
    exports = _Exports(data, examples, subject, names, genome, npz=npz, bigwig=bigwig)
    about = {
        "method": chosen.method,
        "head": subject.head,
        "tasks": list(subject.tasks),
        "targets": list(names),
        "kept": len(examples.rows),
        "skipped": examples.skipped,
        **known_of(examples.table, data.label_names),
        "parameters": chosen.as_json()
        | {
            "weights": weights.T.tolist(),
            "split": split,
            "labelled": labelled,
            "at_least": at_least,
            "rows": hashlib.sha256(examples.rows.astype("<i8").tobytes()).hexdigest(),
            "reverse_complement": reverse_complement,
            "batch_size": batch_size,
        },
    }
    document = _provenance(run, data) | about
    path = output.with_name(f".{output.name}.partial")
    if resume and not force and _is_made(output, document):
        shutil.rmtree(path, ignore_errors=True)
        return Attributions.open(output)
    with joined(place) as ranks, connected(scheduler) as cluster:
        if cluster is not None and ranks.ranks > 1:
            raise InputError("scheduler: found under torchrun, expected one of the two")
        explained = subject.explained(weights, place)  # weights that are damaged begin nothing
        explain = Explainer(explained, chosen)
        if ranks.first:
            check_writable(output, force=force, folder=NAMES)
            if not _goes_on(path, output, resume=resume, force=force):
                Partial.begin(
                    path, document, place.type, data.sequence, examples.rows,
                    targets=len(names), channels=subject.channels, size=batch_size,
                    blocked=subject.blocked, force=force,
                )  # fmt: skip
        ranks.wait()
        partial = Partial(path, document, place.type)
        ranks.wait()  # nobody writes before all have looked
        try:
            if cluster is None:
                batch_of = on_both_strands(explain) if reverse_complement else explain
                _work(batch_of, subject, examples.rows, partial, batch_size, place, ranks, progress)
            else:
                work = ExplainOnWorker(
                    run.path.absolute(), data.path.absolute(), subject.head, split, weights.numpy(),
                    chosen, reverse_complement, batch_size, place.type,
                )  # fmt: skip
                _work_on_cluster(cluster, work, examples.rows, partial, progress)
        except InputError:
            if ranks.ranks == 1 and not partial.done.any():
                partial.remove()  # nothing to go on with, but what must be given otherwise
            raise
        if ranks.first:
            partial = Partial(path, document, place.type)  # with what the others have done
            with atomic(output, force=force, folder=NAMES) as folder:
                partial.finish(folder, examples.table, examples.rows, examples.starts)
                exports.write(Attributions.open(folder), folder)
            partial.remove()
        ranks.wait()
    return Attributions.open(output)


class _Exports:
    """What is written beside, checked before the work begins."""

    def __init__(
        self,
        data: Dataset,
        examples: Examples,
        subject: Subject,
        targets: tuple[str, ...],
        genome: str | Path | None,
        *,
        npz: bool,
        bigwig: bool,
    ) -> None:
        self._npz, self._contigs, self._places = npz, {}, None
        for suffix, wanted in ((NPZ, npz), (BIGWIG, bigwig)):
            if wanted:
                file_names(targets, suffix)
        if not bigwig:
            if genome is not None:
                raise InputError(f"genome: found {genome} without bigwig, expected bigwig with it")
            return
        if genome is None:
            raise InputError(
                "genome: found none, expected FASTA, .fai or chromosome sizes: a bigWig needs the "
                "lengths of the contigs"
            )
        self._contigs = read_contigs(genome)
        self._places = places_in(
            Path(genome), self._contigs, examples.table["chrom"].to_pylist(), examples.starts,
            subject.length, "sequence",
        )  # fmt: skip
        check_assembly(data, examples.rows, Path(genome), self._contigs)

    def write(self, attributions: Attributions, folder: Path) -> None:
        if self._npz:
            write_npz(attributions, folder)
        if self._places is not None:
            write_bigwigs(attributions, folder, self._contigs, self._places)


def _provenance(run: Run, data: Dataset) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "dataset": schemas.digest(data.path / DATASET_ABOUT) | {"name": data.path.resolve().name},
        "run": schemas.digest(run.path / BEST) | {"name": run.path.resolve().name},
    }
    return schemas.provenance("attribute", inputs, {}) | {
        "format": schemas.ATTRIBUTIONS,
        "config": run.config.model_dump(mode="json"),
    }


def _is_made(output: Path, document: dict[str, Any]) -> bool:
    """Whether the output is there: a process was killed after its last step but one."""
    if not (output / ABOUT).exists():
        return False
    made = Attributions.open(output).provenance
    wanted: dict[str, Any] = json.loads(json.dumps(document))
    return {name: made.get(name) for name in wanted} == wanted


def _goes_on(path: Path, output: Path, *, resume: bool, force: bool) -> bool:
    """Whether there is a partial folder to go on with."""
    if resume:
        for each in (output, path):  # what a killed process was finishing, or beginning
            for left in output.parent.glob(f".{escape(each.name[:48])}.????????.tmp"):
                shutil.rmtree(left, ignore_errors=True)
        return path.exists()
    if path.exists() and not force:
        raise InputError(
            f"{path}: was left by a process that ended early; go on with --resume, or begin anew "
            "with --force"
        )
    return False


def _work(
    explain: Explain,
    subject: Subject,
    rows: Rows,
    partial: Partial,
    batch_size: int,
    device: torch.device,
    ranks: Ranks,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Explain this rank's share of the chunks that are not done, one of each rank at a time."""
    waiting = np.flatnonzero(~partial.done)
    mine = ranks.share(waiting)
    of_mine = [partial.chunk(int(number)) for number in mine]
    batches: Iterator[Tensor] = iter(())
    if of_mine:
        batches = subject.batches(rows[np.concatenate(of_mine)], batch_size, device)
    n_before = len(rows) - sum(len(partial.chunk(int(number))) for number in waiting)
    for turn in range(-(-len(waiting) // ranks.ranks)):
        if turn < len(mine):
            here = rows[of_mine[turn]]
            partial.put(int(mine[turn]), *explained_chunk(explain, next(batches), here))
        ranks.wait()  # that another rank has ended is seen now, and not after the work
        n_before += sum(
            len(partial.chunk(int(number)))
            for number in waiting[turn * ranks.ranks : (turn + 1) * ranks.ranks]
        )
        if progress is not None and ranks.first:
            progress(n_before, len(rows))


def _work_on_cluster(
    cluster: Cluster,
    work: ExplainOnWorker,
    rows: Rows,
    partial: Partial,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Have the chunks that are not done explained, and write them here."""
    waiting = np.flatnonzero(~partial.done).tolist()
    chunks = [rows[partial.chunk(number)] for number in waiting]
    n_before = len(rows) - sum(map(len, chunks))

    def report(done: int, of: int) -> None:
        if progress is not None:
            progress(n_before + done, of)

    explained = cluster.in_order(work, chunks, progress=report, size=len, of=len(rows))
    warned = False
    with closing(explained):
        for number, (scores, numbers, warning) in zip(waiting, explained, strict=True):
            partial.put(number, scores, numbers)
            if warning and not warned:
                warnings.warn(warning, IncompleteWarning, stacklevel=3)
                warned = True
