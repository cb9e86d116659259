"""Which of several models is best, and what the best ones find together (Kshirsagar et al. 2021).

A model counts by the factors that Algorithm 1 maps to its topics, not by its loss. The ensemble are
the three with most; it finds the union of their factors, each once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
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
from modelkit.interpretation.topics.map import TopicMap

__all__ = ["TopicSelection", "topic_selection"]

NAMES = ("models.*", "factors.*")

MODELS = pa.schema(
    [
        column("model", pa.string()),
        column("rank", pa.int64()),  # 1: most factors
        column("chosen", pa.bool_()),  # into the ensemble
        column("factors", pa.int64()),  # with a topic at least
        column("mapped_topics", pa.int64()),  # with a factor at least
        column("topics", pa.int64()),
        column("pairs", pa.int64()),  # of a factor and a topic
        column("new", pa.int64()),  # factors that no chosen model before it has; 0 of others
    ]
)
FACTORS = pa.schema(
    [
        column("factor", pa.string()),
        column("models", list_of(pa.string())),  # of the ensemble, by rank
        column("model", pa.string()),  # of them, where its p-value is least
        column("topic", pa.string()),
        column("p", pa.float64()),
        column("effect", pa.float64()),
    ]
)


class TopicSelection(NamedTuple):
    """Models by what they find.

    Attributes
    ----------
    path : Path or None
    models : pyarrow.Table
        From the best one on.
    factors : pyarrow.Table
        Of the ensemble, in the order of the alphabet.
    """

    path: Path | None
    models: pa.Table
    factors: pa.Table


def topic_selection(
    maps: Sequence[TopicMap | str | Path],
    output: str | Path | None = None,
    *,
    names: Sequence[str] | None = None,
    ensemble: int = 3,
    force: bool = False,
) -> TopicSelection:
    """Order models by the number of factors that they have, and join the best ones.

    Parameters
    ----------
    maps : sequence of TopicMap or path
        What `topic_map` made of each model, with the same probes and thresholds.
    output : path, optional
        A folder: models.parquet and factors.parquet.
    names : sequence of str, optional
        Of the models; by default the names of the files without suffix.
    ensemble : int
        Models that are joined. Of models with as many factors the earlier one goes first.
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        No map, maps of other probes or thresholds, names that are not one for each.
    """
    path = None if output is None else Path(output)
    if path is not None:
        check_writable(path, force=force, folder=NAMES)
    if ensemble < 1:
        raise InputError(f"ensemble: found {ensemble}, expected at least 1")
    opened = [each if isinstance(each, TopicMap) else TopicMap.open(each) for each in maps]
    called = _names(opened, names)
    _check_alike(opened, called)
    order = sorted(range(len(opened)), key=lambda i: -len(opened[i].found))
    chosen = order[:ensemble]
    models, factors = _models(opened, called, order, chosen), _factors(opened, called, chosen)
    inputs = {
        "maps": [schemas.digest(each.path) for each in opened if each.path is not None],
    }
    document = schemas.provenance("topics selection", inputs, {"ensemble": ensemble}) | {
        "format": schemas.TOPIC_SELECTION,
        "models": called,
        "chosen": [called[i] for i in chosen],
    }
    if path is not None:
        with atomic(path, force=force, folder=NAMES) as folder:
            put_table(folder / "models.parquet", models, document)
            put_table(folder / "factors.parquet", factors, document)
    return TopicSelection(path, models, factors)


def _names(maps: list[TopicMap], names: Sequence[str] | None) -> list[str]:
    if not maps:
        raise InputError("maps: found none, expected at least one")
    if names is None:
        names = [f"model_{i}" if m.path is None else m.path.stem for i, m in enumerate(maps)]
        if len(set(names)) < len(names):  # one name in several folders
            names = [f"model_{i}" if m.path is None else str(m.path) for i, m in enumerate(maps)]
    if len(names) != len(maps) or len(set(names)) < len(names):
        raise InputError(
            f"names: found {', '.join(names)} for {len(maps)} maps, expected a name of its own for "
            "each"
        )
    return list(names)


def _check_alike(maps: list[TopicMap], names: list[str]) -> None:
    first = maps[0]
    for name, each in zip(names[1:], maps[1:], strict=True):
        if each.factors != first.factors or not np.array_equal(each.n_probes, first.n_probes):
            raise InputError(
                f"{name}: was mapped with other probes than {names[0]}; expected the same, for "
                "their factors to be compared"
            )
        for what in ("kind", "top", "p", "c"):
            mine, yours = (m.provenance["parameters"].get(what) for m in (first, each))
            if mine != yours:
                raise InputError(
                    f"{name}: was mapped with {what} {yours}, {names[0]} with {mine}; expected the "
                    "same"
                )


def _models(
    maps: list[TopicMap], names: list[str], order: list[int], chosen: list[int]
) -> pa.Table:
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for rank, i in enumerate(order, 1):
        each = maps[i]
        new = set(each.found) - seen if i in chosen else set()
        seen |= new
        rows.append(
            {
                "model": names[i],
                "rank": rank,
                "chosen": i in chosen,
                "factors": len(each.found),
                "mapped_topics": int(each.mapped.any(0).sum()),
                "topics": len(each.topics),
                "pairs": int(each.mapped.sum()),
                "new": len(new),
            }
        )
    return table_of(MODELS, {name: [row[name] for row in rows] for name in MODELS.names})


def _factors(maps: list[TopicMap], names: list[str], chosen: list[int]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for number, factor in enumerate(maps[0].factors):
        with_it = [i for i in chosen if maps[i].mapped[number].any()]
        if not with_it:
            continue
        topic = {i: maps[i].topics_of(number)[0] for i in with_it}
        best = min(
            with_it,
            key=lambda i: (maps[i].p[number, topic[i]], -maps[i].effect[number, topic[i]]),
        )
        rows.append(
            {
                "factor": factor,
                "models": [names[i] for i in with_it],
                "model": names[best],
                "topic": maps[best].topics[topic[best]],
                "p": maps[best].p[number, topic[best]],
                "effect": maps[best].effect[number, topic[best]],
            }
        )
    return table_of(FACTORS, {name: [row[name] for row in rows] for name in FACTORS.names})
