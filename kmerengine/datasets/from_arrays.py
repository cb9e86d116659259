"""A training data set from arrays of others: DeepSEA's files, or one-hot bases as .npy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.cut_sites.options import parse_shift
from kmerengine.datasets.arrays import read_npy, tracks
from kmerengine.datasets.dataset import NO_LABEL
from kmerengine.datasets.folder import NAMES, Dataset, Span
from kmerengine.datasets.splits import SPLITS, check_splits
from kmerengine.datasets.write import Examples, Stored, write_examples
from kmerengine.errors import InputError
from kmerengine.io.arrays import ArrayWriter, write_array
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.deepsea import ALPHABET, COLUMN_SETS, N_LABELS, open_deepsea
from kmerengine.io.one_hot import codes_of_one_hot
from kmerengine.regions import Regions

Codes = npt.NDArray[np.uint8]


def deepsea(
    files: Mapping[str, str | Path],
    *,
    output: str | Path,
    columns: Sequence[int | str] | str | None = None,
    names: Sequence[str] | None = None,
    width: int = 200,
    alphabet: str = ALPHABET,
    require_label: bool = True,
    force: bool = False,
) -> Dataset:
    """DeepSEA's sequences and labels as a data set.

    Parameters
    ----------
    files : dict of str to path
        By split (train, validation, test): .mat of either format, or .npz.
    output : path
        The folder to write, see `kmerengine.datasets.folder`.
    columns : sequence of int or str, or "koo", optional
        Labels to keep, in this order: 0-based columns, or their names; by default all. "koo" are
        Koo and Eddy's twelve of the public files' 919, with their names; their sequences are of a
        `width` of 1,000.
    names : sequence of str, optional
        Of all columns of the files.
    width : int
        bp around the middle of each sequence; 200 are those that the labels are of.
    alphabet : str
        Order of the files' channels.
    require_label : bool
        Leave out sequences without any of the chosen labels.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    output, paths = Path(output), _by_split(files)
    if isinstance(columns, str):
        _check_set(columns, names)
    check_writable(output, force=force, folder=NAMES)
    codes: list[Codes] = []
    labels: list[npt.NDArray[np.uint8]] = []
    rows: list[tuple[str, npt.NDArray[np.int64]]] = []
    chosen: tuple[str, ...] = ()
    n_read = 0
    for split, path in paths.items():
        with open_deepsea(path) as opened:
            n, bp, n_labels = opened.shape
            if not 1 <= width <= bp:
                raise InputError(f"{path}: width: found {width}, expected 1 to {bp} bp")
            picked, chosen = _columns(columns, names, n_labels, path)
            first = 0
            for some_codes, some_labels in opened.blocks(picked, width, alphabet):
                kept = some_labels.any(axis=1) if require_label else np.ones(len(some_labels), bool)
                codes.append(some_codes[kept])
                labels.append(some_labels[kept])
                rows.append((split, first + np.flatnonzero(kept)))
                first += len(some_codes)
            n_read += n
    examples = _examples(
        rows, width, label_names=chosen, labels=np.concatenate([*labels, np.zeros((0, len(chosen)),
        np.uint8)]),
    )  # fmt: skip
    check_splits(examples.split, None, list(paths))
    n_left_out = n_read - len(examples.regions)
    given = columns if columns is None or isinstance(columns, str) else list(columns)
    parameters = {"columns": given, "width": width,
                  "alphabet": alphabet, "require_label": require_label}  # fmt: skip
    inputs = {split: schemas.digest(path) for split, path in paths.items()}
    document = schemas.provenance("deepsea", inputs, parameters)
    document |= {"regions": n_read, "skipped": {NO_LABEL: n_left_out} if n_left_out else {}}
    with atomic(output, force=force, folder=NAMES) as folder:
        arrays = {"sequence": _write_codes(folder, codes, width)}
        write_examples(folder, examples, arrays, document, margin=0, window=None)
    return Dataset.open(output)


