"""FASTA text to records and bases.

Base p of a record is the byte

    offset + (p // line_bases) * line_bytes + p % line_bases

when every line of it but the last holds `line_bases` bases in `line_bytes` bytes.
`scan_records` finds these four numbers (with the length: a line of a `.fai`) and checks every
byte; `gather_codes` reads bases by them and checks the bytes that it touches. Between the two,
`cut_pieces` and `lay_out_spans` plan what to read for regions in any order.
"""

import numpy as np

from native_kernels.fasta_parse.cpu import gather_codes, scan_records
from native_kernels.fasta_parse.reference import DamageError, Ints, Records

__all__ = [
    "DamageError",
    "Records",
    "cut_pieces",
    "gather_codes",
    "lay_out_spans",
    "scan_records",
]


def cut_pieces(start: Ints, end: Ints, longest: int) -> tuple[Ints, Ints, Ints]:
    """Cut regions into pieces of at most `longest` bases; empty regions have none.

    Returns
    -------
    region, start, end : int64, shape (n_pieces,)
        The region a piece is of, in ascending order, and its own half-open place.
    """
    n = -(-(end - start) // longest)
    region = np.repeat(np.arange(len(start)), n)
    number = np.arange(len(region)) - np.repeat(np.cumsum(n) - n, n)
    piece_start = start[region] + number * longest
    return region, piece_start, np.minimum(end[region], piece_start + longest)


def lay_out_spans(low: Ints, high: Ints, gap: int) -> tuple[Ints, Ints]:
    """Join byte ranges that overlap or lie at most `gap` bytes apart, to read them as one.

    Parameters
    ----------
    low, high : int64, shape (n,)
        Half-open, ordered by `low`; n > 0.

    Returns
    -------
    at : int64, shape (n,)
        Where each range begins in a buffer that holds the spans end to end.
    spans : int64, shape (n_spans, 2)
        The joined ranges, ascending.
    """
    reach = np.maximum.accumulate(high)
    new = np.concatenate([[True], low[1:] - reach[:-1] > gap])
    last = np.concatenate([new[1:], [True]])
    spans = np.stack([low[new], reach[last]], axis=1)
    size = spans[:, 1] - spans[:, 0]
    shift = np.cumsum(size) - size - spans[:, 0]
    return low + shift[np.cumsum(new) - 1], spans
