"""Which factors peaks are assigned to, and how well ChIP-seq agrees (Kshirsagar et al. 2021).

    argmax      factors of the topic that a peak has most of: F(argmax_m z_im); none of a peak
                that has as much of another
    threshold   factors of every topic with z_im >= c / M, that is c times an equal share

The paper states the first rule. Its table 1 cannot be of it: the peaks that it implies for all
factors together are 3.6 times as many as there are peaks, so that a peak must have had several
factors by some threshold. Both rules are given, side by side.

    overlap     peaks that overlap a ChIP-seq peak of the factor
    mapped      of these, peaks assigned to the factor
    precision   mapped / peaks assigned to the factor
    recall      mapped / overlap

n = peaks, T = factors, M = topics.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.interpretation.column_tables import (
    column,
    list_of,
    put_table,
    table_of,
)
from modelkit.interpretation.topics.chip import Bound, bound_peaks
from modelkit.interpretation.topics.map import TopicMap
from modelkit.interpretation.topics.values import (
    Values,
    check_model,
    largest_topics,
    values_of,
)

if TYPE_CHECKING:
    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicAssignment", "assigned", "topic_assignment"]

NAMES = ("peaks.*", "chip.*")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PEAK = [
    column("row", pa.int64()),  # of the proportions
    column("topic", pa.string(), nullable=True),  # that it has most of; null: as much of several
    column("value", pa.float64()),  # the largest proportion
    column("argmax_factors", list_of(pa.string())),
    column("threshold_topics", list_of(pa.string())),
    column("threshold_factors", list_of(pa.string())),
]
CHIP = pa.schema(
    [
        column("factor", pa.string()),
        column("rule", pa.string()),  # argmax or threshold
        column("chip", pa.int64()),  # peaks of the ChIP-seq
        column("overlap", pa.int64()),
        column("assigned", pa.int64()),
        column("mapped", pa.int64()),
        column("precision", pa.float64(), nullable=True),  # null of no peak assigned
        column("recall", pa.float64(), nullable=True),  # null of no overlap
    ]
)


class TopicAssignment(NamedTuple):
    """Factors of peaks.

    Attributes
    ----------
    path : Path
    peaks : pyarrow.Table
        One row for each.
    chip : pyarrow.Table or None
        Precision and recall by factor and rule.
    n_without : dict of str to int
        Peaks without a factor, by rule.
    """

    path: Path
    peaks: pa.Table
    chip: pa.Table | None
    n_without: dict[str, int]


def topic_assignment(
    values: "Proportions | str | Path | npt.ArrayLike",
    topic_map: TopicMap | str | Path,
    output: str | Path,
    *,
    chip: Mapping[str, str | Path] | None = None,
    min_overlap: int = 50,
    c: float = 2.0,
    force: bool = False,
) -> TopicAssignment:
    """Assign peaks to factors by both rules, and compare with ChIP-seq.

    Parameters
    ----------
    values : Proportions, path or array of shape (n, M)
        Of peaks.
    topic_map : TopicMap or path
        Of the same model.
    output : path
        A folder: peaks.parquet and, of ChIP-seq, chip.parquet.
    chip : mapping of str to path, optional
        BED or narrowPeak of a factor of the map, by its name.
    min_overlap : int
        bp.
    c : float
        Of the threshold.
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        Topics of different models, a factor that has no probes, contigs of another assembly.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    if not 0 < c < np.inf:
        raise InputError(f"c: found {c}, expected a number above 0")
    given = values_of(values, "proportions")
    found = topic_map if isinstance(topic_map, TopicMap) else TopicMap.open(topic_map)
    check_model(given, found.topics, found.provenance["inputs"], "the map")
    inputs: dict[str, Any] = dict(given.inputs)
    if found.path is not None:
        inputs["map"] = schemas.digest(found.path)
    by_rule = assigned(given.matrix, found.mapped, c)
    n_without = {rule: int((~each.any(1)).sum()) for rule, each in by_rule.items()}
    document: dict[str, Any] = {}
    comparison = None
    if chip is not None:
        bound = bound_peaks(
            given.regions, chip, found.factors, min_overlap=min_overlap, where=given.where
        )
        inputs["chip"] = {name: schemas.digest(Path(each)) for name, each in chip.items()}
        comparison = _comparison(bound, by_rule, found.factors)
    document = schemas.provenance(
        "topics assignment", inputs, {"c": c, "min_overlap": min_overlap}
    ) | {"format": schemas.TOPIC_ASSIGNMENT, "without_factor": n_without}
    peaks = _peaks(given, found, by_rule, c)
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "peaks.parquet", peaks, document)
        if comparison is not None:
            put_table(folder / "chip.parquet", comparison, document)
    return TopicAssignment(path, peaks, comparison, n_without)


def assigned(z: Floats, mapped: Bools, c: float) -> dict[str, Bools]:
    """Factors of each peak by both rules, bool of shape (n, T).

    Parameters
    ----------
    z : float64, shape (n, M)
        Proportions.
    mapped : bool, shape (T, M)
    c : float
    """
    above = z >= c / z.shape[1]
    # sums of at most M ones: exact in float32
    counts = above.astype(np.float32) @ mapped.T.astype(np.float32)
    largest, has = largest_topics(z)
    return {"argmax": mapped.T[largest] & has[:, None], "threshold": counts > 0}


def _peaks(given: Values, found: TopicMap, by_rule: dict[str, Bools], c: float) -> pa.Table:
    z = given.matrix
    most = [m if has else None for m, has in zip(*(x.tolist() for x in largest_topics(z)),
                                                  strict=True)]  # fmt: skip
    of_topic = [found.factors_of(m) for m in range(z.shape[1])]
    columns: dict[str, Any] = {
        "row": np.arange(len(z)),
        "topic": [None if m is None else given.topics[m] for m in most],
        "value": z.max(1),
        "argmax_factors": [[] if m is None else of_topic[m] for m in most],
        "threshold_topics": _named(z >= c / z.shape[1], given.topics),
        "threshold_factors": _named(by_rule["threshold"], found.factors),
    }
    schema = pa.schema(_PEAK)
    if given.regions is not None:
        schema = pa.schema([*schemas.REGION_COLUMNS, *_PEAK])
        columns |= {name: given.regions[name] for name in schemas.REGION_COLUMNS.names}
    return table_of(schema, columns)


def _named(flags: Bools, names: tuple[str, ...]) -> pa.Array:
    """The names that are flagged in each row, as lists."""
    row, which = np.nonzero(flags)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(flags)))])
    taken = pa.array(names, pa.string()).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), taken,
                                    type=list_of(pa.string()))  # fmt: skip


def _comparison(bound: Bound, by_rule: dict[str, Bools], factors: tuple[str, ...]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for i, factor in enumerate(bound.factors):
        overlap = bound.bound[:, i]
        for rule, each in by_rule.items():
            mine = each[:, factors.index(factor)]
            both, n_mine, n_overlap = (int(x.sum()) for x in (mine & overlap, mine, overlap))
            rows.append(
                {
                    "factor": factor,
                    "rule": rule,
                    "chip": bound.n_chip[i],
                    "overlap": n_overlap,
                    "assigned": n_mine,
                    "mapped": both,
                    "precision": both / n_mine if n_mine else None,
                    "recall": both / n_overlap if n_overlap else None,
                }
            )
    return table_of(CHIP, {name: [row[name] for row in rows] for name in CHIP.names})
