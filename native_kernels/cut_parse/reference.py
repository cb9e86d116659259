"""The slow twin of `cut_parse`: one record at a time with `struct`."""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from native_kernels.cut_parse import Rules

MOVES_ALONG = {0, 2, 3, 7, 8}  # CIGAR operations M D N = X


def parse_reference(
    data: bytes, contig_lengths: list[int], rules: "Rules"
) -> list[tuple[int, int, int]]:
    """(contig, position, strand) of every cut in the order of the records."""
    cuts = []
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
            found.append((position + rules.plus_shift, 0))
            found.append((position + length - 1 + rules.minus_shift, 1))
        elif not rules.fragments and end > position:
            minus = bool(flag & 0x10)
            found.append(
                (end - 1 + rules.minus_shift, 1) if minus else (position + rules.plus_shift, 0)
            )
        for cut, strand in found * rules.times:
            if 0 <= cut < contig_lengths[reference]:
                cuts.append((reference, cut, strand))
    return cuts


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
