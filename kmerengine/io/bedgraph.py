"""bedGraph text: one line per stretch of bases with the same value."""

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa

from kmerengine.io.bigwig import Floats, Ints, Run, cut_runs
from kmerengine.io.compressed import BGZF_END
from kmerengine.parallel import in_order

SUFFIXES = (".bedgraph", ".bedGraph", ".bg")  # .gz may follow
BLOCK_BYTES = 65_280  # of text in a bgzip block, as bgzip has
LEVEL = 1  # of libdeflate: 8 M lines in 0.9 s and 44 MB; 6 takes 3.5 s for 39 MB


def write_bedgraph(
    path: Path,
    contigs: dict[str, int],
    runs: Iterable[Run],
    *,
    compressed: bool = False,
    threads: int = 1,
) -> None:
    """Write one value per base as bedGraph; bases without a value have no line.

    Neighbours of equal value share a line. A value has the fewest digits that give the same
    float32, no exponent, and no point if it is whole.

    Parameters
    ----------
    path : Path
        Made, or emptied.
    contigs, runs
        As for `write_bigwig`.
    compressed : bool
        In the blocks of bgzip, so that tabix can index the file.
    threads : int
        For making and compressing the text; the file does not depend on it.

    Raises
    ------
    ValueError
        Runs that are out of order, off their contig or not finite.
    """
    names = list(contigs)

    def make(part: tuple[int, Ints, Floats]) -> bytes:
        contig, positions, values = part
        text = _lines(names[contig], positions, values)
        return _bgzip(text) if compressed else text

    with path.open("wb") as file:
        for text in in_order(make, cut_runs(contigs, runs), threads):
            file.write(text)
        if compressed:
            file.write(BGZF_END)


def _lines(name: str, positions: Ints, values: Floats) -> bytes:
    from pyarrow import csv  # not at the start of every command

    apart = (np.diff(positions) != 1) | (values[1:] != values[:-1])
    first = np.concatenate([[0], np.flatnonzero(apart) + 1])
    last = np.concatenate([first[1:], [len(positions)]]) - 1
    few = pa.array(values[first]).dictionary_encode()  # counts have few distinct values
    words = [np.format_float_positional(v, trim="-") for v in few.dictionary.to_numpy()]
    table = pa.table(
        {
            "contig": pa.DictionaryArray.from_arrays(
                np.zeros(len(first), np.int32), pa.array([name])
            ).cast(pa.string()),
            "start": positions[first],
            "end": positions[last] + 1,
            "value": pa.array(words).take(few.indices),
        }
    )
    text = BytesIO()
    plain = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    csv.write_csv(table, text, plain)
    return text.getvalue()


def _bgzip(text: bytes) -> bytes:
    """`text` in blocks, without the end marker."""
    import deflate

    blocks: list[bytes | bytearray] = []
    for first in range(0, len(text), BLOCK_BYTES):
        piece = text[first : first + BLOCK_BYTES]
        data = deflate.deflate_compress(piece, LEVEL)
        size = struct.pack("<H", len(BGZF_END) - 2 + len(data) - 1)  # END's own data: 2 bytes
        blocks += [BGZF_END[:16], size, data, struct.pack("<II", zlib.crc32(piece), len(piece))]
    return b"".join(blocks)
