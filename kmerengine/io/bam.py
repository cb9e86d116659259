"""BAM files as a stream of uncompressed records, inflated by several threads."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.parallel import in_order

Bytes = npt.NDArray[np.uint8]

READ_BYTES = 1 << 21  # compressed, inflated by one thread at a time
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
MAX_HEADER = 1 << 28


class BamFile:
    """A BAM file: its contigs, and its records in file order.

    Sorted or not, with or without index: the file is read from end to end.

    Attributes
    ----------
    path : Path
    contigs : dict of str to int
        Length of each contig, bp, in the header's order.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        self.path = Path(path)
        self._threads = threads
        self._first = self._read_header()

    def pieces(self) -> Iterator[Bytes]:
        """Uncompressed bytes from the first record on, cut anywhere."""
        skip = self._first
        for text in self._inflated():
            if skip < len(text):
                yield text[skip:]
            skip = max(0, skip - len(text))

    def _inflated(self) -> Iterator[Bytes]:
        return in_order(self._inflate, self._groups(), self._threads)

    def _groups(self) -> Iterator[tuple[int, bytes]]:
        """Whole BGZF blocks, about READ_BYTES of them at a time, and where they start."""
        try:
            with self.path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size < len(END) or os.pread(file.fileno(), len(END), size - len(END)) != END:
                    raise self._error(
                        "found no BGZF end marker in its last 28 bytes, the file is truncated or "
                        "not a BAM; copy or make it again"
                    )
                at, held = 0, b""
                while at < size:
                    read = file.read(READ_BYTES)
                    held += read
                    whole = self._whole_blocks(held, at)
                    if not read and whole < len(held):
                        raise self._error(f"found a cut-off block at byte {at}, copy it again")
                    if whole:
                        yield at, held[:whole]
                    at += whole
                    held = held[whole:]
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _whole_blocks(self, held: bytes, at: int) -> int:
        done = 0
        while done + 18 <= len(held):
            if held[done : done + 4] != END[:4] or held[done + 12 : done + 16] != b"BC\x02\x00":
                raise self._error(
                    f"found no BGZF block at byte {at + done}, expected BAM; plain gzip and SAM "
                    "text are not read, convert with samtools view -b"
                )
            size = int.from_bytes(held[done + 16 : done + 18], "little") + 1
            if size < 26:
                raise self._error(
                    f"found a block of {size} bytes at byte {at + done}; copy it again"
                )
            if done + size > len(held):
                break
            done += size
        return done

    def _inflate(self, group: tuple[int, bytes]) -> Bytes:
        """The text of a group of blocks, each checked by its CRC and size."""
        import deflate

        start, data = group
        view = memoryview(data)
        texts = []
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
            crc, n_bytes = struct.unpack_from("<II", data, at + size - 8)
            if n_bytes > 1 << 16:
                raise self._error(f"found a block of {n_bytes} bytes at byte {start + at}, damaged")
            try:
                text = deflate.deflate_decompress(view[at + 18 : at + size - 8], n_bytes)
            except (deflate.DeflateError, ValueError) as error:
                raise self._error(
                    f"found a broken block at byte {start + at} ({error}); copy or make it again"
                ) from error
            if len(text) != n_bytes or deflate.crc32(text) != crc:
                raise self._error(
                    f"found a wrong checksum in the block at byte {start + at}; copy it again"
                )
            texts.append(text)
            at += size
        return np.frombuffer(b"".join(texts), np.uint8)

    def _read_header(self) -> int:
        """Read the contigs; returns where the first record starts in the text."""
        text = b""
        for piece in self._inflated():
            text += piece.tobytes()
            if text[:4] != b"BAM\x01"[: len(text)]:
                raise self._error(f"starts with {text[:4]!r}, expected BAM")
            end = self._header_end(text)
            if end is not None:
                return end
        raise self._error("ends inside its header; copy or make it again")

    def _header_end(self, text: bytes) -> int | None:
        """Fill `contigs` once the header is whole; None while it is not."""

        def number(at: int) -> int:
            (value,) = struct.unpack_from("<i", text, at)
            if not 0 <= value <= MAX_HEADER:
                raise self._error(f"found {value} for a size in its header; it is damaged")
            return int(value)

        contigs: dict[str, int] = {}
        try:
            at = 8 + number(4)
            n_contigs = number(at)
            at += 4
            for _ in range(n_contigs):
                n_name = number(at)
                name = text[at + 4 : at + 3 + n_name]
                contigs[name.decode()] = number(at + 4 + n_name)
                at += 8 + n_name
        except struct.error:
            return None
        except UnicodeDecodeError as error:
            raise self._error(f"found a contig name {name!r} that is no text") from error
        if len(contigs) < n_contigs:
            raise self._error("names a contig twice in its header; expected each once")
        self.contigs = contigs
        return at if at <= len(text) else None

    def _error(self, problem: str) -> InputError:
        return InputError(f"{self.path}: {problem}")
