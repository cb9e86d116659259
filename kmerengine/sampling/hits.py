"""Motif instances as arrays, from what `kmerengine scan` or FIMO wrote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine.errors import InputError
from kmerengine.io.fields import Fields, NotPlain, integers, labels, letters, split_fields, strings
from kmerengine.io.messages import how_many, refuse, shown
from kmerengine.io.tables import TableReader
from kmerengine.io.text import text_blocks
from kmerengine.motifs.fimo import read_fimo
from kmerengine.motifs.hits import MotifHits
from kmerengine.motifs.hits_bed import COLUMNS
from kmerengine.motifs.text import is_number

_ANY = "motif instances: Parquet or BED of kmerengine scan, or FIMO's table"
_BED_HEADER = "#chrom\tstart\tend\tmotif\tscore\tstrand\tp"
_READ = ["chrom", "start", "end", "motif", "score", "strand", "p"]
_N_SHARED = len(_BED_HEADER.split("\t"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Instances:
    """Motif instances, arrays of shape (n,).

    Attributes
    ----------
    contig, motif : int32
        Index into `contig_names` and `motif_names`.
    start, end : int64
        bp, 0-based half-open.
    strand : bytes (S1)
    score, p : float64
    row : int64
        Where it was in the input, 0-based.
    """

    contig_names: list[str]
    motif_names: list[str]
    contig: npt.NDArray[np.int32]
    motif: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    strand: npt.NDArray[np.bytes_]
    score: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    row: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: npt.NDArray[Any]) -> "Instances":
        """The instances of `rows`: indices or a mask."""
        return Instances(
            **{
                name: value[rows] if isinstance(value, np.ndarray) else value
                for name, value in vars(self).items()
            }
        )

    def replace(self, **columns: Any) -> "Instances":
        """The same with other columns."""
        return Instances(**(vars(self) | columns))


def read_instances(hits: Path | MotifHits) -> Instances:
    """Motif instances of a file, or of a scan held in memory.

    Raises
    ------
    InputError
        The file is none of the kinds that are read, or holds nothing, or a p-value that is none.
    """
    where: object = hits.path if isinstance(hits, MotifHits) else hits
    if isinstance(hits, MotifHits):
        found = _of_table(hits.table(), where)
    elif _is_parquet(hits):
        MotifHits.open(hits)  # checks it
        found = _of_table(TableReader(hits).read(columns=_READ), where)
    else:
        first = next((text for _, text in text_blocks(hits, _ANY)), "")
        if first.startswith(_BED_HEADER):
            found = _of_bed(hits)
        elif "p-value" in first.lower():
            found = _of_table(read_fimo(hits), where)
        else:
            raise InputError(
                f"{hits}: line 1: found {shown(first.partition(chr(10))[0])}, expected {_ANY}; a "
                "BED file without p-values has nothing to match by"
            )
    if not len(found):
        raise InputError(f"{where}: holds no motif instances, expected some; lower the threshold")
    misplaced = np.flatnonzero((found.start < 0) | (found.start >= found.end))
    if len(misplaced):
        row = misplaced[0]
        raise InputError(
            f"{where}: instance {row + 1}: found start {found.start[row]} and end {found.end[row]},"
            " expected 0 <= start < end"
        )
    outside = np.flatnonzero(~((found.p >= 0) & (found.p <= 1)))
    if len(outside):
        raise InputError(
            f"{where}: instance {outside[0] + 1}: found p-value {found.p[outside[0]]}, expected 0 "
            "to 1"
        )
    return found


def _is_parquet(path: Path) -> bool:
    if path.is_dir():
        return True  # a folder of parts; what it lacks, its reader says
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PAR1", b"ARRO")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; expected {_ANY}") from error


def _of_table(table: pa.Table, where: object) -> Instances:
    for name in _READ:
        if table.column(name).null_count:
            raise InputError(
                f"{where}: found null in column {name!r}, expected a value in each row"
            )
    numbers, names = {}, {}
    for name in ("chrom", "motif", "strand"):
        column = table.column(name).unify_dictionaries().combine_chunks()
        numbers[name] = column.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        names[name] = column.dictionary.to_pylist()
        if None in names[name]:
            raise InputError(f"{where}: found null among the words of column {name!r}")
    strange = [name for name in names["strand"] if name not in ("+", "-", ".")]
    if strange:
        raise InputError(f"{where}: found strand {shown(strange[0])}, expected +, - or .")
    values = {name: table.column(name).to_numpy() for name in ("start", "end", "score", "p")}
    return Instances(
        contig_names=names["chrom"],
        motif_names=names["motif"],
        contig=numbers["chrom"],
        motif=numbers["motif"],
        start=values["start"],
        end=values["end"],
        strand=np.array([*names["strand"], "."], "S1")[numbers["strand"]],
        score=values["score"],
        p=values["p"],
        row=np.arange(len(table)),
    )


def _of_bed(path: Path) -> Instances:
    """The BED file of a scan: a comment names its columns."""
    parts: list[dict[str, Any]] = []
    n_columns = 0
    for first, block in text_blocks(path, _ANY):
        lines = block.split("\n")
        if not n_columns:
            n_columns = len(lines[0].split("\t"))
        kept = [line for line in lines if line and not line.startswith("#")]
        if kept:
            try:
                parts.append(_by_column("\n".join(kept) + "\n", n_columns))
            except (NotPlain, ValueError):
                _refuse_a_line(path, first, lines, n_columns)
    contigs: dict[str, int] = {}
    motifs: dict[str, int] = {}
    for part in parts:
        part["contig"] = [contigs.setdefault(name, len(contigs)) for name in part["contig"]]
        part["motif"] = [motifs.setdefault(name, len(motifs)) for name in part["motif"]]
    kinds: dict[str, Any] = {
        "contig": np.int32, "motif": np.int32, "start": np.int64, "end": np.int64,
        "strand": "S1", "score": np.float64, "p": np.float64,
    }  # fmt: skip
    columns = {
        name: np.concatenate([np.empty(0, kind), *(np.array(part[name], kind) for part in parts)])
        for name, kind in kinds.items()
    }
    return Instances(
        contig_names=list(contigs),
        motif_names=list(motifs),
        row=np.arange(len(columns["start"])),
        **columns,
    )


def _by_column(text: str, n_columns: int) -> dict[str, Any]:
    fields = split_fields(text, n_columns)
    start, end = integers(fields, 1), integers(fields, 2)
    strand = letters(fields, 5)
    if (start < 0).any() or (start >= end).any() or not np.isin(strand, [b"+", b"-"]).all():
        raise NotPlain
    return {
        "contig": _labels(fields, 0),
        "start": start,
        "end": end,
        "motif": _labels(fields, 3),
        "score": np.array(strings(fields, 4), np.float64),
        "strand": strand,
        "p": np.array(strings(fields, 6), np.float64),
    }


def _labels(fields: Fields, column: int) -> list[str]:
    try:
        return labels(fields, column)
    except NotPlain:  # a long name
        return strings(fields, column)


def _refuse_a_line(path: Path, first: int, lines: list[str], n_columns: int) -> None:
    for number, line in enumerate(lines, first):
        if not line or line.startswith("#"):
            continue
        words = line.split("\t")
        if len(words) != n_columns:
            refuse(path, number, f"found {how_many(words)}, expected {n_columns} as in line 1")
        given = dict(zip(COLUMNS, words[:_N_SHARED], strict=False))
        positions = [given["start"], given["end"]]
        if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in positions):
            refuse(path, number, f"found {shown(' '.join(positions))}, expected start and end")
        if int(given["start"]) >= int(given["end"]):
            refuse(path, number, f"start {given['start']} is not before end {given['end']}")
        if given["strand"] not in ("+", "-"):
            refuse(path, number, f"found strand {shown(given['strand'])}, expected + or -")
        for name in ("score", "p"):
            if not is_number(given[name]):
                refuse(path, number, f"found {name} {shown(given[name])}, expected a number")
    refuse(path, first, f"found text that is no line of {_ANY}")
