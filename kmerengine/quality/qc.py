"""Quality of ATAC-seq samples: tables and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cut_sites.options import CutOptions, InputShift, Mode, shift_text
from kmerengine.cut_sites.sample_sheet import Sample, listed_samples
from kmerengine.cut_sites.samples import read_samples
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bed import read_regions
from kmerengine.io.tables import table_writer
from kmerengine.parallel import available_threads
from kmerengine.quality.aggregate import LENGTH_BIN, LENGTH_BINS, OFFSET_BINS, Anchors
from kmerengine.quality.figure import Format, write_figure
from kmerengine.quality.metrics import SampleQC, measure
from kmerengine.tss import read_tss

TABLES = ("qc.parquet", "lengths.parquet", "aggregate.parquet", "v_plot.parquet")
FIGURES = ("qc.png", "qc.svg")
GENES = (".gtf", ".gff", ".gff3")


@dataclass(frozen=True)
class QualityReport:
    """What `kmerengine.qc` measured and wrote.

    Attributes
    ----------
    path : Path
        A folder: qc.parquet (one row per sample), lengths.parquet, aggregate.parquet,
        v_plot.parquet, and the figure.
    metrics : list of dict
        The rows of qc.parquet.
    figure : Path
    provenance : dict
    """

    path: Path
    metrics: list[dict[str, Any]]
    figure: Path
    provenance: dict[str, Any]


def qc(
    samples: Sequence[str | Path] = (),
    *,
    output: str | Path,
    regions: str | Path | None = None,
    tss: str | Path | None = None,
    reach: int = 2000,
    figure: Format = "png",
    sheet: str | Path | None = None,
    names: Sequence[str] = (),
    mode: Mode = "reads",
    shift: str = "+4/-4",
    input_shift: InputShift = "auto",
    detect_shift: bool = False,
    genome: str | Path | None = None,
    min_mapq: int = 0,
    drop_duplicates: bool = False,
    min_length: int = 0,
    max_length: int | None = None,
    contigs: Sequence[str] = (),
    blacklist: str | Path | None = None,
    weighted: bool = False,
    threads: int | None = None,
    memory: int = 256 << 20,
    force: bool = False,
) -> QualityReport:
    """Measure the quality of ATAC-seq samples: one row of a table and of a figure for each.

    Parameters
    ----------
    samples : sequence of paths
        As for `cuts`. Cuts that were counted before have no fragments, and so no lengths.
    output : path
        The folder to write: qc.parquet, lengths.parquet, aggregate.parquet, v_plot.parquet and
        the figure.
    regions : path, optional
        BED or narrowPeak: the share of cuts in it (FRiP), and the cuts around its summits or
        midpoints.
    tss : path, optional
        GTF, GFF3, or BED whose regions start at the start site on their strand: the cuts around
        it, and their enrichment.
    reach : int
        bp around start sites and centres, to either side.
    figure : "png" or "svg"
    sheet, names, mode, shift, input_shift, detect_shift, genome, min_mapq, drop_duplicates
        As for `cuts`; `detect_shift` adds the logo around cuts. Each file is measured by itself.
    min_length, max_length, contigs, blacklist, weighted, threads, memory, force
        As for `cuts`.

    Returns
    -------
    QualityReport

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    folder = Path(output)
    if figure not in ("png", "svg"):
        raise InputError(f"figure: found {figure!r}, expected png or svg")
    if not 1 <= reach <= 1_000_000:
        raise InputError(f"reach: found {reach}, expected 1 to 1,000,000 bp")
    listed = [_each_apart(each) for each in _numbered(listed_samples(samples, sheet, names, None))]
    options = CutOptions(
        mode=mode,
        shift=shift,
        input_shift=input_shift,
        detect_shift=detect_shift,
        min_mapq=min_mapq,
        drop_duplicates=drop_duplicates,
        min_length=min_length,
        max_length=max_length,
        contigs=tuple(contigs),
        blacklist=None if blacklist is None else Path(blacklist),
        genome=None if genome is None else Path(genome),
        weighted=weighted,
        threads=available_threads() if threads is None else threads,
        memory=memory,
    )
    options.check(listed)
    check_writable(folder, force=force, folder=(*TABLES, *FIGURES))
    peaks = None if regions is None else read_regions(Path(regions))
    with read_samples(listed, options, pairs=True) as read:
        anchors: dict[str, Anchors] = {}
        inside = None
        if tss is not None:
            anchors["tss"] = _start_sites(Path(tss), read.genome)
        if peaks is not None and regions is not None:
            anchors["regions"] = Anchors.of_regions(peaks, read.genome, Path(regions))
            inside, _ = Stretches.of_regions(peaks, read.genome, Path(regions))
        measured = [
            measure(
                name, file, read.cuts[name], read.genome, anchors=anchors, peaks=inside, reach=reach
            )
            for file in read.files.values()
            for name in file.names
        ]
        inputs: dict[str, Any] = {
            name: {"name": file.ends.path.name} for name, file in read.files.items()
        }
        for kind, given in (("regions", regions), ("tss", tss), ("blacklist", blacklist)):
            if given is not None:
                inputs[kind] = schemas.digest(Path(given))
        parameters = {"mode": mode, "reach": reach, "min_mapq": min_mapq, "weighted": weighted}
        document = schemas.provenance("qc", inputs, parameters)
        document |= {"format": schemas.QC, "reads": read.report()}
        document |= {"shift": shift_text(options.wanted)}
        document |= {"anchors": {kind: len(places) for kind, places in anchors.items()}}
    with atomic(folder, force=force, folder=(*TABLES, *FIGURES)) as temporary:
        _write_tables(temporary, measured, document)
        write_figure(measured, temporary / f"qc.{figure}", figure)
    rows = [each.metrics for each in measured]
    return QualityReport(folder, rows, folder / f"qc.{figure}", document)


