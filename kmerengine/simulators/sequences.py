"""What the simulators of sequences share: backgrounds, sites of motifs, labelled sequences on disk.

Bases are codes, A C G T = 0 1 2 3, and a motif is a matrix of base probabilities, shape (width, 4).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.splits import SPLITS
from kmerengine.errors import InputError
from kmerengine.io.tables import table_writer
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif

Codes = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT"},
    **{"K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"},
}
LETTERS = np.frombuffer(b"ACGT", np.uint8)

_LINE = 60  # bases per line of a genome
_BATCH = 8192  # rows of a table written at a time


class Embedded(NamedTuple):
    """Sites in sequences, by sequence and place.

    Attributes
    ----------
    row : int64, shape (n,)
        The sequence.
    motif : int64, shape (n,)
        Number of the motif.
    start, end : int64, shape (n,)
        bp in the sequence, half-open.
    minus : bool, shape (n,)
        The reverse complement is embedded.
    """

    row: npt.NDArray[np.int64]
    motif: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    minus: npt.NDArray[np.bool_]


def consensus_matrix(consensus: str, strictness: float = 1.0) -> Matrix:
    """Base probabilities of a consensus, shape (width, 4).

    A letter's bases share `strictness`, and all other bases the rest; N is uniform.
    """
    matrix = np.empty((len(consensus), 4))
    for i, letter in enumerate(consensus):
        within = np.array([base in IUPAC[letter] for base in "ACGT"])
        outside = (1 - strictness) / max(1, 4 - within.sum()) if not within.all() else 0.0
        matrix[i] = np.where(within, 0.0, outside)
        matrix[i, within] = (1 - matrix[i].sum()) / within.sum()
    return matrix


def reverse_complement(matrix: Matrix) -> Matrix:
    """The matrix of the other strand: A C G T reversed is T G C A."""
    return matrix[::-1, ::-1]


def draw_bases(
    probabilities: npt.ArrayLike, shape: tuple[int, int], rng: np.random.Generator
) -> Codes:
    """Independent bases of one distribution over A C G T, shape (n, length)."""
    below = np.cumsum(np.asarray(probabilities, np.float64))[:3].astype(np.float32)
    codes = np.empty(shape, np.uint8)
    for part in range(0, len(codes), _BATCH):
        # float32 draws hold 24 bits, far finer than any probability here
        drawn = rng.random((len(codes[part : part + _BATCH]), shape[1]), np.float32)
        codes[part : part + _BATCH] = sum(drawn >= each for each in below)
    return codes


def draw_sites(matrix: Matrix, n: int, rng: np.random.Generator) -> Codes:
    """Sites of a motif, shape (n, width)."""
    below = np.cumsum(matrix, axis=1)[:, :3]
    drawn = (rng.random((n, len(matrix)))[:, :, None] >= below).sum(axis=2)
    # of a column whose probabilities add up to a hair less than 1
    most = 3 - np.argmax(matrix[:, ::-1] > 0, axis=1)
    codes: Codes = np.minimum(drawn, most).astype(np.uint8)
    return codes


def embed(codes: Codes, sites: Embedded, motifs: list[Matrix], rng: np.random.Generator) -> None:
    """Draw the bases of every site into `codes`, shape (n_sequences, length)."""
    for number, matrix in enumerate(motifs):
        for minus in (False, True):
            part = np.flatnonzero((sites.motif == number) & (sites.minus == minus))
            drawn = draw_sites(reverse_complement(matrix) if minus else matrix, len(part), rng)
            columns = sites.start[part, None] + np.arange(len(matrix))
            codes[sites.row[part, None], columns] = drawn


def spread(
    width: npt.NDArray[np.int64], length: int, buffer: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Starts of motifs that lie one after the other in each sequence, in random distances.

    Gaps are as in Koo and Eddy's code: for n motifs n + 1 uniform numbers, scaled to the free
    length and rounded, drawn again until they add up to it.

    Parameters
    ----------
    width : int64, shape (n_sequences, n_motifs)
        bp; 0 for motifs that a sequence does not have, after those that it has.
    length : int
        bp of a sequence, enough for all.
    buffer : int
        bp that at least lie between two motifs and between a motif and an end.

    Returns
    -------
    start : int64, shape (n_sequences, n_motifs)
    """
    n_motifs = (width > 0).sum(axis=1)
    n_gaps = width.shape[1] + 1
    free = length - width.sum(axis=1) - buffer * (n_motifs + 1)
    gap = np.zeros((len(width), n_gaps), np.int64)
    waiting = np.arange(len(width))
    while len(waiting):
        share = rng.random((len(waiting), n_gaps))
        share[np.arange(n_gaps) > n_motifs[waiting, None]] = 0
        scaled = share / share.sum(axis=1, keepdims=True) * free[waiting, None]
        gap[waiting] = np.rint(scaled)
        waiting = waiting[gap[waiting].sum(axis=1) != free[waiting]]
    start: npt.NDArray[np.int64] = np.cumsum(gap[:, :-1] + buffer + width, axis=1) - width
    return start


