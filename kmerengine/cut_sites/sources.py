"""Files of reads, fragments or cuts as 5' ends: where they are in the file, before any shift."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.cut_sites.tally import CutTally, EndSource, Run, TalliedEnds
from kmerengine.cut_sites.track import CutTrack
from kmerengine.errors import InputError
from kmerengine.io.bam import BamFile
from kmerengine.io.cram import CramFile
from kmerengine.io.fragments import FragmentBatch, FragmentFile
from native_kernels import cut_parse
from native_kernels.cut_parse.cpu import LENGTH_BITS

STRIDE = 1 << 31  # bases set apart for each contig of a file that does not tell their lengths
MAX_CONTIGS = 1 << (64 - LENGTH_BITS - 31)  # of such a file, so that a pair fits its key
LONGEST = cut_parse.LONGEST
MOST_PAIRS = 1 << 16  # of one row that are told apart
NO_GROUP = "barcode without a group"
OTHER_CONTIG = "contig not wanted"
LENGTH = "fragment length"


@dataclass(kw_only=True)
class RawEnds:
    """The 5' ends of one file by sample, and what was seen on the way.

    The position of an end is the 5' base as the file has it: `start` for plus, `end - 1` for minus.
    """

    path: Path
    kind: str  # BAM, CRAM, cuts, or what `FragmentFile` reads
    contigs: dict[str, int]  # bp
    lengths_known: bool  # False: contigs are as long as any row of a text file reaches
    samples: dict[str, EndSource]
    tallies: list[CutTally] = field(default_factory=list)  # to be closed
    records: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # records, by reason
    cuts_dropped: dict[str, int] = field(default_factory=dict)  # of what was kept
    lengths: npt.NDArray[np.int64] | None = None  # histogram of fragments, bp
    flagged: int = 0  # reads that are marked as duplicates
    pairs: CutTally | None = None  # ``(contig_start + start) << LENGTH_BITS | length`` of each
    read_pairs: npt.NDArray[np.int64] | None = None  # of 10x rows: how many have 0, 1 ... pairs
    made: dict[str, Any] | None = None  # of cuts: their parameters and what was read
    barcodes_listed: int = 0  # in the groups
    barcodes_seen: int = 0  # of those, in what was kept
    other_barcode: str = ""  # one that is in the file and not listed
    contig_start: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))


def read_alignments(
    path: Path,
    sample: str,
    rules: cut_parse.Rules,
    contigs: Sequence[str],
    *,
    groups: dict[str, str] | None,
    barcode: str,
    pairs: bool,
    threads: int,
    memory: int,
) -> RawEnds:
    """Tally the 5' ends of a BAM or CRAM file."""
    file: BamFile | CramFile
    if is_cram(path):
        tag = None if groups is None or barcode == "name" else barcode
        file = CramFile(path, threads=threads, tag=tag)
    else:
        file = BamFile(path, threads=threads)
    for name in contigs:
        if name not in file.contigs:
            known = ", ".join(file.contigs)
            raise InputError(f"{path}: has no contig {name!r}; it has {known:.80}")
    names = [sample] if groups is None else sorted(set(groups.values()))
    number = {name: i for i, name in enumerate(names)}
    known_barcodes: cut_parse.Barcodes | None = None
    if groups is not None:
        numbered = {each: number[group] for each, group in groups.items()}
        known_barcodes = cut_parse.Barcodes(numbered, barcode)
    lengths = np.fromiter(file.contigs.values(), np.int64, len(file.contigs))
    wanted = np.array([not contigs or name in contigs for name in file.contigs], np.bool_)
    parser = cut_parse.CutParser(lengths, rules, wanted, known_barcodes, pairs=pairs)
    tallies = [CutTally(memory // len(names)) for _ in names]
    pair_tally = CutTally(memory) if pairs else None
    left = np.zeros(0, np.uint8)
    for piece in file.pieces():
        data = np.concatenate([left, piece]) if len(left) else piece
        try:
            ends = parser.parse(data)
        except cut_parse.DamagedRecord as error:
            raise InputError(
                f"{path}: record {parser.n_records + 1}: found {error}; the file is damaged, "
                "make it again"
            ) from error
        if ends.groups is None:
            tallies[0].add(ends.keys)
        else:
            for i, tally in enumerate(tallies):
                tally.add(ends.keys[ends.groups == i])
        if pair_tally is not None and ends.pairs is not None:
            pair_tally.add(ends.pairs)
        left = data[ends.used :]
    if len(left):
        raise InputError(
            f"{path}: ends inside record {parser.n_records + 1}; the file is truncated, copy or "
            "make it again"
        )
    return RawEnds(
        path=path,
        kind="CRAM" if isinstance(file, CramFile) else "BAM",
        contigs=file.contigs,
        lengths_known=True,
        samples=ends_by_name(names, tallies, parser.contig_start),
        tallies=tallies,
        records=parser.n_records,
        kept=parser.n_kept,
        dropped=parser.dropped,
        lengths=parser.lengths,
        flagged=parser.n_flagged,
        pairs=pair_tally,
        barcodes_listed=0 if groups is None else len(groups),
        barcodes_seen=0 if known_barcodes is None else int(known_barcodes.seen.sum()),
        contig_start=parser.contig_start,
    )


def read_fragments(
    path: Path,
    sample: str,
    rules: cut_parse.Rules,
    contigs: Sequence[str],
    *,
    groups: dict[str, str] | None,
    weighted: bool,
    pairs: bool,
    memory: int,
) -> RawEnds:
    """Tally both ends of every fragment (the 5' end of every read, of tagAlign) of a text file."""
    file = FragmentFile.open(path)
    if groups is not None and file.kind != "fragments":
        raise InputError(f"{path}: has no barcodes ({file.kind}), expected a 10x fragment file")
    if file.kind == "tagalign" and (rules.fragments or rules.min_length or rules.limits_length):
        raise InputError(
            f"{path}: holds single reads, from which no fragments can be told; mode fragments, "
            "min_length and max_length are for pairs"
        )
    if weighted and (file.kind != "fragments" or file.n_columns < 5):
        raise InputError(f"{path}: weighted: has no count column, expected a 10x fragment file")
    names = [sample] if groups is None else sorted(set(groups.values()))
    number = {name: i for i, name in enumerate(names)}
    tallies = [CutTally(memory // len(names)) for _ in names]
    pair_tally = CutTally(memory) if pairs and file.kind != "tagalign" else None
    group_of = np.zeros(0, np.int64)
    reach = np.zeros(0, np.int64)
    lengths = np.zeros(LONGEST + 1, np.int64)
    read_pairs = np.zeros(0, np.int64)
    seen = np.zeros(0, np.bool_)
    records = kept = 0
    dropped: dict[str, int] = {}

    def drop(reason: str, n: int) -> None:
        if n:
            dropped[reason] = dropped.get(reason, 0) + n

    for batch in file.batches():
        records += len(batch.start)
        if len(batch.end) and int(batch.end.max()) >= STRIDE:
            raise InputError(f"{path}: found an end at {batch.end.max()}, expected bp of a contig")
        if len(file.contigs) > MAX_CONTIGS:
            raise InputError(f"{path}: found over {MAX_CONTIGS:,} contigs, expected fewer")
        reach = np.concatenate([reach, np.zeros(len(file.contigs) - len(reach), np.int64)])
        np.maximum.at(reach, batch.contig, batch.end)
        use = np.ones(len(batch.start), np.bool_)
        if contigs:
            use &= np.isin(batch.contig, [i for i, c in enumerate(file.contigs) if c in contigs])
            drop(OTHER_CONTIG, int((~use).sum()))
        length = batch.end - batch.start
        if file.kind != "tagalign":
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
            seen = np.concatenate([seen, np.zeros(len(group_of) - len(seen), np.bool_)])
            seen[batch.barcode[use]] = True
        kept += int(use.sum())
        keys, weights, owners = _keys(batch, use, group, weighted=weighted)
        for i, tally in enumerate(tallies):
            mine = slice(None) if groups is None else owners == i
            tally.add(keys[mine], weights[mine] if weighted else None)
        times = batch.weight[use] if weighted else np.ones(int(use.sum()), np.uint32)
        np.add.at(lengths, np.minimum(length[use], LONGEST), times)
        if file.kind == "fragments" and file.n_columns > 4:
            often = np.minimum(batch.weight[use], MOST_PAIRS)
            counted = np.bincount(often, minlength=len(read_pairs))
            counted[: len(read_pairs)] += read_pairs
            read_pairs = counted
        if pair_tally is not None:
            place = batch.contig[use].astype(np.int64) * STRIDE + batch.start[use]
            short = np.minimum(length[use], (1 << LENGTH_BITS) - 1)
            pair_tally.add((place << LENGTH_BITS | short).astype(np.uint64), times)
    for reason, n in file.dropped.items():
        records += n  # lines that came in no batch
        drop(reason, n)
    start = np.arange(len(file.contigs) + 1, dtype=np.int64) * STRIDE
    return RawEnds(
        path=path,
        kind=file.kind,
        contigs=dict(zip(file.contigs, reach.tolist(), strict=True)),
        lengths_known=False,
        samples=ends_by_name(names, tallies, start),
        tallies=tallies,
        records=records,
        kept=kept,
        dropped=dropped,
        lengths=None if file.kind == "tagalign" else lengths,
        pairs=pair_tally,
        read_pairs=read_pairs if file.kind == "fragments" and file.n_columns > 4 else None,
        barcodes_listed=0 if groups is None else len(groups),
        barcodes_seen=int(seen.sum()),
        other_barcode=next((b for b in file.barcodes if groups and b not in groups), ""),
        contig_start=start,
    )


def ends_by_name(
    names: list[str], tallies: list[CutTally], contig_start: npt.NDArray[np.int64]
) -> dict[str, EndSource]:
    """Complete tallies as the ends of samples."""
    ends = (TalliedEnds(tally, contig_start) for tally in tallies)
    return dict(zip(names, ends, strict=True))


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


class TrackEnds:
    """Cuts of one sample of a track as an `EndSource`; they need no shift any more."""

    def __init__(self, track: CutTrack, sample: str) -> None:
        self._track, self._sample = track, sample
        self._names = list(track.contigs)
        self.sizes = np.array([track.size(sample, name) for name in self._names], np.int64)

    def between(self, contig: int, start: int, end: int) -> Iterator[Run]:
        """Runs of ``2 * position + strand`` in [start, end) of a contig."""
        position, strand, count = self._track.cuts(
            self._sample, self._names[contig], max(0, start), max(0, end)
        )
        if len(position):
            yield (2 * position + strand).astype(np.uint64), count

    def size(self, contig: int, start: int, end: int) -> int:
        """At most so many keys are in [start, end) of a contig."""
        return self._track.size(self._sample, self._names[contig], start, end)


def open_track(path: Path, contigs: Sequence[str]) -> tuple[RawEnds, CutTrack]:
    """The cuts of a track that `kmerengine cuts` wrote, each sample under its own name."""
    track = CutTrack.open(path)
    for name in contigs:
        if name not in track.contigs:
            raise InputError(f"{path}: has no contig {name!r}")
    samples: dict[str, EndSource] = {name: TrackEnds(track, name) for name in track.samples}
    ends = RawEnds(
        path=path,
        kind="cuts",
        contigs=track.contigs,
        lengths_known=track.lengths_known,
        samples=samples,
        records=len(track),
        kept=len(track),
        made={key: track.provenance.get(key) for key in ("parameters", "inputs", "reads")},
    )
    return ends, track


def is_cram(path: Path) -> bool:
    """Whether a file starts as CRAM; one that cannot be read is told by its suffix."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"CRAM"
    except OSError:
        return path.suffix.lower() == ".cram"


def is_alignments(path: Path) -> bool:
    """Whether a file is BAM or CRAM, by its suffix or else by how it starts."""
    if path.suffix.lower() in (".bam", ".cram"):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start == b"\x1f\x8b\x08\x04":
                file.seek(0)
                with gzip.open(file) as text:
                    start = text.read(4)
    except (OSError, EOFError, zlib.error):
        return False  # whoever reads it says what is wrong
    return start in (b"BAM\1", b"CRAM")


def is_track(path: Path) -> bool:
    """Whether a file is a cut track by its suffix; what is neither is read as text."""
    return path.suffix.lower() in (".parquet", ".arrow")
