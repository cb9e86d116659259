"""How variants change what trained models expect."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.fasta import Genome
from kmerengine.io.list_columns import list_column
from kmerengine.io.tables import TableReader, table_writer
from kmerengine.io.vcf import Variant, read_variants
from modelkit.devices import chosen_device
from modelkit.interpretation.variants.alleles import AlleleModels, Scores
from modelkit.interpretation.variants.variant_sequences import TOGETHER, VariantSequences
from modelkit.training.run import BEST, Run

__all__ = ["VariantScores", "variants"]

Floats = npt.NDArray[np.float64]


class VariantScores:
    """Scores on disk, made by `modelkit.variants`.

    Attributes
    ----------
    path : Path
    tasks : tuple of str
        Of the lists of a row.
    skipped : dict of str to int
        Alleles that have no row, by reason.
    provenance : dict
        How they were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = TableReader(path)
        about = schemas.read_metadata(self._table.schema, path, (schemas.VARIANTS,))
        self.provenance = about
        self.tasks = tuple(map(str, about["tasks"]))
        self.skipped: dict[str, int] = dict(about["skipped"])
        self._table.expect(_schema(about), path)

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "VariantScores":
        """Open scores; InputError if they are missing, damaged, newer or something else."""
        return cls(Path(path))

    def __len__(self) -> int:
        return self._table.n_rows

    def table(self, start: int = 0, stop: int | None = None) -> pa.Table:
        """Rows [start, stop), by default all."""
        return self._table.read(start, stop)


def variants(
    runs: Run | str | Path | Sequence[Run | str | Path],
    vcf: str | Path,
    output: str | Path,
    *,
    genome: str | Path,
    dataset: Dataset | str | Path | None = None,
    reverse_complement: bool = True,
    pseudocount: float = 1.0,
    device: str = "auto",
    batch_size: int = 64,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> VariantScores:
    """Write how the substitutions of a VCF file change totals and profiles, as Parquet.

    A variant lies in the middle of the models' sequence, whose other bases are the genome's.
    Insertions, deletions, symbolic alleles and breakends have no scores; they are counted, as
    is what does not fit the genome.

    Parameters
    ----------
    runs : Run, path or sequence of them
        What `train` wrote. Predictions of several are averaged.
    vcf : path
        Plain, gzip or bgzip. Each alternative allele of a line is a variant.
    output : path
        The Parquet file to write, with one row per variant in the file's order.
    genome : path
        FASTA that the file's positions and REF go by, plain or bgzip.
    dataset : Dataset or path, optional
        Its regions, without the negatives, are predicted too: `active_allele_quantile` of a
        variant is the share of them whose total is not above that of its stronger allele.
    reverse_complement : bool
        Average over both strands.
    pseudocount : float
        Cuts that are added to both totals of a fold change.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    batch_size : int
        Sequences that are predicted at a time, two or more of each variant.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in variants.

    Returns
    -------
    VariantScores

    Raises
    ------
    InputError
        A file that cannot be read or has a damaged line, runs that do not fit each other or the
        data, or a file none of whose substitutions fits the genome.
    """
    output, vcf, genome = Path(output), Path(vcf), Path(genome)
    if output.suffix != ".parquet":
        raise InputError(f"{output}: found suffix {output.suffix!r}, expected .parquet")
    check_writable(output, force=force)
    if batch_size < 1:
        raise InputError(f"batch_size: found {batch_size}, expected at least 1")
    of = sum(1 for _ in read_variants(vcf)) if vcf.is_file() else 0  # and all lines are checked
    data = Dataset.open(dataset) if isinstance(dataset, str | Path) else dataset
    models = AlleleModels(
        runs,
        reverse_complement=reverse_complement,
        pseudocount=pseudocount,
        device=chosen_device(device),
    )
    peaks = None if data is None else _peak_totals(models, data, batch_size)
    with Genome.open(genome) as opened:
        if not opened.random_access:
            raise InputError(
                f"{genome}: is plain gzip, which has to be read whole for every few variants; "
                "expected FASTA that is plain or packed with bgzip"
            )
        about = _document(models, vcf, opened, data) | {
            "parameters": {
                "reverse_complement": reverse_complement, "pseudocount": pseudocount,
            },
        }  # fmt: skip
        with atomic(output, force=force) as temporary:
            found = VariantSequences(opened, models.length)
            spool = temporary.with_name(temporary.name + ".rows")
            try:
                n = _write(spool, found, models, peaks, vcf, batch_size, about, progress, of)
                found.check(vcf, genome)
                seen = {name: found.seen[name] for name in ("lines", "alleles")}
                about |= {**seen, "scored": n, "skipped": dict(found.skipped)}
                _copy(spool, temporary, schemas.with_metadata(_schema(about), about))
            finally:
                spool.unlink(missing_ok=True)
    return VariantScores.open(output)


def _peak_totals(models: AlleleModels, data: Dataset, batch_size: int) -> Floats:
    """Totals of the data set's peaks, (n, T), each task's ascending."""
    if not models.has_totals:
        raise InputError(f"{models.runs[0].path}: predicts no totals, expected no dataset then")
    low, high = data.spans["sequence"]
    if high - low != models.length:
        raise InputError(
            f"{data.path}: has {high - low} bp of sequence, the models take {models.length}; "
            "make the data set with that width"
        )
    for run in models.runs:
        run.check_cuts(data)
    rows = np.flatnonzero(~data.negative)
    if not len(rows):
        raise InputError(f"{data.path}: has no region that is not a negative")
    parts = [
        models.totals(data.sequence[rows[at : at + batch_size]])
        for at in range(0, len(rows), batch_size)
    ]
    return np.sort(np.concatenate(parts), axis=0)


def _quantiles(values: Floats, peaks: Floats) -> Floats:
    """Share of the peaks that are not above each value, by task."""
    found = [
        np.searchsorted(peaks[:, t], values[:, t], side="right") for t in range(values.shape[1])
    ]
    return np.stack(found, 1) / len(peaks)


def _document(
    models: AlleleModels, vcf: Path, genome: Genome, data: Dataset | None
) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "vcf": schemas.digest(vcf),
        "genome": schemas.contigs_digest(genome.path, genome.contigs),
        "runs": [
            schemas.digest(run.path / BEST) | {"name": run.path.resolve().name}
            for run in models.runs
        ],
    }
    if data is not None:
        inputs["dataset"] = schemas.digest(data.path / DATASET_ABOUT) | {
            "name": data.path.resolve().name
        }
    return schemas.provenance("variants", inputs, {}) | {
        "format": schemas.VARIANTS,
        "tasks": list(models.tasks),
        "totals": models.has_totals,
        "profiles": models.has_profiles,
        "quantiles": data is not None,
        "length": models.length,
        "notes": genome.notes,
    }


