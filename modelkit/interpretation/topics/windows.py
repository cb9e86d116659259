"""Topics along peaks: figure 2a of Kshirsagar et al. (2021), which has one window of 30 bp.

A window is scored as a peak is. Of each window the topics are listed that it has at least c times
an equal share of (z >= c / M), with their factors.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bed import read_regions
from kmerengine.io.fasta import Genome
from kmerengine.regions import TOO_SHORT, Regions, place_regions
from modelkit.interpretation.column_tables import column, list_of, put_table, table_of
from modelkit.interpretation.topics.map import TopicMap
from modelkit.interpretation.topics.topic_model import TopicModel, proportions_of
from modelkit.training.run import Run
from native_kernels.kmer_count import count_rows

__all__ = ["TopicWindows", "topic_windows"]

SUFFIXES = (".bed", ".parquet")
TOGETHER = 4096  # windows that pass the encoder together

SCHEMA = pa.schema(
    [
        column("chrom", pa.string()),
        column("start", pa.int64()),  # bp, 0-based
        column("end", pa.int64()),  # bp, exclusive
        column("region", pa.string()),  # name of the region, else its row
        column("topic", pa.string()),
        column("value", pa.float64()),  # proportion
        column("factors", list_of(pa.string())),  # by p-value; none without a map
    ]
)


class TopicWindows(NamedTuple):
    """Windows with their topics.

    Attributes
    ----------
    path : Path
    table : pyarrow.Table
        By region, start and proportion; one row for each topic of a window.
    n_windows : int
        That were scored.
    skipped : dict of str to int
        Regions and windows without scores, by reason.
    """

    path: Path
    table: pa.Table
    n_windows: int
    skipped: dict[str, int]


def topic_windows(
    run: Run | str | Path,
    regions: str | Path,
    output: str | Path,
    *,
    genome: str | Path,
    topic_map: TopicMap | str | Path | None = None,
    width: int = 30,
    step: int = 10,
    c: float = 2.0,
    device: str = "auto",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TopicWindows:
    """Write the topics of windows along regions.

    Parameters
    ----------
    run : Run or path
        Of bindvae.
    regions : path
        BED or narrowPeak.
    output : path
        .bed with the topic and its factors as name and 1000 z as score, or .parquet.
    genome : path
        FASTA.
    topic_map : TopicMap or path, optional
        Of the same model; topics without a factor are then left out.
    width, step : int
        bp of a window, and between the starts of two.
    c : float
        See above.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in windows.

    Raises
    ------
    InputError
        A run of another model, regions that do not fit the genome, a window shorter than a word.
    """
    path, where = Path(output), Path(regions)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a name that ends in .bed or .parquet")
    check_writable(path, force=force)
    if step < 1 or not 0 < c < np.inf:
        raise InputError(f"step, c: found {step} and {c}, expected at least 1, and more than 0")
    model = TopicModel(run, device)
    if width < model.vocabulary.k:
        raise InputError(f"width: found {width}, expected the {model.vocabulary.k} of a word")
    factors: list[list[str]] | None = None
    inputs: dict[str, Any] = {"run": model.provenance, "regions": schemas.digest(where)}
    found = TopicMap.open(topic_map) if isinstance(topic_map, str | Path) else topic_map
    if found is not None:
        _check_map(found, model)
        factors = [found.factors_of(m) for m in range(len(model.topics))]
        if found.path is not None:
            inputs["map"] = schemas.digest(found.path)
    parts, none = [], 0
    with Genome.open(genome) as opened:
        inputs["genome"] = schemas.contigs_digest(opened.path, opened.contigs)
        placed, skipped = place_regions(
            read_regions(where), opened.contigs, where, min_length=width
        )
        if TOO_SHORT in skipped:  # it speaks of words
            skipped = skipped | {"regions shorter than a window": skipped[TOO_SHORT]}
            del skipped[TOO_SHORT]
        n_in = (placed.end - placed.start - width) // step + 1
        contig = placed.contig.astype(np.int64)
        n, done = int(n_in.sum()), 0
        for row, start in _windows(placed, n_in, step):
            codes, offsets = opened.fetch(contig[row], start, start + width)
            z, has = _proportions(model, codes, offsets)
            none += int((~has).sum())
            parts.append(_listed(z, has, row, start, c, factors))
            done += len(row)
            if progress is not None:
                progress(done, n)
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)] if parts else None
    table = _table(columns, placed, width, model.topics, factors)
    if none:
        skipped = skipped | {"windows without a word of A C G T": none}
    document = schemas.provenance(
        "topics windows", inputs, {"width": width, "step": step, "c": c}
    ) | {"format": schemas.TOPIC_WINDOWS, "windows": n, "skipped": skipped}
    with atomic(path, force=force) as temporary:
        if path.suffix == ".parquet":
            put_table(temporary, table, document, suffix=".parquet")
        else:
            temporary.write_text(_as_bed(table))
    return TopicWindows(path, table, n - none, skipped)


def _check_map(found: TopicMap, model: TopicModel) -> None:
    yours = found.provenance["inputs"].get("run", {})
    if found.topics != model.topics or (
        "sha256" in yours and yours["sha256"] != model.provenance["sha256"]
    ):
        raise InputError(
            f"{found.path or 'the map'}: is of the run {yours.get('name', '?')}, not of "
            f"{model.run.path}; expected both of one model"
        )


def _windows(
    placed: Regions, n_in: npt.NDArray[np.int64], step: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Region and start of windows, some thousand at a time."""
    first = np.cumsum(n_in) - n_in
    n = int(n_in.sum())
    for low in range(0, n, TOGETHER):
        number = np.arange(low, min(n, low + TOGETHER))
        row = np.searchsorted(first, number, "right") - 1
        yield row, placed.start[row] + step * (number - first[row])


