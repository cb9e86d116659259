"""Numba loops of `kmer_count`. Each is self-contained; one thread runs one call."""

from typing import Any

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Words = npt.NDArray[Any]  # uint32 up to k = 16, uint64 beyond


@jit
def count_rows_in_table(
    codes: U8,
    offsets: I64,
    k: int,
    stranded: bool,
    reverse: Bool,
    indptr: I64,
    words: Words,
    counts: U32,
) -> int:
    """Append each row's distinct words, ascending, through a table of all 4**k words.

    Reads the whole table for every row: for rows of more windows than there are words.
    """
    mask = ~np.uint64(0) >> np.uint64(64 - 2 * k)
    top = np.uint64(2 * (k - 1))
    two, three = np.uint64(2), np.uint64(3)
    table = np.zeros(1 << (2 * k), np.uint32)
    filled = 0
    for row in range(offsets.shape[0] - 1):
        forward = np.uint64(0)
        backward = np.uint64(0)
        run = 0
        for at in range(offsets[row], offsets[row + 1]):
            if codes[at] > 3:
                run = 0
                continue
            base = np.uint64(codes[at])
            forward = ((forward << two) | base) & mask
            backward = (backward >> two) | ((three - base) << top)
            run += 1
            if run < k:
                continue
            if stranded:
                word = backward if reverse[row] else forward
            else:
                word = min(forward, backward)
            table[word] += np.uint32(1)
        for found in range(table.shape[0]):
            if table[found] > 0:
                words[filled] = found
                counts[filled] = table[found]
                table[found] = 0
                filled += 1
        indptr[row + 1] = filled
    return filled


