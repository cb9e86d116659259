"""Seqlets that were found, as rows of a table."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.motifs.seqlet_set import list_columns
from modelkit.interpretation.motifs.seqlet_tables import seqlets_schema

__all__ = ["SeqletRuns", "seqlet_rows"]

LETTERS = np.frombuffer(b"ACGTN", np.uint8)

Scores = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


class SeqletRuns(NamedTuple):
    """Seqlets of arrays, shape (m,) each, by example, target and end; and what was left out."""

    example: Ints
    target: Ints
    start: Ints  # bp in the sequence
    end: Ints  # exclusive
    sign: Ints  # -1 or 1
    significant: Ints  # bases
    too_long: int


def seqlet_rows(
    found: SeqletRuns, scores: Scores, codes: Codes, low: int, data: Attributions
) -> pa.RecordBatch:
    """The seqlets of a piece of the examples.

    Parameters
    ----------
    found : SeqletRuns
        With numbers of examples in the piece.
    scores : float32, shape (m, K, 4, P)
    codes : uint8, shape (m, P)
    low : int
        Number of the piece's first example.
    data : Attributions
        For places in the genome and names of targets.
    """
    matrices: list[Scores] = []
    extremes = np.zeros(len(found.start))
    words: list[str] = []
    for i in range(len(found.start)):
        part = slice(int(found.start[i]), int(found.end[i]))
        matrix = np.asarray(scores[found.example[i], found.target[i], :, part]).T
        most = (matrix * found.sign[i]).max()
        extremes[i] = found.sign[i] * (most if most > 0 else 1.0)
        matrices.append((matrix / extremes[i]).astype(np.float32))
        words.append(LETTERS[np.minimum(codes[found.example[i], part], 4)].tobytes().decode())
    example = low + found.example
    start = data.starts[example] + found.start
    schema = seqlets_schema()
    targets = pa.array(data.targets, pa.string())
    columns = [
        data.regions["chrom"].combine_chunks().take(pa.array(example)),
        pa.array(start),
        pa.array(start + found.end - found.start),
        pa.DictionaryArray.from_arrays(pa.array(found.target.astype(np.int32)), targets),
        pa.array(example),
        pa.array(data.rows[example]),
        pa.array(found.start.astype(np.int32)),
        pa.array(found.sign.astype(np.int8)),
        pa.array(found.significant.astype(np.int32)),
        pa.array(extremes),
        pa.array(words, pa.string()),
        list_columns(matrices, schema.field("contributions").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
