"""A training data set from labelled sequences, as the simulators write them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import NAMES, Dataset
from kmerengine.datasets.splits import SPLITS
from kmerengine.datasets.write import BATCH_ROWS, Examples, Stored, write_examples
from kmerengine.errors import InputError
from kmerengine.io.arrays import ArrayWriter
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import TableReader
from kmerengine.kmers.rows import whole_sequences

__all__ = ["dataset_from_sequences", "format_of_examples"]

UNKNOWN = "RYSWKMBDHVN"  # letters of IUPAC for more than one base
NOT_A_LETTER = 254

CODES = np.full(256, NOT_A_LETTER, np.uint8)
CODES[list(f"{UNKNOWN}{UNKNOWN.lower()}".encode())] = 255
CODES[list(b"ACGTacgt")] = [0, 1, 2, 3] * 2


class _Block(NamedTuple):
    """Some rows of the file."""

    names: list[str]
    split: npt.NDArray[np.int8]
    codes: npt.NDArray[np.uint8]  # (rows, bp)
    labels: npt.NDArray[np.uint8]  # (rows, classes)


def dataset_from_sequences(
    sequences: str | Path, *, output: str | Path, force: bool = False
) -> Dataset:
    """Labelled sequences with their splits, as `kmerengine simulate` writes them, as a data set.

    Parameters
    ----------
    sequences : path
        Parquet of name, split (train, validation, test), sequence and labels (0 or 1), whose
        metadata name the classes: `simulate koo` and `simulate gata-tal` write it.
    output : path
        The folder to write, see `kmerengine.datasets.folder`. Examples have the order of the file;
        each is a contig of its own, from 0 to its length, as in the FASTA beside it.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        One line that names the file and the row (0-based), what was found, what was expected and
        what to do: a sequence of another length or with a letter that is none of IUPAC's, labels
        that are not 0 or 1 or not one for each class, an unknown split, a name that is there twice.
    """
    path, output = Path(sequences), Path(output)
    check_writable(output, force=force, folder=NAMES)
    table = TableReader(path)
    about = schemas.read_metadata(table.schema, path, (schemas.SEQUENCES,))
    schemas.require(table.schema, schemas.sequences_schema(), path)
    classes = _classes(about, path)
    if not table.n_rows:
        raise InputError(f"{path}: found no sequences, expected at least one; make it again")
    width = len(_not_null(table.read(0, 1), path, 0)["sequence"][0].as_py())
    if not width:
        raise InputError(f"{path}: row 0: found an empty sequence, expected bases; make it again")
    names: list[str] = []
    splits, labels = [], []
    n_strange = 0
    with atomic(output, force=force, folder=NAMES) as folder:
        size = (table.n_rows, width)
        writer = ArrayWriter(folder / "sequence.arrow", size, [np.dtype(np.uint8)])
        for first in range(0, table.n_rows, BATCH_ROWS):  # which are the simulators' row groups
            rows = table.read(first, first + BATCH_ROWS)
            block = _checked(_not_null(rows, path, first), path, first, width, len(classes))
            writer.put(np.arange(first, first + len(block.codes)), block.codes)
            n_strange += int((block.codes > 3).any(axis=1).sum())
            names += block.names
            splits.append(block.split)
            labels.append(block.labels)
        _check_names(names, path)
        regions = whole_sequences(names, np.full(len(names), width, np.int64))
        examples = Examples(
            regions=replace(regions, name=names),
            split=np.concatenate(splits),
            negative=np.zeros(len(names), np.bool_),
            label_names=classes,
            labels=np.concatenate(labels),
        )
        document = schemas.provenance(
            "dataset_from_sequences", {"sequences": schemas.digest(path)}, {}
        )
        document |= {"regions": len(names), "skipped": {}, "with_other_bases": n_strange}
        document |= {"simulated": about}
        stored = Stored(file=writer.finish(), start=0, span=(0, width))
        write_examples(folder, examples, {"sequence": stored}, document, margin=0, window=None)
    return Dataset.open(output)


def format_of_examples(path: Path) -> str | None:
    """What a Parquet file of examples holds: labelled sequences, or a sample; None of region files,
    which are text.
    """
    if not path.is_file():  # nothing is read from a pipe
        return None
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return None
    known = (schemas.SEQUENCES, schemas.SAMPLE)
    return str(schemas.read_metadata(TableReader(path).schema, path, known)["format"])


def _classes(about: dict[str, Any], path: Path) -> tuple[str, ...]:
    found = about.get("classes")
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(each, str) and each for each in found)
        or len(set(found)) != len(found)
    ):
        raise InputError(
            f"{path}: its metadata have the classes {found!r:.60}, expected different names; "
            "make it again"
        )
    return tuple(found)


def _not_null(rows: pa.Table, path: Path, first: int) -> pa.Table:
    for name in schemas.sequences_schema().names:
        column = rows[name]
        if column.null_count:
            row = first + column.is_null().to_pylist().index(True)
            raise InputError(f"{path}: row {row}: found no {name}, expected one; make it again")
    return rows


def _checked(rows: pa.Table, path: Path, first: int, width: int, n_classes: int) -> _Block:
    """The rows as arrays; InputError for the first one that cannot be."""
    texts = rows["sequence"].to_pylist()
    for row, text in enumerate(texts, first):
        if len(text) != width:
            raise InputError(
                f"{path}: row {row}: found a sequence of {len(text)} bp, expected {width} as "
                "before; give sequences of one length"
            )
    letters = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    codes = CODES[letters].reshape(len(texts), width)
    if (codes == NOT_A_LETTER).any():
        row, at = np.argwhere(codes == NOT_A_LETTER)[0].tolist()
        raise InputError(
            f"{path}: row {first + row}: found {texts[row][at]!r} as base {at}, expected A C G T, "
            "N or another letter of IUPAC; mend the sequence"
        )
    number = {name: i for i, name in enumerate(SPLITS)}
    splits = rows["split"].to_pylist()
    for row, split in enumerate(splits, first):
        if split not in number:
            raise InputError(
                f"{path}: row {row}: found split {split!r}, expected one of {', '.join(SPLITS)}; "
                "make it again"
            )
    return _Block(
        names=rows["name"].to_pylist(),
        split=np.array([number[each] for each in splits], np.int8),
        codes=codes,
        labels=_labels(rows["labels"].combine_chunks(), path, first, n_classes),
    )


def _labels(column: pa.ListArray, path: Path, first: int, n: int) -> npt.NDArray[np.uint8]:
    lengths = column.value_lengths().to_numpy()
    if (lengths != n).any():
        row = int(np.argmax(lengths != n))
        raise InputError(
            f"{path}: row {first + row}: found {lengths[row]} labels, expected {n}, one for each "
            "class; make it again"
        )
    labels: npt.NDArray[np.uint8] = column.flatten().to_numpy().reshape(len(lengths), n)
    if (labels > 1).any():
        row, at = np.argwhere(labels > 1)[0].tolist()
        raise InputError(
            f"{path}: row {first + row}: found {labels[row, at]} as label {at}, expected 0 or 1; "
            "make it again"
        )
    return labels


def _check_names(names: list[str], path: Path) -> None:
    """Names are those of contigs: each once, and none empty."""
    seen: set[str] = set()
    for row, name in enumerate(names):
        if not name or name in seen:
            raise InputError(
                f"{path}: row {row}: found the name {name!r}{' again' if name else ''}, expected "
                "a name of its own; rename it"
            )
        seen.add(name)
