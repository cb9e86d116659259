"""Aligned windows of filters as motifs: clipped, named, and written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import write_whole
from kmerengine.motifs.meme import write_meme
from kmerengine.motifs.motif import Motif
from modelkit.figures import save
from modelkit.interpretation.filters.activations import Thresholds
from modelkit.interpretation.filters.alignment import Windows
from modelkit.interpretation.filters.clip import informative_span
from modelkit.interpretation.filters.filter_figure import draw_filters
from modelkit.interpretation.filters.filter_set import (
    ABOUT,
    FIGURE,
    MATCHES,
    MEME,
    NAMES,
    TABLE,
    FilterMotifs,
    filters_schema,
)
from modelkit.interpretation.motifs.naming import MotifMatches, tomtom

__all__ = ["filter_motifs", "write_filters"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def filter_motifs(
    frequencies: Floats,
    windows: Windows,
    limits: Thresholds,
    passed: Ints,
    possible: Floats | None,
    document: dict[str, Any],
    *,
    targets: Sequence[Motif] | None,
    e: float,
    threads: int | None,
) -> FilterMotifs:
    """Clip the motifs of aligned windows and name them.

    Parameters
    ----------
    frequencies : float64, shape (F, width, 4)
        Of the windows.
    windows : Windows
    limits : Thresholds
    passed : int64, shape (F,)
        Sequences that reach the threshold.
    possible : float64, shape (F,), optional
        Largest activations there can be.
    document : dict
        With `sequences`.
    targets : sequence of Motif, optional
        For names.
    e, threads
        See `filters`.
    """
    n_filters = len(frequencies)
    rows: list[dict[str, Any]] = []
    for i in range(n_filters):
        rows.append(
            {
                "filter": f"filter_{i}",
                "sequences": document["sequences"],
                "passed": int(passed[i]),
                "off_ends": int(windows.off_ends[i]),
                "windows": int(windows.n[i]),
                "threshold": float(limits.value[i]),
                "possible": None if possible is None else float(possible[i]),
                "observed": float(limits.observed[i]),
                "fallback": bool(limits.fallback[i]),
                "dead": not limits.observed[i] > 0,
                "plain": False,
            }
        )
        if windows.n[i]:
            rows[-1] |= _clipped(frequencies[i])
    schema = schemas.with_metadata(filters_schema(), document)
    found = FilterMotifs(pa.Table.from_pylist(rows, schema=schema), document)
    if targets is None:
        return found
    matches = _matches(found.motifs, targets, e, threads)
    for name, best in matches.best().items():
        row = rows[found.names.index(name)]
        row["match"], row["match_alt_name"] = best["target"], best["target_alt_name"]
        row["match_p"], row["match_e"] = best["p"], best["e"]
    return FilterMotifs(pa.Table.from_pylist(rows, schema=schema), document, matches)


def _clipped(frequencies: Floats) -> dict[str, Any]:
    """What the table says of a motif."""
    whole = Motif(name="window", probabilities=frequencies)
    span = informative_span(whole.information)
    start, end = (0, len(whole)) if span is None else span
    return {
        "plain": span is None,
        "start": start,
        "end": end,
        "information": float(whole.information[start:end].sum()),
        "consensus": whole.consensus[start:end],
        "frequencies": frequencies.ravel().tolist(),
    }


def _matches(
    motifs: list[Motif], targets: Sequence[Motif], e: float, threads: int | None
) -> MotifMatches:
    if motifs:
        return tomtom(motifs, targets, e=e, threads=threads)
    # no filter has a motif: a query of any, without its rows
    found = tomtom(list(targets[:1]), targets, e=e, threads=threads)
    return MotifMatches(found.table.slice(0, 0))


def write_filters(found: FilterMotifs, output: Path, *, force: bool) -> FilterMotifs:
    """Write the folder, whole or not at all."""
    with atomic(output, force=force, folder=NAMES) as folder:
        write_whole(folder / TABLE, found.table)
        if found.matches is not None:
            write_whole(folder / MATCHES, found.matches.table)
        (folder / ABOUT).write_text(schemas.as_text(found.provenance) + "\n")
        if found.motifs:
            write_meme(folder / MEME, found.motifs)
        save(draw_filters(found), folder / FIGURE)
    made = FilterMotifs.open(output)
    if made.matches is not None and found.matches is not None:
        made.matches.notes = found.matches.notes
    return made
