"""Tables that name samples and barcodes."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kmerengine.errors import InputError

SHEET_COLUMNS = ("sample", "file", "groups")
HEADERS = ("barcode", "barcodes", "cell", "cell_id", "cell_barcode", "cb")


class Sample(NamedTuple):
    """A file of reads or cuts and what its cuts are called."""

    name: str | None  # None: as the file says
    file: Path
    groups: Path | None = None  # barcode -> group: the groups are the samples then

    @property
    def label(self) -> str:
        """The name, or the file's name up to its first point."""
        return self.name or self.file.name.split(".")[0]


def listed_samples(
    samples: Sequence[str | Path],
    sheet: str | Path | None,
    names: Sequence[str],
    groups: str | Path | None,
) -> list[Sample]:
    """The files and their names, from the arguments or the sheet."""
    if sheet is not None:
        if samples or names or groups:
            raise InputError(
                f"{sheet}: found a sample sheet together with samples, names or groups; expected "
                "them in the sheet"
            )
        return read_sheet(Path(sheet))
    if not samples:
        raise InputError("samples: found none, expected at least one file, or a sample sheet")
    if names and len(names) != len(samples):
        raise InputError(f"names: found {len(names)} for {len(samples)} files, expected as many")
    if groups is not None and len(samples) != 1:
        raise InputError("groups: expected one file with them; a sample sheet gives each its own")
    table = None if groups is None else Path(groups)
    return [
        Sample(names[i] if names else None, Path(file), table) for i, file in enumerate(samples)
    ]


def read_sheet(path: Path) -> list[Sample]:
    """Samples of a table with a header: sample, file and, if wanted, groups.

    Columns are separated by tabs (or commas, where the header has no tab) and may be in any order;
    file names are relative to the table's folder. Files of one sample name are added up; with
    groups, samples are named ``sample.group``.
    """
    rows = _rows(path, "a sample sheet")
    if not rows:
        raise InputError(f"{path}: holds no rows, expected a header with sample and file")
    (line, header), *rest = rows
    tab = "\t" if "\t" in header else ","
    names = _fields(header, tab)
    unknown = [name for name in names if name not in SHEET_COLUMNS]
    if unknown or not {"sample", "file"} <= set(names) or len(set(names)) < len(names):
        raise InputError(
            f"{path}: line {line}: found columns {', '.join(names)}; expected sample, file and, "
            "if wanted, groups"
        )
    samples: list[Sample] = []
    places: set[tuple[str, str]] = set()
    for line, text in rest:
        fields = _fields(text, tab)
        row = dict(zip(names, fields, strict=False))
        is_whole = len(fields) == len(names) and row["sample"] and row["file"]
        if not is_whole or "\0" in text:
            raise InputError(
                f"{path}: line {line}: found {text[:60]!r}, expected {' and '.join(names)}"
            )
        groups = row.get("groups") or None
        sample = Sample(
            row["sample"], path.parent / row["file"], path.parent / groups if groups else None
        )
        place = (sample.label, os.path.realpath(sample.file))
        if place in places:
            raise InputError(
                f"{path}: line {line}: sample {sample.label!r} has the file {row['file']!r} twice, "
                "expected once: its cuts would be added up; remove a line"
            )
        places.add(place)
        samples.append(sample)
    if not samples:
        raise InputError(f"{path}: names no samples, expected one in each line after the header")
    return samples


def read_groups(path: Path) -> dict[str, str]:
    """Barcode -> group of a table with two columns, tab or comma between; '#' starts a comment.

    A first line whose first column is a usual name of barcodes is a header.
    """
    groups: dict[str, str] = {}
    for i, (line, text) in enumerate(_rows(path, "a table of barcodes")):
        fields = _fields(text, "\t" if "\t" in text else ",")
        if i == 0 and fields[0].lower() in HEADERS:
            continue
        if len(fields) != 2 or not all(fields):
            raise InputError(
                f"{path}: line {line}: found {text[:60]!r}, expected a barcode and a group"
            )
        if groups.setdefault(fields[0], fields[1]) != fields[1]:
            raise InputError(
                f"{path}: line {line}: barcode {fields[0]!r} is in two groups, expected one"
            )
    if not groups:
        raise InputError(f"{path}: holds no barcodes, expected a barcode and a group in each line")
    return groups


def _fields(text: str, separator: str) -> list[str]:
    """The columns of a line, without their quotes."""
    (row,) = csv.reader([text], delimiter=separator)
    return [field.strip() for field in row]


def _rows(path: Path, what: str) -> list[tuple[int, str]]:
    """Line number and text of each line that is neither blank nor a comment."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as {what} ({error})") from error
    return [(n, line) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
