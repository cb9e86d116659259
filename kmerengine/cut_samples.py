"""Reads files to the cuts of their samples, all on one genome and with one shift."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.cut_options import CutOptions, shift_text
from kmerengine.cut_sources import (
    RawEnds,
    is_alignments,
    is_track,
    open_track,
    read_alignments,
    read_fragments,
)
from kmerengine.errors import InputError
from kmerengine.input_shift import Detected, Held, Shift, choose, offset_histogram, remaining
from kmerengine.io.bed import read_regions
from kmerengine.io.contigs import is_fasta, read_contigs
from kmerengine.sample_sheet import Sample, read_groups
from kmerengine.sequence_shift import DetectedBySequence, SequenceComposition, rank_shifts
from kmerengine.shifted_cuts import Part, ShiftedCuts, lost
from kmerengine.stretches import Stretches

OFF_CONTIG = "cut off the contig"
BLACKLISTED = "cut in the blacklist"
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
    names : list of str
        The samples its cuts went to.
    """

    ends: RawEnds
    held: Detected | None  # None: cuts, which have the wanted shift
    by_sequence: DetectedBySequence | None
    note: str
    names: list[str] = field(default_factory=list)


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
    samples: list[Sample], options: CutOptions, *, pairs: bool = False, pooled: bool = False
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

    Raises
    ------
    InputError
    """
    options.check(samples)
    share = max(1, options.memory // (len(samples) * (2 if pairs else 1)))
    read: list[RawEnds] = []
    try:
        for sample in samples:
            read.append(_read(sample, options, pairs=pairs, memory=share))
            if not read[-1].kept:
                raise _nothing_kept(read[-1])
        yield _joined(samples, read, options, pooled=pooled)
    finally:
        for ends in read:
            for tally in [*ends.tallies, *([ends.pairs] if ends.pairs else [])]:
                tally.close()


def _read(sample: Sample, options: CutOptions, *, pairs: bool, memory: int) -> RawEnds:
    if is_track(sample.file):
        ends, track = open_track(sample.file, options.contigs)
        if track.shift != shift_text(options.wanted):
            raise InputError(
                f"{sample.file}: its cuts have shift {track.shift}, expected "
                f"{shift_text(options.wanted)}; shifts are not mixed: give --shift {track.shift}, "
                "or count the reads again"
            )
        if sample.name is not None:
            if len(ends.samples) > 1:
                raise InputError(
                    f"{sample.file}: holds {len(ends.samples)} samples, which keep their names; "
                    f"found the name {sample.name!r} for them"
                )
            ends.samples = {sample.name: next(iter(ends.samples.values()))}
        return ends
    name = sample.name or sample.file.name.split(".")[0]
    groups = None if sample.groups is None else read_groups(sample.groups)
    if is_alignments(sample.file):
        return read_alignments(
            sample.file, name, options.rules(), options.contigs, groups=groups,
            barcode=options.barcode, pairs=pairs, threads=options.threads, memory=memory,
        )  # fmt: skip
    return read_fragments(
        sample.file, name, options.rules(), options.contigs, groups=groups,
        weighted=options.weighted, pairs=pairs, memory=memory,
    )  # fmt: skip


def _nothing_kept(ends: RawEnds) -> InputError:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in ends.dropped.items())
    return InputError(
        f"{ends.path}: nothing is left of {ends.records:,} records ({reasons or 'it is empty'}); "
        "loosen the filters, or count reads instead of fragments"
    )


def _joined(
    samples: list[Sample], read: list[RawEnds], options: CutOptions, *, pooled: bool
) -> CutSamples:
    files = [_file(ends, options) for ends in read]
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
                    file.ends.dropped[reason] = file.ends.dropped.get(reason, 0) + n
        label = sample.name or file.ends.path.name.split(".")[0]
        if label in joined.files:
            label = f"{label} ({file.ends.path.name})"
        while label in joined.files:
            label += "'"
        joined.files[label] = file
    return joined


def _file(ends: RawEnds, options: CutOptions) -> ReadFile:
    """What shift a file holds: as the user says, by the genome, or by its neighbouring ends."""
    if ends.kind == "cuts":
        return ReadFile(ends, None, None, f"cuts with shift {shift_text(options.wanted)}")
    told = _by_sequence(ends, options) if options.detect_shift else None
    said = f"; {told.sentence}" if told else ""
    if options.input_shift != "auto":
        held: Held = options.input_shift
        note = f"taken as {held}, as --input-shift says"
        return ReadFile(ends, Detected(held, 1.0, note), told, note + said)
    if told and told.held is not None:
        by_genome = Detected(told.held, told.confidence, told.sentence)
        return ReadFile(ends, by_genome, told, told.sentence)
    by_offset = choose(_offsets(ends), ends.kind)
    return ReadFile(ends, by_offset, told, by_offset.sentence + said)


def _offsets(ends: RawEnds) -> npt.NDArray[np.int64]:
    """The histogram of offsets between the ends of neighbouring fragments."""
    histogram = np.zeros((1, 61), np.int64)
    for contig, length in enumerate(ends.contigs.values()):
        keys, counts = _all_ends(ends, contig, length)
        position = (keys >> np.uint64(1)).astype(np.int64)
        minus = (keys & np.uint64(1)) == 1
        if minus.any() and not minus.all():
            n = counts.astype(np.int64)
            half_open = position[minus] + 1
            histogram = histogram + offset_histogram(
                position[~minus], half_open, n[~minus], n[minus]
            )
    return histogram


def _all_ends(
    ends: RawEnds, contig: int, length: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    runs = [run for each in ends.samples.values() for run in each.between(contig, 0, length + 1)]
    if not runs:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    keys, counts = zip(*runs, strict=True)
    return np.concatenate(keys), np.concatenate(counts)


def _by_sequence(ends: RawEnds, options: CutOptions) -> DetectedBySequence:
    """What the genome around the ends says; of a large file, around some of them."""
    from kmerengine.io.fasta import Genome

    assert options.genome is not None
    if not is_fasta(options.genome):
        raise InputError(f"{options.genome}: holds no sequence, expected FASTA for --detect-shift")
    total = sum(int(each.sizes.sum()) for each in ends.samples.values())
    step = -(-total // BY_SEQUENCE)
    composition = SequenceComposition()
    with Genome.open(options.genome) as genome:
        for contig, (name, length) in enumerate(ends.contigs.items()):
            keys = np.unique(_all_ends(ends, contig, length)[0])[::step]
            if not len(keys) or name not in genome.contigs:
                continue
            number = np.array([list(genome.contigs).index(name)])
            whole = np.array([genome.contigs[name]])
            codes, _ = genome.fetch(number, np.zeros(1, np.int64), whole)
            position = (keys >> np.uint64(1)).astype(np.int64)
            minus = (keys & np.uint64(1)) == 1
            composition.add(codes, position[~minus], "+")
            composition.add(codes, position[minus], "-")
    return rank_shifts(composition)


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
        "note": file.note, "samples": file.names,
    }  # fmt: skip
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
