"""Factors that topics found, beside those of another tool: figure 3e of Kshirsagar et al. (2021).

The paper compares with HOMER's motifs, of which it counts those whose factor has probes, since no
other can be mapped to a topic; and it asks how many of either tool's factors are expressed, that
is have a mean of 0.05 RPKM or more over two replicates.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.text import text_blocks
from modelkit.interpretation.column_tables import (
    check_table_path,
    column,
    table_of,
    write_table,
)
from modelkit.interpretation.topics.map import TopicMap

__all__ = ["TopicComparison", "read_expression", "topic_comparison"]

SCHEMA = pa.schema(
    [
        column("factor", pa.string()),
        column("ours", pa.bool_()),  # a topic is mapped to it
        column("theirs", pa.bool_()),
        column("probes", pa.bool_()),  # without, it cannot be ours
        column("expression", pa.float64(), nullable=True),  # mean; null where it is not known
        column("expressed", pa.bool_(), nullable=True),
    ]
)


class TopicComparison(NamedTuple):
    """Factors of both.

    Attributes
    ----------
    table : pyarrow.Table
        Every factor of either, and every other one with probes, in the order of the alphabet.
    counts : dict of str to int
        Of factors with probes: "ours", "theirs", "both", "only ours", "only theirs"; and each of
        these "expressed", where expression is given. "theirs without probes" are left out.
    """

    table: pa.Table
    counts: dict[str, int]


def topic_comparison(
    topic_map: TopicMap | str | Path,
    motifs: str | Path | Sequence[str],
    output: str | Path | None = None,
    *,
    expression: str | Path | None = None,
    least: float = 0.05,
    force: bool = False,
) -> TopicComparison:
    """Compare the factors of topics with a list of another tool.

    Parameters
    ----------
    topic_map : TopicMap or path
    motifs : path or sequence of str
        Names of factors as the probes have them: a text file with one in each line, whose further
        columns are not read, or the names themselves. Of a name that is there twice one counts.
    output : path, optional
        Write the table there: .parquet or .tsv.
    expression : path, optional
        Names of factors and their expression in each replicate, separated by tabs; a first line
        of titles is passed over.
    least : float
        Mean from which a factor is expressed.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        A file that is none of these, an empty list.
    """
    path = None if output is None else Path(output)
    if path is not None:
        check_table_path(path, force=force)
    if not 0 <= least < np.inf:
        raise InputError(f"least: found {least}, expected a number of 0 or more")
    found = topic_map if isinstance(topic_map, TopicMap) else TopicMap.open(topic_map)
    inputs: dict[str, Any] = {}
    if found.path is not None:
        inputs["map"] = schemas.digest(found.path)
    if isinstance(motifs, str | Path):
        inputs["motifs"] = schemas.digest(Path(motifs))
        theirs = _read_names(Path(motifs))
    else:
        theirs = set(motifs)
    if not theirs:
        raise InputError("motifs: found no name, expected at least one")
    means: dict[str, float] | None = None
    if expression is not None:
        inputs["expression"] = schemas.digest(Path(expression))
        means = read_expression(expression)
    ours, probes = set(found.found), set(found.factors)
    rows: list[dict[str, Any]] = []
    for name in sorted(probes | theirs):
        mean = None if means is None else means.get(name)
        rows.append(
            {
                "factor": name,
                "ours": name in ours,
                "theirs": name in theirs,
                "probes": name in probes,
                "expression": mean,
                "expressed": None if mean is None else mean >= least,
            }
        )
    table = table_of(SCHEMA, {name: [row[name] for row in rows] for name in SCHEMA.names})
    counts = _counts(rows, with_expression=means is not None)
    if path is not None:
        document = schemas.provenance("topics comparison", inputs, {"least": least}) | {
            "format": schemas.TOPIC_COMPARISON,
            "counts": counts,
        }
        write_table(path, table, document, force=force)
    return TopicComparison(table, counts)


def _counts(rows: list[dict[str, Any]], *, with_expression: bool) -> dict[str, int]:
    some = [row for row in rows if row["probes"]]
    sets = {
        "ours": [row for row in some if row["ours"]],
        "theirs": [row for row in some if row["theirs"]],
        "both": [row for row in some if row["ours"] and row["theirs"]],
        "only ours": [row for row in some if row["ours"] and not row["theirs"]],
        "only theirs": [row for row in some if row["theirs"] and not row["ours"]],
    }
    counts = {name: len(each) for name, each in sets.items()}
    if with_expression:
        for name, each in sets.items():
            counts[f"{name}, expressed"] = sum(row["expressed"] is True for row in each)
            counts[f"{name}, not known"] = sum(row["expressed"] is None for row in each)
    counts["theirs without probes"] = sum(row["theirs"] and not row["probes"] for row in rows)
    return counts


def _lines(path: Path, expected: str) -> list[tuple[int, list[str]]]:
    """Fields of the lines that are not blank nor comments, with their numbers."""
    found = []
    for first, text in text_blocks(path, expected):
        for number, line in enumerate(text.splitlines(), first):
            if line.strip() and not line.startswith("#"):
                found.append((number, [field.strip() for field in line.split("\t")]))
    return found


def _read_names(path: Path) -> set[str]:
    names = set()
    for number, fields in _lines(path, "a list of names"):
        if not fields[0]:
            raise InputError(f"{path}: line {number}: found no name, expected one in column 1")
        names.add(fields[0])
    return names


def read_expression(path: str | Path) -> dict[str, float]:
    """Mean expression over the replicates, by name; see `topic_comparison`."""
    path = Path(path)
    found: dict[str, float] = {}
    n_fields = 0
    for place, (number, fields) in enumerate(_lines(path, "a table of expression")):
        values = [_number(field) for field in fields[1:]]
        if place == 0 and fields[1:] and all(value is None for value in values):
            n_fields = len(fields)
            continue  # titles
        n_fields = n_fields or len(fields)
        if len(fields) != n_fields or len(fields) < 2 or None in values or not fields[0]:
            raise InputError(
                f"{path}: line {number}: found {' '.join(fields)[:40]!r}, expected a name and "
                f"{max(n_fields - 1, 1)} numbers of 0 or more, separated by tabs"
            )
        if fields[0] in found:
            raise InputError(
                f"{path}: line {number}: found {fields[0]!r} again, expected each name once"
            )
        found[fields[0]] = float(np.mean([value for value in values if value is not None]))
    if not found:
        raise InputError(f"{path}: found no line, expected names with their expression")
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < np.inf else None
