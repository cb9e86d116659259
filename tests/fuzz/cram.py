"""CRAM files for fuzzing: good ones, and mutations with checksums that fit (CRAM 3.0, section 7).

Nothing is decoded but where containers and blocks begin: what is changed is left as long as it is.
"""

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

from fuzz.mutate import EXTREMES, some_bytes

DEFINITION, END_SIZE = 26, 38  # bytes of the file's first lines, and of the last container
OPTIONS = (["version=3.0", "level=0"], ["version=3.0"], ["version=3.1"], ["version=2.1"])


def crams(bam: Path, folder: Path) -> Iterator[bytes]:
    """The records of a BAM file in each form; CRAM 2.1 has no checksums, level 0 no compression."""
    import pysam

    path = folder / "made.cram"
    for options in OPTIONS:
        more = [*options, "no_ref=1"]
        with (
            pysam.AlignmentFile(str(bam), "rb") as reads,
            pysam.AlignmentFile(str(path), "wc", template=reads, format_options=more) as out,
        ):
            for read in reads:
                out.write(read)
        yield path.read_bytes()


def some_cram(content: bytes, rng: random.Random) -> bytes:
    """Other bytes in blocks or heads of containers, most often with checksums that fit."""
    if rng.random() < 0.2:
        return some_bytes(content, rng)
    made = bytearray(content)
    stop = len(made) - (END_SIZE if rng.random() < 0.95 else 0)
    sealed = list(_sealed(content)) if content[4] == 3 else []
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        low, high = rng.choice(sealed) if sealed else (DEFINITION, stop)
        at = rng.randrange(low, max(low + 1, min(high, stop)))
        match rng.randrange(4):
            case 0:
                made[at] ^= 1 << rng.randrange(8)
            case 1:
                made[at] = rng.choice(EXTREMES) & 0xFF
            case 2:
                made[at : at + 5] = bytes([0xFF] * len(made[at : min(at + 5, high)]))
            case _:
                made[at] = rng.randrange(256)
    for low, high in sealed:
        made[high : high + 4] = zlib.crc32(made[low:high]).to_bytes(4, "little")
    return bytes(made)


def _sealed(content: bytes) -> Iterator[tuple[int, int]]:
    """Where there is something of CRAM 3 whose checksum stands behind it."""
    at = DEFINITION
    while at < len(content):
        size, here = int.from_bytes(content[at : at + 4], "little"), at + 4
        for _ in range(4):  # contig, start, span, records
            _, here = _itf8(content, here)
        for _ in range(2):  # records before it, bases
            here += max(1, _ones(content[here]) + 1)
        n_blocks, here = _itf8(content, here)
        n_slices, here = _itf8(content, here)
        for _ in range(n_slices):
            _, here = _itf8(content, here)
        yield at, here
        here += 4
        stop = here + size
        for _ in range(n_blocks):
            start, packed = here, 0
            here += 2  # method and what is in it
            for what in ("id", "bytes", "unpacked"):
                value, here = _itf8(content, here)
                packed = value if what == "bytes" else packed
            here += packed
            yield start, here
            here += 4
        at = stop


def _ones(first: int) -> int:
    """How many bytes follow the first one of a number."""
    return next((i for i in range(8) if not first & 0x80 >> i), 8)


def _itf8(content: bytes, at: int) -> tuple[int, int]:
    """A number of 32 bits of one to five bytes, and where it ends."""
    more = min(_ones(content[at]), 4)
    value = content[at] & (0x7F >> more if more < 4 else 0x0F)
    for byte in content[at + 1 : at + 1 + more]:
        value = value << 8 | byte
    if more == 4:  # of the last byte only four bits count
        value = (content[at] & 0xF) << 28 | int.from_bytes(content[at + 1 : at + 4]) << 4
        value |= content[at + 4] & 0xF
    return value, at + 1 + more
