"""Scan batches of bases for motifs: hits as rows, or counts of them for q-values."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.motifs.pieces import PIECE_BASES, Batch
from kmerengine.motifs.scores import MotifScores
from native_kernels.motif_scan import MotifScanner, count_windows

Strands = Literal["both", "best", "plus"]

HITS = 1 << 21  # of a batch that are expected at most
FEWEST_BASES = 1 << 12

LETTERS = np.frombuffer(b"ACGT", np.uint8)

Ints = npt.NDArray[np.int64]


class Found(NamedTuple):
    """Hits of a batch, arrays of shape (n,), and the windows scored and skipped for other bases."""

    piece: Ints
    start: Ints  # in the piece
    motif: Ints
    minus: npt.NDArray[np.bool_]
    score: Ints
    windows: int
    skipped: int

    def only(self, kept: npt.NDArray[np.bool_]) -> "Found":
        """Some of the hits."""
        return Found(
            self.piece[kept], self.start[kept], self.motif[kept], self.minus[kept],
            self.score[kept], self.windows, self.skipped,
        )  # fmt: skip


class Search:
    """What is looked for. Threads may share it.

    Attributes
    ----------
    step : int
        Bases to look at together.
    q : float64 array or None
        Of each score from the cuts up, NaN where it is no hit; None: hits have no q-value.
    notes : list of str
        Motifs that cannot be found at this p-value.
    windows, skipped : int
        Sums over the batches that `counted` has seen.
    """

    def __init__(
        self,
        scores: Sequence[MotifScores],
        p: float,
        strands: Strands,
        contigs: list[str],
        *,
        sequence: bool,
    ) -> None:
        self._scores = scores
        self._strands = strands
        self._sequence = sequence
        self._sides = 1 if strands == "plus" else 2
        self._cut = np.array([each.lowest_score(p) for each in scores], np.int64)
        self._length = np.array([len(each.motif) for each in scores], np.int64)
        # of every motif the scores from its cut up, end to end
        tails = [each.tail[cut:] for each, cut in zip(scores, self._cut.tolist(), strict=True)]
        bits = [
            each.bits(np.arange(cut, len(each.tail)))
            for each, cut in zip(scores, self._cut.tolist(), strict=True)
        ]
        sizes = np.array([len(tail) for tail in tails], np.int64)
        self._first = np.cumsum(sizes) - sizes
        self._sizes = sizes
        self._p, self._bits = np.concatenate(tails), np.concatenate(bits)
        self.q: npt.NDArray[np.float64] | None = None
        matrices: list[npt.NDArray[np.int64]] = []
        cuts: list[int] = []
        for each, cut in zip(scores, self._cut.tolist(), strict=True):
            both = (each.weights, each.weights[::-1, ::-1])
            matrices += both[: self._sides]
            cuts += [cut] * self._sides
        self._scanner = MotifScanner(matrices, cuts)
        self._names = pa.array([each.motif.name for each in scores], pa.string())
        self._contigs = pa.array(contigs, pa.string())
        expected = p * len(matrices)
        self.step = int(min(max(HITS / expected, FEWEST_BASES), PIECE_BASES))
        self.windows = self.skipped = 0
        self.notes = [
            f"motif {each.motif.name}: no word has a p-value of at most {p:g}; it has no hits"
            for each, size in zip(scores, sizes.tolist(), strict=True)
            if not size
        ]

    def hits(self, batch: Batch) -> tuple[pa.RecordBatch, int, int]:
        """The rows of a batch's hits, and the windows scored and skipped."""
        return self._rows(batch, self._find(batch))

    def best(self, batch: Batch) -> tuple[pa.RecordBatch, int, int]:
        """The rows of the best hit of each piece and motif, and the windows scored and skipped."""
        group = np.arange(len(self._scores) * self._sides) // self._sides
        start, matrix, score = self._scanner.best(batch.codes, batch.offsets, group)
        piece, motif = np.nonzero(score >= 0)
        chosen = (piece, motif)
        order = np.lexsort((motif, start[chosen], piece))
        piece, motif = piece[order], motif[order]
        chosen = (piece, motif)
        minus = matrix[chosen] % self._sides == 1
        found = Found(
            piece,
            start[chosen],
            motif,
            minus,
            score[chosen].astype(np.int64),
            *self._windows(batch),
        )
        return self._rows(batch, found)

    def tally(self, batch: Batch) -> tuple[Ints, Ints, Ints]:
        """Scores from the cuts up that hits have, how many have each, and windows per motif."""
        found = self._find(batch)
        at = self._first[found.motif] + found.score - self._cut[found.motif]
        counts = np.bincount(at)
        scores = np.flatnonzero(counts)
        return scores, counts[scores], self._clean(batch)[1]

    def set_q(self, tallies: Iterable[tuple[Ints, Ints, Ints]], q: float) -> None:
        """Keep, from now on, hits with a q-value of at most `q`, and give it.

        Of n tests and p-values p_1 <= p_2 .. p_m, the q-value of p_i is the least n p_j / j of
        all j >= i (Benjamini and Hochberg 1995); equal p-values share the largest j.
        """
        counts, tests = np.zeros(len(self._p), np.int64), np.zeros(len(self._scores), np.int64)
        for at, some, windows in tallies:
            counts[at] += some
            tests += windows * self._sides
        values = np.ones(len(self._p))
        for first, size, n in zip(self._first, self._sizes, tests, strict=True):
            part = slice(first, first + size)
            at_least = np.cumsum(counts[part][::-1])[::-1]
            rates = n * self._p[part] / np.maximum(at_least, 1)
            values[part] = np.minimum.accumulate(np.minimum(rates, 1.0))
        self.q = np.where(values <= q, values, np.nan)

    def counted(self, made: tuple[pa.RecordBatch, int, int]) -> pa.RecordBatch:
        """The rows; adds the windows to the sums."""
        self.windows += made[1]
        self.skipped += made[2]
        return made[0]

    def _clean(self, batch: Batch) -> tuple[Ints, Ints]:
        return count_windows(batch.codes, batch.offsets, self._length, batch.places.n_starts)

    def _windows(self, batch: Batch) -> tuple[int, int]:
        windows, clean = self._clean(batch)
        return int(clean.sum()) * self._sides, int((windows - clean).sum()) * self._sides

    def _find(self, batch: Batch) -> Found:
        piece, start, matrix, score = self._scanner.scan(batch.codes, batch.offsets)
        kept = start < batch.places.n_starts[piece]
        if self._strands == "best":
            kept &= ~_worse_of_two(piece, start, matrix, score)
        found = Found(
            piece.astype(np.int64),
            start,
            matrix.astype(np.int64) // self._sides,
            matrix % self._sides == 1,
            score.astype(np.int64),
            *self._windows(batch),
        )
        return found if kept.all() else found.only(kept)

    def _rows(self, batch: Batch, found: Found) -> tuple[pa.RecordBatch, int, int]:
        at = self._first[found.motif] + found.score - self._cut[found.motif]
        if self.q is not None:
            kept = ~np.isnan(self.q[at])
            at, found = at[kept], found.only(kept)
        length = self._length[found.motif]
        start = batch.places.start[found.piece] + found.start
        strands = pa.array(["+", "-"], pa.string())
        columns = [
            _named(batch.places.contig[found.piece], np.int32, self._contigs),
            pa.array(start),
            pa.array(start + length),
            _named(found.motif, np.int32, self._names),
            pa.array(self._bits[at]),
            _named(found.minus, np.int8, strands),
            pa.array(self._p[at]),
        ]
        if self.q is not None:
            columns.append(pa.array(self.q[at]))
        if batch.places.region.size and batch.places.region[0] >= 0:
            columns.append(pa.array(batch.places.region[found.piece]))
        if self._sequence:
            first = batch.offsets[found.piece] + found.start
            columns.append(_matched(batch.codes, first, length, found.minus))
        schema = schemas.hits_schema(
            q=self.q is not None,
            region=bool(batch.places.region.size and batch.places.region[0] >= 0),
            sequence=self._sequence,
        )
        rows = pa.RecordBatch.from_arrays(columns, schema=schema)
        return rows, found.windows, found.skipped


