"""Topics of the peaks that factors bind, as a heatmap: figure 4c of Kshirsagar et al. (2021).

    clr(z)_m = ln z_m - mean over all topics k of ln z_k

Columns are factors, each by the topic that Algorithm 1 maps to it with the least p-value. Rows are
the peaks that overlap a ChIP-seq peak of a factor: those of the factor that binds most peaks
first, each peak once, with the first of its factors; within a factor the largest clr of its topic
first.

n = peaks, M = topics.
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
from kmerengine.io.list_columns import list_column
from modelkit.figures import Format, encoded
from modelkit.interpretation.column_tables import column, list_of, put_table, table_of
from modelkit.interpretation.topics.analysis_figures import draw_matrix
from modelkit.interpretation.topics.chip import bound_peaks
from modelkit.interpretation.topics.map import TopicMap
from modelkit.interpretation.topics.values import check_model, values_of

if TYPE_CHECKING:
    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicClr", "centred_log_ratio", "topic_clr"]

NAMES = ("peaks.*", "factors.*", "clr.*")

Floats = npt.NDArray[np.float64]

_PEAK = [
    column("row", pa.int64()),  # of the proportions
    column("factor", pa.string()),
    column("clr", list_of(pa.float64())),  # of the factors' topics, in the order of their table
]
FACTORS = pa.schema(
    [
        column("factor", pa.string()),
        column("topic", pa.string(), nullable=True),  # null: none is mapped, it is not shown
        column("overlap", pa.int64()),  # peaks that it binds
        column("rows", pa.int64()),  # of them in the heatmap as its own
    ]
)


class TopicClr(NamedTuple):
    """What is shown.

    Attributes
    ----------
    path : Path
    peaks : pyarrow.Table
        In the order of the rows of the figure.
    factors : pyarrow.Table
        In the order of its groups; last those that no topic is mapped to.
    """

    path: Path
    peaks: pa.Table
    factors: pa.Table


def centred_log_ratio(z: Floats) -> Floats:
    """ln z less its mean over the topics, (n, M) of proportions (n, M) above 0."""
    log = np.log(z)
    found: Floats = log - log.mean(1, keepdims=True)
    return found


def topic_clr(
    values: "Proportions | str | Path",
    topic_map: TopicMap | str | Path,
    chip: Mapping[str, str | Path],
    output: str | Path,
    *,
    min_overlap: int = 50,
    figure: Format = "png",
    force: bool = False,
) -> TopicClr:
    """Show the log ratios of the topics of factors in the peaks that they bind.

    Parameters
    ----------
    values : Proportions or path
        Of peaks of a data set.
    topic_map : TopicMap or path
        Of the same model.
    chip : mapping of str to path
        BED or narrowPeak of each factor.
    output : path
        A folder: peaks.parquet, factors.parquet and the figure.
    min_overlap : int
        bp that a peak and one of the ChIP-seq have in common.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        As of `topic_assignment`; no factor with both a topic and peaks.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    given = values_of(values, "proportions")
    found = topic_map if isinstance(topic_map, TopicMap) else TopicMap.open(topic_map)
    check_model(given, found.topics, found.provenance["inputs"], "the map")
    bound = bound_peaks(
        given.regions, chip, found.factors, min_overlap=min_overlap, where=given.where
    )
    assert given.regions is not None  # bound_peaks has seen them
    if (given.matrix <= 0).any():
        raise InputError(f"{given.where}: has proportions of 0, expected more, for a logarithm")
    topic = [(found.topics_of(found.factors.index(name)) or [-1])[0] for name in bound.factors]
    overlap = bound.bound.sum(0)
    order = [
        i for i in np.argsort(-overlap, kind="stable").tolist() if topic[i] >= 0 and overlap[i]
    ]
    if not order:
        raise InputError(f"{given.where}: found no factor with both a mapped topic and bound peaks")
    ratios = centred_log_ratio(given.matrix)[:, [topic[i] for i in order]]
    free = np.ones(len(ratios), np.bool_)
    rows, group = [], []
    for place, i in enumerate(order):
        mine = np.flatnonzero(bound.bound[:, i] & free)
        free[mine] = False
        rows.append(mine[np.argsort(-ratios[mine, place], kind="stable")])
        group.append(np.full(len(mine), place))
    row, of = np.concatenate(rows), np.concatenate(group)
    inputs: dict[str, Any] = dict(given.inputs)
    inputs["chip"] = {name: schemas.digest(Path(each)) for name, each in chip.items()}
    if found.path is not None:
        inputs["map"] = schemas.digest(found.path)
    shown = [bound.factors[i] for i in order]
    document = schemas.provenance("topics clr", inputs, {"min_overlap": min_overlap}) | {
        "format": schemas.TOPIC_CLR,
        "factors": shown,
    }
    regions = given.regions.take(pa.array(row))
    peaks = table_of(
        pa.schema([*schemas.REGION_COLUMNS, *_PEAK]),
        {name: regions[name] for name in schemas.REGION_COLUMNS.names}
        | {
            "row": row,
            "factor": [shown[i] for i in of.tolist()],
            "clr": list_column(np.ascontiguousarray(ratios[row]), _PEAK[-1]),
        },
    )
    every = order + [i for i in range(len(bound.factors)) if i not in order]
    n_rows = np.bincount(of, minlength=len(every))
    factors = table_of(
        FACTORS,
        {
            "factor": [bound.factors[i] for i in every],
            "topic": [found.topics[topic[i]] if topic[i] >= 0 else None for i in every],
            "overlap": overlap[every],
            "rows": n_rows,
        },
    )
    drawn = draw_matrix(
        ratios[row], of, shown, shown, rows="peaks", label="centred log ratio", diverging=True
    )
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "peaks.parquet", peaks, document)
        put_table(folder / "factors.parquet", factors, document)
        (folder / f"clr.{figure}").write_bytes(encoded(drawn, figure))
    return TopicClr(path, peaks, factors)
