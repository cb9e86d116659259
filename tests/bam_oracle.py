"""BAM bytes made by hand, and what they say: nothing here is imported from the project."""

import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field

END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclass(frozen=True)
class Read:
    """One record; CIGAR as (operation letter, length) pairs."""

    contig: int = 0
    start: int = 0
    cigar: tuple[tuple[str, int], ...] = (("M", 10),)
    flag: int = 0
    mapq: int = 30
    length: int = 0
    name: str = "r"
    tags: bytes = field(default=b"")

    @property
    def end(self) -> int:
        return self.start + sum(n for letter, n in self.cigar if letter in "MDN=X")


def record(read: Read) -> bytes:
    n_bases = sum(n for letter, n in read.cigar if letter in "MIS=X")
    elements = b"".join(struct.pack("<I", n << 4 | "MIDNSHP=X".index(op)) for op, n in read.cigar)
    name = read.name.encode() + b"\0"
    fixed = struct.pack(
        "<iiBBHHHiiii", read.contig, read.start, len(name), read.mapq, 0, len(read.cigar),
        read.flag, n_bases, read.contig, read.start, read.length,
    )  # fmt: skip
    body = fixed + name + elements + b"\x11" * ((n_bases + 1) // 2) + b"\x1e" * n_bases + read.tags
    return struct.pack("<i", len(body)) + body


def text_tag(name: str, text: str) -> bytes:
    return name.encode() + b"Z" + text.encode() + b"\0"


def header(contigs: dict[str, int]) -> bytes:
    text = b"@HD\tVN:1.6\n"
    made = b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", len(contigs))
    for name, length in contigs.items():
        made += struct.pack("<i", len(name) + 1) + name.encode() + b"\0" + struct.pack("<i", length)
    return made


def block(text: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(text) + packer.flush()
    size = len(body) + 25
    start = bytes.fromhex("1f8b08040000000000ff060042430200") + struct.pack("<H", size)
    return start + body + struct.pack("<II", zlib.crc32(text), len(text))


def bam(contigs: dict[str, int], reads: list[Read], *, block_bytes: int = 60_000) -> bytes:
    text = header(contigs) + b"".join(record(read) for read in reads)
    blocks = [block(text[i : i + block_bytes]) for i in range(0, len(text), block_bytes)]
    return b"".join(blocks) + END


def cuts_of(
    reads: list[Read], lengths: list[int], plus: int = 4, minus: int = -4, *, dropped: int = 0xB00
) -> Counter[tuple[int, int, int]]:
    """(contig, position, strand) of every read's 5' end."""
    found: Counter[tuple[int, int, int]] = Counter()
    for read in reads:
        if read.flag & 0x4 or read.flag & dropped or read.end == read.start:
            continue
        strand = 1 if read.flag & 0x10 else 0
        at = read.end - 1 + minus if strand else read.start + plus
        if 0 <= at < lengths[read.contig]:
            found[read.contig, at, strand] += 1
    return found
