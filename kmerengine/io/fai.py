"""Where the records of a FASTA file lie: its `.fai`, and the `.gzi` of a bgzip file.

Both are used if they are there, after it is checked that they fit; else they are made and kept.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.compressed import Bgzip, Plain, Reader, Source
from native_kernels.fasta_parse import DamageError, Records, scan_records

T = TypeVar("T")

SCAN_BYTES = 1 << 20  # read at a time to make an index; a block this small stays in the cache
CHECKED_RECORDS = 64  # of a .fai, spread evenly, the first and the last among them
HEADER_BYTES = 1 << 20  # a longer header line is not searched for its beginning


def indexed_records(source: Source, notes: list[str]) -> Records:
    """Records by the indexes, or of plain gzip by reading all of it; see `Genome.open`.

    Parameters
    ----------
    source : Source
    notes : list of str
        What became of an index is added.
    """
    path = source.path
    if isinstance(source, Bgzip):
        _side_file(path, ".gzi", source.use_index, lambda: _make_gzi(source), notes)
    if isinstance(source, (Plain, Bgzip)):
        return _side_file(
            path, ".fai", lambda fai: _read_fai(fai, source), lambda: _make_fai(source), notes
        )
    return _scan(source)


def _scan(source: Source) -> Records:
    """Records of the whole file, with every byte checked."""
    try:
        records = scan_records(source.blocks(SCAN_BYTES))
    except DamageError as error:
        raise InputError(f"{source.path}: {error}") from error
    if not records.names:
        raise InputError(f"{source.path}: holds no text, expected FASTA; check how it was made")
    _check_names(records.names, records.line.tolist(), source.path, "rename that record")
    return records


def _check_names(names: list[bytes], lines: list[int], path: Path, advice: str) -> None:
    first: dict[bytes, int] = {}
    for name, line in zip(names, lines, strict=True):
        try:
            shown = repr(name.decode()[:80])
        except UnicodeDecodeError:
            raise InputError(
                f"{path}: line {line}: name {name[:80]!r} is not UTF-8 text; {advice}"
            ) from None
        if first.setdefault(name, line) != line:
            raise InputError(
                f"{path}: line {line}: name {shown} again, first on line {first[name]}, "
                f"expected every name once; {advice}"
            )


def _make_fai(source: Plain | Bgzip) -> tuple[Records, bytes]:
    records = _scan(source)
    columns = (records.length, records.offset, records.line_bases, records.line_bytes)
    rows = zip(records.names, *(column.tolist() for column in columns), strict=True)
    return records, b"".join(b"%s\t%d\t%d\t%d\t%d\n" % row for row in rows)


def _make_gzi(source: Bgzip) -> tuple[None, bytes]:
    source.scan()
    return None, source.index_bytes()


def _side_file(
    path: Path,
    suffix: str,
    use: Callable[[Path], T],
    make: Callable[[], tuple[T, bytes]],
    notes: list[str],
) -> T:
    """An index from its file, or made and written. A cached one that does not fit is remade."""
    place = path.with_name(path.name + suffix)
    cached = not place.exists() and not os.access(path.parent, os.W_OK)
    if cached:
        place = _cache_folder() / (hashlib.sha256(bytes(path.resolve())).hexdigest() + suffix)
    if place.exists():
        older = place.stat().st_mtime_ns < path.stat().st_mtime_ns
        try:
            index = use(place)
        except OSError as error:
            raise InputError(
                f"{place}: cannot be read: {error.strerror}; make it readable or delete it"
            ) from error
        except InputError:
            if not cached:
                raise
        else:
            if older:
                notes.append(f"{place}: older than {path}: checked, used")
            return index
    index, content = make()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic(place, force=True) as temporary:
            temporary.write_bytes(content)
    except (InputError, OSError) as error:
        notes.append(f"{place}: not kept, the next run makes it again ({error})")
    else:
        notes.append(f"{place}: made")
    return index


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "kmerengine/fai"


def _read_fai(fai: Path, source: Plain | Bgzip) -> Records:
    """Records of a `.fai`, after checking that it fits its FASTA."""
    advice = f"it does not fit {source.path}; delete it and it is made again"
    names: list[bytes] = []
    rows: list[list[int]] = []
    for number, text in enumerate(fai.read_bytes().splitlines(), 1):
        name, *fields = text.split(b"\t")
        row = [int(field) if field.isdigit() and len(field) < 20 else -1 for field in fields]
        if not name or len(row) != 4 or not all(0 <= x <= source.size + 2 for x in row):
            raise InputError(
                f"{fai}: line {number}: found {text[:80]!r}, expected a name and four numbers no "
                f"larger than the {source.size} bytes of text; {advice}"
            )
        if row[0] > 0 and not (row[2] > 0 and row[3] - row[2] in (1, 2)):
            raise InputError(
                f"{fai}: line {number}: found {row[2]} bases in lines of {row[3]} bytes, expected "
                f"at least one base and 1 or 2 bytes of line end; {advice}"
            )
        names.append(name)
        rows.append(row)
    if not names:
        raise InputError(f"{fai}: found no lines, expected one per record; {advice}")
    lines = list(range(1, len(names) + 1))
    _check_names(names, lines, fai, advice)
    length, offset, line_bases, line_bytes = np.array(rows, np.int64).T
    line = np.array(lines, np.int64)
    records = Records(names, length, offset, line_bases, line_bytes, line, source.size)
    problem = _misplaced(records, source.reader())
    if problem:
        raise InputError(f"{fai}: {problem}; {advice}")
    return records


def _misplaced(records: Records, reader: Reader) -> str:
    """What is wrong with the places of the records in the text, or an empty string."""
    ends = records.ends()
    before = np.concatenate([[0], ends[:-1]])  # a header lies between this and its sequence
    for row in np.flatnonzero(records.offset < before + 3)[:1].tolist():
        return (
            f"line {row + 1}: found a sequence at offset {records.offset[row]}, expected one after "
            f"a header that starts at offset {before[row]} or later"
        )
    spare = records.n_bytes - int(ends[-1])
    if spare < 0 or _read(reader, int(ends[-1]), min(spare, HEADER_BYTES)).strip(b"\r\n"):
        return (
            f"line {len(ends)}: found that the last record ends at offset {ends[-1]}, expected "
            f"the end of the text at {records.n_bytes}"
        )
    sample = np.linspace(0, len(ends) - 1, min(len(ends), CHECKED_RECORDS)).astype(np.int64)
    for row in np.unique(sample).tolist():
        offset, name = int(records.offset[row]), records.names[row]
        low = max(int(before[row]), offset - HEADER_BYTES)
        *headers, header, rest = [b"", *_read(reader, low, offset - low).split(b"\n")]
        word = header[1:].split(None, 1)[:1]
        others = headers[1 if low == before[row] else 2 :]  # records without bases, empty lines
        if (header[:1], word, rest) != (b">", [name], b"") or header[1:2].isspace():
            return (
                f"line {row + 1}: found {header[:40]!r} before offset {offset}, expected the "
                f"header of {name.decode()[:80]!r}"
            )
        if any(line[:1] not in (b"", b"\r", b">") for line in others):
            return (
                f"line {row + 1}: found bases between offset {low} and the header of "
                f"{name.decode()!r}, expected none: a record is missing or ends too early"
            )
        if records.length[row] > 0 and not _has_lines(records, row, reader):
            return (
                f"line {row + 1}: found other line ends than one after every "
                f"{records.line_bases[row]} of the {records.length[row]} bases of {name.decode()!r}"
            )
    return ""


def _has_lines(records: Records, row: int, reader: Reader) -> bool:
    """Whether the first line of a record, and its last base, end where they should."""
    offset, bases = int(records.offset[row]), int(records.line_bases[row])
    if records.length[row] > bases:
        ending = int(records.line_bytes[row]) - bases
        around = _read(reader, offset + bases - 1, 1 + ending)
        if around[:1] in b"\r\n" or around[1:] != b"\r\n"[-ending:]:
            return False
    end = int(records.ends()[row])
    around = _read(reader, end - 1, min(2, records.n_bytes - end + 1))
    return around[:1] not in b"\r\n" and around[1:] in (b"", b"\r", b"\n")


def _read(reader: Reader, offset: int, n_bytes: int) -> bytes:
    out = np.empty(n_bytes, np.uint8)
    reader.read(offset, out)
    return out.tobytes()
