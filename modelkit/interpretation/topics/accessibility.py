"""How accessible the factors of topics are: figure 3d of Kshirsagar et al. (2021).

    S_m = sum over peaks i of z_im                      z = proportions

Two cell types are compared by the peaks of each and the topics of one model. They have different
numbers of peaks, so that the mean over the peaks is given too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
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
from modelkit.interpretation.topics.analysis_figures import draw_bars
from modelkit.interpretation.topics.map import TopicMap
from modelkit.interpretation.topics.values import check_model, values_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicAccessibility", "topic_accessibility"]

NAMES = ("topics.*", "accessibility.*")

SCHEMA = pa.schema(
    [
        column("topic", pa.string()),
        column("factors", list_of(pa.string())),  # by p-value; none without a map
        column("score", list_of(pa.float64())),  # S of each cell type, in the document's order
        column("mean", list_of(pa.float64())),  # S over its peaks
        column("difference", pa.float64(), nullable=True),  # of S: the first less the second
        column("ratio", pa.float64(), nullable=True),  # of S
        column("log2_ratio", pa.float64(), nullable=True),  # of the means
    ]
)


class TopicAccessibility(NamedTuple):
    """Scores of topics.

    Attributes
    ----------
    path : Path
    cells : tuple of str
    n_peaks : tuple of int
    table : pyarrow.Table
        By the score of the first cell type, from the smallest on.
    n_unmapped : int
        Topics without a factor, which have no row.
    """

    path: Path
    cells: tuple[str, ...]
    n_peaks: tuple[int, ...]
    table: pa.Table
    n_unmapped: int


def topic_accessibility(
    cells: Mapping[str, "Proportions | str | Path | npt.ArrayLike"],
    output: str | Path,
    *,
    topic_map: TopicMap | str | Path | None = None,
    figure: Format = "png",
    force: bool = False,
) -> TopicAccessibility:
    """Sum the topics over the peaks of one cell type, or compare two.

    Parameters
    ----------
    cells : mapping of str to Proportions, path or array of shape (n, M)
        Peaks of each cell type by its name: one or two, of one model.
    output : path
        A folder: topics.parquet and the figure.
    topic_map : TopicMap or path, optional
        Topics without a factor are left out and counted.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        Peaks of different models, no mapped topic.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    if not 1 <= len(cells) <= 2:
        raise InputError(f"cells: found {len(cells)} cell types, expected one or two")
    given = {name: values_of(each, "proportions") for name, each in cells.items()}
    first = next(iter(given.values()))
    for each in given.values():
        check_model(each, first.topics, first.inputs, first.where)
    mapped = TopicMap.open(topic_map) if isinstance(topic_map, str | Path) else topic_map
    inputs: dict[str, object] = {name: each.inputs for name, each in given.items()}
    shown = np.arange(len(first.topics))
    factors: list[list[str]] = [[] for _ in first.topics]
    if mapped is not None:
        check_model(first, mapped.topics, mapped.provenance["inputs"], "the map")
        factors = [mapped.factors_of(m) for m in range(len(first.topics))]
        shown = np.array([m for m, each in enumerate(factors) if each], np.int64)
        if not len(shown):
            raise InputError(f"{mapped.path or 'the map'}: maps no topic, expected one at least")
        if mapped.path is not None:
            inputs["map"] = schemas.digest(mapped.path)
    scores = np.stack([each.matrix.sum(0) for each in given.values()], 1)
    shown = shown[np.argsort(scores[shown, 0], kind="stable")]
    n_peaks = np.array([len(each.matrix) for each in given.values()])
    score, mean = scores[shown], scores[shown] / n_peaks
    none = np.full(len(shown), np.nan)
    two = len(given) == 2
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "topic": [first.topics[m] for m in shown.tolist()],
            "factors": [factors[m] for m in shown.tolist()],
            "score": list_column(score, SCHEMA.field("score")),
            "mean": list_column(mean, SCHEMA.field("mean")),
            "difference": score[:, 0] - score[:, 1] if two else none,
            "ratio": score[:, 0] / score[:, 1] if two else none,
            "log2_ratio": np.log2(mean[:, 0] / mean[:, 1]) if two else none,
        }
    table = table_of(SCHEMA, columns)
    document = schemas.provenance("topics accessibility", inputs, {}) | {
        "format": schemas.TOPIC_ACCESSIBILITY,
        "cells": list(given),
        "peaks": n_peaks.tolist(),
        "unmapped": len(first.topics) - len(shown),
    }
    named = [
        f"{_short(factors[m])} ({first.topics[m].removeprefix('topic_')})"
        if factors[m] else first.topics[m]
        for m in shown.tolist()
    ]  # fmt: skip
    drawn = draw_bars(named, {name: score[:, i] for i, name in enumerate(given)})
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "topics.parquet", table, document)
        (folder / f"accessibility.{figure}").write_bytes(encoded(drawn, figure))
    return TopicAccessibility(
        path, tuple(given), tuple(n_peaks.tolist()), table, len(first.topics) - len(shown)
    )


def _short(factors: list[str]) -> str:
    """The first factor, and how many more there are."""
    more = f" +{len(factors) - 1}" if len(factors) > 1 else ""
    return factors[0][:20] + more