def _worse_of_two(
    piece: npt.NDArray[Any], start: Ints, matrix: npt.NDArray[Any], score: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Hits that the other strand of the same motif beats at the same place; plus wins a tie."""
    worse = np.zeros(len(start), np.bool_)
    plus = np.flatnonzero(
        (matrix[:-1] % 2 == 0)
        & (matrix[1:] == matrix[:-1] + 1)
        & (start[1:] == start[:-1])
        & (piece[1:] == piece[:-1])
    )
    minus_wins = score[plus + 1] > score[plus]
    worse[np.where(minus_wins, plus, plus + 1)] = True
    return worse


def _named(values: npt.NDArray[Any], kind: Any, names: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(values.astype(kind)), names)


def _matched(
    codes: npt.NDArray[np.uint8], first: Ints, length: Ints, minus: npt.NDArray[np.bool_]
) -> pa.Array:
    """The bases of each hit as text, of the other strand where it is on minus."""
    ends = np.cumsum(length)
    column = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - length, length)
    back = np.repeat(minus, length)
    place = np.where(back, np.repeat(length, length) - 1 - column, column)
    found = codes[np.repeat(first, length) + place]
    letters = LETTERS[np.where(back, 3 - found, found)]
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(length), pa.py_buffer(offsets), pa.py_buffer(letters))
