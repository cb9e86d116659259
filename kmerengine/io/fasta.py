"""FASTA files: bases by region, or the whole text in blocks.

Regions are read through a `.fai` index, made when it is missing (see `Genome.open`). A region's
bytes are found by line geometry, so only they are read; in a plain gzip file, where nothing can
be found, one pass over the whole file serves all regions of a call.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.compressed import Bgzip, Plain, Reader, Source, open_source
from native_kernels.fasta_parse import (
    DamageError,
    Records,
    cut_pieces,
    gather_codes,
    lay_out_spans,
    scan_records,
)

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
T = TypeVar("T")

SCAN_BYTES = 1 << 20  # read at a time to make an index; a block this small stays in the cache
BIN_BYTES = 1 << 20  # regions that start in the same MiB of text are read and decoded together
PIECE_BASES = 1 << 20  # a longer region is read in pieces
GAP_BYTES = 8192  # two regions closer than this are one read: passing bytes over costs less
CHECKED_RECORDS = 64  # of a .fai, spread evenly, the first and the last among them
HEADER_BYTES = 1 << 20  # a longer header line is not searched for its beginning


def stream_fasta(path: str | Path, *, block_bytes: int = 16 << 20) -> Iterator[Bytes]:
    """Read the whole text of a FASTA file.

    Parameters
    ----------
    path : str or Path
        Plain, gzip or bgzip.
    block_bytes : int
        Size of a block; the last one may be smaller.

    Yields
    ------
    block : uint8, shape (n_bytes,)
        The decompressed bytes in order, each block in memory of its own.

    Raises
    ------
    InputError
        The file is missing, unreadable, empty, truncated, damaged, or does not start with '>'.
    """
    source = open_source(Path(path))
    try:
        empty = True
        for block in source.blocks(block_bytes):
            if empty and block[0] != ord(">"):
                found = f"byte 0x{block[0]:02x}"
                raise InputError(
                    f"{path}: line 1: found {found} at offset 0, expected '>'; this is not FASTA"
                )
            empty = False
            yield block
        if empty:
            raise InputError(f"{path}: holds no text, expected FASTA; check how it was made")
    finally:
        source.close()


class Genome:
    """A FASTA file, read by region.

    Attributes
    ----------
    path : Path
    contigs : dict of str to int
        Name (header up to the first whitespace) to length in bases, in file order.
    notes : list of str
        What a user should know of the index: made, kept in memory, or older than the FASTA.
    random_access : bool
        False for plain gzip: every `fetch` is one pass over the whole file.
    """

    def __init__(self, source: Source, records: Records, notes: list[str]) -> None:
        self.path = source.path
        names = [name.decode() for name in records.names]
        self.contigs = dict(zip(names, records.length.tolist(), strict=True))
        self.notes = notes
        self.random_access = source.random_access
        self._source = source
        self._records = records

    @classmethod
    def open(cls, path: str | Path) -> "Genome":
        """Open a plain, bgzip or gzip FASTA file.

        A missing `.fai` (and `.gzi` for bgzip) is made next to the file, or where that folder is
        read-only in ``$XDG_CACHE_HOME/kmerengine/fai`` (``~/.cache/kmerengine/fai``). One that
        is there is checked: its form, its fit to the size of the file, and the text around up to
        64 of its records, the first and the last among them.

        Raises
        ------
        InputError
            The file or its index cannot be used; the message says why and what to do.
        """
        path = Path(path)
        source = open_source(path)
        notes: list[str] = []
        try:
            if isinstance(source, Bgzip):
                _side_file(path, ".gzi", source.use_index, lambda: _make_gzi(source), notes)
            if isinstance(source, (Plain, Bgzip)):
                records = _side_file(
                    path,
                    ".fai",
                    lambda fai: _read_fai(fai, source),
                    lambda: _make_fai(source),
                    notes,
                )
            else:
                records = _scan(source)
            return cls(source, records, notes)
        except BaseException:
            source.close()
            raise

    def fetch(self, contig: Ints, start: Ints, end: Ints) -> tuple[Bytes, Ints]:
        """Read regions in any order; they may overlap.

        Parameters
        ----------
        contig : int64, shape (n,)
            Position of the contig in ``list(contigs)``.
        start, end : int64, shape (n,)
            Half-open, 0-based; inside the contig.

        Returns
        -------
        codes : uint8, shape (n_bases,)
            The regions end to end, in the order given; A C G T = 0 1 2 3 in either case, 255 for
            anything else.
        offsets : int64, shape (n + 1,)
            Region i is ``codes[offsets[i]:offsets[i + 1]]``.

        Raises
        ------
        InputError
            A byte read is neither residue nor line end where the index has it.
        """
        records = self._records
        offsets = np.zeros(len(start) + 1, np.int64)
        np.cumsum(end - start, out=offsets[1:])
        codes = np.empty(offsets[-1], np.uint8)
        region, piece_start, piece_end = cut_pieces(start, end, PIECE_BASES)
        piece_contig = contig[region]
        low = records.byte_of(piece_contig, piece_start)
        order = np.argsort(low, kind="stable")
        region, low, piece_contig = region[order], low[order], piece_contig[order]
        piece_start, piece_end = piece_start[order], piece_end[order]
        high = records.byte_of(piece_contig, piece_end - 1) + 1
        bases, width = records.line_bases[piece_contig], records.line_bytes[piece_contig]
        column, n_bases = piece_start % bases, piece_end - piece_start
        codes_at = offsets[region] + piece_start - start[region]

        reader = self._source.reader()
        edges = np.flatnonzero(np.diff(low // BIN_BYTES)) + 1
        edges = np.concatenate([[0], edges, [len(low)]]) if len(low) else np.zeros(1, np.int64)
        buffer = np.empty(0, np.uint8)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            one = slice(first, last)
            at, spans = lay_out_spans(low[one], high[one], GAP_BYTES)
            n_bytes = int((spans[:, 1] - spans[:, 0]).sum())
            if n_bytes > buffer.size:
                buffer = np.empty(n_bytes, np.uint8)
            _read_spans(reader, spans, buffer)
            piece, place = gather_codes(
                buffer[:n_bytes], at, column[one], n_bases[one], bases[one], width[one],
                codes, codes_at[one],
            )  # fmt: skip
            if piece >= 0:
                byte = low[first + piece] + place - at[piece]
                raise self._misfit(
                    int(piece_contig[first + piece]), int(byte), buffer[:n_bytes], place
                )
        return codes, offsets

    def _misfit(self, contig: int, byte: int, buffer: Bytes, place: int) -> InputError:
        found = f"byte 0x{buffer[place]:02x}" if place < buffer.size else "the end"
        name, bases = list(self.contigs)[contig], self._records.line_bases[contig]
        return InputError(
            f"{self.path}: record {name!r}: found {found} at offset {byte}, expected lines of "
            f"{bases} letters, '*', '-' or '.' as its index says; the file is damaged or the .fai "
            "is not its own: delete the .fai and it is made again"
        )

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> "Genome":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read_spans(reader: Reader, spans: Ints, buffer: Bytes) -> None:
    at = 0
    for low, high in spans.tolist():
        reader.read(low, buffer[at : at + high - low])
        at += high - low


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
