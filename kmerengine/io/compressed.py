"""A file's bytes by their uncompressed offset: plain, bgzip and gzip.

A source knows its file; a reader, made once per pass, reads it. Nothing is mapped: mapped pages
would count as memory.
"""

import os
import stat
import struct
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
from isal import igzip, igzip_lib, isal_zlib

from kmerengine.errors import InputError

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

# The empty block that ends every complete bgzip file (SAM specification, section 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
MAX_BLOCK = 65_536  # bytes in a bgzip block, compressed or not
CHUNK = 1 << 20  # bytes decompressed at a time from plain gzip

IsalError = cast(type[Exception], igzip_lib.IsalError)  # the stubs declare it as an instance


class Reader(Protocol):
    """One pass over a source. Without random access, offsets never decrease from call to call."""

    def read(self, offset: int, out: Bytes) -> None:
        """Fill `out` with the uncompressed bytes from `offset` on."""


class Source(Protocol):
    """A file that can be read by uncompressed offset."""

    path: Path
    random_access: bool

    def reader(self) -> Reader: ...

    def blocks(self, block_bytes: int) -> Iterator[Bytes]:
        """All uncompressed bytes in order, in new arrays of `block_bytes` or less."""

    def close(self) -> None: ...


def open_source(path: Path) -> "Plain | Gzip | Bgzip":
    """Open a file, telling plain, gzip and bgzip apart by its first bytes, not by its name."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: is a folder; give the file itself")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: is not a regular file; write it to disk first")
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    head = os.pread(handle, 18, 0)
    if not head:
        os.close(handle)
        raise InputError(f"{path}: is empty (0 bytes), expected content; check how it was made")
    if head[:3] != b"\x1f\x8b\x08":
        return Plain(path, handle)
    if len(head) == 18 and head[3] & 4 and head[12:16] == b"BC\x02\x00":
        return Bgzip(path, handle)
    return Gzip(path, handle)


class Plain:
    """An uncompressed file."""

    random_access = True

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self.handle = path, handle
        self.size = os.fstat(handle).st_size  # bytes

    def reader(self) -> "Plain":
        return self  # it keeps no place

    def read(self, offset: int, out: Bytes) -> None:
        """Fill `out` with the bytes from `offset` on."""
        done = 0
        while done < out.size:
            got = os.preadv(self.handle, [out[done:].data], offset + done)
            if got == 0:
                raise InputError(
                    f"{self.path}: ends at byte {offset + done}, expected {out.size - done} more; "
                    "was it truncated while being read?"
                )
            done += got

    def blocks(self, block_bytes: int) -> Iterator[Bytes]:
        """All bytes in order, in new arrays of `block_bytes` or less."""
        for offset in range(0, self.size, block_bytes):
            block = np.empty(min(block_bytes, self.size - offset), np.uint8)
            self.read(offset, block)
            yield block

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class Gzip:
    """A gzip file without blocks: every reader starts at its beginning."""

    random_access = False

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        os.close(handle)

    def reader(self) -> "GzipReader":
        return GzipReader(self.blocks(CHUNK), self.path)

    def blocks(self, block_bytes: int) -> Iterator[Bytes]:
        """All uncompressed bytes in order, in new arrays of `block_bytes` or less."""
        with _open_gzip(self.path) as file:
            while True:
                block = np.empty(block_bytes, np.uint8)
                try:
                    done = 0
                    while done < block_bytes and (got := file.readinto(block[done:].data)):
                        done += got
                except EOFError:
                    raise InputError(
                        f"{self.path}: the gzip data end too early, the file is truncated; "
                        "copy or make it again"
                    ) from None
                except (OSError, IsalError) as error:
                    raise InputError(
                        f"{self.path}: damaged gzip data ({error}); copy or make it again"
                    ) from error
                if done == 0:
                    return
                yield block[:done]

    def close(self) -> None:
        """Nothing is held open between readers."""


def _open_gzip(path: Path) -> BufferedIOBase:
    return cast(BufferedIOBase, igzip.open(path, "rb"))  # type: ignore[no-untyped-call]


class GzipReader:
    """Forward reading: keeps the chunks that the next call may still need."""

    def __init__(self, chunks: Iterator[Bytes], path: Path) -> None:
        self._chunks, self._path = chunks, path
        self._kept: deque[tuple[int, Bytes]] = deque()  # offset, chunk
        self._end = 0  # bytes decompressed

    def read(self, offset: int, out: Bytes) -> None:
        """Fill `out` with the uncompressed bytes from `offset` on."""
        stop = offset + out.size
        while self._end < stop:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise InputError(
                    f"{self._path}: ends at byte {self._end}, expected at least {stop}; "
                    "was it changed while being read?"
                )
            self._kept.append((self._end, chunk))
            self._end += chunk.size
            self._drop_before(offset)
        self._drop_before(offset)
        for start, chunk in self._kept:
            low, high = max(start, offset), min(start + chunk.size, stop)
            if low < high:
                out[low - offset : high - offset] = chunk[low - start : high - start]

    def _drop_before(self, offset: int) -> None:
        while self._kept and self._kept[0][0] + self._kept[0][1].size <= offset:
            self._kept.popleft()


class Bgzip:
    """A gzip file of independent blocks, each found through the `.gzi` index.

    Attributes
    ----------
    starts : int64, shape (n_blocks + 1, 2)
        Where each block starts in the file and in the uncompressed text; the last row is where
        the last block ends. Empty until `scan` or `use_index`.
    """

    random_access = True

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._file = path, Plain(path, handle)
        self.starts: Ints = np.zeros((0, 2), np.int64)
        end = os.pread(handle, len(BGZF_END), max(0, self._file.size - len(BGZF_END)))
        if end != BGZF_END:
            self.close()
            raise InputError(
                f"{path}: its last {len(BGZF_END)} bytes are not bgzip's end marker, the file is "
                "truncated; copy or make it again with bgzip"
            )

    @property
    def size(self) -> int:
        """Uncompressed bytes; known after `scan` or `use_index`."""
        return int(self.starts[-1, 1])

    def scan(self) -> None:
        """Find all blocks by hopping from header to header."""
        self.starts = self._hop(0, 0)

    def use_index(self, index: Path) -> None:
        """Take the blocks from a `.gzi`, after checking that it fits this file."""
        advice = f"it does not fit {self.path}; delete it and it is made again"
        data = index.read_bytes()
        n = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else -1
        if len(data) != 8 + 16 * n:
            raise InputError(
                f"{index}: found {len(data)} bytes, expected 8 + 16 x number of blocks; {advice}"
            )
        starts = np.concatenate([np.zeros(2, "<u8"), np.frombuffer(data, "<u8", offset=8)])
        pairs = starts.reshape(-1, 2)
        if (np.diff(pairs.astype(np.float64), axis=0) < [1, 0]).any() or (
            pairs[-1] > [self._file.size, MAX_BLOCK * self._file.size]
        ).any():
            raise InputError(
                f"{index}: block places do not ascend inside the file's {self._file.size} bytes; "
                f"{advice}"
            )
        known = pairs.astype(np.int64)
        try:
            rest = self._hop(int(known[-1, 0]), int(known[-1, 1]))
        except InputError as error:
            raise InputError(f"{index}: its last block is not there ({error}); {advice}") from error
        self.starts = np.concatenate([known[:-1], rest])

    def index_bytes(self) -> bytes:
        """The `.gzi` of the blocks."""
        inner = self.starts[1:-1]
        return struct.pack("<Q", len(inner)) + inner.astype("<u8").tobytes()

    def _hop(self, at: int, text_at: int) -> Ints:
        """Starts of the blocks with content from file offset `at` on, and their end."""
        rows = []
        while at < self._file.size:
            size, _ = self._header(os.pread(self._file.handle, 18, at), at)
            tail = os.pread(self._file.handle, 4, at + size - 4)
            n_bytes = int.from_bytes(tail, "little") if len(tail) == 4 else MAX_BLOCK + 1
            if n_bytes > MAX_BLOCK:
                raise self._damaged(at, "a block with an impossible size")
            if n_bytes:
                rows.append((at, text_at))
            at, text_at = at + size, text_at + n_bytes
        return np.array([*rows, (at, text_at)], np.int64)

    def _header(self, data: bytes, at: int) -> tuple[int, int]:
        """Size of the block whose first bytes are `data`, and where its content starts in it."""
        if data[:4] != BGZF_END[:4] or data[12:16] != b"BC\x02\x00" or len(data) < 18:
            raise self._damaged(at, "no bgzip block header")
        size = int.from_bytes(data[16:18], "little") + 1
        content = 12 + int.from_bytes(data[10:12], "little")
        if size < content + 8:
            raise self._damaged(at, "a block with an impossible size")
        return size, content

    def _damaged(self, at: int, found: str) -> InputError:
        return InputError(
            f"{self.path}: found {found} at byte {at} of the compressed file, the file is "
            "damaged; copy or make it again with bgzip"
        )

    def inflate(self, at: int) -> tuple[Bytes, int]:
        """Text of the block at file offset `at`, checked by its CRC, and the next block's place."""
        data = os.pread(self._file.handle, MAX_BLOCK, at)
        size, content = self._header(data, at)
        try:
            text = igzip_lib.decompress(
                memoryview(data)[content : size - 8],
                flag=igzip_lib.DECOMP_DEFLATE,
                bufsize=MAX_BLOCK,
            )
        except IsalError as error:
            raise self._damaged(at, f"a broken block ({error})") from error
        crc_and_size = struct.pack("<II", isal_zlib.crc32(text), len(text))
        if data[size - 8 : size] != crc_and_size:
            raise self._damaged(at, "a block with a wrong checksum")
        return np.frombuffer(text, np.uint8), at + size

    def reader(self) -> "BgzipReader":
        return BgzipReader(self)

    def blocks(self, block_bytes: int) -> Iterator[Bytes]:
        """All uncompressed bytes in order, in new arrays of `block_bytes` or less."""
        at, text = 0, np.zeros(0, np.uint8)
        while at < self._file.size or text.size:
            block = np.empty(block_bytes, np.uint8)
            done = 0
            while done < block_bytes and (text.size or at < self._file.size):
                if not text.size:
                    text, at = self.inflate(at)
                n = min(text.size, block_bytes - done)
                block[done : done + n] = text[:n]
                done, text = done + n, text[n:]
            if done:
                yield block[:done]

    def close(self) -> None:
        self._file.close()


