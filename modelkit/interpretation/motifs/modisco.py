"""Clusters of seqlets by TF-MoDISco (A. Shrikumar et al., arXiv 1811.00416), through `modisco`.

It finds seqlets of its own, windows of one width, in all targets together, and clusters those that
raise the output apart from those that lower it. Which seqlets are in a cluster, where they lie and
on which strand is TF-MoDISco's; CWM, PFM and counts are made of them as of any other cluster.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.motifs.clusters import Cluster, average, sort_clusters
from modelkit.interpretation.motifs.seqlet_rows import SeqletRuns, seqlet_rows
from modelkit.interpretation.motifs.seqlet_set import matrices_of
from modelkit.interpretation.motifs.seqlet_tables import seqlets_schema

__all__ = ["modisco_clusters"]

# what the command `modisco motifs` takes, and not its function
SETTINGS = {
    "sliding_window_size": 20,
    "flank_size": 5,
    "trim_to_window_size": 30,
    "initial_flank_to_add": 10,
    "final_flank_to_add": 0,
    "target_seqlet_fdr": 0.05,
    "n_leiden_runs": 2,
}

Ints = npt.NDArray[np.int64]


def modisco_clusters(
    attributions: Sequence[Attributions], *, window: int = 400, max_seqlets: int = 20_000
) -> tuple[list[pa.Table], list[Cluster]]:
    """Find and cluster seqlets of several models together.

    Parameters
    ----------
    attributions : sequence of Attributions
        With sequences of one length.
    window : int
        bp around the middle of each sequence that are looked at; all of a shorter sequence.
    max_seqlets : int
        Most seqlets of either sign; TF-MoDISco takes those that it finds first.

    Returns
    -------
    tables : list of pyarrow.Table
        Seqlets of each model, as `seqlets` writes them; `significant` is 0.
    clusters : list of Cluster
        Of all of them, numbered end to end.

    Raises
    ------
    InputError
        `modisco` is not installed, or sequences differ in length.
    """
    try:
        from modiscolite.tfmodisco import TFMoDISco  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            "found no package modisco, which does this; install it with pip install modisco"
        ) from error
    lengths = {each.sequence.shape[1] for each in attributions}
    if len(lengths) != 1 or window < 1:
        raise InputError(
            f"window: found {window} of sequences of {sorted(lengths)} bp, expected at least 1 bp "
            "of sequences of one length"
        )
    length = lengths.pop()
    first = max(0, (length - window) // 2)
    middle = slice(first, min(length, first + window))
    one_hot, scores, origin = _examples(attributions, middle)
    found = TFMoDISco(
        one_hot=one_hot,
        hypothetical_contribs=scores,
        max_seqlets_per_metacluster=max_seqlets,
        **SETTINGS,
    )
    rows: list[tuple[int, ...]] = []
    number = 0
    for sign, patterns in zip((1, -1), found, strict=True):
        for pattern in patterns or ():
            for each in pattern.seqlets:
                model, example, target = origin[each.example_idx].tolist()
                start, end = first + int(each.start), first + int(each.end)
                minus = int(bool(each.is_revcomp))
                rows.append((model, example, target, start, end, sign, number, minus))
            number += 1
    listed = np.array(sorted(rows), np.int64).reshape(-1, 8)
    tables = [_table(each, listed[listed[:, 0] == i]) for i, each in enumerate(attributions)]
    matrices = [
        matrix
        for each, table in zip(attributions, tables, strict=True)
        for matrix in matrices_of(table, each.path)
    ]
    clusters = []
    for k in range(number):
        members = np.flatnonzero(listed[:, 6] == k)
        laid = listed[members, 7] == 1
        clusters.append(average(matrices, members, np.zeros(len(members), np.int64), laid))
    return tables, sort_clusters(clusters)


def _examples(
    attributions: Sequence[Attributions], middle: slice
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Ints]:
    """One-hot and hypothetical scores, (n, bp, 4), and model, example and target of each.

    TF-MoDISco wants all of them in memory: 32 bytes for every bp of every example and target.
    """
    n = sum(len(data) * len(data.targets) for data in attributions)
    shape = (n, middle.stop - middle.start, 4)
    one_hot, scores = np.empty(shape, np.float32), np.empty(shape, np.float32)
    origin = np.empty((n, 3), np.int64)
    low = 0
    for model, data in enumerate(attributions):
        hot = data.sequence[:, middle, None] == np.arange(4)
        for target in range(len(data.targets)):
            here = slice(low, low + len(data))
            one_hot[here] = hot
            scores[here] = data.hypothetical[:, target, :4, middle].transpose(0, 2, 1)
            origin[here, 0], origin[here, 1], origin[here, 2] = model, np.arange(len(data)), target
            low += len(data)
    return one_hot, scores, origin


def _table(data: Attributions, rows: Ints) -> pa.Table:
    example, target, start, end, sign = rows[:, 1:6].T
    found = SeqletRuns(example, target, start, end, sign, np.zeros_like(sign), 0)
    batch = seqlet_rows(found, data.hypothetical[:, :, :4], data.sequence, 0, data)
    return pa.Table.from_batches([batch], schema=seqlets_schema())