def dataset_from_arrays(
    sequences: Mapping[str, str | Path],
    *,
    output: str | Path,
    bias: Mapping[str, str | Path] | None = None,
    totals: Mapping[str, str | Path] | None = None,
    samples: str | Path | Sequence[str] | None = None,
    window: Span | None = None,
    shift: str | None = None,
    off_by_two: bool = False,
    alphabet: str = "ACGT",
    force: bool = False,
) -> Dataset:
    """One-hot sequences, and bias and totals of the same rows, as a data set.

    Parameters
    ----------
    sequences : dict of str to path
        By split (train, validation, test): .npy of one-hot bases, (n, bp, 4) or (n, 4, bp).
    output : path
        The folder to write, see `kmerengine.datasets.folder`.
    bias : dict of str to path, optional
        .npy of float per base, (n, bp), (n, 1, bp) or (n, 2, bp); as long as the sequences.
    totals : dict of str to path, optional
        .npy of totals, (n, samples); they are quantile-normalised over all splits together.
    samples : path (.npy of names) or sequence of str, optional
        Names of the totals' columns; by default their numbers.
    window : (int, int), optional
        The centre that the totals are of, bp from the start of a sequence.
    shift : str, optional
        What was added to 5' bases before they were counted, such as "+4/-4"; by default not known,
        and then not compared with what a model has learnt.
    off_by_two : bool
        The arrays have bpAI-TAC's correction by two.
    alphabet : str
        Order of the channels.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    output, paths = Path(output), _by_split(sequences)
    check_writable(output, force=force, folder=NAMES)
    if shift is not None:
        parse_shift(shift)
    codes = [_codes(path, alphabet) for path in paths.values()]
    width = codes[0].shape[1]
    sizes = [len(each) for each in codes]
    if any(each.shape[1] != width for each in codes):
        found = [each.shape[1] for each in codes]
        raise InputError(f"{output}: found sequences of {found} bp, expected one length")
    rows = [(split, np.arange(n)) for split, n in zip(paths, sizes, strict=True)]
    levels = None if totals is None else _rows_of(totals, paths, sizes, "totals")
    columns: dict[str, Any] = {}
    if levels is not None:
        if levels.ndim != 2:
            raise InputError(f"totals: found shape {levels.shape}, expected (regions, samples)")
        columns = {"totals": levels, "samples": _names(samples, levels.shape[1])}
    examples = _examples(rows, width, **columns)
    check_splits(examples.split, None, list(paths))
    given = {"sequence": sequences, "bias": bias or {}, "totals": totals or {}}
    inputs = {
        f"{kind} {split}": schemas.digest(Path(path))
        for kind, files in given.items()
        for split, path in files.items()
    }
    parameters = {"alphabet": alphabet, "off_by_two": off_by_two}
    document = schemas.provenance("dataset_from_arrays", inputs, parameters)
    document |= {"regions": sum(sizes), "skipped": {}}
    with atomic(output, force=force, folder=NAMES) as folder:
        arrays = {"sequence": _write_codes(folder, codes, width)}
        if bias is not None:
            values = tracks(_rows_of(bias, paths, sizes, "bias"), Path("bias"))
            if values.shape[-1] != width:
                raise InputError(
                    f"bias: found {values.shape[-1]} bp, expected {width} as the sequences have"
                )
            written = write_array(folder / "bias.arrow", values)
            arrays["bias"] = Stored(file=written, start=0, span=(0, width))
        write_examples(
            folder, examples, arrays, document, margin=0, window=window, shift=shift
        )
    return Dataset.open(output)


def _by_split(files: Mapping[str, str | Path]) -> dict[str, Path]:
    unknown = [name for name in files if name not in SPLITS]
    if unknown or not files:
        raise InputError(f"files: found {list(files)}, expected some of {', '.join(SPLITS)}")
    return {name: Path(files[name]) for name in SPLITS if name in files}


def _check_set(columns: str, names: Sequence[str] | None) -> None:
    if columns not in COLUMN_SETS:
        raise InputError(
            f"columns: found {columns!r}, expected {' or '.join(COLUMN_SETS)}, or a list of columns"
        )
    if names is not None:
        raise InputError(
            f"names: found with columns {columns}, which have names of their own; leave them out"
        )


def _columns(
    wanted: Sequence[int | str] | str | None, names: Sequence[str] | None, n: int, where: Path
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Numbers and names of the columns to keep."""
    if isinstance(wanted, str):
        if n != N_LABELS:
            raise InputError(
                f"{where}: has {n} labels, expected the {N_LABELS} of the public files, which "
                f"columns {wanted} are of; choose columns by number"
            )
        chosen = COLUMN_SETS[wanted]
        return np.array(list(chosen.values()), np.int64), tuple(chosen)
    known = [str(i) for i in range(n)] if names is None else list(names)
    if len(known) != n or len(set(known)) != n:
        raise InputError(
            f"{where}: has {n} labels, found {len(set(known))} different names for them"
        )
    found = []
    for each in range(n) if wanted is None else wanted:
        if isinstance(each, str) and each in known:
            found.append(known.index(each))
        elif not isinstance(each, str) and 0 <= each < n:
            found.append(int(each))
        else:
            raise InputError(
                f"{where}: has no label {each!r}, expected a number below {n} or a name"
            )
    if not found or len(set(found)) != len(found):
        raise InputError(f"columns: found {found}, expected at least one, each once")
    return np.array(found, np.int64), tuple(known[each] for each in found)


