"""Clusters of seqlets as a folder of motifs: counted, tested, named and written."""

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
from kmerengine.motifs.motif import BASES, Motif
from modelkit.interpretation.motifs.clusters import Cluster
from modelkit.interpretation.motifs.enrichment import Counts, count_units, fisher_greater
from modelkit.interpretation.motifs.motif_set import (
    ABOUT,
    BED,
    MEME,
    NAMES,
    SEQLETS,
    SEQUENCES,
    TABLE,
    Motifs,
)
from modelkit.interpretation.motifs.naming import tomtom
from modelkit.interpretation.motifs.seqlet_set import list_columns, write_bed
from modelkit.interpretation.motifs.seqlet_tables import motifs_schema, seqlets_schema

__all__ = ["write_motifs"]

COMPLEMENT = str.maketrans("ACGT", "TGCA")

Ints = npt.NDArray[np.int64]


def write_motifs(
    output: Path,
    tables: Sequence[pa.Table],
    clusters: Sequence[Cluster],
    document: dict[str, Any],
    *,
    sizes: Sequence[tuple[int, int]],
    targets: Sequence[Motif] | None,
    q: float,
    threads: int | None,
    force: bool,
) -> Motifs:
    """Count, test, name and write clusters of the rows of `tables`, which are those of models.

    Parameters
    ----------
    output : Path
    tables : sequence of pyarrow.Table
        Seqlets of each model.
    clusters : sequence of Cluster
        Of all of them, numbered end to end; each is in one.
    document : dict
        With `models`, `count` and `alpha`.
    sizes : sequence of (int, int)
        Examples and targets of each model.
    targets : sequence of Motif, optional
        For names.
    q, threads, force
        See `motifs`.
    """
    rows = pa.concat_tables(
        [each.replace_schema_metadata(None).unify_dictionaries() for each in tables]
    ).unify_dictionaries()
    rows = rows.combine_chunks()
    model = np.repeat(np.arange(len(tables)), [len(each) for each in tables])
    motif, offset, minus = _placed(clusters, len(rows))
    counts = count_units(
        motif, model, rows["example"].to_numpy(), _codes(rows, "target"),
        n_motifs=len(clusters), sizes=sizes, unit=document["count"],
    )  # fmt: skip
    names = [f"motif_{number + 1}" for number in range(len(clusters))]
    bases = [
        _bases(rows["sequence"].take(pa.array(each.members)).to_pylist(), each) for each in clusters
    ]
    pfms = [
        Motif(name=name, probabilities=each.pfm, nsites=len(each.members))
        for name, each in zip(names, clusters, strict=True)
    ]
    nearest: dict[str, dict[str, Any]] = {}
    if targets is not None and pfms:
        nearest = tomtom(pfms, targets, q=q, threads=threads).best()
    table = _table(names, clusters, rows, counts, bases, nearest, document)
    lengths = np.array([len(each.cwm) for each in clusters], np.int64)
    placed = _with_motifs(rows, model, motif, offset, minus, names, lengths, document)
    with atomic(output, force=force, folder=NAMES) as folder:
        write_whole(folder / TABLE, table)
        write_whole(folder / SEQLETS, placed)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
        strands = placed["strand"].to_pylist()
        write_bed(folder / BED, placed, placed["motif"].to_pylist(), strands)
        if pfms:
            write_meme(folder / MEME, pfms)
            write_meme(
                folder / SEQUENCES, [_frequencies(n, b) for n, b in zip(names, bases, strict=True)]
            )
    return Motifs.open(output)


