"""Write fragments as a BAM file of proper pairs, coordinate-sorted.

Every read has the same length, one match operation and one quality, so every record has the same
number of bytes and a contig's records are one NumPy array.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.io.bam import END

PAIRED, PROPER, MATE_MINUS, MINUS, FIRST, SECOND = 1, 2, 32, 16, 64, 128

_BLOCK = 65_280  # bytes of text in a BGZF block, as htslib has it
_RECORDS = 1 << 18  # at a time
_NIBBLE = np.array([1, 2, 4, 8], np.uint8)  # A C G T
_MAPQ, _QUALITY = 60, 40
_DIGITS = 9

Ints = npt.NDArray[np.int64]


class ContigFragments(NamedTuple):
    """Fragments of one contig.

    Attributes
    ----------
    codes : uint8, shape (length,)
        Its bases, 0 to 3.
    start, end : int64, shape (n,)
        bp, half-open; by start. None is shorter than a read.
    first_minus : bool, shape (n,)
        The first read of the pair is the one on the minus strand.
    """

    codes: npt.NDArray[np.uint8]
    start: Ints
    end: Ints
    first_minus: npt.NDArray[np.bool_]


def write_bam(
    path: Path,
    contigs: dict[str, int],
    fragments: Iterable[ContigFragments],
    *,
    read_length: int,
    sample: str,
) -> int:
    """Write a BAM file; returns the number of its fragments.

    Parameters
    ----------
    path : Path
    contigs : dict of str to int
        Length of each contig, bp.
    fragments : iterable of ContigFragments
        One for each contig, in their order.
    read_length : int
        bp of both reads of a pair, which lie at the fragment's ends.
    sample : str
        Of the header's read group.
    """
    import deflate

    def block(text: bytes) -> bytes:
        data = deflate.deflate_compress(text, 1)
        head = END[:16] + struct.pack("<H", len(data) + 25)
        return head + bytes(data) + struct.pack("<II", zlib.crc32(text), len(text))

    n_fragments = 0

    def texts() -> Iterator[bytes]:
        nonlocal n_fragments
        held = _header(contigs, sample)
        for number, each in enumerate(fragments):
            for piece in _records(each, number, n_fragments, read_length):
                held += piece
                whole = len(held) // _BLOCK * _BLOCK
                yield from (held[at : at + _BLOCK] for at in range(0, whole, _BLOCK))
                held = held[whole:]
            n_fragments += len(each.start)
        yield from (held[at : at + _BLOCK] for at in range(0, len(held), _BLOCK))

    with path.open("wb") as file:
        for each in texts():
            file.write(block(each))
        file.write(END)
    return n_fragments


def _header(contigs: dict[str, int], sample: str) -> bytes:
    lines = ["@HD\tVN:1.6\tSO:coordinate"]
    lines += [f"@SQ\tSN:{name}\tLN:{length}" for name, length in contigs.items()]
    text = "\n".join([*lines, f"@RG\tID:{sample}\tSM:{sample}", ""]).encode()
    parts = [b"BAM\x01", struct.pack("<i", len(text)), text, struct.pack("<i", len(contigs))]
    for name, length in contigs.items():
        packed = name.encode() + b"\0"
        parts += [struct.pack("<i", len(packed)), packed, struct.pack("<i", length)]
    return b"".join(parts)


def _record(read_length: int) -> np.dtype[np.void]:
    fields = [
        ("block_size", "<i4"), ("contig", "<i4"), ("position", "<i4"), ("name_length", "u1"),
        ("mapq", "u1"), ("bin", "<u2"), ("operations", "<u2"), ("flag", "<u2"),
        ("length", "<i4"), ("mate_contig", "<i4"), ("mate_position", "<i4"), ("template", "<i4"),
        ("name", "u1", (_DIGITS + 2,)), ("cigar", "<u4"),
        ("bases", "u1", ((read_length + 1) // 2,)), ("qualities", "u1", (read_length,)),
    ]  # fmt: skip
    return np.dtype(fields)


def _records(
    fragments: ContigFragments, contig: int, first_number: int, read_length: int
) -> Iterator[bytes]:
    """Both reads of every fragment by position, ties in the fragments' order."""
    n = len(fragments.start)
    position = np.concatenate([fragments.start, fragments.end - read_length])
    order = np.argsort(position, kind="stable")
    last = len(fragments.codes) - 1
    for low in range(0, 2 * n, _RECORDS):
        read = order[low : low + _RECORDS]
        fragment = read % max(n, 1)
        minus = read >= n
        is_first = minus == fragments.first_minus[fragment]
        found = np.zeros(len(read), _record(read_length))
        found["block_size"] = found.itemsize - 4
        found["contig"] = found["mate_contig"] = contig
        found["position"] = position[read]
        found["mate_position"] = position[np.where(minus, fragment, fragment + n)]
        found["name_length"] = _DIGITS + 2
        found["mapq"] = _MAPQ
        found["bin"] = _bins(position[read], position[read] + read_length)
        found["operations"] = 1
        found["flag"] = (
            (PAIRED | PROPER) + np.where(minus, MINUS, MATE_MINUS)
            + np.where(is_first, FIRST, SECOND)
        )  # fmt: skip
        found["length"] = read_length
        span = fragments.end[fragment] - fragments.start[fragment]
        found["template"] = np.where(minus, -span, span)
        found["name"][:, 0] = ord("f")
        number = first_number + fragment + 1
        for digit in range(_DIGITS):
            found["name"][:, _DIGITS - digit] = ord("0") + number // 10**digit % 10
        found["cigar"] = read_length << 4
        for pair in range((read_length + 1) // 2):
            at = position[read] + 2 * pair
            second = _NIBBLE[fragments.codes[np.minimum(at + 1, last)]]
            if 2 * pair + 1 == read_length:
                second = np.zeros_like(second)
            found["bases"][:, pair] = _NIBBLE[fragments.codes[at]] << 4 | second
        found["qualities"] = _QUALITY
        yield found.tobytes()


def _bins(start: Ints, end: Ints) -> Ints:
    """The bin of the BAM index that holds [start, end)."""
    last = end - 1
    found = np.zeros(len(start), np.int64)
    for shift in (26, 23, 20, 17, 14):
        offset = ((1 << (29 - shift)) - 1) // 7
        found = np.where(start >> shift == last >> shift, offset + (start >> shift), found)
    return found
