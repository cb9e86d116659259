"""The loop over the lines of a fragment file, and its table of names. One thread owns one table.

The last byte of a text must be a newline, which the loop looks at first: every scan stops at a
byte below 32, so none leaves the text. No name holds such a byte.
"""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

PAIR, FRAGMENT, READ, MATES = range(4)
UNMAPPED, TWO_CONTIGS, STRANDS, OUTWARDS = range(4)

# Places in `state`, which travels from call to call.
AT, N_ROWS, N_LINES, N_CONTIGS, N_BARCODES, LAST_CONTIG, N_STATE = range(7)

# Why a call ended: the text did, a line needs the reference, or a table needs more room.
DONE, ODD, CONTIGS_FULL, BARCODES_FULL = range(4)

MAX_COORDINATE = 1 << 40
MAX_COUNT = (1 << 32) - 1
MAX_NAME = 1024
MAX_LINE = 1 << 20

TAB, NEWLINE, RETURN, HASH, PLUS, MINUS, DOT, ZERO = 9, 10, 13, 35, 43, 45, 46, 48


@jit
def name_hash(text: U8, at: int, stop: int) -> int:
    """FNV-1a of 32 bits, kept in an int64."""
    value = 2166136261
    for i in range(at, stop):
        value = ((value ^ int(text[i])) * 16777619) & 0xFFFFFFFF
    return value


@jit
def find_name(
    text: U8, at: int, stop: int, value: int, slots: I32, hashes: I64, starts: I64, arena: U8
) -> int:
    """Index of the name text[at:stop] whose hash is `value`; -1 - slot where it would go."""
    mask = slots.size - 1
    slot = (value ^ (value >> 15)) & mask
    while True:
        name = slots[slot]
        if name < 0:
            return -1 - slot
        if hashes[name] == value:
            start = starts[name]
            if starts[name + 1] - start == stop - at:
                i = 0
                while i < stop - at and text[at + i] == arena[start + i]:
                    i += 1
                if i == stop - at:
                    return int(name)
        slot = (slot + 1) & mask


@jit
def add_name(
    text: U8,
    at: int,
    stop: int,
    hash_mask: int,
    n: int,
    slots: I32,
    hashes: I64,
    starts: I64,
    arena: U8,
) -> int:
    """Index of the name text[at:stop], which is `n` for a new one; -1 where there is no room.

    Names lie end to end in `arena`, name i at starts[i]:starts[i + 1]; `slots` is open addressing
    by hash, -1 where empty, its size a power of two and more than twice that of `hashes`.
    """
    value = name_hash(text, at, stop) & hash_mask
    found = find_name(text, at, stop, value, slots, hashes, starts, arena)
    if found >= 0:
        return found
    start = starts[n]
    if n >= hashes.size or start + stop - at > arena.size:
        return -1
    for i in range(stop - at):
        arena[start + i] = text[at + i]
    starts[n + 1] = start + stop - at
    hashes[n] = value
    slots[-1 - found] = n
    return n


@jit
def fill_slots(hashes: I64, n: int, slots: I32) -> None:
    """Enter the names 0 to n - 1, all different, into empty `slots`."""
    mask = slots.size - 1
    for name in range(n):
        slot = (hashes[name] ^ (hashes[name] >> 15)) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = name


@jit
def end_of_field(text: U8, at: int) -> int:
    """The first byte from `at` on that is not printable ASCII: a tab, a line end, or odd."""
    while 32 <= text[at] < 127:
        at += 1
    return at


@jit
def end_of_number(text: U8, at: int) -> int:
    """The first byte from `at` on that is not a digit."""
    while ZERO <= text[at] <= ZERO + 9:
        at += 1
    return at


@jit
def number(text: U8, at: int, stop: int) -> int:
    """Value of the digits text[at:stop]; -1 if there are none or more than 18."""
    if at == stop or stop - at > 18:
        return -1
    value = 0
    for i in range(at, stop):
        value = value * 10 + (int(text[i]) - ZERO)
    return value


