"""CRAM files as a stream of BAM records, read by pysam.

Cuts need no bases, and without bases htslib needs no reference: it is neither asked for nor looked
up. A record comes back with its name, its barcode's tag, and its alignment as one stretch.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kmerengine.errors import InputError
from kmerengine.io.bam import Bytes

RECORDS = 1 << 15  # at a time
FIELDS = 0x1FF  # name to template length; no bases, no qualities
TAGS = 0x800
FIXED = struct.Struct("<iiiBBHHHiiii")
ENDS = (  # of CRAM 3 and 2.1: an empty container, without which the file was cut off
    bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
    bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
)


class CramFile:
    """A CRAM file as `BamFile` has it: its contigs, and its records in file order.

    Parameters
    ----------
    path : str or Path
    threads : int
    tag : str, optional
        A tag to keep; the others are left out.

    Attributes
    ----------
    contigs : dict of str to int
        Length of each contig, bp, in the header's order.
    """

    def __init__(self, path: str | Path, *, threads: int = 1, tag: str | None = None) -> None:
        import pysam

        self.path = Path(path)
        self._tag = tag
        self._check_end()
        fields = FIELDS | (TAGS if tag else 0)
        verbosity = pysam.set_verbosity(0)  # what htslib would print is in our own message
        try:
            self._file = pysam.AlignmentFile(
                os.fsencode(self.path), "rc", check_sq=False, threads=threads,
                format_options=[f"required_fields={fields}"],
            )  # fmt: skip
            self.contigs = dict(zip(self._file.references, self._file.lengths, strict=True))
        except (OSError, ValueError) as error:  # of names that are no text too
            raise InputError(f"{self.path}: cannot be read as CRAM ({error})") from error
        finally:
            pysam.set_verbosity(verbosity)

    def _check_end(self) -> None:
        """Between containers, htslib takes a truncated file for a whole one."""
        try:
            with self.path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - len(ENDS[0])))
                tail = file.read()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error
        if not tail.endswith(ENDS):
            raise InputError(
                f"{self.path}: found no CRAM end marker in its last {len(ENDS[0])} bytes, the file "
                "is truncated or not a CRAM; copy or make it again"
            )

    def pieces(self) -> Iterator[Bytes]:
        """Uncompressed BAM records."""
        import pysam

        verbosity = pysam.set_verbosity(0)
        waiting: list[bytes] = []
        n = 0
        try:
            with self._file:
                for read in self._file.fetch(until_eof=True):
                    waiting.append(self._record(read))
                    n += 1
                    if len(waiting) == RECORDS:
                        yield np.frombuffer(b"".join(waiting), np.uint8)
                        waiting = []
        except (OSError, ValueError, struct.error) as error:
            raise InputError(
                f"{self.path}: after record {n}: {error}; the file is damaged, copy or make it "
                "again"
            ) from error
        finally:
            pysam.set_verbosity(verbosity)
        if waiting:
            yield np.frombuffer(b"".join(waiting), np.uint8)

    def _record(self, read: "pysam.AlignedSegment") -> bytes:  # type: ignore[name-defined]  # noqa: F821
        start = read.reference_start
        name = (read.query_name or "").encode() + b"\0"
        span = (read.reference_length or 0) if not read.is_unmapped else 0
        cigar = struct.pack("<I", span << 4) if span else b""
        tag = b""
        if self._tag and read.has_tag(self._tag):
            tag = self._tag.encode() + b"Z" + str(read.get_tag(self._tag)).encode() + b"\0"
        size = FIXED.size - 4 + len(name) + len(cigar) + len(tag)
        fixed = FIXED.pack(
            size, read.reference_id, start, len(name), read.mapping_quality, 0, len(cigar) // 4,
            read.flag, 0, -1, -1, read.template_length,
        )  # fmt: skip
        return fixed + name + cigar + tag