def _proportions(
    model: TopicModel, codes: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Of each window (n, M), and whether the model sees a word of it."""
    vocabulary = model.vocabulary
    found = count_rows(codes, offsets, vocabulary.k, stranded=vocabulary.stranded)
    return proportions_of(model.concentrations(model.of_words(*found))), np.diff(found[0]) > 0


def _listed(
    z: npt.NDArray[np.float64],
    has: npt.NDArray[np.bool_],
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    c: float,
    factors: list[list[str]] | None,
) -> tuple[npt.NDArray[Any], ...]:
    """Region, start, topic and proportion of what is listed."""
    above = (z >= c / z.shape[1]) & has[:, None]
    if factors is not None:
        above &= np.array([bool(each) for each in factors])
    window, topic = np.nonzero(above)
    order = np.lexsort((-z[window, topic], window))
    window, topic = window[order], topic[order]
    return row[window], start[window], topic, z[window, topic]


def _table(
    columns: list[npt.NDArray[Any]] | None,
    placed: Regions,
    width: int,
    topics: tuple[str, ...],
    factors: list[list[str]] | None,
) -> pa.Table:
    row, start, topic, value = columns or [np.empty(0, np.int64)] * 4
    names = [name if name not in ("", ".") else str(i) for i, name in enumerate(placed.name)]
    return table_of(
        SCHEMA,
        {
            "chrom": [placed.contig_names[placed.contig[i]] for i in row.tolist()],
            "start": start,
            "end": start + width,
            "region": [names[i] for i in row.tolist()],
            "topic": [topics[m] for m in topic.tolist()],
            "value": value.astype(np.float64),
            "factors": [factors[m] if factors else [] for m in topic.tolist()],
        },
    )


def _as_bed(table: pa.Table) -> str:
    """Six columns; spaces, which some readers split at, are lines."""
    lines = ["#chrom\tstart\tend\tname\tscore\tstrand\n"]
    for each in table.to_pylist():
        name = ":".join([each["topic"], *([",".join(each["factors"])] if each["factors"] else [])])
        lines.append(
            f"{each['chrom']}\t{each['start']}\t{each['end']}\t{'_'.join(name.split())}\t"
            f"{round(1000 * each['value'])}\t.\n"
        )
    return "".join(lines)
