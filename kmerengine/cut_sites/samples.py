"""Reads files to the cuts of their samples, all on one genome and with one shift."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.cluster import Cluster
from kmerengine.cut_sites.files import FileReader, read_on_cluster
from kmerengine.cut_sites.input_shift import (
    REACH,
    Detected,
    Held,
    Shift,
    choose,
    offset_histogram,
    remaining,
)
from kmerengine.cut_sites.options import CutOptions, shift_text
from kmerengine.cut_sites.sample_sheet import Sample, read_groups
from kmerengine.cut_sites.sequence_shift import (
    CLEAR,
    DetectedBySequence,
    SequenceComposition,
    rank_shifts,
)
from kmerengine.cut_sites.shifted import Part, ShiftedCuts, lost
from kmerengine.cut_sites.sources import RawEnds
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.cut_sites.tally import PIECE, merge
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.io.contigs import is_fasta, read_contigs
from kmerengine.parallel import Progress

OFF_CONTIG = "off the contig"
BLACKLISTED = "in the blacklist"
BY_SEQUENCE = 1_000_000  # ends whose surroundings are looked at, at most, of a file


@dataclass
class ReadFile:
    """One file, read.

    Attributes
    ----------
    ends : RawEnds
    held : Detected
        The shift it came with.
    by_sequence : DetectedBySequence or None
        What the genome around its ends says, with `detect_shift`.
    note : str
        The same in a line for the user.
    names : list of str
        The samples its cuts went to.
    """

    ends: RawEnds
    held: Detected | None  # None: cuts, which have the wanted shift
    by_sequence: DetectedBySequence | None
    note: str
    names: list[str] = field(default_factory=list)
    made: dict[str, Any] | None = None  # how cuts were made that were counted before


@dataclass
class CutSamples:
    """Cuts by sample.

    Attributes
    ----------
    genome : dict of str to int
        Length of each contig, bp.
    cuts : dict of str to ShiftedCuts
        By sample, in the order of the files.
    files : dict of str to ReadFile
        By sample name; with the file's name where files share one.
    """

    genome: dict[str, int]
    cuts: dict[str, ShiftedCuts]
    files: dict[str, ReadFile]
    lengths_known: bool
    n_blacklisted: int = 0  # stretches on this genome

    def report(self) -> dict[str, Any]:
        """What was read, kept and dropped, by file; for a file's metadata."""
        return {name: _report(file) for name, file in self.files.items()}


