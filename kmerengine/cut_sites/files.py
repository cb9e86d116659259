"""Files of samples to their 5' ends, one after the other here or each by a worker of a cluster."""

import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from kmerengine.cluster import Cluster
from kmerengine.cut_sites.options import CutOptions, shift_text
from kmerengine.cut_sites.sample_sheet import Sample, read_groups
from kmerengine.cut_sites.sources import (
    RawEnds,
    ends_by_name,
    is_alignments,
    is_track,
    open_track,
    read_alignments,
    read_fragments,
)
from kmerengine.cut_sites.tally import CutTally
from kmerengine.errors import InputError

Stored = tuple[RawEnds, list[str], Path]  # without its ends; of which samples, and where they are


@dataclass(frozen=True)
class FileReader:
    """Reads the file of a sample.

    Attributes
    ----------
    options : CutOptions
    pairs : bool
        Tally fragments, too (`RawEnds.pairs`).
    memory : int
        Bytes for the ends of a file.
    """

    options: CutOptions
    pairs: bool
    memory: int

    def __call__(self, sample: Sample) -> RawEnds:
        """The file's ends; cuts that were counted before as they are."""
        if is_track(sample.file):
            return _track(sample, self.options)
        options, name = self.options, sample.label
        groups = None if sample.groups is None else read_groups(sample.groups)
        if groups is not None and sample.name is not None:
            groups = {barcode: f"{name}.{group}" for barcode, group in groups.items()}
        try:
            if is_alignments(sample.file):
                return read_alignments(
                    sample.file, name, options.rules(), options.contigs, groups=groups,
                    barcode=options.barcode, pairs=self.pairs, threads=options.threads,
                    memory=self.memory,
                )  # fmt: skip
            return read_fragments(
                sample.file, name, options.rules(), options.contigs, groups=groups,
                weighted=options.weighted, pairs=self.pairs, memory=self.memory,
            )  # fmt: skip
        except OverflowError as error:
            raise InputError(f"{sample.file}: {error}, expected fewer; is it damaged?") from error


def _track(sample: Sample, options: CutOptions) -> RawEnds:
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


@dataclass(frozen=True)
class FilesOnWorker:
    """Called on a worker: for samples whose ends it leaves in a folder that all can reach.

    Runs of keys stay as they are, so that whoever opens them has what the reader had.
    """

    reader: FileReader
    folder: Path

    def __call__(self) -> Callable[[Sample], Stored]:
        return self._read

    def _read(self, sample: Sample) -> Stored:
        ends = self.reader(sample)
        place = Path(tempfile.mkdtemp(dir=self.folder))  # of this attempt
        for number, tally in enumerate(ends.tallies):
            tally.store(place / str(number))
            tally.close()
        return replace(ends, samples={}, tallies=[]), list(ends.samples), place


def read_on_cluster(
    samples: list[Sample], reader: FileReader, cluster: Cluster, folder: Path
) -> Generator[RawEnds, None, None]:
    """As `reader` reads the files, in order: each is a piece of work; cuts are opened here."""
    alone = replace(reader, options=replace(reader.options, threads=1))
    sent = [_anywhere(sample) for sample in samples if not is_track(sample.file)]
    stored = cluster.in_order(FilesOnWorker(alone, folder.absolute()), sent)
    try:
        for sample in samples:
            if is_track(sample.file):
                yield reader(sample)
                continue
            ends, names, place = next(stored)
            ends.path = sample.file
            ends.tallies = [CutTally.stored(place / str(i)) for i in range(len(names))]
            ends.samples = ends_by_name(names, ends.tallies, ends.contig_start)
            yield ends
    finally:
        stored.close()


def _anywhere(sample: Sample) -> Sample:
    """The same files, whatever folder a process works in."""
    groups = None if sample.groups is None else sample.groups.absolute()
    return Sample(sample.name, sample.file.absolute(), groups)