@jit
def parse_rows(
    text: U8,
    layout: int,
    n_columns: int,
    hash_mask: int,
    state: I64,
    contig_slots: I32,
    contig_hashes: I64,
    contig_starts: I64,
    contig_arena: U8,
    barcode_slots: I32,
    barcode_hashes: I64,
    barcode_starts: I64,
    barcode_arena: U8,
    contig: I32,
    start: I64,
    end: I64,
    strand: U8,
    weight: U32,
    barcode: I32,
    dropped: I64,
) -> int:
    """Read lines from `state[AT]` on into the columns, from row `state[N_ROWS]` on.

    Parameters
    ----------
    text : uint8, shape (n,)
        Whole lines.
    state : int64, shape (N_STATE,)
        On return `AT` is the start of the first line not read.
    contig, start, end, strand, weight, barcode : shape (n_rows_at_most,)
        Columns as in `Rows`.
    dropped : int64, shape (4,)
        Lines of two mates that are no fragment, by reason; added to.

    Returns
    -------
    why : int
        DONE, ODD, CONTIGS_FULL or BARCODES_FULL; no line is read in part.
    """
    n = text.size
    at = state[AT]
    row = state[N_ROWS]
    lines = state[N_LINES]
    n_contigs = state[N_CONTIGS]
    n_barcodes = state[N_BARCODES]
    last = state[LAST_CONTIG]
    why = DONE
    if n > 0 and text[n - 1] != NEWLINE:
        why = ODD
    low = 0
    high = 0
    while why == DONE and 0 <= at < n:
        line = at
        why = ODD  # until the whole line is read
        if text[at] == HASH:
            while text[at] != NEWLINE:
                at += 1
            at += 1
            if at - line <= MAX_LINE:
                why = DONE
                lines += 1
                continue
            at = line
            break
        if row >= contig.size:
            break

        # Neighbouring rows share a contig, so the last one is compared before any look-up.
        name_at = at
        name_stop = at
        this = -1
        if last >= 0 and layout != MATES:
            i = contig_starts[last]
            stop = contig_starts[last + 1]
            while i < stop and text[at] == contig_arena[i]:
                i += 1
                at += 1
            if i == stop and text[at] == TAB:
                this = int(last)
                name_stop = at
            else:
                at = name_at
        if this < 0:
            at = end_of_field(text, at)
            name_stop = at
            if text[at] != TAB or name_stop == name_at or name_stop - name_at > MAX_NAME:
                at = line
                break

        stop = end_of_number(text, at + 1)
        low = number(text, at + 1, stop)
        if low < 0 or low > MAX_COORDINATE or text[stop] != TAB:
            at = line
            break
        at = stop
        stop = end_of_number(text, at + 1)
        high = number(text, at + 1, stop)
        if high <= low or high > MAX_COORDINATE:
            at = line
            break
        at = stop
        columns = 3
        way = 255
        count = 1
        code_at = at
        code_stop = at
        drop = -1

        if layout == FRAGMENT:
            if text[at] != TAB:
                at = line
                break
            code_at = at + 1
            at = end_of_field(text, code_at)
            code_stop = at
            columns = 4
            if code_stop == code_at or code_stop - code_at > MAX_NAME:
                at = line
                break
            if n_columns > 4:
                if text[at] != TAB:
                    at = line
                    break
                stop = end_of_number(text, at + 1)
                count = number(text, at + 1, stop)
                at = stop
                columns = 5
                if count < 1 or count > MAX_COUNT:
                    at = line
                    break
        elif layout == READ:
            for _ in range(2):
                if text[at] == TAB:
                    at = end_of_field(text, at + 1)
                    columns += 1
            if columns != 5 or text[at] != TAB:
                at = line
                break
            sign = text[at + 1]
            if sign != PLUS and sign != MINUS:
                at = line
                break
            way = 0 if sign == PLUS else 1
            at += 2
            columns = 6
        elif layout == MATES:
            if text[at] != TAB or (name_stop - name_at == 1 and text[name_at] == DOT):
                at = line
                break
            mate_at = at + 1
            at = end_of_field(text, mate_at)
            mate_stop = at
            if text[at] != TAB or mate_stop == mate_at or mate_stop - mate_at > MAX_NAME:
                at = line
                break
            if mate_stop - mate_at == 1 and text[mate_at] == DOT:
                at = line
                break
            stop = end_of_number(text, at + 1)
            mate_low = number(text, at + 1, stop)
            if mate_low < 0 or mate_low > MAX_COORDINATE or text[stop] != TAB:
                at = line
                break
            at = stop
            stop = end_of_number(text, at + 1)
            mate_high = number(text, at + 1, stop)
            if mate_high <= mate_low or mate_high > MAX_COORDINATE:
                at = line
                break
            at = stop
            columns = 6
            for _ in range(2):
                if text[at] == TAB:
                    at = end_of_field(text, at + 1)
                    columns += 1
            if columns != 8 or text[at] != TAB:
                at = line
                break
            sign = text[at + 1]
            if (sign != PLUS and sign != MINUS and sign != DOT) or text[at + 2] != TAB:
                at = line
                break
            mate_sign = text[at + 3]
            if mate_sign != PLUS and mate_sign != MINUS and mate_sign != DOT:
                at = line
                break
            at += 4
            columns = 10
            same = mate_stop - mate_at == name_stop - name_at
            if same:
                for i in range(name_stop - name_at):
                    if text[name_at + i] != text[mate_at + i]:
                        same = False
            if not same:
                drop = TWO_CONTIGS
            elif sign == mate_sign or DOT in (sign, mate_sign):
                drop = STRANDS
            else:
                if sign == PLUS:
                    high = mate_high
                else:
                    low = mate_low
                if low >= high:
                    drop = OUTWARDS

        while columns < n_columns and text[at] == TAB:
            at = end_of_field(text, at + 1)
            columns += 1
        if text[at] == RETURN:
            at += 1
        if columns != n_columns or text[at] != NEWLINE or at + 1 - line > MAX_LINE:
            at = line
            break
        at += 1
        if drop >= 0:
            dropped[drop] += 1
            lines += 1
            why = DONE
            continue

        if this < 0:
            this = add_name(
                text,
                name_at,
                name_stop,
                hash_mask,
                n_contigs,
                contig_slots,
                contig_hashes,
                contig_starts,
                contig_arena,
            )
            if this < 0:
                at = line
                why = CONTIGS_FULL
                break
            if this == n_contigs:
                n_contigs += 1
            last = this
        code = -1
        if layout == FRAGMENT:
            code = add_name(
                text,
                code_at,
                code_stop,
                hash_mask,
                n_barcodes,
                barcode_slots,
                barcode_hashes,
                barcode_starts,
                barcode_arena,
            )
            if code < 0:
                at = line
                why = BARCODES_FULL
                break
            if code == n_barcodes:
                n_barcodes += 1
        contig[row] = this
        start[row] = low
        end[row] = high
        strand[row] = way
        weight[row] = count
        barcode[row] = code
        row += 1
        lines += 1
        why = DONE
    state[AT] = at
    state[N_ROWS] = row
    state[N_LINES] = lines
    state[N_CONTIGS] = n_contigs
    state[N_BARCODES] = n_barcodes
    state[LAST_CONTIG] = last
    return why