@contextmanager
def read_samples(
    samples: list[Sample],
    options: CutOptions,
    *,
    pairs: bool = False,
    pooled: bool = False,
    cluster: Cluster | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[CutSamples]:
    """Read files to cuts by sample.

    Parameters
    ----------
    samples : list of Sample
    options : CutOptions
    pairs : bool
        Tally fragments, too (`RawEnds.pairs`).
    pooled : bool
        Files (and groups) of one sample name are added up; else that is refused.
    cluster : Cluster, optional
        Whose workers read the files, by way of a new folder in `folder`.
    folder : Path, optional
    progress : callable, optional
        Called with (done, of) in files.

    Raises
    ------
    InputError
    """
    options.check(samples)
    share = max(1, options.memory // (len(samples) * (2 if pairs else 1)))
    reader = FileReader(options, pairs, share)
    read: list[RawEnds] = []
    with ExitStack() as stack:
        each: Iterator[RawEnds] = map(reader, samples)
        if cluster is not None:
            assert folder is not None
            each = read_on_cluster(
                samples, reader, cluster, Path(stack.enter_context(_between(folder)))
            )
            stack.callback(each.close)
        stack.callback(_close, read)
        for ends, sample in zip(each, samples, strict=True):
            read.append(ends)
            if not ends.kept:
                raise _nothing_kept(ends, sample)
            if progress is not None:
                progress(len(read), len(samples))
        yield _joined(samples, read, options, pooled=pooled)


def _close(read: list[RawEnds]) -> None:
    for ends in read:
        for tally in [*ends.tallies, *([ends.pairs] if ends.pairs else [])]:
            tally.close()


def _between(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """For what workers read; one may still write when the work has failed."""
    return tempfile.TemporaryDirectory(
        prefix=".kmerengine-cuts-", suffix=".tmp", dir=folder, ignore_cleanup_errors=True
    )


def _nothing_kept(ends: RawEnds, sample: Sample) -> InputError:
    if not ends.records:
        return InputError(f"{ends.path}: holds no records; check how the file was made")
    if sample.groups is not None and not ends.barcodes_seen:
        such = f", such as {ends.other_barcode!r}" if ends.other_barcode else ""
        listed = next(iter(read_groups(sample.groups)))
        return InputError(
            f"{ends.path}: none of the {ends.barcodes_listed:,} barcodes in {sample.groups}, such "
            f"as {listed!r}, is among its reads{such}; check suffixes, and where the barcodes are"
        )
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in ends.dropped.items())
    return InputError(
        f"{ends.path}: nothing is left of {ends.records:,} records ({reasons}); "
        "loosen the filters, or count reads instead of fragments"
    )


def _joined(
    samples: list[Sample], read: list[RawEnds], options: CutOptions, *, pooled: bool
) -> CutSamples:
    told = _by_sequence(read, options) if options.detect_shift else [None] * len(read)
    files = [_file(*each, options) for each in zip(read, told, strict=True)]
    to_add = [
        Shift(0, 0) if file.held is None else remaining(file.held.held, options.wanted)
        for file in files
    ]
    given = None if options.genome is None else read_contigs(options.genome)
    genome = _genome(read, to_add, given, options)
    lengths = np.fromiter(genome.values(), np.int64, len(genome))
    blacklist, n_blacklisted = _blacklist(options, genome)
    lengths_known = given is not None or any(ends.lengths_known for ends in read)
    joined = CutSamples(genome, {}, {}, lengths_known, n_blacklisted)
    wanted = np.array([not options.contigs or name in options.contigs for name in genome])
    for sample, file, shift in zip(samples, files, to_add, strict=True):
        place = {name: i for i, name in enumerate(file.ends.contigs)}
        own = np.array([place.get(name, -1) for name in genome], np.int64)
        own[~wanted] = -1
        for name, source in file.ends.samples.items():
            if name in joined.cuts and not pooled:
                raise InputError(
                    f"{file.ends.path}: sample {name!r} is in another file, too; give names, or a "
                    "sample sheet that says which files are one sample"
                )
            part = Part(source, own, shift)
            joined.cuts.setdefault(name, ShiftedCuts(lengths, blacklist)).parts.append(part)
            file.names.append(name)
            gone = lost(part, lengths, blacklist)
            for reason, n in zip((OFF_CONTIG, BLACKLISTED), gone, strict=True):
                if n:
                    lost_before = file.ends.cuts_dropped.get(reason, 0)
                    file.ends.cuts_dropped[reason] = lost_before + n
        label = sample.label
        if label in joined.files:
            label = f"{label} ({file.ends.path.name})"
        while label in joined.files:
            label += "'"
        joined.files[label] = file
    return joined


def _file(ends: RawEnds, told: DetectedBySequence | None, options: CutOptions) -> ReadFile:
    """What shift a file holds: as the user says, by the genome, or by its neighbouring ends."""
    if ends.kind == "cuts":
        note = f"cuts with shift {shift_text(options.wanted)}"
        return ReadFile(ends, None, None, note, made=ends.made)
    said = f"; {told.sentence}" if told else ""
    if options.input_shift != "auto":
        held: Held = options.input_shift
        note = f"taken as {held}, as --input-shift says"
        return ReadFile(ends, Detected(held, 1.0, note), told, note + said)
    if told and told.held is not None:
        by_genome = Detected(told.held, told.confidence, told.sentence)
        return ReadFile(ends, by_genome, told, told.sentence)
    by_offset = choose(_offsets(ends), ends.kind)
    if told and told.shift is not None and told.held is None and told.confidence >= CLEAR:
        said += f"; to follow it, give --input-shift none --shift {shift_text(told.shift)}"
    return ReadFile(ends, by_offset, told, by_offset.sentence + said)


def _offsets(ends: RawEnds) -> npt.NDArray[np.int64]:
    """The histogram of offsets between the ends of neighbouring fragments."""
    histogram = np.zeros((1, 2 * REACH + 1), np.int64)
    for contig, start, stop in _windows(ends):
        left, n_left = _ends_of(ends, contig, start, stop, strand=0)
        # ends of minus reads as half-open rows have them
        right, n_right = _ends_of(ends, contig, start - REACH - 1, stop + REACH, strand=1)
        if len(left) and len(right):
            histogram = histogram + offset_histogram(left, right + 1, n_left, n_right)
    return histogram


def _windows(ends: RawEnds) -> Iterator[tuple[int, int, int]]:
    """Contig, start and end of stretches with about `PIECE` ends at most."""
    for contig, length in enumerate(ends.contigs.values()):
        n = sum(int(each.sizes[contig]) for each in ends.samples.values())
        step = -(-(length + 1) // max(1, -(-n // PIECE)))
        if n:
            yield from ((contig, at, at + step) for at in range(0, length + 1, step))


def _ends_of(
    ends: RawEnds, contig: int, start: int, stop: int, *, strand: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """5' bases of one strand in a stretch of a contig, over all samples, and how many of each."""
    runs = [run for each in ends.samples.values() for run in each.between(contig, start, stop)]
    keys, counts = merge(runs)
    mine = (keys & np.uint64(1)) == strand
    return (keys[mine] >> np.uint64(1)).astype(np.int64), counts[mine].astype(np.int64)


def _by_sequence(read: list[RawEnds], options: CutOptions) -> list[DetectedBySequence | None]:
    """What the genome around each file's ends says; of a large file, around some of them.

    The genome is read once for all files.
    """
    from kmerengine.io.fasta import Genome

    assert options.genome is not None
    if not is_fasta(options.genome):
        raise InputError(f"{options.genome}: holds no sequence, expected FASTA for --detect-shift")
    compositions = [SequenceComposition() for _ in read]
    places = [{name: i for i, name in enumerate(ends.contigs)} for ends in read]
    totals = [sum(int(each.sizes.sum()) for each in ends.samples.values()) for ends in read]
    with Genome.open(options.genome) as genome:
        for number, (name, length) in enumerate(genome.contigs.items()):
            codes = None
            for ends, composition, place, total in zip(
                read, compositions, places, totals, strict=True
            ):
                if ends.kind == "cuts" or name not in place:
                    continue
                reach, step = ends.contigs[name] + 1, -(-total // BY_SEQUENCE)
                found = [_ends_of(ends, place[name], 0, reach, strand=i)[0][::step] for i in (0, 1)]
                if not any(map(len, found)):
                    continue
                if codes is None:
                    whole = np.array([length])
                    codes, _ = genome.fetch(np.array([number]), np.zeros(1, np.int64), whole)
                composition.add(codes, found[0], "+")
                composition.add(codes, found[1], "-")
    return [
        None if ends.kind == "cuts" else rank_shifts(composition)
        for ends, composition in zip(read, compositions, strict=True)
    ]


def _genome(
    read: list[RawEnds], to_add: list[Shift], given: dict[str, int] | None, options: CutOptions
) -> dict[str, int]:
    """The contigs of all files: as given, or those of the BAM files where there are any.

    Text does not tell how long contigs are: without a genome they go as far as a row, or the cut
    at its end, does.
    """
    told = [ends for ends in read if ends.lengths_known]
    source = str(options.genome) if given else str(told[0].path) if told else ""
    if given is None:
        for ends in told[1:]:
            if list(ends.contigs.items()) != list(told[0].contigs.items()):
                raise InputError(
                    f"{ends.path}: its contigs are not those of {told[0].path}; "
                    "count samples of one genome together, or give --genome"
                )
    genome = dict(given or (told[0].contigs if told else {}))
    for ends, shift in zip(read, to_add, strict=True):
        further = max(0, shift.minus)
        if given is not None and ends in told:
            for name, length in ends.contigs.items():
                if genome.get(name, length) != length:
                    raise InputError(
                        f"{ends.path}: its contig {name} has {length:,} bp, {genome[name]:,} in "
                        f"{source}; give the genome that the reads were aligned to"
                    )
        for number, (name, reach) in enumerate(ends.contigs.items()):
            if not source:
                genome[name] = max(genome.get(name, 0), reach + further)
            elif name not in genome and ends in told:
                if any(each.sizes[number] for each in ends.samples.values()):
                    raise InputError(
                        f"{ends.path}: has reads on {name}, which {source} lacks; give the genome "
                        "that the reads were aligned to, or choose contigs with --contig"
                    )
            elif reach > genome.get(name, -1):
                raise InputError(
                    f"{ends.path}: reaches {name}:{reach:,}, past the contigs of {source}; "
                    "count samples of one genome together"
                )
    for name in options.contigs:
        if name not in genome:
            raise InputError(f"contigs: found {name!r}, expected some of {', '.join(genome):.100}")
    return genome


def _blacklist(options: CutOptions, genome: dict[str, int]) -> tuple[Stretches | None, int]:
    if options.blacklist is None:
        return None, 0
    return Stretches.of_regions(read_regions(options.blacklist), genome, options.blacklist)


def _report(file: ReadFile) -> dict[str, Any]:
    ends = file.ends
    report: dict[str, Any] = {
        "records": ends.records, "kept": ends.kept, "dropped": ends.dropped,
        "cuts_dropped": ends.cuts_dropped, "note": file.note, "samples": file.names,
    }  # fmt: skip
    if ends.barcodes_listed:
        report |= {"barcodes": ends.barcodes_listed, "barcodes_seen": ends.barcodes_seen}
    if file.held is not None:
        report |= {"input_shift": file.held.held, "confidence": round(file.held.confidence, 4)}
    if file.by_sequence is not None:
        told = file.by_sequence
        best = [[shift_text(shift), round(score, 6)] for shift, score in told.ranking[:5]]
        report["sequence_shift"] = {
            "shift": told.shift and shift_text(told.shift), "confidence": round(told.confidence, 4),
            "positions": told.n, "ranking": best,
        }  # fmt: skip
    return report
