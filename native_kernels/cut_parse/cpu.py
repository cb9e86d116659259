"""Numba loops of `cut_parse`: BAM records to 5' ends. One thread owns one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

# Flags of a SAM record.
PROPER_PAIR, UNMAPPED, REVERSE = 0x2, 0x4, 0x10
SECONDARY, QC_FAIL, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800

# Places in `tally`: records read, reads or pairs kept, then why others were dropped.
(
    N_RECORDS,
    N_KEPT,
    N_UNMAPPED,
    N_SECONDARY,
    N_SUPPLEMENTARY,
    N_QC_FAIL,
    N_DUPLICATE,
    N_LOW_MAPQ,
    N_NOT_PROPER,
    N_LENGTH,
    N_OTHER_CONTIG,
    N_NO_CIGAR,
    N_NO_GROUP,
    N_MATE,
    N_FLAGGED,  # duplicates by their flag, dropped or not
    N_TALLIES,
) = range(16)

# What can be wrong with a record, in `state[PROBLEM]`.
(
    SOUND,
    BAD_LENGTH,
    BAD_LAYOUT,
    BAD_REFERENCE,
    BAD_POSITION,
    BAD_CIGAR,
    PAST_CONTIG,
    BAD_TAG,
) = range(8)

# Places in `state`.
N_ENDS, N_PAIRS, PROBLEM, PROBLEM_AT, PROBLEM_VALUE, N_STATE = range(6)

MIN_RECORD, MAX_RECORD = 32, 1 << 26
LENGTH_BITS = 16  # of a pair's key; longer fragments share the last length
COLON = 58


@jit
def barcode_hash(text: U8, start: int, stop: int) -> int:
    """FNV-1a of text[start:stop], 32 bits."""
    value = 2166136261
    for i in range(start, stop):
        value = ((value ^ int(text[i])) * 16777619) & 0xFFFFFFFF
    return value


@jit
def fill_slots(arena: U8, starts: I64, slots: I32) -> None:
    """Put the names arena[starts[i]:starts[i + 1]] into `slots`: a power of two of them, all -1."""
    mask = slots.shape[0] - 1
    for name in range(starts.shape[0] - 1):
        slot = barcode_hash(arena, starts[name], starts[name + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = name


@jit
def find_barcode(text: U8, start: int, stop: int, arena: U8, starts: I64, slots: I32) -> int:
    """The number of the name text[start:stop], -1 if it is none."""
    mask = slots.shape[0] - 1
    slot = barcode_hash(text, start, stop) & mask
    while slots[slot] >= 0:
        name = int(slots[slot])
        first = int(starts[name])
        if starts[name + 1] - first == stop - start:
            same = True
            for i in range(stop - start):
                if arena[first + i] != text[start + i]:
                    same = False
                    break
            if same:
                return name
        slot = (slot + 1) & mask
    return -1


@jit
def find_tag(data: U8, at: int, stop: int, first: int, second: int, found: I64) -> int:
    """Find the text of the tag named by two letters among the tags data[at:stop].

    Its place goes to found[0:2]; an empty place if there is none. Returns the number of an unknown
    or cut-off tag's type, 0 if all up to the sought one are sound.
    """
    found[0] = found[1] = stop
    while at < stop:
        if at + 3 > stop:
            return 255
        kind = int(data[at + 2])
        value = at + 3
        if kind == 65 or kind == 99 or kind == 67:  # A c C
            end = value + 1
        elif kind == 115 or kind == 83:  # s S
            end = value + 2
        elif kind == 105 or kind == 73 or kind == 102:  # i I f
            end = value + 4
        elif kind == 90 or kind == 72:  # Z H
            end = value
            while end < stop and data[end] != 0:
                end += 1
            if end >= stop:
                return kind
            if data[at] == first and data[at + 1] == second:
                found[0], found[1] = value, end
                return 0
            end += 1
        elif kind == 66:  # B
            if value + 5 > stop:
                return kind
            part = int(data[value])
            n = (
                int(data[value + 1])
                | (int(data[value + 2]) << 8)
                | (int(data[value + 3]) << 16)
                | (int(data[value + 4]) << 24)
            )
            if part == 99 or part == 67:
                end = value + 5 + n
            elif part == 115 or part == 83:
                end = value + 5 + 2 * n
            elif part == 105 or part == 73 or part == 102:
                end = value + 5 + 4 * n
            else:
                return kind
        else:
            return kind if kind > 0 else 255
        if end > stop:
            return kind
        at = end
    return 0


@jit
def parse_bam_records(
    data: U8,
    contig_start: I64,
    wanted: U8,
    fragments: bool,
    min_mapq: int,
    dropped_flags: int,
    min_length: int,
    max_length: int,
    times: int,
    tag_first: int,
    tag_second: int,
    arena: U8,
    starts: I64,
    slots: I32,
    group_of: I32,
    seen: U8,
    keys: U64,
    groups: I32,
    pairs: U64,
    lengths: I64,
    tally: I64,
    state: I64,
) -> int:
    """Append the 5' ends of every whole record in `data`; returns how many bytes they took.

    Parameters
    ----------
    data : uint8, shape (n_bytes,)
        Uncompressed BAM from the start of a record on.
    contig_start : int64, shape (n_contigs + 1,)
        Where each contig starts when all are laid end to end; the last element is their sum.
    wanted : uint8, shape (n_contigs,)
        Whether reads on a contig are kept.
    fragments : bool
        Both ends of each proper pair, told by its leftmost read; else the 5' base of every read.
    min_mapq, dropped_flags : int
        Reads of lower quality, or with any of these flags, are dropped.
    min_length, max_length : int
        Of a proper pair's fragment, bp; outside, the pair (or its reads) is dropped.
    times : int
        How often an end is written: 2 counts both mates' view of one fragment (legacy).
    tag_first, tag_second : int
        The letters of the tag that holds a read's barcode; 0, 0: its name up to a colon.
    arena, starts, slots : uint8, int64, int32
        Names of the known barcodes and their hash table (`fill_slots`); without slots no read
        needs a barcode.
    group_of : int32, shape (n_barcodes,)
        Group of each barcode.
    seen : uint8, shape (n_barcodes,)
        Set to 1 for barcodes of reads that are kept.
    keys : uint64, shape (n,)
        Ends: ``2 * (contig_start + position) + (1 on the minus strand)``; room for ``2 * times``
        per 36 bytes of data.
    groups : int32, shape (n,)
        Group of each end; shape (0,) without barcodes.
    pairs : uint64, shape (m,)
        Kept proper pairs, ``(contig_start + start) << LENGTH_BITS | length``, room for one per 36
        bytes of data; shape (0,): not wanted.
    lengths : int64, shape (m,)
        Histogram of fragment lengths of kept proper pairs; the last element takes longer ones.
    tally : int64, shape (N_TALLIES,)
    state : int64, shape (N_STATE,)
        Ends and pairs written, and the first record that is damaged.
    """
    n_contigs = contig_start.shape[0] - 1
    has_groups = slots.shape[0] > 0
    has_pairs = pairs.shape[0] > 0
    longest = (1 << LENGTH_BITS) - 1
    found = np.zeros(2, np.int64)
    n_ends = state[N_ENDS]
    n_pairs = state[N_PAIRS]
    group = np.int32(0)
    at = 0
    while at + 4 <= data.shape[0]:
        size = (
            np.int64(data[at])
            | (np.int64(data[at + 1]) << 8)
            | (np.int64(data[at + 2]) << 16)
            | (np.int64(data[at + 3]) << 24)
        )
        if size < MIN_RECORD or size > MAX_RECORD:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_LENGTH, at, size
            break
        if at + 4 + size > data.shape[0]:
            break
        r = at + 4
        reference = np.int64(
            np.int32(
                np.uint32(data[r])
                | (np.uint32(data[r + 1]) << np.uint32(8))
                | (np.uint32(data[r + 2]) << np.uint32(16))
                | (np.uint32(data[r + 3]) << np.uint32(24))
            )
        )
        position = np.int64(
            np.int32(
                np.uint32(data[r + 4])
                | (np.uint32(data[r + 5]) << np.uint32(8))
                | (np.uint32(data[r + 6]) << np.uint32(16))
                | (np.uint32(data[r + 7]) << np.uint32(24))
            )
        )
        name_bytes = np.int64(data[r + 8])
        mapq = np.int64(data[r + 9])
        n_cigar = np.int64(data[r + 12]) | (np.int64(data[r + 13]) << 8)
        flag = np.int64(data[r + 14]) | (np.int64(data[r + 15]) << 8)
        n_bases = (
            np.int64(data[r + 16])
            | (np.int64(data[r + 17]) << 8)
            | (np.int64(data[r + 18]) << 16)
            | (np.int64(data[r + 19]) << 24)
        )
        cigar = r + 32 + name_bytes
        if name_bytes < 1 or 32 + name_bytes + 4 * n_cigar + (n_bases + 1) // 2 + n_bases > size:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_LAYOUT, at, size
            break
        if reference < -1 or reference >= n_contigs:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_REFERENCE, at, reference
            break
        if position < -1:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_POSITION, at, position
            break
        record = at
        at += 4 + int(size)
        tally[N_RECORDS] += 1
        if flag & UNMAPPED or reference < 0 or position < 0:
            tally[N_UNMAPPED] += 1
            continue
        contig_length = contig_start[reference + 1] - contig_start[reference]
        spanned = np.int64(0)
        unknown = -1
        for i in range(cigar, cigar + 4 * n_cigar, 4):
            element = (
                np.int64(data[i])
                | (np.int64(data[i + 1]) << 8)
                | (np.int64(data[i + 2]) << 16)
                | (np.int64(data[i + 3]) << 24)
            )
            operation = element & 15
            if operation > 8:
                unknown = int(operation)
            # M, D, N, = and X move along the contig
            if operation == 0 or operation == 2 or operation == 3 or operation >= 7:
                spanned += element >> 4
        if unknown >= 0:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_CIGAR, record, unknown
            break
        end = position + spanned
        if position >= contig_length or end > contig_length:
            state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = PAST_CONTIG, record, end
            break
        if flag & dropped_flags & SECONDARY:
            tally[N_SECONDARY] += 1
            continue
        if flag & dropped_flags & SUPPLEMENTARY:
            tally[N_SUPPLEMENTARY] += 1
            continue
        if flag & dropped_flags & QC_FAIL:
            tally[N_QC_FAIL] += 1
            continue
        pair_length = np.int64(
            np.int32(
                np.uint32(data[r + 28])
                | (np.uint32(data[r + 29]) << np.uint32(8))
                | (np.uint32(data[r + 30]) << np.uint32(16))
                | (np.uint32(data[r + 31]) << np.uint32(24))
            )
        )
        proper = flag & PROPER_PAIR != 0 and pair_length != 0
        length = abs(pair_length)
        if flag & DUPLICATE:
            tally[N_FLAGGED] += 1
        if fragments and proper and pair_length < 0:
            tally[N_MATE] += 1
            continue
        if flag & dropped_flags & DUPLICATE:
            tally[N_DUPLICATE] += 1
            continue
        if mapq < min_mapq:
            tally[N_LOW_MAPQ] += 1
            continue
        if wanted[reference] == 0:
            tally[N_OTHER_CONTIG] += 1
            continue
        if proper and (length < min_length or length > max_length):
            tally[N_LENGTH] += 1
            continue
        if fragments:
            if not proper:
                tally[N_NOT_PROPER] += 1
                continue
        elif spanned == 0:
            tally[N_NO_CIGAR] += 1
            continue
        whole = proper and pair_length > 0 and position + length <= contig_length
        if fragments and not whole:
            state[PROBLEM], state[PROBLEM_AT] = PAST_CONTIG, record
            state[PROBLEM_VALUE] = position + length
            break
        if has_groups:
            start, stop = int(r + 32), int(cigar - 1)
            if tag_first == 0:
                for i in range(start, stop):
                    if data[i] == COLON:
                        stop = i
                        break
            else:
                tags = int(cigar + 4 * n_cigar + (n_bases + 1) // 2 + n_bases)
                kind = find_tag(data, tags, int(r + size), tag_first, tag_second, found)
                if kind != 0:
                    state[PROBLEM], state[PROBLEM_AT], state[PROBLEM_VALUE] = BAD_TAG, record, kind
                    break
                start, stop = int(found[0]), int(found[1])
            barcode = find_barcode(data, start, stop, arena, starts, slots)
            if barcode < 0:
                tally[N_NO_GROUP] += 1
                continue
            group = group_of[barcode]
            seen[barcode] = 1
        first = contig_start[reference]
        tally[N_KEPT] += 1
        if whole:
            lengths[min(length, lengths.shape[0] - 1)] += 1
            if has_pairs:
                pairs[n_pairs] = np.uint64((first + position) << LENGTH_BITS | min(length, longest))
                n_pairs += 1
        for _ in range(times):
            if fragments:
                keys[n_ends] = np.uint64(2 * (first + position))
                keys[n_ends + 1] = np.uint64(2 * (first + position + length - 1) + 1)
                if has_groups:
                    groups[n_ends] = groups[n_ends + 1] = group
                n_ends += 2
                continue
            if flag & REVERSE:
                keys[n_ends] = np.uint64(2 * (first + end - 1) + 1)
            else:
                keys[n_ends] = np.uint64(2 * (first + position))
            if has_groups:
                groups[n_ends] = group
            n_ends += 1
    state[N_ENDS] = n_ends
    state[N_PAIRS] = n_pairs
    return at