def read_by_name(path: Path, names: list[str]) -> list[Motif]:
    """The motifs of a file that have these names, in their order."""
    found = {motif.name: motif for motif in read_motifs(path)}
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{path}: no motif {missing[0]} among its {len(found):,}; expected a file that has "
            "it, such as the release of JASPAR that the name is from"
        )
    return [found[name] for name in names]


def split_names(sizes: tuple[int, int, int]) -> tuple[list[str], npt.NDArray[np.int8]]:
    """Names train_1, train_2 ... test_n, and the number of each row's split.

    Sequences are drawn independently of one another: the first ones are as random as any choice.
    """
    names = [
        f"{split}_{i}" for split, n in zip(SPLITS, sizes, strict=True) for i in range(1, n + 1)
    ]
    return names, np.repeat(np.arange(3, dtype=np.int8), sizes)


def strings(codes: Codes) -> pa.Array:
    """Rows of codes as text."""
    n, length = codes.shape
    offsets = pa.py_buffer(np.arange(n + 1, dtype=np.int64) * length)
    text = pa.py_buffer(LETTERS[codes].tobytes())
    return pa.Array.from_buffers(pa.large_string(), n, [None, offsets, text]).cast(pa.string())


def write_fasta(path: Path, names: list[str], codes: Codes) -> None:
    """One record of one line per sequence."""
    text = LETTERS[codes]
    with path.open("wb") as file:
        for name, letters in zip(names, text, strict=True):
            file.write(b">%b\n%b\n" % (name.encode(), letters.tobytes()))


def wrapped(letters: Codes) -> bytes:
    """Lines of 60 bases, the last one shorter."""
    full = len(letters) // _LINE * _LINE
    lines = np.full((full // _LINE, _LINE + 1), ord("\n"), np.uint8)
    lines[:, :_LINE] = letters[:full].reshape(-1, _LINE)
    rest = letters[full:].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")


def write_table(path: Path, schema: pa.Schema, columns: list[Any], about: dict[str, Any]) -> None:
    """A Parquet file of whole columns that carries `about`."""
    schema = schemas.with_metadata(schema, about)
    table = pa.Table.from_arrays(
        [_as(field.type, column) for field, column in zip(schema, columns, strict=True)],
        schema=schema,
    )
    with table_writer(path, schema, ".parquet") as writer:
        for batch in table.to_batches(max_chunksize=_BATCH) or [_empty(schema)]:
            writer.write(batch)


def categories(numbers: npt.NDArray[np.integer[Any]], names: list[str]) -> pa.Array:
    """Numbers of `names` as a dictionary column; a negative number is null."""
    indices = pa.array(numbers.astype(np.int32), mask=numbers < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def nullable(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """A column in which a negative number is null."""
    return pa.array(numbers, mask=numbers < 0)


def lists(matrix: npt.NDArray[Any]) -> pa.Array:
    """Rows of a matrix as lists."""
    n, width = matrix.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel()))


def write_sequences(
    folder: Path,
    sizes: tuple[int, int, int],
    codes: Codes,
    labels: npt.NDArray[np.uint8],
    sites: Embedded,
    motifs: list[str],
    about: dict[str, Any],
) -> None:
    """sequences.fa, sequences.parquet and embedded.parquet."""
    names, split = split_names(sizes)
    write_fasta(folder / "sequences.fa", names, codes)
    write_table(
        folder / "sequences.parquet",
        schemas.sequences_schema(),
        [names, categories(split, list(SPLITS)), strings(codes), lists(labels)],
        {**about, "format": schemas.SEQUENCES},
    )
    write_embedded(folder / "embedded.parquet", sites, motifs, about)


def write_embedded(path: Path, sites: Embedded, motifs: list[str], about: dict[str, Any]) -> None:
    """Which motif lies where."""
    write_table(
        path,
        schemas.embedded_schema(),
        [
            sites.row.astype(np.uint32),
            categories(sites.motif, motifs),
            sites.start.astype(np.int32),
            sites.end.astype(np.int32),
            categories(sites.minus.astype(np.int8), ["+", "-"]),
        ],
        {**about, "format": schemas.EMBEDDED},
    )


def check_ranges(limits: dict[str, tuple[float, float, float]]) -> None:
    """InputError for the first option whose value is not between its least and its most."""
    for option, (value, least, most) in limits.items():
        if not least <= value <= most:
            end = most if isinstance(most, int) else f"{most:g}"
            raise InputError(
                f"{option} {value}: expected {least:g} to {end}; choose one in between"
            )


def _as(kind: pa.DataType, column: Any) -> pa.Array:
    array = column if isinstance(column, pa.Array) else pa.array(column)
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(
            array.indices.cast(kind.index_type), array.dictionary.cast(kind.value_type)
        )
    return array if array.type.equals(kind) else array.cast(kind)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