def _examples(
    rows: list[tuple[str, npt.NDArray[np.int64]]], width: int, **columns: Any
) -> Examples:
    """Examples of arrays: the chromosome is the split's name, and the name the row in its file."""
    number = np.concatenate([np.full(len(of), SPLITS.index(split)) for split, of in rows])
    names = [str(row) for _, of in rows for row in of.tolist()]
    n = len(names)
    regions = Regions(
        contig_names=SPLITS,
        contig=number.astype(np.int32),
        start=np.zeros(n, np.int64),
        end=np.full(n, width, np.int64),
        name=names,
        score=np.full(n, np.nan),
        strand=np.full(n, b"."),
        summit=np.full(n, -1, np.int64),
        line=np.arange(1, n + 1),
    )
    split = number.astype(np.int8)
    return Examples(regions=regions, split=split, negative=np.zeros(n, np.bool_), **columns)


def _write_codes(folder: Path, blocks: list[Codes], width: int) -> Stored:
    n = sum(map(len, blocks))
    writer = ArrayWriter(folder / "sequence.arrow", (n, width), [np.dtype(np.uint8)])
    first = 0
    for block in blocks:
        writer.put(np.arange(first, first + len(block)), block)
        first += len(block)
    return Stored(file=writer.finish(), start=0, span=(0, width))


def _codes(path: Path, alphabet: str) -> Codes:
    array = read_npy(path)
    if array.ndim != 3 or 4 not in array.shape[1:]:
        raise InputError(f"{path}: found shape {array.shape}, expected (n, bp, 4) or (n, 4, bp)")
    turned = array if array.shape[1] == 4 else array.transpose(0, 2, 1)
    step = max(1, (1 << 26) // max(1, array[:1].nbytes))
    blocks = [
        codes_of_one_hot(turned[first : first + step], alphabet, path, first_row=first)
        for first in range(0, len(turned), step)
    ]
    return np.concatenate([*blocks, np.zeros((0, turned.shape[2]), np.uint8)])


def _rows_of(
    files: Mapping[str, str | Path], paths: dict[str, Path], sizes: list[int], what: str
) -> npt.NDArray[Any]:
    """The rows of each split's file, in the order of the sequences."""
    if files.keys() != paths.keys():
        raise InputError(f"{what}: found {list(files)}, expected a file for {', '.join(paths)}")
    parts = [read_npy(Path(files[split])) for split in paths]
    for split, part, size in zip(paths, parts, sizes, strict=True):
        if part.shape[:1] != (size,) or part.shape[1:] != parts[0].shape[1:]:
            raise InputError(
                f"{files[split]}: found shape {part.shape}, expected {(size, *parts[0].shape[1:])}"
            )
        if part.dtype.kind not in "iuf":
            raise InputError(f"{files[split]}: found {part.dtype}, expected numbers")
    return np.concatenate(parts)


def _names(samples: str | Path | Sequence[str] | None, n: int) -> tuple[str, ...]:
    listed = [str(i) for i in range(n)] if samples is None else samples
    if isinstance(listed, (str, Path)):
        listed = read_npy(Path(listed)).astype(str).tolist()
    found = tuple(map(str, listed))
    if len(found) != n or len(set(found)) != n:
        raise InputError(f"samples: found {len(set(found))} different names, expected {n}")
    return found