def _schema(about: dict[str, Any]) -> pa.Schema:
    return schemas.variants_schema(
        totals=bool(about["totals"]),
        profiles=bool(about["profiles"]),
        quantiles=bool(about["quantiles"]),
    )


def _write(
    path: Path,
    found: VariantSequences,
    models: AlleleModels,
    peaks: Floats | None,
    vcf: Path,
    batch_size: int,
    about: dict[str, Any],
    progress: Callable[[int, int], None] | None,
    of: int,
) -> int:
    """Rows without the document, which is not known before the last; returns their number."""
    schema = _schema(about)
    step, done = max(1, batch_size // 2), 0
    with table_writer(path, schema, ".parquet") as writer:
        for some, before, after in found.read(vcf):
            parts = []
            for low in range(0, len(some), step):
                parts.append(models.scores(before[low : low + step], after[low : low + step]))
                if progress is not None:
                    progress(done + len(some[: low + step]), of or done + len(some))
            done += len(some)
            if some:
                writer.write(_batch(some, parts, peaks, schema))
    return done


def _batch(
    some: list[Variant], parts: list[Scores], peaks: Floats | None, schema: pa.Schema
) -> pa.RecordBatch:
    lists = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Scores._fields
        if getattr(parts[0], name) is not None
    }
    if peaks is not None:
        strongest = np.maximum(lists["reference_total"], lists["alternative_total"])
        lists["active_allele_quantile"] = _quantiles(strongest, peaks)
    plain = {
        "chrom": [each.contig for each in some],
        "start": [each.start for each in some],
        "name": [each.name for each in some],
        "reference": [each.reference for each in some],
        "alternative": [each.alternative for each in some],
    }
    columns = []
    for field in schema:
        if field.name in lists:
            columns.append(list_column(lists[field.name], field))
        elif pa.types.is_dictionary(field.type):
            columns.append(pa.array(plain[field.name]).dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(plain[field.name], field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _copy(spool: Path, path: Path, schema: pa.Schema) -> None:
    """The same rows with their document, a group at a time."""
    reader = TableReader(spool)
    with table_writer(path, schema, ".parquet") as writer:
        for low in range(0, reader.n_rows, TOGETHER):
            part = reader.read(low, low + TOGETHER).combine_chunks()
            for batch in part.to_batches():
                writer.write(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