def _numbered(listed: list[Sample]) -> list[Sample]:
    """Samples with distinct names: files of one sample are told apart by their own."""
    names = [sample.name for sample in listed]
    return [
        sample._replace(name=f"{sample.name} ({sample.file.name})")
        if sample.name is not None and names.count(sample.name) > 1
        else sample
        for sample in listed
    ]


def _each_apart(sample: Sample) -> Sample:
    if sample.groups is not None:
        raise InputError(f"{sample.file}: found groups, but quality is measured by file")
    return sample


def _start_sites(path: Path, contigs: dict[str, int]) -> Anchors:
    if path.name.lower().removesuffix(".gz").endswith(GENES):
        return Anchors.of_start_sites(read_tss(path, unique=True), contigs, path)
    return Anchors.of_bed(read_regions(path), contigs, path)


def _write_tables(folder: Path, samples: list[SampleQC], document: dict[str, Any]) -> None:
    lengths: list[dict[str, Any]] = []
    aggregates: list[dict[str, Any]] = []
    v_plots: list[dict[str, Any]] = []
    for sample in samples:
        if sample.lengths is not None:
            found = np.flatnonzero(sample.lengths)
            columns = {"length": found, "fragments": sample.lengths[found]}
            lengths.append({"sample": [sample.name] * len(found), **columns})
        for kind, each in sample.around.items():
            n = each.counts.shape[1]
            offset = np.arange(-each.reach, each.reach + 1)
            along, against = each.counts
            row = {"anchor": [kind] * n, "offset": offset, "along": along, "against": against}
            aggregates.append({"sample": [sample.name] * n, **row})
        if sample.v_plot is not None:
            width = (2 * sample.v_plot.reach + 1) / OFFSET_BINS
            middle = (np.arange(OFFSET_BINS) - OFFSET_BINS // 2) * width
            n = sample.v_plot.counts.size
            row = {
                "length": np.repeat(np.arange(LENGTH_BINS) * LENGTH_BIN, OFFSET_BINS),
                "offset": np.tile(middle, LENGTH_BINS),
                "fragments": sample.v_plot.counts.ravel(),
            }
            v_plots.append({"sample": [sample.name] * n, **row})
    rows = {name: [each.metrics[name] for each in samples] for name in samples[0].metrics}
    for name, schema, parts in (
        ("qc.parquet", schemas.qc_schema(), [rows]),
        ("lengths.parquet", schemas.lengths_schema(), lengths),
        ("aggregate.parquet", schemas.aggregate_schema(), aggregates),
        ("v_plot.parquet", schemas.v_plot_schema(), v_plots),
    ):
        full = schemas.with_metadata(schema, document | {"table": name})
        with table_writer(folder / name, full, ".parquet") as writer:
            for part in parts:
                arrays = [pa.array(part[field.name], field.type) for field in schema]
                writer.write(pa.RecordBatch.from_arrays(arrays, schema=full))
