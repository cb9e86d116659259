"""`kmer_count` by whole-array operations, for CuPy.

The array module is an argument, so the same lines run on NumPy in the tests of a machine without
a GPU. Results are the CPU loops' bit for bit: counts are integers and no order is left open.
"""

from types import ModuleType
from typing import Any

Array = Any  # numpy.ndarray or cupy.ndarray


def window_words(xp: ModuleType, codes: Array, k: int, *, stranded: bool) -> tuple[Array, Array]:
    """Word of the window that starts at each position, and whether all its bases are A C G T.

    uint64 and bool, shape (n_bases - k + 1,); a word grows by doubling: 2, 4, 8 ... bases.
    """
    n = max(0, codes.shape[0] - k + 1)
    not_base = xp.concatenate([xp.zeros(1, xp.int64), xp.cumsum(codes > 3, dtype=xp.int64)])
    valid = not_base[k : k + n] == not_base[:n]
    base = (codes & 3).astype(xp.uint64)
    forward = _join(xp, base, k, n)
    if stranded:
        return forward, valid
    mirror = _join(xp, (xp.uint64(3) - base)[::-1], k, n)[::-1]
    return xp.minimum(forward, mirror), valid


def _join(xp: ModuleType, base: Array, k: int, n: int) -> Array:
    """Pack k consecutive bases: the binary digits of k say which doublings to join."""
    word, width = xp.zeros(base.shape[0] + 1, xp.uint64), 0
    piece, piece_width = base, 1
    while True:
        if k & piece_width:
            at = piece[width : width + n] if width else piece[:n]
            word = at if width == 0 else (word[:n] << xp.uint64(2 * piece_width)) | at
            width += piece_width
        if 2 * piece_width > k:
            return word[:n]
        piece = (piece[:-piece_width] << xp.uint64(2 * piece_width)) | piece[piece_width:]
        piece_width *= 2


def count_words_arrays(
    xp: ModuleType, codes: Array, k: int, *, stranded: bool = False
) -> tuple[Array, Array]:
    """`count_words` on arrays of `xp`: a direct table to k = 12, sorting beyond."""
    words, valid = window_words(xp, codes, k, stranded=stranded)
    dtype = xp.uint32 if k <= 16 else xp.uint64
    words = words[valid]
    if k <= 12:
        table = xp.bincount(words.astype(xp.int64), minlength=1)
        found = xp.flatnonzero(table)
        return found.astype(dtype), table[found].astype(xp.uint64)
    distinct, counts = xp.unique(words, return_counts=True)
    return distinct.astype(dtype), counts.astype(xp.uint64)


def count_rows_arrays(
    xp: ModuleType,
    codes: Array,
    offsets: Array,
    k: int,
    *,
    stranded: bool = False,
    reverse: Array | None = None,
) -> tuple[Array, Array, Array]:
    """`count_rows` on arrays of `xp`: sort all windows by (row, word) and collapse."""
    dtype = xp.uint32 if k <= 16 else xp.uint64
    n_rows = offsets.shape[0] - 1
    forward, valid = window_words(xp, codes, k, stranded=stranded)
    if stranded and reverse is not None:
        mirror = window_words(xp, (3 - codes)[::-1], k, stranded=True)[0][::-1]
    start = xp.arange(forward.shape[0], dtype=xp.int64)
    row = xp.searchsorted(offsets[1:], start, side="right")
    inside = (start >= offsets[0]) & (start + k <= offsets[xp.minimum(row + 1, n_rows)])
    if stranded and reverse is not None and n_rows:
        forward = xp.where(reverse[xp.minimum(row, n_rows - 1)], mirror, forward)
    keep = xp.flatnonzero(valid & inside & (row < n_rows))
    word, row = forward[keep], row[keep]
    order = xp.lexsort(xp.stack([word, row.astype(xp.uint64)]))
    word, row = word[order], row[order]
    first = xp.ones(word.shape[0], bool)
    first[1:] = (word[1:] != word[:-1]) | (row[1:] != row[:-1])
    at = xp.flatnonzero(first)
    ends = xp.concatenate([at[1:], xp.asarray([word.shape[0]])]) if at.shape[0] else at
    per_row = xp.bincount(row[at].astype(xp.int64), minlength=n_rows)[:n_rows]
    indptr = xp.concatenate([xp.zeros(1, xp.int64), xp.cumsum(per_row, dtype=xp.int64)])
    return indptr, word[at].astype(dtype), (ends - at).astype(xp.uint32)
