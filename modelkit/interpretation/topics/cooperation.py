"""Topics of two factors that bind together: figures 3a and 3b of Kshirsagar et al. (2021).

Of a topic the values of four groups of probes are compared: of one factor, of the other, of the
pair (such as of CAP-SELEX) and of all other factors. Each group has the p-value of Algorithm 1: its
probes against the 5 % of all probes outside the group that have most of the topic. A topic of
cooperative binding has a small one for the pair alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.figures import Format, encoded
from modelkit.interpretation.column_tables import (
    column,
    put_table,
    table_of,
)
from modelkit.interpretation.topics.analysis_figures import draw_distributions
from modelkit.interpretation.topics.mann_whitney import top_mann_whitney, top_of
from modelkit.interpretation.topics.map import check_share, labelled
from modelkit.interpretation.topics.probes import Probes
from modelkit.interpretation.topics.values import Kind, values_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicCooperation", "topic_cooperation"]

NAMES = ("groups.*", "cooperation.*")
OTHERS = "others"
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}

SCHEMA = pa.schema(
    [
        column("topic", pa.string()),
        column("group", pa.string()),  # a factor, the pair, or others
        column("n", pa.int64()),  # probes
        column("mean", pa.float64()),
        *(column(name, pa.float64()) for name in QUANTILES),
        column("u", pa.float64()),  # against the top of all probes outside the group
        column("p", pa.float64()),  # of Algorithm 1, not corrected
        column("effect", pa.float64()),
        column("n_top", pa.int64()),
    ]
)


class TopicCooperation(NamedTuple):
    """Groups of probes by topic; `table` has a row for each."""

    path: Path
    table: pa.Table


def topic_cooperation(
    values: "Proportions | str | Path | npt.ArrayLike",
    labels: Probes | str | Path | Sequence[object],
    output: str | Path,
    *,
    factors: tuple[str, str],
    pair: str | None = None,
    topics: Sequence[str] | None = None,
    kind: Kind = "concentrations",
    top: float = 0.05,
    figure: Format = "png",
    force: bool = False,
) -> TopicCooperation:
    """Compare probes of two factors, of their pair and of all others.

    Parameters
    ----------
    values, labels, kind, top
        As of `topic_map`.
    output : path
        A folder: groups.parquet and the figure.
    factors : (str, str)
    pair : str, optional
        What probes of both are labelled; by default both names with a colon between.
    topics : sequence of str, optional
        By default the one with the least p-value of the pair.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        As of `topic_map`; a label or topic that is not there; no other factor.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    check_share("top", top)
    given = values_of(values, kind)
    names, number, inputs, _ = labelled(labels, given)
    groups = (*factors, ":".join(factors) if pair is None else pair)
    if len(set(groups)) < 3:
        raise InputError(f"factors: found {', '.join(groups)}, expected two factors and a pair")
    for name in groups:
        if name not in names:
            raise InputError(
                f"factors: found {name!r}, which has no probes; there are {', '.join(names[:5])}"
            )
    if len(names) == 3:
        raise InputError(f"labels: found only {', '.join(names)}, expected probes of others too")
    place = np.array([groups.index(name) if name in groups else 3 for name in names])
    group = place[number]
    tests = top_mann_whitney(given.matrix, group, 4, top)
    if topics is None:
        chosen = [int(np.lexsort((-tests.effect[2], tests.p[2]))[0])]
    else:
        for topic in topics:
            if topic not in given.topics:
                raise InputError(f"topics: found {topic!r}, expected some of {given.topics[0]} ...")
        chosen = [given.topics.index(topic) for topic in dict.fromkeys(topics)]
    n_top = top_of(top, len(group) - np.bincount(group))
    rows: list[dict[str, Any]] = []
    drawn, notes = {}, {}
    for m in chosen:
        each = [given.matrix[group == i, m] for i in range(4)]
        topic = given.topics[m]
        for i, (name, some) in enumerate(zip((*groups, OTHERS), each, strict=True)):
            rows.append(
                {
                    "topic": topic,
                    "group": name,
                    "n": len(some),
                    "mean": some.mean(),
                    **{q: float(np.quantile(some, at)) for q, at in QUANTILES.items()},
                    "u": tests.u[i, m],
                    "p": tests.p[i, m],
                    "effect": tests.effect[i, m],
                    "n_top": n_top[i],
                }
            )
        drawn[topic] = each
        notes[topic] = [f"(p = {tests.p[i, m]:.2g})" for i in range(4)]
    parameters = {
        "kind": given.kind, "top": top, "factors": list(factors), "pair": groups[2],
        "topics": None if topics is None else list(topics),
    }  # fmt: skip
    document = schemas.provenance("topics cooperation", inputs, parameters) | {
        "format": schemas.TOPIC_COOPERATION
    }
    table = table_of(SCHEMA, {name: [row[name] for row in rows] for name in SCHEMA.names})
    picture = draw_distributions(drawn, (*groups, OTHERS), notes, f"{given.label} of the topic")
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "groups.parquet", table, document)
        (folder / f"cooperation.{figure}").write_bytes(encoded(picture, figure))
    return TopicCooperation(path, table)
