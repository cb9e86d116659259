"""What each method says of the bases of `bench.agentbind_interpretation`, how good, how fast.

A method has a process of its own. Its time is that of a sequence in the long run: what passes
between the first batch and the last, so that neither opening the network nor the first pass count.

    saliency   gradient at the base that is there
    gradcam    AgentBind's, each sequence's |scores| adding up to 1
    ism        of the three changes of a base, the one that changes the output most, with its sign:
               f(x) - f(mutant)
    deeplift   rescale rule against the background; of a network with an LSTM it is not defined

All are of the logit. Scores keep their sign, and what speaks against TAL1 is below what says
nothing; signal to noise alone takes absolute values.
"""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import kmerengine
from bench.agentbind_runs import CONTEXT, Size
from bench.harness import Row, say
from modelkit.metrics.embedded import (
    EmbeddedMetrics,
    Motifs,
    by_chance,
    embedded_metrics,
    perfect_scores,
)

if TYPE_CHECKING:
    from modelkit.interpretation.attribution.attributions import Attributions
    from modelkit.training.run import Run

__all__ = ["METHODS", "Truth", "bounds", "measured", "oracle_auroc", "truth_of"]

METHODS = ("saliency", "gradcam", "deeplift", "ism")
OPTIONS: dict[str, dict[str, Any]] = {  # of what is not the default of `modelkit.attribute`
    "deeplift": {"references": "background", "background": (0.3, 0.2, 0.2, 0.3)},
    "ism": {"batch_size": 1},  # what is lost by a kill
}
BATCH = 10
NAMES = ("GATA1", "TAL1")  # of the motifs, in the simulation
RECURRENT = "not defined: LSTM"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Truth(NamedTuple):
    """Positives of the test sequences, and what lies in them.

    Attributes
    ----------
    rows : int64, shape (n,)
        Of the data set, ascending.
    length : int
        bp.
    motifs : Motifs
        TAL1's, by place in `rows`.
    cores : int64, shape (n, 2)
        GATA1's.
    """

    rows: Ints
    length: int
    motifs: Motifs
    cores: Ints

    def first(self, n: int) -> "Truth":
        """Of the first `n` sequences alone."""
        here = self.motifs.row < n
        return Truth(
            self.rows[:n], self.length, Motifs(*(each[here] for each in self.motifs)),
            self.cores[:n],
        )  # fmt: skip


def truth_of(size: Size) -> Truth:
    """What was laid into the positives of the test sequences."""
    import pyarrow.parquet as pq

    data = kmerengine.Dataset.open(size.data)
    test = data.split("test")
    assert data.labels is not None  # simulated with them
    rows = np.sort(test[data.labels[test, 0] == 1]).astype(np.int64)
    table = pq.read_table(size.sequences / "embedded.parquet")
    motif = np.array(table["motif"].to_pylist())
    of, start, end = (table[name].to_numpy().astype(np.int64) for name in ("row", "start", "end"))
    place = np.full(len(data), -1)
    place[rows] = np.arange(len(rows))
    low, high = data.spans["sequence"]
    is_core, is_context = ((motif == name) & (place[of] >= 0) for name in NAMES)
    cores = np.zeros((len(rows), 2), np.int64)
    cores[place[of[is_core]]] = np.stack([start[is_core], end[is_core]], 1)
    motifs = Motifs(place[of[is_context]], start[is_context], end[is_context])
    return Truth(rows, high - low, motifs, cores)


def bounds(truth: Truth) -> dict[str, Row]:
    """Measures of scores that are the truth, and of scores that know nothing."""
    shape = (len(truth.rows), truth.length)
    perfect = embedded_metrics(perfect_scores(shape, truth.motifs), truth.motifs, cores=truth.cores)
    return {
        "ceiling": as_row(perfect),
        "chance": as_row(by_chance(shape, truth.motifs, cores=truth.cores)),
    }


def oracle_auroc(size: Size, motifs: Path) -> float:
    """AU-ROC of the test sequences by TAL1's own motif, see `bench.koo_oracle`."""
    from bench.koo_oracle import oracle

    data = kmerengine.Dataset.open(size.data)
    (motif,) = (each for each in kmerengine.read_motifs(motifs) if each.name == CONTEXT)
    rows = data.split("test")
    assert data.labels is not None  # simulated with them
    return float(oracle(data.sequence[rows], data.labels[rows], [motif])[0])


def measured(run: "Run", data: Path, truth: Truth, method: str, output: Path, device: str) -> Row:
    """The measures of a method, and its time; made, unless they are there."""
    if method == "deeplift" and _is_recurrent(run):
        return {"method": method, "undefined": RECURRENT}
    timing = output.with_name(f"{output.name}.json")
    if not timing.exists():
        output.parent.mkdir(parents=True, exist_ok=True)
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # of the process to come
            os.environ[name] = "1"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows = truth.rows.tolist()
            seconds = pool.submit(_attribute, run.path, data, output, method, rows, device).result()
        timing.write_text(json.dumps({"seconds_per_sequence": seconds, "device": device}) + "\n")
        say(f"{output.parent.name}: {method}, {len(rows)} sequences, {seconds:.3g} s each")
    import modelkit

    found = embedded_metrics(
        scores_of(modelkit.Attributions.open(output)), truth.motifs, cores=truth.cores
    )
    return {"method": method, **json.loads(timing.read_text()), **as_row(found)}


def scores_of(attributions: "Attributions") -> Floats:
    """One score of each base, (n, P)."""
    import torch

    from modelkit.interpretation.context.base_scores import base_scores
    from modelkit.interpretation.methods.ism import largest_change

    if attributions.method != "ism":
        return base_scores(attributions)
    found = np.empty(attributions.sequence.shape)
    for i in range(len(found)):
        scores, codes = attributions.read(i, i + 1)
        one_hot = torch.from_numpy(codes[:, None] == np.arange(4)[:, None]).float()
        found[i] = largest_change(torch.from_numpy(scores), one_hot)[0, 0].numpy()
    return found


def as_row(found: EmbeddedMetrics) -> Row:
    """For a results file, which has no word for infinity: None."""
    return {name: value if np.isfinite(value) else None for name, value in found._asdict().items()}


def _attribute(
    run: Path, data: Path, output: Path, method: str, rows: list[int], device: str
) -> float:
    """Seconds of a sequence, on one core."""
    import torch

    import modelkit

    torch.set_num_threads(1)
    options = {"batch_size": BATCH, **OPTIONS.get(method, {})}
    began = time.perf_counter()
    seen: list[tuple[int, float]] = []
    modelkit.attribute(
        run, data, output, method=method, head="logit", rows=rows, device=device, resume=True,
        force=True, progress=lambda done, _: seen.append((done, time.perf_counter())), **options,
    )  # fmt: skip
    if len(seen) < 2:
        return (time.perf_counter() - began) / len(rows)
    (before, first), (after, last) = seen[0], seen[-1]
    return (last - first) / (after - before)


def _is_recurrent(run: "Run") -> bool:
    from torch import nn

    return any(isinstance(each, nn.RNNBase) for each in run.network().modules())
