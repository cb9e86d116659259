"""The bases of a FASTA file as one stream of codes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.fasta import stream_fasta
from native_kernels.fasta_parse import strip

BLOCK_BYTES = 1 << 22  # of text: codes that are still in cache when they are counted

HEADERS_AT_ONCE = 1024  # header lines that one call of the loop lists

Codes = npt.NDArray[np.uint8]


@dataclass
class Tallied:
    """What a stream of text held, known once it has been read."""

    records: int = 0
    bases: int = 0


class CodeStream:
    """The codes of a FASTA file, piece by piece; every window of k bases lies in one piece.

    Records are separated by a code of 255. Iterating again reads the file again.

    Parameters
    ----------
    path : Path
        Plain, gzip or bgzip.
    k : int
        Bases in a window.
    block_bytes : int
        Text in a piece.
    progress : callable, optional
        Called with the number of bytes of text of each piece.
    """

    def __init__(
        self,
        path: Path,
        k: int,
        *,
        block_bytes: int = BLOCK_BYTES,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.path = path
        self.k = k
        self._block_bytes = block_bytes
        self.found = Tallied()
        self._progress = progress

    def __iter__(self) -> Iterator[Codes]:
        state = strip.new_state()
        names: set[bytes] = set()
        unfinished = b""  # a header that the end of a block has cut
        carried = np.empty(0, np.uint8)
        offset = 0
        headers = np.empty(HEADERS_AT_ONCE, np.int64)
        for block in stream_fasta(self.path, block_bytes=self._block_bytes):
            lead = len(carried)
            codes = np.empty(lead + len(block), np.uint8)
            codes[:lead] = carried
            written = lead
            text = block
            while len(text):
                stopped = strip.strip_block(text, state, codes[written:], headers)
                if state[strip.BAD_AT] >= 0:
                    self._refuse(int(text[stopped]), offset + stopped)
                for start in headers[: state[strip.N_HEADERS]].tolist():
                    header, is_whole = _header_at(text, start)
                    unfinished += header
                    if is_whole:
                        self._add_name(unfinished, names)
                        unfinished = b""
                written += int(state[strip.N_CODES])
                text = text[stopped:]
                offset += stopped
            codes = codes[:written]
            yield codes
            carried = codes[max(0, len(codes) - self.k + 1) :].copy()
            if self._progress is not None:
                self._progress(len(block))
        if state[strip.PLACE] == strip.IN_HEADER:
            raise InputError(
                f"{self.path}: record {len(names) + 1}: found the end of the file inside a header, "
                "expected a line of sequence after it; the file is cut short"
            )
        self.found = Tallied(len(names), int(state[strip.N_BASES]))
        if self.found.bases == 0:
            raise InputError(
                f"{self.path}: {len(names)} records without a base, expected sequences"
            )

    def _add_name(self, header: bytes, names: set[bytes]) -> None:
        fields = header.split(None, 1)
        name = fields[0] if fields and not header[:1].isspace() else b""
        if not name:
            raise InputError(
                f"{self.path}: record {len(names) + 1}: found a header without a name, expected "
                "'>name'; name the record"
            )
        if name in names:
            shown = name.decode(errors="replace")
            raise InputError(
                f"{self.path}: record {len(names) + 1}: the name {shown!r} is there twice, "
                "expected every name once; rename or remove one"
            )
        names.add(name)

    def _refuse(self, byte: int, offset: int) -> None:
        raise InputError(
            f"{self.path}: found byte 0x{byte:02x} in a sequence at offset {offset} of the text, "
            "expected letters, '*', '-' or '.'; the file is binary, damaged or not FASTA"
        )


def _header_at(text: npt.NDArray[np.uint8], start: int) -> tuple[bytes, bool]:
    """The header line at `start` (-1: the rest of one) without its ">", and whether it is whole."""
    first = start + 1
    step = 256
    while True:
        piece = text[first : first + step].tobytes()
        end = piece.find(b"\n")
        if end >= 0:
            return piece[:end], True
        if first + step >= len(text):
            return piece, False
        step *= 8