def _placed(clusters: Sequence[Cluster], n: int) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Motif, offset and strand of each seqlet."""
    motif, offset, minus = np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.bool_)
    for number, each in enumerate(clusters):
        motif[each.members] = number
        offset[each.members], minus[each.members] = each.offset, each.minus
    return motif, offset, minus


def _codes(rows: pa.Table, name: str) -> Ints:
    """Numbers of a dictionary column; one for each value."""
    if not len(rows):
        return np.zeros(0, np.int64)
    column = rows[name].combine_chunks()
    column = column.cast(pa.string()).dictionary_encode()
    numbers: Ints = column.indices.to_numpy().astype(np.int64)
    return numbers


def _bases(words: Sequence[str], cluster: Cluster) -> Ints:
    """How often each base stands at each position of a motif, (length, 4)."""
    counts = np.zeros((len(cluster.cwm), 4), np.int64)
    for word, offset, minus in zip(
        words, cluster.offset.tolist(), cluster.minus.tolist(), strict=True
    ):
        laid = word[::-1].translate(COMPLEMENT) if minus else word
        for place, base in enumerate(laid, offset):
            if 0 <= place < len(counts) and base in BASES:
                counts[place, BASES.index(base)] += 1
    return counts


def _frequencies(name: str, counts: Ints) -> Motif:
    """The motif of the bases; uniform where no seqlet has one."""
    total = counts.sum(1, keepdims=True)
    p = np.where(total > 0, counts / np.maximum(total, 1), 0.25)
    return Motif(name=name, probabilities=p, nsites=float(total.max()))


def _table(
    names: Sequence[str],
    clusters: Sequence[Cluster],
    rows: pa.Table,
    counts: Counts,
    bases: Sequence[Ints],
    nearest: dict[str, dict[str, Any]],
    document: dict[str, Any],
) -> pa.Table:
    schema = schemas.with_metadata(motifs_schema(), document)
    n = len(clusters)
    sign = rows["sign"].to_numpy() > 0
    tests: dict[str, list[Any]] = {name: [None] * n for name in ("p", "p_bonferroni", "enriched")}
    if len(document["models"]) == 2 and n:
        units, of = counts.units, counts.of.tolist()
        p = np.stack(
            [
                fisher_greater(units[:, one], of[one], units[:, 1 - one], of[1 - one])
                for one in (0, 1)
            ],
            axis=1,
        )
        tests["p"] = p.tolist()
        tests["p_bonferroni"] = np.minimum(1.0, p * n).tolist()
        tests["enriched"] = (p < document["alpha"] / n).tolist()
    matches = [nearest.get(name, {}) for name in names]
    columns = {
        "motif": list(names),
        "length": [len(each.cwm) for each in clusters],
        "consensus": ["".join(BASES[b] for b in each.pfm.argmax(1)) for each in clusters],
        "seqlets": [len(each.members) for each in clusters],
        "positive": [float(sign[each.members].mean()) for each in clusters],
        "seqlets_by_model": counts.seqlets.tolist(),
        "count": counts.units.tolist(),
        "of": [counts.of.tolist()] * n,
        **tests,
        "match": [each.get("target") for each in matches],
        "match_alt_name": [each.get("target_alt_name") for each in matches],
        "match_p": [each.get("p") for each in matches],
        "match_q": [each.get("q") for each in matches],
    }
    arrays = [pa.array(columns[name], schema.field(name).type) for name in columns]
    for name, made in (
        ("cwm", [each.cwm for each in clusters]),
        ("pfm", [each.pfm for each in clusters]),
        ("counts", list(bases)),
    ):
        arrays.append(list_columns(made, schema.field(name).type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _with_motifs(
    rows: pa.Table,
    model: Ints,
    motif: Ints,
    offset: Ints,
    minus: npt.NDArray[np.bool_],
    names: Sequence[str],
    lengths: Ints,
    document: dict[str, Any],
) -> pa.Table:
    """The seqlets with where their motifs lie.

    A motif that starts `offset` before a seqlet does so from its start on the plus strand, and
    from its end on the minus strand.
    """
    schema = schemas.with_metadata(seqlets_schema(motifs=True), document)
    length = lengths[motif] if len(motif) else motif
    start, end = rows["start"].to_numpy(), rows["end"].to_numpy()
    first = np.where(minus, end + offset - length, start - offset)
    further = [
        _named(model, np.int32, document["models"]),
        _named(motif, np.int32, names),
        pa.array(offset.astype(np.int32)),
        _named(minus.astype(np.int64), np.int8, ["+", "-"]),
        pa.array(first),
        pa.array(first + length),
    ]
    known = [rows[name] for name in seqlets_schema().names]
    return pa.Table.from_arrays([*known, *further], schema=schema)


def _named(values: Ints, kind: Any, names: Sequence[str]) -> pa.Array:
    numbers = pa.array(values.astype(kind))
    return pa.DictionaryArray.from_arrays(numbers, pa.array(names, pa.string()))
