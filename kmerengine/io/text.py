"""Text files, plain, gzip or bgzip, in blocks of whole lines."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from kmerengine.errors import InputError

_BLOCK = 1 << 18  # bytes of text at a time: the arrays made of them stay in cache
_LONGEST_LINE = 1 << 24  # bytes; a BED12 line with 100,000 blocks has 2 million
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def text_blocks(path: Path, expected: str) -> Iterator[tuple[int, str]]:
    """The text of `path` in pieces of whole lines, each with the number of its first line.

    Parameters
    ----------
    path : Path
        Plain or compressed: the first bytes say which, the name does not.
    expected : str
        What the file should have been, such as "a BED or narrowPeak file", for messages.

    Yields
    ------
    line : int
        1-based.
    text : str
        UTF-8, a byte order mark removed. Lines end in a newline, the file's last one perhaps not.

    Raises
    ------
    InputError
        The file cannot be opened, is truncated or damaged, or is not text.
    """
    line, rest = 1, b""
    try:
        with path.open("rb") as raw:
            stream = _decompressed(raw, path)
            while block := stream.read(_BLOCK):
                cut = block.rfind(b"\n") + 1
                if not cut:
                    rest += block
                    if len(rest) > _LONGEST_LINE:
                        raise InputError(
                            f"{path}: line {line}: longer than {_LONGEST_LINE:,} bytes; "
                            f"expected {expected}"
                        )
                    continue
                text = _decode(rest + block[:cut], path, line, expected)
                rest = block[cut:]
                yield line, text
                line += text.count("\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: {_reason(error, expected)}") from error
    if rest:
        yield line, _decode(rest, path, line, expected)


def _decompressed(raw: BinaryIO, path: Path) -> BinaryIO:
    """`raw`, or the text inside it; EOFError where a gzip file is cut short."""
    head = raw.peek(18)[:18]  # type: ignore[attr-defined]
    if head[:2] != b"\x1f\x8b":
        if not head and path.suffix in (".gz", ".bgz"):
            raise EOFError
        return raw
    if head[12:14] == b"BC" and raw.seekable():  # bgzip: a file cut between blocks still unpacks
        raw.seek(0, 2)
        raw.seek(max(raw.tell() - len(_BGZIP_END), 0))
        if raw.read() != _BGZIP_END:
            raise EOFError
        raw.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def _decode(text: bytes, path: Path, line: int, expected: str) -> str:
    try:
        if b"\0" not in text:
            return text.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError:
        pass
    raise InputError(
        f"{path}: line {line} or later: found bytes that are not UTF-8 text; "
        f"expected {expected}, plain or gzip"
    )


def _reason(error: Exception, expected: str) -> str:
    match error:
        case FileNotFoundError():
            return "no such file; check the path"
        case IsADirectoryError():
            return f"is a folder; expected {expected}"
        case EOFError():
            return "the gzip data end too early: the file is truncated; copy or make it again"
        case gzip.BadGzipFile() | zlib.error():
            return f"the gzip data are damaged ({error}); copy or make the file again"
        case _:
            why = error.strerror if isinstance(error, OSError) else None
            return f"could not be read ({why or error}); expected {expected}"
