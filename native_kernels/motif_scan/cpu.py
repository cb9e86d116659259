"""Numba loops of `motif_scan`. Each is self-contained; one thread runs one call."""

import numpy as np
import numpy.typing as npt

from native_kernels._jit import jit

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

K = 8  # bases in a word, where a matrix has as many
NO_WORD = 1 << (2 * K)


@jit
def fill_words(codes: U8, offsets: I64, k: int, words: U32) -> None:
    """words[y] = the k bases from y, the first leading; 4^k where they are not all of a sequence.

    Walks each sequence from its end, so a word is a shift away from the one before.
    """
    none = np.uint32(1) << np.uint32(2 * k)
    top = np.uint32(2 * k - 2)
    for i in range(offsets.shape[0] - 1):
        word = np.uint32(0)
        run = 0
        for y in range(offsets[i + 1] - 1, offsets[i] - 1, -1):
            code = codes[y]
            if code > 3:
                run = 0
                words[y] = none
                continue
            run += 1
            word = (word >> np.uint32(2)) | (np.uint32(code) << top)
            words[y] = word if run >= k else none


@jit
def count_runs(codes: U8, offsets: I64, n_starts: I64, longest: int, runs: I64) -> None:
    """Add to runs[r] the starts that r bases without a gap begin at, r cut to `longest`.

    Counted are the first n_starts[i] bases of sequence i.
    """
    for i in range(offsets.shape[0] - 1):
        run = 0
        last = offsets[i] + n_starts[i]
        for y in range(offsets[i + 1] - 1, offsets[i] - 1, -1):
            run = min(run + 1, longest) if codes[y] < 4 else 0
            if y < last:
                runs[run] += 1


@jit
def count_words(low: I16, high: I16, need: int) -> int:
    """How many words, of a leading part in `high` and a rest in `low`, reach `need`."""
    n = 0
    for i in range(high.shape[0]):
        for j in range(low.shape[0]):
            if np.int64(high[i]) + np.int64(low[j]) >= need:
                n += 1
    return n


@jit
def add_sizes(low: I16, high: I16, need: int, sizes: I64) -> None:
    """Add 1 to sizes[word] for every word that reaches `need`."""
    for i in range(high.shape[0]):
        for j in range(low.shape[0]):
            if np.int64(high[i]) + np.int64(low[j]) >= need:
                sizes[i * low.shape[0] + j] += 1


@jit
def add_entries(low: I16, high: I16, need: int, matrix: int, at: I64, entries: U32) -> None:
    """Write matrix and score to entries[at[word]] for every word that reaches `need`."""
    for i in range(high.shape[0]):
        for j in range(low.shape[0]):
            score = np.int64(high[i]) + np.int64(low[j])
            if score >= need:
                word = i * low.shape[0] + j
                entries[at[word]] = (np.uint32(matrix) << np.uint32(16)) | np.uint32(score)
                at[word] += 1


@jit
def list_hits(
    words: U32,
    offsets: I64,
    k: int,
    index: I32,
    entries: U32,
    matrices: I64,
    blocks: I64,
    table: I16,
    state: I64,
    hit_sequence: I32,
    hit_start: I64,
    hit_matrix: I32,
    hit_score: I32,
) -> int:
    """Append the hits from (sequence state[0], word state[1]) on; returns how many.

    Stops early, with the place to go on from in `state`, where the next word's entries may not
    fit; state[0] is the number of sequences once all is done.
    """
    n = 0
    room = hit_start.shape[0]
    for i in range(state[0], offsets.shape[0] - 1):
        start, end = offsets[i], offsets[i + 1]
        first = start if state[1] < start else state[1]
        for y in range(first, end - k + 1):
            word = np.int64(words[y])
            low, high = np.int64(index[word]), np.int64(index[word + 1])
            if low == high:
                continue
            if n + high - low > room:
                state[0], state[1] = i, y
                return n
            for e in range(low, high):
                entry = entries[e]
                matrix = np.int64(entry >> np.uint32(16))
                score = np.int64(entry & np.uint32(0xFFFF))
                x = y - matrices[matrix, 0]
                if x < start or x + matrices[matrix, 1] > end:
                    continue
                reaches = True
                for block in range(matrices[matrix, 2], matrices[matrix, 3]):
                    other = np.int64(words[x + blocks[block, 0]])
                    if other >= NO_WORD:
                        reaches = False
                        break
                    score += np.int64(table[block, other & 255])
                    score += np.int64(table[block, 256 + (other >> 8)])
                    if score < blocks[block, 1]:
                        reaches = False
                        break
                if reaches:
                    hit_sequence[n] = i
                    hit_start[n] = x
                    hit_matrix[n] = matrix
                    hit_score[n] = score
                    n += 1
    state[0] = offsets.shape[0] - 1
    return n


@jit
def best_hits(
    words: U32,
    offsets: I64,
    k: int,
    index: I32,
    entries: U32,
    matrices: I64,
    blocks: I64,
    table: I16,
    group: I64,
    best_score: I32,
    best_start: I64,
    best_matrix: I32,
) -> None:
    """Keep the best hit of each (sequence, group of matrices) in best_*, shape (n, groups).

    The highest score; then the smallest start; then the first matrix. best_score is below 0
    where there is none yet.
    """
    for i in range(offsets.shape[0] - 1):
        start, end = offsets[i], offsets[i + 1]
        for y in range(start, end - k + 1):
            word = np.int64(words[y])
            for e in range(np.int64(index[word]), np.int64(index[word + 1])):
                entry = entries[e]
                matrix = np.int64(entry >> np.uint32(16))
                score = np.int64(entry & np.uint32(0xFFFF))
                x = y - matrices[matrix, 0]
                if x < start or x + matrices[matrix, 1] > end:
                    continue
                reaches = True
                for block in range(matrices[matrix, 2], matrices[matrix, 3]):
                    other = np.int64(words[x + blocks[block, 0]])
                    if other >= NO_WORD:
                        reaches = False
                        break
                    score += np.int64(table[block, other & 255])
                    score += np.int64(table[block, 256 + (other >> 8)])
                    if score < blocks[block, 1]:
                        reaches = False
                        break
                if not reaches:
                    continue
                g = group[matrix]
                known = best_score[i, g]
                if score < known:
                    continue
                if score == known and (
                    x > best_start[i, g] or (x == best_start[i, g] and matrix > best_matrix[i, g])
                ):
                    continue
                best_score[i, g] = score
                best_start[i, g] = x
                best_matrix[i, g] = matrix
