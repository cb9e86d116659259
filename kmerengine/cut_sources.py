"""Files of reads or fragments as raw 5' ends: where they are in the file, before any shift."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.cut_tally import CutTally
from kmerengine.errors import InputError
from kmerengine.io.bam import BamFile
from kmerengine.io.fragments import FragmentBatch, FragmentFile
from native_kernels import cut_parse

STRIDE = 1 << 33  # bases set apart for each contig of a file that does not tell their lengths
NO_GROUP = "barcode without a group"
OTHER_CONTIG = "contig not wanted"
LENGTH = "fragment length"


@dataclass
class RawEnds:
    """The 5' ends of one file, tallied by sample.

    A key is ``2 * (contig_start + position) + strand``; the position is the 5' base as the file
    has it: `start` for plus, `end - 1` for minus.
    """

    path: Path
    kind: str  # BAM, or what `FragmentFile` reads
    contigs: dict[str, int]  # bp; of text files, as far as any row reaches
    contig_start: npt.NDArray[np.int64]
    tallies: dict[str, CutTally]
    records: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def read_bam(
    path: Path,
    sample: str,
    rules: cut_parse.Rules,
    contigs: Sequence[str],
    *,
    threads: int,
    memory: int,
) -> RawEnds:
    """Tally the 5' ends of a BAM file; `rules` without a shift."""
    file = BamFile(path, threads=threads)
    for name in contigs:
        if name not in file.contigs:
            known = ", ".join(file.contigs)
            raise InputError(f"{path}: has no contig {name!r}; it has {known:.80}")
    lengths = np.fromiter(file.contigs.values(), np.int64, len(file.contigs))
    wanted = np.array([not contigs or name in contigs for name in file.contigs], np.bool_)
    parser = cut_parse.CutParser(lengths, rules, wanted)
    tally = CutTally(memory)
    left = np.zeros(0, np.uint8)
    for piece in file.pieces():
        data = np.concatenate([left, piece]) if len(left) else piece
        try:
            keys, used = parser.parse(data)
        except cut_parse.DamagedRecord as error:
            raise InputError(
                f"{path}: record {parser.n_records + 1}: found {error}; the file is damaged, "
                "make it again"
            ) from error
        tally.add(keys)
        left = data[used:]
    if len(left):
        raise InputError(
            f"{path}: ends inside record {parser.n_records + 1}; the file is truncated, copy or "
            "make it again"
        )
    return RawEnds(
        path, "BAM", file.contigs, parser.contig_start, {sample: tally},
        parser.n_records, parser.n_kept, parser.dropped,
    )  # fmt: skip


def read_fragments(
    path: Path,
    sample: str,
    rules: cut_parse.Rules,
    contigs: Sequence[str],
    *,
    weighted: bool,
    groups: dict[str, str] | None,
    memory: int,
) -> RawEnds:
    """Tally both ends of every fragment (the 5' end of every read, of tagAlign) of a text file."""
    file = FragmentFile.open(path)
    if groups is not None and file.kind != "fragments":
        raise InputError(f"{path}: has no barcodes ({file.kind}), expected a 10x fragment file")
    if rules.fragments and file.kind == "tagalign":
        raise InputError(f"{path}: holds single reads, from which no fragments can be told")
    names = [sample] if groups is None else sorted(set(groups.values()))
    number = {name: i for i, name in enumerate(names)}
    tallies = {name: CutTally(memory // len(names)) for name in names}
    group_of = np.zeros(0, np.int64)
    reach = np.zeros(0, np.int64)
    records = kept = 0
    dropped: dict[str, int] = {}

    def drop(reason: str, n: int) -> None:
        if n:
            dropped[reason] = dropped.get(reason, 0) + n

    for batch in file.batches():
        records += len(batch.start)
        if len(batch.end) and int(batch.end.max()) >= STRIDE:
            raise InputError(f"{path}: found an end at {batch.end.max()}, expected bp of a contig")
        reach = np.concatenate([reach, np.zeros(len(file.contigs) - len(reach), np.int64)])
        np.maximum.at(reach, batch.contig, batch.end)
        use = np.ones(len(batch.start), np.bool_)
        if contigs:
            use &= np.isin(batch.contig, [i for i, c in enumerate(file.contigs) if c in contigs])
            drop(OTHER_CONTIG, int((~use).sum()))
        if file.kind != "tagalign":
            length = batch.end - batch.start
            fits = (length >= rules.min_length) & (length <= rules.max_length)
            drop(LENGTH, int((use & ~fits).sum()))
            use &= fits
        group = np.zeros(len(batch.start), np.int64)
        if groups is not None:
            new = [number.get(groups.get(b, ""), -1) for b in file.barcodes[len(group_of) :]]
            group_of = np.concatenate([group_of, np.array(new, np.int64)])
            group = group_of[batch.barcode]
            drop(NO_GROUP, int((use & (group < 0)).sum()))
            use &= group >= 0
        kept += int(use.sum())
        keys, weights, owners = _keys(batch, use, group, weighted=weighted)
        for name, i in number.items():
            mine = slice(None) if groups is None else owners == i
            if weighted:
                tallies[name].add(keys[mine], weights[mine])
            else:
                tallies[name].add(keys[mine])
    for reason, n in file.dropped.items():
        drop(reason, n)
    return RawEnds(
        path,
        file.kind,
        dict(zip(file.contigs, reach.tolist(), strict=True)),
        np.arange(len(file.contigs) + 1, dtype=np.int64) * STRIDE,
        tallies,
        records,
        kept,
        dropped,
    )


def _keys(
    batch: FragmentBatch,
    use: npt.NDArray[np.bool_],
    group: npt.NDArray[np.int64],
    *,
    weighted: bool,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Keys of the rows in use, with their weights and groups."""
    first = batch.contig.astype(np.int64) * STRIDE
    plus = use & (batch.strand != 1)  # 255: a fragment, with both ends
    minus = use & (batch.strand != 0)
    keys = np.concatenate(
        [2 * (first + batch.start)[plus], 2 * (first + batch.end - 1)[minus] + 1]
    ).astype(np.uint64)
    owners = np.concatenate([group[plus], group[minus]])
    weights = batch.weight if weighted else np.ones(0, np.uint32)
    if weighted:
        weights = np.concatenate([weights[plus], weights[minus]])
    return keys, weights, owners


def read_groups(path: Path) -> dict[str, str]:
    """Barcode -> group of a table with two columns, tab or comma between; '#' starts a comment."""
    groups: dict[str, str] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table of barcodes ({error})") from error
    for line_number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [each.strip() for each in line.replace(",", "\t").split("\t")]
        if len(fields) != 2 or not all(fields):
            raise InputError(
                f"{path}: line {line_number}: found {line[:60]!r}, expected a barcode and a group"
            )
        if groups.setdefault(fields[0], fields[1]) != fields[1]:
            raise InputError(
                f"{path}: line {line_number}: barcode {fields[0]!r} is in two groups, expected one"
            )
    if not groups:
        raise InputError(f"{path}: holds no barcodes, expected a barcode and a group in each line")
    return groups


def is_bam(path: Path) -> bool:
    """Whether a file is a BAM by its suffix; all else is read as text."""
    return path.suffix.lower() == ".bam"
