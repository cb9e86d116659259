"""A data set with another bias track; all else of it is shared, not copied."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT, ARRAYS, KMERS, NAMES, REGIONS, Dataset, Span
from kmerengine.datasets.write import BATCH_ROWS
from kmerengine.errors import InputError
from kmerengine.io.arrays import ArrayWriter
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.link import link_or_copy
from kmerengine.io.tables import TableReader, table_writer

__all__ = ["bias_span", "with_bias"]

BIAS = "bias"


def with_bias(
    dataset: Dataset,
    blocks: Iterable[npt.NDArray[np.float32]],
    output: str | Path,
    *,
    source: dict[str, Any],
    force: bool = False,
) -> Dataset:
    """Write the data set that has these numbers as its bias.

    Parameters
    ----------
    dataset : Dataset
        Its other files are hard-linked, or copied to another file system. A bias that it has is
        left behind.
    blocks : iterable of float32, shape (rows, bp)
        All rows in order, some at a time. Number i of a row is about base i of
        ``dataset.stored("sequence")``, so that the two lie beside each other in an example too.
    output : path
        The folder to write, see `kmerengine.datasets.folder`.
    source : dict
        What the numbers are of: it goes into the document, under inputs, as ``bias``.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        A block of another shape, rows that are missing, a value that is no number, or a sequence
        that does not reach as far as the counts.
    """
    output = Path(output)
    check_writable(output, force=force, folder=NAMES)
    low, high = span = bias_span(dataset)
    sequence, first = dataset.stored("sequence")
    start, width = low - dataset.margin, high - low + 2 * dataset.margin
    if start < first or start + width > first + sequence.shape[1]:
        raise InputError(
            f"{dataset.path}: has the sequence of [{first}, {first + sequence.shape[1]}), expected "
            f"at least the [{start}, {start + width}) of its counts; make it with a larger "
            "--input-width"
        )
    held = [*(f"{name}.arrow" for name in ARRAYS if name in dataset.spans and name != BIAS)]
    held += [KMERS] if dataset.provenance["kmers"] else []
    with atomic(output, force=force, folder=NAMES) as folder:
        for name in held:
            link_or_copy(dataset.path / name, folder / name)
        shape = (len(dataset), width)
        writer = ArrayWriter(folder / f"{BIAS}.arrow", shape, [np.dtype(np.float32)])
        row = 0
        for block in blocks:
            _check(block, row, sequence.shape, dataset.path)
            part = block[:, start - first : start - first + width]
            writer.put(np.arange(row, row + len(block)), part)
            row += len(block)
        document = _document(dataset, source, span, {"start": start, "file": writer.finish()})
        _write_table(dataset.path / REGIONS, folder / REGIONS, document)
        (folder / ABOUT).write_text(schemas.as_text(document) + "\n")
    return Dataset.open(output)


def bias_span(dataset: Dataset) -> Span:
    """Which bp of a region an example has of a bias of `dataset`.

    That of the sequence, which a correction by two moves against the counts; but where a longer
    sequence was asked for, that of the counts.
    """
    spans = dataset.spans
    sequence = spans["sequence"]
    other = spans.get("counts", spans.get(BIAS, sequence))
    return sequence if sequence[1] - sequence[0] == other[1] - other[0] else other


def _check(block: npt.NDArray[Any], row: int, shape: tuple[int, ...], where: Path) -> None:
    if block.dtype != np.float32 or block.shape[1:] != shape[1:] or row + len(block) > shape[0]:
        raise InputError(
            f"{where}: found bias of {block.dtype} {block.shape} from row {row} on, expected "
            f"float32 for {shape[0]:,} rows of {shape[1]} bp"
        )
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        raise InputError(
            f"{where}: row {row + int(np.argmax(bad))}: found bias that is no number, expected "
            "numbers"
        )


def _document(
    dataset: Dataset, source: dict[str, Any], span: Span, stored: dict[str, Any]
) -> dict[str, Any]:
    about = dataset.provenance
    return about | {
        "inputs": about["inputs"] | {BIAS: source},
        "spans": about["spans"] | {BIAS: list(span)},
        "arrays": about["arrays"] | {BIAS: stored},
    }


def _write_table(source: Path, target: Path, document: dict[str, Any]) -> None:
    """The same rows with another document."""
    reader = TableReader(source)
    schema = schemas.with_metadata(reader.schema.remove_metadata(), document)
    with table_writer(target, schema, ".parquet") as writer:
        for first in range(0, reader.n_rows, BATCH_ROWS):
            rows = reader.read(first, first + BATCH_ROWS).replace_schema_metadata(schema.metadata)
            for batch in rows.combine_chunks().to_batches():
                writer.write(batch)