@jit
def count_rows_by_sorting(
    codes: U8,
    offsets: I64,
    k: int,
    stranded: bool,
    reverse: Bool,
    unsorted: Words,
    sorted_by_digit: Words,
    indptr: I64,
    words: Words,
    counts: U32,
) -> int:
    """Append each row's distinct words, ascending: list the windows, radix sort, collapse.

    `unsorted` and `sorted_by_digit` have room for the longest row. Of a row of 193 windows, two
    passes of 256 buckets sort 8-mers in a third of the time that a comparison sort takes.
    """
    mask = ~np.uint64(0) >> np.uint64(64 - 2 * k)
    top = np.uint64(2 * (k - 1))
    two, three, byte = np.uint64(2), np.uint64(3), np.uint64(255)
    heads = np.empty(256, np.int64)
    filled = 0
    for row in range(offsets.shape[0] - 1):
        forward = np.uint64(0)
        backward = np.uint64(0)
        run = 0
        n = 0
        for at in range(offsets[row], offsets[row + 1]):
            if codes[at] > 3:
                run = 0
                continue
            base = np.uint64(codes[at])
            forward = ((forward << two) | base) & mask
            backward = (backward >> two) | ((three - base) << top)
            run += 1
            if run < k:
                continue
            if stranded:
                unsorted[n] = backward if reverse[row] else forward
            else:
                unsorted[n] = min(forward, backward)
            n += 1
        source, target = unsorted, sorted_by_digit
        for digit in range((2 * k + 7) // 8):
            shift = np.uint64(8 * digit)
            heads[:] = 0
            for i in range(n):
                heads[(np.uint64(source[i]) >> shift) & byte] += 1
            start = 0
            for bucket in range(256):
                size = heads[bucket]
                heads[bucket] = start
                start += size
            for i in range(n):
                bucket_of = (np.uint64(source[i]) >> shift) & byte
                target[heads[bucket_of]] = source[i]
                heads[bucket_of] += 1
            source, target = target, source
        for i in range(n):
            if i == 0 or source[i] != source[i - 1]:
                words[filled] = source[i]
                counts[filled] = 0
                filled += 1
            counts[filled - 1] += np.uint32(1)
        indptr[row + 1] = filled
    return filled


@jit
def add_to_table(codes: U8, octets: U64, k: int, table: U32) -> None:
    """Add every window's forward word to `table`, uint32 (4**k); k <= 12.

    `octets` views whole groups of eight codes as one little-endian integer each. Eight bases
    are packed into 16 bits by three multiply-free steps, so that eight windows depend on one
    shift instead of on each other; a group with a non-base in it, or too soon after one, goes
    base by base.
    """
    mask = np.uint64((1 << (2 * k)) - 1)
    not_bases = np.uint64(0xFCFCFCFCFCFCFCFC)
    pairs, quads = np.uint64(0x000F000F000F000F), np.uint64(0x000000FF000000FF)
    all_eight = np.uint64(0xFFFF)
    one = np.uint32(1)
    history = np.uint64(0)  # the last 32 bases, the newest lowest
    recent = np.uint64(0xFFFFFFFFFFFF)
    run = 0
    for group in range(octets.shape[0]):
        x = octets[group]
        if (x & not_bases) == 0 and run >= k - 1:
            x = ((x << np.uint64(2)) | (x >> np.uint64(8))) & pairs
            x = ((x << np.uint64(4)) | (x >> np.uint64(16))) & quads
            x = ((x << np.uint64(8)) | (x >> np.uint64(32))) & all_eight
            history = ((history & recent) << np.uint64(16)) | x
            table[(history >> np.uint64(14)) & mask] += one
            table[(history >> np.uint64(12)) & mask] += one
            table[(history >> np.uint64(10)) & mask] += one
            table[(history >> np.uint64(8)) & mask] += one
            table[(history >> np.uint64(6)) & mask] += one
            table[(history >> np.uint64(4)) & mask] += one
            table[(history >> np.uint64(2)) & mask] += one
            table[history & mask] += one
        else:
            for at in range(8 * group, 8 * group + 8):
                if codes[at] > 3:
                    run = 0
                else:
                    history = ((history & recent) << np.uint64(2)) | np.uint64(codes[at])
                    run += 1
                    if run >= k:
                        table[history & mask] += one
    for at in range(8 * octets.shape[0], codes.shape[0]):
        if codes[at] > 3:
            run = 0
        else:
            history = ((history & recent) << np.uint64(2)) | np.uint64(codes[at])
            run += 1
            if run >= k:
                table[history & mask] += one


@jit
def add_to_table_by_slices(codes: U8, k: int, heads: I64, tails: U16, table: U32) -> None:
    """Add every window's forward word to `table`, uint32 (4**k), slice by slice; 8 <= k <= 12.

    A table of 4**12 is larger than the cache and its pages outnumber the TLB. The windows are
    first dealt to the 4**(k - 8) slices by their leading bases, keeping the trailing 8 bases in
    `tails` (at least one per code); then each slice, 256 KB, is counted while it is in cache.
    """
    mask = np.uint64((1 << (2 * k)) - 1)
    low = np.uint64(0xFFFF)
    two, sixteen = np.uint64(2), np.uint64(16)
    n_slices = 1 << (2 * k - 16)
    heads[:] = 0
    word = np.uint64(0)
    run = 0
    for at in range(codes.shape[0]):
        if codes[at] > 3:
            run = 0
        else:
            word = ((word << two) | np.uint64(codes[at])) & mask
            run += 1
            if run >= k:
                heads[word >> sixteen] += 1
    start = 0
    for piece in range(n_slices):
        n = heads[piece]
        heads[piece] = start
        start += n
    word = np.uint64(0)
    run = 0
    for at in range(codes.shape[0]):
        if codes[at] > 3:
            run = 0
        else:
            word = ((word << two) | np.uint64(codes[at])) & mask
            run += 1
            if run >= k:
                slot = word >> sixteen
                tails[heads[slot]] = word & low
                heads[slot] += 1
    start = 0
    for piece in range(n_slices):
        first = piece << 16
        for i in range(start, heads[piece]):
            table[first + np.int64(tails[i])] += np.uint32(1)
        start = heads[piece]


@jit
def fold_strands(table: Words, k: int) -> None:
    """Add to every canonical word's counter that of its reverse complement, and clear the latter.

    A word is (left, middle, right) with left and right up to 3 bases; its mirror image is (mirror
    of right, mirror of middle, mirror of left). For one middle, all its left and right parts and
    those of the mirrored middle lie in 2 * 64 runs of 64 counters: both are read in cache.
    """
    side = min(3, k // 2)
    inner = k - 2 * side
    n_side = 1 << (2 * side)
    left_step = 1 << (2 * (k - side))
    mirror_side = np.empty(n_side, np.int64)
    for part in range(n_side):
        rest = part
        mirror = 0
        for _ in range(side):
            mirror = 4 * mirror + 3 - (rest & 3)
            rest >>= 2
        mirror_side[part] = mirror
    for middle in range(1 << (2 * inner)):
        rest = middle
        mirror = 0
        for _ in range(inner):
            mirror = 4 * mirror + 3 - (rest & 3)
            rest >>= 2
        if mirror < middle:
            continue  # this pair of middles has been folded from the other side
        for left in range(n_side):
            for right in range(n_side):
                word = left * left_step + middle * n_side + right
                other = mirror_side[right] * left_step + mirror * n_side + mirror_side[left]
                if middle == mirror and word >= other:
                    continue
                total = table[word] + table[other]
                table[max(word, other)] = 0
                table[min(word, other)] = total


@jit
def collect_table(table: Words, words: Words, counts: U64) -> int:
    """List the words that occur, ascending, with their counts."""
    filled = 0
    for word in range(table.shape[0]):
        if table[word] != 0:
            words[filled] = word
            counts[filled] = table[word]
            filled += 1
    return filled


@jit
def count_prefixes(codes: U8, k: int, stranded: bool, prefix_bits: int, counts: I64) -> None:
    """Add to `counts`, int64 (2**prefix_bits, at least 2), the windows by leading bits of word."""
    top = np.uint64(2 * (k - 1))
    shift = np.uint64(2 * k - prefix_bits)
    mask = ~np.uint64(0) >> np.uint64(64 - 2 * k)
    two, three = np.uint64(2), np.uint64(3)
    forward = np.uint64(0)
    backward = np.uint64(0)
    run = 0
    for at in range(codes.shape[0]):
        if codes[at] > 3:
            run = 0
            continue
        base = np.uint64(codes[at])
        forward = ((forward << two) | base) & mask
        backward = (backward >> two) | ((three - base) << top)
        run += 1
        if run >= k:
            word = forward if stranded else min(forward, backward)
            counts[word >> shift] += 1


@jit
def deal_words(
    codes: U8,
    k: int,
    stranded: bool,
    prefix_bits: int,
    first: int,
    last: int,
    heads: I64,
    words: Words,
) -> None:
    """Write the words whose prefix is in [first, last) to their bucket, at `heads[prefix]`."""
    top = np.uint64(2 * (k - 1))
    shift = np.uint64(2 * k - prefix_bits)
    mask = ~np.uint64(0) >> np.uint64(64 - 2 * k)
    two, three = np.uint64(2), np.uint64(3)
    forward = np.uint64(0)
    backward = np.uint64(0)
    run = 0
    for at in range(codes.shape[0]):
        if codes[at] > 3:
            run = 0
            continue
        base = np.uint64(codes[at])
        forward = ((forward << two) | base) & mask
        backward = (backward >> two) | ((three - base) << top)
        run += 1
        if run >= k:
            word = forward if stranded else min(forward, backward)
            prefix = np.int64(word >> shift)
            if first <= prefix < last:
                words[heads[prefix]] = word
                heads[prefix] += 1


@jit
def collapse(words: Words, distinct: Words, counts: U64) -> int:
    """List the distinct values of ascending `words` with how often each occurs."""
    filled = 0
    for i in range(words.shape[0]):
        if i == 0 or words[i] != words[i - 1]:
            distinct[filled] = words[i]
            counts[filled] = 0
            filled += 1
        counts[filled - 1] += np.uint64(1)
    return filled
