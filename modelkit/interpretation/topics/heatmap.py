"""Probes of factors in the space of topics: figure 2b of Kshirsagar et al. (2021).

The paper shows 200 probes of each of 48 factors, and 42 of 100 topics, "chosen based on whether a
dimension contains any signal". Here a topic carries signal if the mean proportion over the probes
of one factor is at least twice that over all other probes that are shown, and twice an equal share:

    signal of m = max over factors t of min(mean_t / mean_others, M mean_t)

The second part is for probes that have nothing: their topics are all as large as one another, which
is more than is left of them beside a topic that a probe is full of.

N = probes, T = factors, M = topics.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.list_columns import list_column
from modelkit.figures import Format, encoded
from modelkit.interpretation.column_tables import (
    column,
    list_of,
    put_table,
    table_of,
)
from modelkit.interpretation.topics.analysis_figures import draw_matrix
from modelkit.interpretation.topics.map import labelled
from modelkit.interpretation.topics.probes import Probes
from modelkit.interpretation.topics.values import Kind, check_seed, values_of

if TYPE_CHECKING:
    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicHeatmap", "signal_of", "topic_heatmap"]

NAMES = ("probes.*", "topics.*", "heatmap.*")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PROBES = pa.schema(
    [
        column("row", pa.int64()),  # of the values given
        column("name", pa.string(), nullable=True),
        column("factor", pa.string()),
        column("values", list_of(pa.float64())),  # of the topics with signal, in their order
    ]
)
TOPICS = pa.schema(
    [
        column("topic", pa.string()),
        column("signal", pa.float64()),  # of the best factor, see above
        column("factor", pa.string()),  # the best one
        column("shown", pa.bool_()),
        column("place", pa.int64(), nullable=True),  # among those that are shown
    ]
)


class TopicHeatmap(NamedTuple):
    """What is shown.

    Attributes
    ----------
    path : Path
    probes : pyarrow.Table
        In the order of the rows of the figure.
    topics : pyarrow.Table
        All of them.
    few : dict of str to int
        Probes of factors that had fewer than asked for.
    """

    path: Path
    probes: pa.Table
    topics: pa.Table
    few: dict[str, int]


def topic_heatmap(
    values: "Proportions | str | Path | npt.ArrayLike",
    labels: Probes | str | Path | Sequence[object],
    output: str | Path,
    *,
    factors: Sequence[str] | None = None,
    n_probes: int = 200,
    signal: float = 2.0,
    kind: Kind = "proportions",
    seed: int = 0,
    figure: Format = "png",
    force: bool = False,
) -> TopicHeatmap:
    """Show probes by factor, and the topics that carry signal, as a heatmap.

    Parameters
    ----------
    values, labels
        As of `topic_map`.
    output : path
        A folder: probes.parquet, topics.parquet and the figure.
    factors : sequence of str, optional
        Those to show; by default all, in the order of the alphabet.
    n_probes : int
        Of each factor, drawn at random; of one with fewer all.
    signal : float
        See above.
    kind : "proportions" or "concentrations"
    seed : int
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        As of `topic_map`; a factor without probes; no topic that carries signal.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    check_seed(seed)
    if n_probes < 1:
        raise InputError(f"n_probes: found {n_probes}, expected at least 1")
    given = values_of(values, kind)
    names, number, inputs, _ = labelled(labels, given)
    wanted = list(names) if factors is None else list(factors)
    for factor in wanted:
        if factor not in names:
            raise InputError(f"factors: found {factor!r}, which has no probes in {given.where}")
    if len(set(wanted)) < max(2, len(wanted)):
        raise InputError(f"factors: found {', '.join(wanted)}, expected two different at least")
    rng = np.random.default_rng(seed)
    rows, factor_of, few = [], [], {}
    for place, factor in enumerate(wanted):
        every = np.flatnonzero(number == names.index(factor))
        if len(every) < n_probes:
            few[factor] = len(every)
        some = np.sort(rng.permutation(every)[:n_probes])
        rows.append(some)
        factor_of.append(np.full(len(some), place))
    row, factor_number = np.concatenate(rows), np.concatenate(factor_of)
    matrix = given.matrix[row]
    whole = matrix.sum(1, keepdims=True)
    if (matrix < 0).any() or not whole.all():
        raise InputError(f"{given.where}: has values below 0 or only 0, expected others")
    found, best, mean = signal_of(matrix / whole, factor_number, len(wanted))
    shown = np.flatnonzero(found >= signal)
    if not len(shown):
        raise InputError(
            f"{given.where}: no topic carries signal: the strongest has {found.max():.2f}, "
            f"expected {signal:g}"
        )
    order = shown[np.lexsort((-mean[best[shown], shown], best[shown]))]
    shown_topics = [given.topics[m] for m in order.tolist()]
    document = schemas.provenance(
        "topics heatmap",
        inputs,
        {"kind": given.kind, "n_probes": n_probes, "signal": signal, "seed": seed,
         "factors": wanted},
    ) | {"format": schemas.TOPIC_HEATMAP, "topics": shown_topics, "few": few}  # fmt: skip
    place_of = {m: place for place, m in enumerate(order.tolist())}
    probes = table_of(
        PROBES,
        {
            "row": row,
            "name": [None if given.names is None else given.names[i] for i in row.tolist()],
            "factor": [wanted[i] for i in factor_number.tolist()],
            "values": list_column(np.ascontiguousarray(matrix[:, order]), PROBES.field("values")),
        },
    )
    topics = table_of(
        TOPICS,
        {
            "topic": list(given.topics),
            "signal": found,
            "factor": [wanted[i] for i in best.tolist()],
            "shown": found >= signal,
            "place": [place_of.get(m) for m in range(len(given.topics))],
        },
    )
    drawn = draw_matrix(
        matrix[:, order], factor_number, wanted, shown_topics,
        rows="probes", label=f"{given.label} of the topic",
    )  # fmt: skip
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "probes.parquet", probes, document)
        put_table(folder / "topics.parquet", topics, document)
        (folder / f"heatmap.{figure}").write_bytes(encoded(drawn, figure))
    return TopicHeatmap(path, probes, topics, few)


def signal_of(z: Floats, factor: Ints, n_factors: int) -> tuple[Floats, Ints, Floats]:
    """How far the best factor of each topic stands out.

    Parameters
    ----------
    z : float64, shape (N, M)
        Proportions.
    factor : int64, shape (N,)
    n_factors : int
        T, each with a probe.

    Returns
    -------
    signal : float64, shape (M,)
        See above; 0 of a topic that nothing has.
    best : int64, shape (M,)
        The factor that it is of.
    mean : float64, shape (T, M)
        Of the probes of each factor.
    """
    sums = np.zeros((n_factors, z.shape[1]))
    np.add.at(sums, factor, z)
    n = np.bincount(factor, minlength=n_factors)[:, None]
    mean = sums / n
    # summed for each factor, not taken from the whole: what is left over would be rounding
    others = np.stack([np.delete(sums, t, axis=0).sum(0) for t in range(n_factors)])
    others /= len(factor) - n
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = np.where(mean == others, 1.0, mean / others)
    signal = np.minimum(fold, z.shape[1] * mean)
    return signal.max(0), signal.argmax(0), mean
