"""`kmer_count` by whole-array operations, for CuPy.

The array module is an argument, so the same lines run on NumPy in the tests of a machine without
a GPU. Results are the CPU loops' bit for bit: counts are integers and no order is left open.

What these operations cost is the bytes they move. So a word is held in the narrowest type for its
bases, a table counts one strand and is folded at the end, windows are looked at for non-bases only
where there are some, and the bases go by slices, whose temporaries the cache can hold.
"""

from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

Array = Any  # numpy.ndarray or cupy.ndarray

SLICE = 1 << 23  # bases at a time; a slice of rows goes on to the end of its last row
UINT32_WINDOWS = (1 << 32) - 1  # more of them could overflow a counter of 32 bits


def count_words_arrays(
    xp: ModuleType, codes: Array, k: int, *, stranded: bool = False
) -> tuple[Array, Array]:
    """`count_words` on arrays of `xp`: a direct table to k = 12, sorting beyond."""
    n = max(0, codes.shape[0] - k + 1)
    starts = range(0, n, SLICE)
    slices = (codes[start : start + SLICE + k - 1] for start in starts)
    if k <= 12:
        # Not `bincount`: CuPy's is CUB's, made for fewer counters, which has miscounted where they
        # outnumber the values of a narrow type (NVIDIA/cccl 10976); and it refuses an empty array.
        table = xp.zeros(4**k, xp.uint32 if n <= UINT32_WINDOWS else xp.uint64)
        for piece in slices:
            xp.add.at(table, _words(xp, piece, k), _whole(piece, k) if _broken(piece) else 1)
        if not stranded:
            table = _folded(xp, table, k)
        found = xp.flatnonzero(table)
        return found.astype(xp.uint32), table[found].astype(xp.uint64)
    words, filled = xp.empty(n, _narrowest(xp, k)), 0
    for piece in slices:
        found = _words(xp, piece, k)
        if not stranded:
            found = xp.minimum(found, _words(xp, piece, k, mirrored=True))
        if _broken(piece):
            found = found[_whole(piece, k)]
        words[filled : filled + found.shape[0]] = found
        filled += found.shape[0]
    words = words[:filled]
    words.sort()
    first, counts = _runs(xp, words[1:] != words[:-1], filled)
    return words[first], counts.astype(xp.uint64)


def count_rows_arrays(
    xp: ModuleType,
    codes: Array,
    offsets: Array,
    k: int,
    *,
    stranded: bool = False,
    reverse: Array | None = None,
) -> tuple[Array, Array, Array]:
    """`count_rows` on arrays of `xp`: sort the windows of some rows by (row, word) and collapse."""
    n_rows = offsets.shape[0] - 1
    marks = xp.arange(int(offsets[0]), int(offsets[-1]), SLICE)
    cuts = sorted({0, n_rows, *xp.searchsorted(offsets[:-1], marks).tolist()})
    indptr = xp.zeros(n_rows + 1, xp.int64)
    words = [xp.empty(0, xp.uint32 if k <= 16 else xp.uint64)]
    counts = [xp.empty(0, xp.uint32)]
    for first, last in pairwise(cuts):
        begin, end = int(offsets[first]), int(offsets[last])
        found = _count_some_rows(
            xp,
            codes[begin:end],
            offsets[first : last + 1] - begin,
            k,
            words[0].dtype,
            stranded=stranded,
            reverse=None if reverse is None else reverse[first:last],
        )
        indptr[first + 1 : last + 1] = found[0][1:] + indptr[first]
        words.append(found[1])
        counts.append(found[2])
    return indptr, xp.concatenate(words), xp.concatenate(counts)


def _count_some_rows(
    xp: ModuleType,
    codes: Array,
    offsets: Array,
    k: int,
    dtype: Any,
    *,
    stranded: bool,
    reverse: Array | None,
) -> tuple[Array, Array, Array]:
    """`count_rows_arrays` of rows that start at 0 and fill `codes`."""
    word = _words(xp, codes, k)
    start = xp.arange(word.shape[0])
    row = xp.searchsorted(offsets[1:], start, side="right")
    if not stranded:
        word = xp.minimum(word, _words(xp, codes, k, mirrored=True))
    elif reverse is not None:
        word = xp.where(reverse[row], _words(xp, codes, k, mirrored=True), word)
    inside = (start + k <= offsets[row + 1]) & _whole(codes, k)
    word, row = word[inside].astype(dtype), row[inside]
    order = xp.lexsort(xp.stack([word, row.astype(dtype)]))
    word, row = word[order], row[order]
    first, counts = _runs(xp, (word[1:] != word[:-1]) | (row[1:] != row[:-1]), word.shape[0])
    indptr = xp.searchsorted(row[first], xp.arange(offsets.shape[0]))
    return indptr, word[first], counts.astype(xp.uint32)


def _words(xp: ModuleType, codes: Array, k: int, *, mirrored: bool = False) -> Array:
    """Word of the window at each position, or of its reverse complement, in the narrowest type.

    Of a window with a non-base in it, any word of k bases.
    """
    words = (~codes if mirrored else codes) & 3
    for step, width in _doublings(k):
        left, right = words[:-step], words[step:]
        high, low = (right, left) if mirrored else (left, right)
        words = xp.left_shift(high, 2 * step, dtype=_narrowest(xp, width))
        words |= low  # where the two overlap they agree
    return words


def _whole(codes: Array, k: int) -> Array:
    """Whether the window at each position has nothing but bases; bool."""
    whole = codes <= 3
    for step, _ in _doublings(k):
        whole = whole[:-step] & whole[step:]
    return whole


def _broken(codes: Array) -> bool:
    """Whether there is a non-base at all: one reading of them all."""
    return int(codes.max()) > 3


def _doublings(k: int) -> Iterator[tuple[int, int]]:
    """How to grow windows of one base to k: join two this far apart, to this width."""
    width = 1
    while width < k:
        step = min(width, k - width)
        width += step
        yield step, width


def _narrowest(xp: ModuleType, width: int) -> Any:
    """The smallest unsigned type that holds so many bases."""
    types = ((4, xp.uint8), (8, xp.uint16), (16, xp.uint32), (32, xp.uint64))
    return next(dtype for most, dtype in types if width <= most)


def _folded(xp: ModuleType, table: Array, k: int) -> Array:
    """Counts of canonical words: each with its reverse complement's, and 0 for the latter.

    Reversed, a table lists the complements; its k axes the other way round, what reads backwards.
    """
    word = xp.arange(4**k, dtype=xp.uint32)
    mirror = word[::-1].reshape((4,) * k).T.ravel()
    both = table + table[mirror] * (word != mirror)
    return both * (word <= mirror)


def _runs(xp: ModuleType, ends: Array, n: int) -> tuple[Array, Array]:
    """First index and length of each run among n sorted things; `ends` lies between neighbours."""
    is_first = xp.ones(n, bool)
    is_first[1:] = ends
    first = xp.flatnonzero(is_first)
    return first, xp.diff(xp.concatenate([first, xp.asarray([n])]))
