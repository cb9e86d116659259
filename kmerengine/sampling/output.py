"""The folder that a sample is written to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import table_writer

NAMES = ("regions.*", "bins.*")
STRANDS = (b"+", b"-", b".")

_ROWS = 1 << 16  # in a row group


@dataclass(frozen=True)
class Sample:
    """What `kmerengine sample` wrote.

    Attributes
    ----------
    regions : Path
        Parquet: positives and negatives with their label, bins, GC; of motif sites the motif.
    bed : Path
        The same as BED6: the score is the label, names say it too.
    bins : Path
        Parquet: how many there were of each bin, and how many were kept.
    report : dict
        What was read, skipped by reason, and kept.
    notes : list of str
        What a user should know of the run; not kept in files.
    """

    regions: Path
    bed: Path
    bins: Path
    report: dict[str, Any]
    notes: list[str]


def write_sample(
    folder: Path,
    columns: dict[str, Any],
    contig_names: list[str],
    motif_names: list[str],
    bins: dict[str, Any],
    document: dict[str, Any],
    report: dict[str, Any],
    notes: list[str],
    *,
    force: bool,
) -> Sample:
    """Write a sample.

    Parameters
    ----------
    folder : Path
        To make.
    columns : dict of arrays
        As `kmerengine.schemas.sample_schema`, in any order of rows: chrom and motif as numbers,
        strand as bytes; name, which is made here, left out.
    contig_names, motif_names : list of str
    bins : dict of arrays or lists
        As `kmerengine.schemas.sample_bins_schema`.
    document : dict
        Provenance.
    report : dict
        Kept in the document, too.
    notes : list of str
    force : bool
        Replace an existing folder.
    """
    sites = "motif" in columns
    order = np.lexsort([columns["row"], columns["label"], columns["start"], columns["chrom"]])
    columns = {name: values[order] for name, values in columns.items()}
    names = _names(columns["label"], columns["row"], sites=sites)
    strand = np.select([columns["strand"] == each for each in STRANDS], range(len(STRANDS)))
    words = {
        "chrom": (columns["chrom"], contig_names),
        "strand": (strand, [each.decode() for each in STRANDS]),
    }
    if sites:
        words["motif"] = (columns["motif"], motif_names)
    plain = schemas.sample_schema(sites=sites)
    arrays = []
    for field in plain:
        if field.name in words:
            numbers, known = words[field.name]
            indices = pa.array(numbers, field.type.index_type)
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(known, pa.string())))
        elif field.name == "name":
            arrays.append(pa.array(names, field.type))
        else:
            arrays.append(pa.array(columns[field.name], field.type, from_pandas=True))
    document = document | {"format": schemas.SAMPLE, "report": report}
    schema = schemas.with_metadata(plain, document)
    table = pa.RecordBatch.from_arrays(arrays, schema=schema)
    bin_schema = schemas.with_metadata(
        schemas.sample_bins_schema(), document | {"format": schemas.SAMPLE_BINS}
    )
    listed = pa.RecordBatch.from_arrays(
        [pa.array(bins[field.name], field.type) for field in bin_schema], schema=bin_schema
    )
    with atomic(folder, force=force, folder=NAMES) as temporary:
        with table_writer(temporary / "regions.parquet", schema, ".parquet") as writer:
            for at in range(0, len(table), _ROWS):
                writer.write(table.slice(at, _ROWS))
        with table_writer(temporary / "bins.parquet", bin_schema, ".parquet") as writer:
            writer.write(listed)
        _write_bed(temporary / "regions.bed", columns, names, strand, contig_names)
    return Sample(
        regions=folder / "regions.parquet",
        bed=folder / "regions.bed",
        bins=folder / "bins.parquet",
        report=report,
        notes=notes,
    )


def shares(gc: npt.NDArray[np.int32], known: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """C and G among known bases; NaN, which is written as null, where none is known."""
    return np.where(known > 0, gc / np.maximum(known, 1), np.nan)


def _names(label: Any, row: Any, *, sites: bool) -> list[str]:
    """Names that say label and row; the second negative of a row and further ones are numbered."""
    words = ("unbound", "bound") if sites else ("negative", "positive")
    seen: dict[str, int] = {}
    names = []
    for is_positive, number in zip(label.tolist(), row.tolist(), strict=True):
        name = f"{words[is_positive]}_{number}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def _write_bed(
    path: Path, columns: dict[str, Any], names: list[str], strand: Any, contig_names: list[str]
) -> None:
    numbers = [columns[name].tolist() for name in ("chrom", "start", "end", "label")]
    with path.open("w", newline="\n", encoding="utf-8") as file:
        for chrom, start, end, label, side, name in zip(
            *numbers, strand.tolist(), names, strict=True
        ):
            where = f"{contig_names[chrom]}\t{start}\t{end}"
            file.write(f"{where}\t{name}\t{label}\t{STRANDS[side].decode()}\n")
