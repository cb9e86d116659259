"""FASTA records and bases with Numba: twins of reference.py."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit
from native_kernels.fasta_parse.reference import (
    BAD_BYTE,
    BAD_HEADER,
    CUT_HEADER,
    EMPTY_NAME,
    LONG_NAME,
    MAX_NAME,
    NO_HEADER,
    RESIDUES,
    UNEVEN,
    WHITESPACE,
    Bytes,
    DamageError,
    Ints,
    Records,
)

ROWS = 4096  # records that a call of the loop can return before it asks for room

# What the loop carries from block to block.
MODE, AT, LINE, IN_RECORD, NAME_LENGTH, LENGTH, LINE_BASES, LINE_BYTES, COLUMN = range(9)
SHORT_LINE, SHORT_AT, SHORT_BASES, LINE_AT, NAMES_USED, HEADS, TAILS, FOUND, BAD_LINE = range(9, 18)
BAD_AT, STATE_SIZE = 18, 19
LINE_START, NAME, DESCRIPTION, IN_LINE, AFTER_CR = range(5)

INVALID = 254  # a byte that is no residue
CODES: Bytes = np.full(256, INVALID, np.uint8)
CODES[list(RESIDUES)] = 255
CODES[list(b"ACGT")] = CODES[list(b"acgt")] = range(4)
IS_SPACE: npt.NDArray[np.bool_] = np.isin(np.arange(256), list(WHITESPACE))


def scan_records(blocks: Iterable[Bytes]) -> Records:
    """Find the records of a text that arrives in blocks. See `Records` and `DamageError`."""
    state = np.zeros(STATE_SIZE, np.int64)
    state[LINE] = 1
    heads = np.empty((ROWS, 3), np.int64)
    tails = np.empty((ROWS, 3), np.int64)
    name_bytes = np.empty(16 * MAX_NAME, np.uint8)
    names: list[bytes] = []
    all_heads, all_tails = [heads[:0]], [tails[:0]]
    for block in blocks:
        rest = block
        while rest.size:
            used, kind = scan_block(rest, state, heads, tails, name_bytes)
            rest = rest[used:]
            new = heads[: state[HEADS]].copy()
            all_heads.append(new)
            all_tails.append(tails[: state[TAILS]].copy())
            start = 0
            for stop in new[:, 0].tolist():
                names.append(name_bytes[start:stop].tobytes())
                start = stop
            kept = int(state[NAMES_USED]) - start  # of a name that the block's end cuts
            name_bytes[:kept] = name_bytes[start : start + kept].copy()
            state[NAMES_USED], state[HEADS], state[TAILS] = kept, 0, 0
            if kind:
                raise _damage(kind, state, names)
    kind = end_text(state)
    if kind:
        raise _damage(kind, state, names)
    if names:
        all_tails.append(state[[LENGTH, LINE_BASES, LINE_BYTES]].reshape(1, 3))
    head, tail = np.concatenate(all_heads), np.concatenate(all_tails)
    return Records(
        names, tail[:, 0], head[:, 1], tail[:, 1], tail[:, 2], head[:, 2], int(state[AT])
    )


def _damage(kind: int, state: Ints, names: list[bytes]) -> DamageError:
    return DamageError(
        kind,
        line=int(state[BAD_LINE]),
        offset=int(state[BAD_AT]),
        record=names[-1] if names else b"",
        found=int(state[FOUND]),
        usual=int(state[LINE_BASES]),
    )


@jit
def only_letters(line: Bytes) -> bool:
    """Whether all bytes are A-Z or a-z; one pass without a branch, which LLVM vectorises."""
    low, high = np.uint8(255), np.uint8(0)
    for i in range(line.size):
        byte = line[i] | np.uint8(32)
        if byte < low:
            low = byte
        if byte > high:
            high = byte
    return bool(line.size == 0 or (low >= 97 and high <= 122))


@jit
def end_line(state: Ints, ending: int) -> int:
    """Account for a finished sequence line of state[COLUMN] bases; the kind of damage, or 0."""
    bases = state[COLUMN]
    state[COLUMN] = 0
    if bases == 0:
        if state[SHORT_LINE] == 0:
            state[SHORT_LINE], state[SHORT_AT] = state[LINE], state[LINE_AT]
            state[SHORT_BASES] = 0
        state[LINE] += 1
        return 0
    if state[SHORT_LINE] > 0:
        state[BAD_LINE], state[BAD_AT] = state[SHORT_LINE], state[SHORT_AT]
        state[FOUND] = state[SHORT_BASES]
        return UNEVEN
    if state[LINE_BASES] == 0:
        state[LINE_BASES], state[LINE_BYTES] = bases, bases + ending
    elif bases > state[LINE_BASES] or (
        bases == state[LINE_BASES] and ending != state[LINE_BYTES] - bases
    ):
        state[BAD_LINE], state[BAD_AT], state[FOUND] = state[LINE], state[LINE_AT], bases
        return UNEVEN
    elif bases < state[LINE_BASES]:
        state[SHORT_LINE], state[SHORT_AT] = state[LINE], state[LINE_AT]
        state[SHORT_BASES] = bases
    state[LENGTH] += bases
    state[LINE] += 1
    return 0


@jit
def end_text(state: Ints) -> int:
    """Account for a last line without newline; the kind of damage, or 0."""
    if state[MODE] == NAME or state[MODE] == DESCRIPTION:
        state[BAD_LINE], state[BAD_AT] = state[LINE], state[AT]
        return CUT_HEADER
    if state[MODE] == AFTER_CR:
        return end_line(state, 2)
    if state[MODE] == IN_LINE:  # the missing line end would be like those before
        usual = state[LINE_BYTES] - state[LINE_BASES]
        return end_line(state, usual if usual > 0 else 1)
    return 0


@jit
def scan_block(
    block: Bytes, state: Ints, heads: Ints, tails: Ints, names: Bytes
) -> tuple[int, int]:
    """Read one block from where `state` stands.

    Writes (stop of the name in `names`, offset of the sequence, line) to a row of `heads` for
    each header, and (bases, bases and bytes of a line) to a row of `tails` for each record that
    ends. Returns the bytes used, fewer than the block has when an output is full, and the kind
    of damage, or 0.
    """
    base = state[AT]
    at = 0
    kind = 0
    while at < block.size:
        mode = state[MODE]
        byte = block[at]
        if mode == LINE_START:
            if byte == 62:  # '>'
                if (
                    state[HEADS] == len(heads)
                    or state[TAILS] == len(tails)
                    or len(names) - state[NAMES_USED] < MAX_NAME
                ):
                    break
                if state[IN_RECORD]:
                    row = state[TAILS]
                    tails[row, 0] = state[LENGTH]
                    tails[row, 1] = state[LINE_BASES]
                    tails[row, 2] = state[LINE_BYTES]
                    state[TAILS] += 1
                state[NAME_LENGTH] = 0
                state[MODE] = NAME
                at += 1
                continue
            if not state[IN_RECORD]:
                kind = NO_HEADER
                break
            bases, width = state[LINE_BASES], state[LINE_BYTES]
            if bases > 0 and state[SHORT_LINE] == 0:  # full lines, like those before
                n_lines = 0
                while at + width <= block.size:
                    if (
                        block[at + width - 1] != 10
                        or (width - bases == 2 and block[at + bases] != 13)
                        or not only_letters(block[at : at + bases])
                    ):
                        break
                    n_lines += 1
                    at += width
                if n_lines > 0:
                    state[LENGTH] += n_lines * bases
                    state[LINE] += n_lines
                    continue
            state[COLUMN] = 0
            state[LINE_AT] = base + at
            state[MODE] = IN_LINE
        elif mode == IN_LINE:
            start = at
            while at + 64 <= block.size and only_letters(block[at : at + 64]):
                at += 64
            while at < block.size and CODES[block[at]] != INVALID:
                at += 1
            state[COLUMN] += at - start
            if at == block.size:
                break
            if block[at] == 13:
                state[MODE] = AFTER_CR
            elif block[at] == 10:
                kind = end_line(state, 1)
                state[MODE] = LINE_START
            else:
                kind = BAD_BYTE
            if kind:
                break
            at += 1
        elif mode == AFTER_CR:
            if byte != 10:
                kind = BAD_BYTE
                break
            kind = end_line(state, 2)
            if kind:
                break
            state[MODE] = LINE_START
            at += 1
        elif mode == NAME:
            if IS_SPACE[byte]:
                if state[NAME_LENGTH] == 0:
                    kind = EMPTY_NAME
                    break
                state[MODE] = DESCRIPTION
                continue
            if byte < 32 or byte == 127:
                kind = BAD_HEADER
                break
            if state[NAME_LENGTH] == MAX_NAME:
                kind = LONG_NAME
                break
            names[state[NAMES_USED]] = byte
            state[NAMES_USED] += 1
            state[NAME_LENGTH] += 1
            at += 1
        else:
            while at < block.size and block[at] != 10 and block[at] != 0:
                at += 1
            if at == block.size:
                break
            if block[at] == 0:
                kind = BAD_HEADER
                break
            at += 1
            row = state[HEADS]
            heads[row, 0] = state[NAMES_USED]
            heads[row, 1] = base + at
            heads[row, 2] = state[LINE]
            state[HEADS] += 1
            state[LINE] += 1
            state[IN_RECORD] = 1
            state[LENGTH] = state[LINE_BASES] = state[LINE_BYTES] = state[SHORT_LINE] = 0
            state[MODE] = LINE_START
    state[AT] = base + at
    if kind and kind != UNEVEN:
        # The byte that ends the loop is the damage, save after '\r': then it is the '\r' itself.
        after_cr = state[MODE] == AFTER_CR
        state[FOUND] = 13 if after_cr else np.int64(block[at])
        state[BAD_AT] = base + at - after_cr
        state[BAD_LINE] = state[LINE]
    return at, kind


@jit
def gather_codes(
    text: Bytes,
    at: Ints,
    column: Ints,
    n_bases: Ints,
    line_bases: Ints,
    line_bytes: Ints,
    codes: Bytes,
    codes_at: Ints,
) -> tuple[int, int]:
    """Encode pieces of FASTA lines, stepping over line ends.

    Parameters
    ----------
    text : uint8, shape (n_bytes,)
        Bytes of a FASTA file.
    at : int64, shape (n,)
        Where in `text` a piece starts.
    column : int64, shape (n,)
        Bases of its line before that start, in ``[0, line_bases)``.
    n_bases : int64, shape (n,)
        Bases of the piece.
    line_bases, line_bytes : int64, shape (n,)
        Bases of a full line, and its bytes with the line end (1 or 2 more).
    codes : uint8, shape (n_codes,)
        Written: A C G T = 0 1 2 3 in either case, 255 for any other residue.
    codes_at : int64, shape (n,)
        Where in `codes` the piece goes.

    Returns
    -------
    piece, byte : int
        The first piece that does not read as lines of this length, and the place in `text` where
        it fails; (-1, -1) when all is well.
    """
    for i in range(len(at)):
        start, out, left = at[i], codes_at[i], n_bases[i]
        room = line_bases[i] - column[i]
        ending = line_bytes[i] - line_bases[i]
        if left > 0 and (start < 0 or room < 1 or out < 0 or out + left > codes.size):
            return i, start
        while left > 0:
            run = min(left, room, text.size - start)
            if run <= 0:
                return i, start
            invalid = False
            for j in range(run):
                code = CODES[text[start + j]]
                codes[out + j] = code
                invalid |= code == INVALID
            if invalid:
                for j in range(run):
                    if codes[out + j] == INVALID:
                        return i, start + j
            left -= run
            room -= run
            start += run
            out += run
            if left > 0 and room == 0:
                room = line_bases[i]
                if ending == 2:
                    if start >= text.size or text[start] != 13:
                        return i, start
                    start += 1
                if start >= text.size or text[start] != 10:
                    return i, start
                start += 1
    return -1, -1
