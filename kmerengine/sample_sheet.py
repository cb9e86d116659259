"""Tables that name samples and barcodes."""

from pathlib import Path
from typing import NamedTuple

from kmerengine.errors import InputError

SHEET_COLUMNS = ("sample", "file", "groups")


class Sample(NamedTuple):
    """A file of reads or cuts and what its cuts are called."""

    name: str | None  # None: as the file says
    file: Path
    groups: Path | None = None  # barcode -> group: the groups are the samples then


def read_sheet(path: Path) -> list[Sample]:
    """Samples of a table with a header: sample, file and, if wanted, groups.

    Columns are separated by tabs (or commas, where the header has no tab) and may be in any order;
    file names are relative to the table's folder. Files of one sample name are added up.
    """
    rows = _rows(path, "a sample sheet")
    if not rows:
        raise InputError(f"{path}: holds no rows, expected a header with sample and file")
    (line, header), *rest = rows
    tab = "\t" if "\t" in header else ","
    names = [name.strip() for name in header.split(tab)]
    unknown = [name for name in names if name not in SHEET_COLUMNS]
    if unknown or not {"sample", "file"} <= set(names) or len(set(names)) < len(names):
        raise InputError(
            f"{path}: line {line}: found columns {', '.join(names)}; expected sample, file and, "
            "if wanted, groups"
        )
    samples = []
    for line, text in rest:
        fields = [field.strip() for field in text.split(tab)]
        row = dict(zip(names, fields, strict=False))
        if len(fields) != len(names) or not row["sample"] or not row["file"]:
            raise InputError(
                f"{path}: line {line}: found {text[:60]!r}, expected {' and '.join(names)}"
            )
        groups = row.get("groups") or None
        samples.append(
            Sample(
                row["sample"], path.parent / row["file"], path.parent / groups if groups else None
            )
        )
    if not samples:
        raise InputError(f"{path}: names no samples, expected one in each line after the header")
    return samples


def read_groups(path: Path) -> dict[str, str]:
    """Barcode -> group of a table with two columns, tab or comma between; '#' starts a comment."""
    groups: dict[str, str] = {}
    for line, text in _rows(path, "a table of barcodes"):
        fields = [each.strip() for each in text.replace(",", "\t").split("\t")]
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


def _rows(path: Path, what: str) -> list[tuple[int, str]]:
    """Line number and text of each line that is neither blank nor a comment."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as {what} ({error})") from error
    return [(n, line) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
