"""The slow twin of `cut_parse`: one record at a time with `struct`."""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from native_kernels.cut_parse import Rules

MOVES_ALONG = {0, 2, 3, 7, 8}  # CIGAR operations M D N = X


def parse_reference(data: bytes, rules: "Rules") -> list[tuple[int, int, int]]:
    """(contig, position, strand) of every 5' end in the order of the records."""
    ends = []
    for reference, position, end, flag, mapq, length in _records(data):
        if flag & 0x4 or reference < 0 or position < 0 or flag & rules.dropped_flags:
            continue
        if mapq < rules.min_mapq:
            continue
        proper = bool(flag & 0x2) and length != 0
        if proper and not rules.min_length <= abs(length) <= rules.max_length:
            continue
        found = []
        if rules.fragments and proper and length > 0:
            found = [(reference, position, 0), (reference, position + length - 1, 1)]
        elif not rules.fragments and end > position:
            minus = bool(flag & 0x10)
            found = [(reference, end - 1, 1) if minus else (reference, position, 0)]
        ends += found * rules.times
    return ends


def _records(data: bytes) -> Iterator[tuple[int, int, int, int, int, int]]:
    """(contig, start, end, flag, mapping quality, template length) of each whole record."""
    at = 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<i", data, at)
        if at + 4 + size > len(data):
            return
        fields = struct.unpack_from("<iiBBHHHiiii", data, at + 4)
        reference, position, n_name, mapq, _, n_cigar, flag, _, _, _, length = fields
        elements = struct.unpack_from(f"<{n_cigar}I", data, at + 36 + n_name)
        end = position + sum(each >> 4 for each in elements if each & 15 in MOVES_ALONG)
        yield reference, position, end, flag, mapq, length
        at += 4 + size
