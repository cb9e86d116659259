"""Numba loop of `cut_parse`: BAM records to cut sites. One thread owns one call."""

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
    N_OFF_CONTIG,
    N_TALLIES,
) = range(14)

# What can be wrong with a record, in `state[PROBLEM]`.
(
    SOUND,
    BAD_LENGTH,
    BAD_LAYOUT,
    BAD_REFERENCE,
    BAD_POSITION,
    BAD_CIGAR,
    PAST_CONTIG,
) = range(7)

# Places in `state`.
N_CUTS, PROBLEM, PROBLEM_AT, PROBLEM_VALUE, SHORTEST_PAIR_SEEN, N_STATE = range(6)

MIN_RECORD, MAX_RECORD = 32, 1 << 26


@jit
def parse_bam_records(
    data: U8,
    contig_start: I64,
    wanted: U8,
    fragments: bool,
    plus_shift: int,
    minus_shift: int,
    min_mapq: int,
    dropped_flags: int,
    min_length: int,
    max_length: int,
    times: int,
    keys: U64,
    lengths: I64,
    tally: I64,
    state: I64,
) -> int:
    """Append the cut sites of every whole record in `data`; returns how many bytes they took.

    Parameters
    ----------
    data : uint8, shape (n_bytes,)
        Uncompressed BAM from the start of a record on.
    contig_start : int64, shape (n_contigs + 1,)
        Where each contig starts when all are laid end to end; the last element is their sum.
    wanted : uint8, shape (n_contigs,)
        Whether cuts on a contig are kept.
    fragments : bool
        Both ends of each proper pair, told by its leftmost read; else the 5' base of every read.
    plus_shift, minus_shift : int
        Added to the 5' base of plus and of minus reads, bp.
    min_mapq, dropped_flags : int
        Reads of lower quality, or with any of these flags, are dropped.
    min_length, max_length : int
        Of a proper pair's fragment, bp; outside, the pair (or its reads) is dropped.
    times : int
        How often a cut is written: 2 counts both mates' view of one fragment (legacy).
    keys : uint64, shape (n,)
        Cut sites: ``2 * (contig_start + position) + (1 on the minus strand)``; room for
        ``2 * times`` per 36 bytes of data.
    lengths : int64, shape (m,)
        Histogram of fragment lengths of kept proper pairs; the last element takes longer ones.
    tally : int64, shape (N_TALLIES,)
    state : int64, shape (N_STATE,)
        Cuts written, and the first record that is damaged.
    """
    n_contigs = contig_start.shape[0] - 1
    n_cuts = state[N_CUTS]
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
        if flag & dropped_flags & DUPLICATE:
            tally[N_DUPLICATE] += 1
            continue
        if mapq < min_mapq:
            tally[N_LOW_MAPQ] += 1
            continue
        if wanted[reference] == 0:
            tally[N_OTHER_CONTIG] += 1
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
        if proper and (length < min_length or length > max_length):
            tally[N_LENGTH] += 1
            continue
        first = contig_start[reference]
        if fragments:
            if not proper:
                tally[N_NOT_PROPER] += 1
                continue
            if pair_length < 0:
                continue  # told by its leftmost read
            if position + length > contig_length:
                state[PROBLEM], state[PROBLEM_AT] = PAST_CONTIG, record
                state[PROBLEM_VALUE] = position + length
                break
            left = position + plus_shift
            right = position + length - 1 + minus_shift
            tally[N_KEPT] += 1
            lengths[min(length, lengths.shape[0] - 1)] += 1
            for _ in range(times):
                if 0 <= left < contig_length:
                    keys[n_cuts] = np.uint64(2 * (first + left))
                    n_cuts += 1
                else:
                    tally[N_OFF_CONTIG] += 1
                if 0 <= right < contig_length:
                    keys[n_cuts] = np.uint64(2 * (first + right) + 1)
                    n_cuts += 1
                else:
                    tally[N_OFF_CONTIG] += 1
            continue
        if spanned == 0:
            tally[N_NO_CIGAR] += 1
            continue
        minus = 1 if flag & REVERSE else 0
        cut = end - 1 + minus_shift if minus else position + plus_shift
        tally[N_KEPT] += 1
        if proper and pair_length > 0:
            lengths[min(length, lengths.shape[0] - 1)] += 1
        for _ in range(times):
            if 0 <= cut < contig_length:
                keys[n_cuts] = np.uint64(2 * (first + cut) + minus)
                n_cuts += 1
            else:
                tally[N_OFF_CONTIG] += 1
    state[N_CUTS] = n_cuts
    return at