class BgzipReader:
    """Random access that keeps the last block: neighbouring reads inflate it once."""

    def __init__(self, source: Bgzip) -> None:
        self._source = source
        self._block, self._text = -1, np.zeros(0, np.uint8)

    def read(self, offset: int, out: Bytes) -> None:
        """Fill `out` with the uncompressed bytes from `offset` on."""
        starts = self._source.starts
        stop = offset + out.size
        block = int(np.searchsorted(starts[:, 1], offset, side="right")) - 1
        while offset < stop:
            if block >= len(starts) - 1:
                raise InputError(
                    f"{self._source.path}: ends at byte {self._source.size} of its text, "
                    f"expected at least {stop}; its index does not fit, delete it"
                )
            start = int(starts[block, 1])
            if block != self._block:
                text, _ = self._source.inflate(int(starts[block, 0]))
                if text.size != starts[block + 1, 1] - start:
                    raise InputError(
                        f"{self._source.path}: the block at byte {starts[block, 0]} holds "
                        f"{text.size} bytes, its .gzi says {starts[block + 1, 1] - start}; "
                        "delete the .gzi and it is made again"
                    )
                self._block, self._text = block, text
            part = self._text[offset - start : stop - start]
            out[out.size - (stop - offset) :][: part.size] = part
            offset += part.size
            block += 1
