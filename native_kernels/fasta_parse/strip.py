"""The loop that turns FASTA text into base codes, block by block."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

# Elements of the state that travels from block to block.
PLACE, LINE_BASES, N_CODES, N_HEADERS, BAD_AT, N_BASES = range(6)
LINE_START, IN_HEADER, IN_SEQUENCE = range(3)


def new_state() -> I64:
    """The state before the first block; int64, shape (6,)."""
    state = np.zeros(6, np.int64)
    state[BAD_AT] = -1
    return state


@jit
def strip_block(text: U8, state: I64, codes: U8, headers: I64) -> int:
    """Write the codes of one block of FASTA text; one thread owns the state.

    Parameters
    ----------
    text : uint8, shape (n,)
    state : int64, shape (6,)
        Where the last block ended (place, and bases in the last full line as a guess for the
        next), and what this one holds: codes written, headers seen, the first byte that belongs
        in no FASTA (or -1), and the running number of sequence letters.
    codes : uint8, shape (at least n,)
        A C G T = 0 1 2 3, other letters, '-', '*' and '.' 255; one 255 for each header.
    headers : int64, shape (at least 1,)
        Where each header line starts; -1 for one that began in an earlier block.

    Returns
    -------
    at : int
        Where it stopped: at the end of the text, at a byte that belongs in no FASTA, or before a
        header for which `headers` has no room; call again with the rest of the text.
    """
    # typed as bytes so that the line loop stays in byte-wide vector registers
    a, c, g, t, z = np.uint8(97), np.uint8(99), np.uint8(103), np.uint8(116), np.uint8(122)
    one, three, to_lower, not_base = np.uint8(1), np.uint8(3), np.uint8(32), np.uint8(255)
    n = text.shape[0]
    place = state[PLACE]
    guess = state[LINE_BASES]
    written = 0
    n_headers = 0
    n_bases = state[N_BASES]
    bad_at = -1
    if place == IN_HEADER:
        headers[0] = -1
        n_headers = 1
    at = 0
    while at < n:
        if place == IN_HEADER:
            while at < n and text[at] != 10:
                at += 1
            if at < n:
                place = LINE_START
                at += 1
            continue
        if place == LINE_START:
            if text[at] == 62:
                if n_headers == headers.shape[0]:
                    break
                headers[n_headers] = at
                n_headers += 1
                codes[written] = 255
                written += 1
                place = IN_HEADER
                at += 1
                continue
            place = IN_SEQUENCE
            # a line as long as the last one, all letters: no test per base, in vector registers
            if guess > 0 and at + guess < n and text[at + guess] == 10:
                strange = False
                line = text[at : at + guess]
                line_codes = codes[written : written + guess]
                for i in range(line.shape[0]):
                    small = line[i] | to_lower
                    strange |= (small < a) | (small > z)
                    known = (small == a) | (small == c) | (small == g) | (small == t)
                    two = (small >> one) & three
                    line_codes[i] = (two ^ (two >> one)) if known else not_base
                if not strange:
                    written += guess
                    n_bases += guess
                    at += guess + 1
                    place = LINE_START
                    continue
        start = at
        before = written
        while at < n:
            byte = text[at]
            if byte == 10:
                break
            letter = byte | 32
            if letter == 97:
                codes[written] = 0
            elif letter == 99:
                codes[written] = 1
            elif letter == 103:
                codes[written] = 2
            elif letter == 116:
                codes[written] = 3
            elif 97 <= letter <= 122 or byte == 45 or byte == 42 or byte == 46:
                codes[written] = 255
            elif byte == 13:
                at += 1
                continue
            else:
                bad_at = at
                break
            written += 1
            at += 1
        n_bases += written - before
        if bad_at >= 0:
            break
        if at < n:
            guess = at - start
            place = LINE_START
            at += 1
    state[PLACE] = place
    state[LINE_BASES] = guess
    state[N_CODES] = written
    state[N_HEADERS] = n_headers
    state[BAD_AT] = bad_at
    state[N_BASES] = n_bases
    return at
