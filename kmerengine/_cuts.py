"""Tn5 cut sites of reads, per base, strand and sample."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.cut_sources import RawEnds, is_bam, read_bam, read_fragments, read_groups
from kmerengine.cut_tally import CutTally
from kmerengine.cut_track import CutTrack, cut_batches
from kmerengine.errors import InputError
from kmerengine.input_shift import HELD, Detected, Shift, choose, cut_offsets, offset_histogram
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import table_writer
from kmerengine.options import available_threads
from native_kernels import cut_parse

Mode = Literal["reads", "fragments"]
InputShift = Literal["auto", "none", "+4/-5", "+4/-4"]

OFF_CONTIG = "cut off the contig"


def cuts(
    samples: Sequence[str | Path],
    *,
    output: str | Path,
    names: Sequence[str] = (),
    groups: str | Path | None = None,
    mode: Mode = "reads",
    shift: str = "+4/-4",
    input_shift: InputShift = "auto",
    min_mapq: int = 0,
    drop_duplicates: bool = False,
    min_length: int = 0,
    max_length: int | None = None,
    contigs: Sequence[str] = (),
    weighted: bool = False,
    legacy_double_count: bool = False,
    threads: int | None = None,
    memory: int = 256 << 20,
    force: bool = False,
) -> CutTrack:
    """Count Tn5 cut sites per base and strand.

    Parameters
    ----------
    samples : sequence of paths
        BAM (sorted or not, with or without index), 10x fragment files, BEDPE or tagAlign; text
        may be gzip.
    output : path
        A Parquet file: chrom, position, strand, sample, count.
    names : sequence of str
        Sample names, one per file; by default the file names without suffixes.
    groups : path, optional
        Barcode and group in two columns: the groups are the samples. For one fragment file.
    mode : "reads" or "fragments"
        The 5' end of every read, or both ends of every proper pair. Rows of fragment files and
        BEDPE give both their ends either way.
    shift : str
        Wanted distance of a cut from the 5' base of plus and of minus reads: ``+4/-4`` (the middle
        of the 9-bp duplication), any pair, or ``none``.
    input_shift : str
        What the files already hold; "auto" tells it from the distance between neighbouring
        fragments (see `kmerengine.input_shift`). Nothing is shifted twice.
    min_mapq : int
        Drop reads of lower mapping quality (BAM).
    drop_duplicates : bool
        Drop reads that are flagged as duplicates (BAM).
    min_length, max_length : int
        Drop fragments that are shorter or longer, bp.
    contigs : sequence of str
        Keep cuts on these contigs only.
    weighted : bool
        Count a row of a 10x file as often as its count column says, not once.
    legacy_double_count : bool
        With "fragments": count every fragment of a BAM once for each of its two mates, as
        bpAI-TAC's released counter does.
    threads : int, optional
        By default the processors this process may use.
    memory : int
        Bytes for cuts held at once.
    force : bool
        Replace an existing output.

    Returns
    -------
    CutTrack

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    path = Path(output)
    files = [Path(sample) for sample in samples]
    listed = _names(files, names)
    wanted = parse_shift(shift)
    if path.suffix != ".parquet":
        raise InputError(f"{path}: found suffix {path.suffix!r}, expected .parquet")
    if mode not in ("reads", "fragments"):
        raise InputError(f"mode: found {mode!r}, expected reads or fragments")
    if input_shift not in ("auto", *HELD):
        raise InputError(f"input_shift: found {input_shift!r}, expected auto, {', '.join(HELD)}")
    if legacy_double_count and mode != "fragments":
        raise InputError("legacy_double_count: found with mode reads, expected mode fragments")
    texts = [file for file in files if not is_bam(file)]
    if texts and (min_mapq or drop_duplicates or legacy_double_count):
        raise InputError(
            f"{texts[0]}: text has no mapping qualities, flags or mates; min_mapq, "
            "drop_duplicates and legacy_double_count are for BAM"
        )
    if weighted and len(texts) < len(files):
        raise InputError("weighted: found with a BAM file, expected 10x fragment files")
    if groups is not None and (len(files) != 1 or not texts):
        raise InputError("groups: expected one 10x fragment file with them")
    check_writable(path, force=force)
    group_of = None if groups is None else read_groups(Path(groups))
    flags = cut_parse.SECONDARY | cut_parse.SUPPLEMENTARY | cut_parse.QC_FAIL
    rules = cut_parse.Rules(
        plus_shift=0,
        minus_shift=0,
        fragments=mode == "fragments",
        min_mapq=min_mapq,
        dropped_flags=flags | (cut_parse.DUPLICATE if drop_duplicates else 0),
        min_length=min_length,
        max_length=(1 << 31) if max_length is None else max_length,
        times=2 if legacy_double_count else 1,
    )
    n_threads = available_threads() if threads is None else threads
    if n_threads < 1:
        raise InputError(f"threads: found {n_threads}, expected at least 1")
    share = max(1, memory // (2 * len(files)))
    read: list[RawEnds] = []
    shifted: dict[str, CutTally] = {}
    reads: dict[str, Any] = {}
    try:
        for file, name in zip(files, listed, strict=True):
            if is_bam(file):
                read.append(read_bam(file, name, rules, contigs, threads=n_threads, memory=share))
            else:
                read.append(
                    read_fragments(
                        file, name, rules, contigs, weighted=weighted, groups=group_of, memory=share
                    )
                )
            if not read[-1].kept:
                raise _nothing_kept(read[-1])
        held = [_held(ends, input_shift) for ends in read]
        genome = _genome(read, held, wanted, contigs)
        starts = np.concatenate([[0], np.cumsum(list(genome.values()))]).astype(np.int64)
        for ends, name, known in zip(read, listed, held, strict=True):
            before = len(shifted)
            n_off = _add_shifted(ends, known, wanted, genome, starts, shifted, share)
            if n_off:
                ends.dropped[OFF_CONTIG] = n_off
            reads[name] = {
                "records": ends.records,
                "kept": ends.kept,
                "dropped": ends.dropped,
                "input_shift": known.held,
                "confidence": round(known.confidence, 4),
                "note": known.sentence,
                "samples": list(shifted)[before:],
            }
        parameters = {
            "mode": mode, "input_shift": input_shift, "min_mapq": min_mapq,
            "drop_duplicates": drop_duplicates, "min_length": min_length,
            "max_length": max_length, "contigs": list(contigs), "weighted": weighted,
            "legacy_double_count": legacy_double_count, "groups": groups is not None,
        }  # fmt: skip
        inputs = {name: {"name": file.name} for name, file in zip(listed, files, strict=True)}
        document = schemas.provenance("cuts", inputs, parameters)
        document |= {"format": schemas.CUTS, "samples": list(shifted), "reads": reads}
        document |= {"shift": f"{wanted.plus:+d}/{wanted.minus:+d}"}
        document |= {"contigs": list(genome.items())}
        schema = schemas.with_metadata(schemas.cuts_schema(), document)
        with (
            atomic(path, force=force) as temporary,
            table_writer(temporary, schema, ".parquet") as writer,
        ):
            for number, tally in enumerate(shifted.values()):
                for batch in cut_batches(schema, number, list(shifted), genome, tally.pieces()):
                    writer.write(batch)
    finally:
        for tally in [*shifted.values(), *(t for ends in read for t in ends.tallies.values())]:
            tally.close()
    return CutTrack.open(path)


def parse_shift(text: str) -> Shift:
    """``+4/-4``, any such pair of bp, or ``none``."""
    if text == "none":
        return Shift(0, 0)
    found = re.fullmatch(r"([+-]?\d{1,3})/([+-]?\d{1,3})", text)
    if found is None:
        raise InputError(f"shift: found {text!r}, expected a pair such as +4/-4, or none")
    return Shift(int(found[1]), int(found[2]))


def _names(files: list[Path], names: Sequence[str]) -> list[str]:
    if not files:
        raise InputError("samples: found none, expected at least one file")
    listed = list(names) or [file.name.split(".")[0] for file in files]
    if len(listed) != len(files):
        raise InputError(f"names: found {len(listed)} for {len(files)} files, expected as many")
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise InputError(f"names: found {twice[0]!r} twice, expected each once; give --name")
    return listed


def _nothing_kept(ends: RawEnds) -> InputError:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in ends.dropped.items())
    return InputError(
        f"{ends.path}: nothing is left of {ends.records:,} records ({reasons or 'it is empty'}); "
        "loosen the filters, or count reads instead of fragments"
    )


def _genome(
    read: list[RawEnds], held: list[Detected], wanted: Shift, contigs: Sequence[str]
) -> dict[str, int]:
    """The contigs of all files: of the BAM files where there are any.

    Text does not tell how long contigs are: they go as far as a row, or the cut at its end, does.
    """
    told = [ends for ends in read if ends.kind == "BAM"]
    for ends in told[1:]:
        if list(ends.contigs.items()) != list(told[0].contigs.items()):
            raise InputError(
                f"{ends.path}: its contigs are not those of {told[0].path}; "
                "count samples of one genome together"
            )
    genome = dict(told[0].contigs) if told else {}
    for ends, known in zip(read, held, strict=True):
        further = max(0, cut_offsets(known.held, wanted)[1] + 1)
        for name, reach in ends.contigs.items():
            if not told:
                genome[name] = max(genome.get(name, 0), reach + further)
            elif reach > genome.get(name, -1):
                raise InputError(
                    f"{ends.path}: reaches {name}:{reach:,}, past the contigs of {told[0].path}; "
                    "count samples of one genome together"
                )
    for name in contigs:
        if name not in genome:
            raise InputError(f"contigs: found {name!r}, expected some of {', '.join(genome):.100}")
    return genome


def _held(ends: RawEnds, input_shift: InputShift) -> Detected:
    """What shift a file holds: as the user says, or by the distances between its ends."""
    if input_shift != "auto":
        return Detected(input_shift, 1.0, f"taken as {input_shift}, as --input-shift says")
    histogram = None
    for contig in range(len(ends.contigs)):
        plus: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        minus = list(plus)
        for tally in ends.tallies.values():
            low, high = (2 * int(ends.contig_start[contig + i]) for i in (0, 1))
            for keys, counts in tally.between(low, high):
                position = (keys >> np.uint64(1)).astype(np.int64) - ends.contig_start[contig]
                is_minus = (keys & np.uint64(1)) == 1
                n = counts.astype(np.int64)
                plus.append((position[~is_minus], n[~is_minus]))
                minus.append((position[is_minus] + 1, n[is_minus]))  # half-open ends
        if plus:
            left, n_left = (np.concatenate(each) for each in zip(*plus, strict=True))
            right, n_right = (np.concatenate(each) for each in zip(*minus, strict=True))
            if len(left) and len(right):
                one = offset_histogram(left, right, n_left, n_right)
                histogram = one if histogram is None else histogram + one
    if histogram is None:
        histogram = np.zeros((1, 61), np.int64)
    return choose(histogram, ends.kind)


def _add_shifted(
    ends: RawEnds,
    held: Detected,
    wanted: Shift,
    genome: dict[str, int],
    starts: npt.NDArray[np.int64],
    shifted: dict[str, CutTally],
    memory: int,
) -> int:
    """Move raw ends to their cuts, on the contigs of the genome; returns how many left theirs."""
    to_start, to_end = cut_offsets(held.held, wanted)
    place = {name: i for i, name in enumerate(genome)}
    own = np.array([place[name] for name in ends.contigs], np.int64)
    lengths = np.array(list(genome.values()), np.int64)
    n_off = 0
    for name, tally in ends.tallies.items():
        out = shifted[name] = CutTally(memory // len(ends.tallies))
        for keys, counts in tally.pieces():
            at = (keys >> np.uint64(1)).astype(np.int64)
            strand = (keys & np.uint64(1)).astype(np.int64)
            contig = np.searchsorted(ends.contig_start, at, side="right") - 1
            raw = at - ends.contig_start[contig]
            cut = raw + np.where(strand == 1, to_end + 1, to_start)  # raw minus ends are end - 1
            contig = own[contig]
            inside = (cut >= 0) & (cut < lengths[contig])
            n_off += int(counts[~inside].sum())
            moved = 2 * (starts[contig] + cut) + strand
            out.add(moved[inside].astype(np.uint64), counts[inside])
        tally.close()
    return n_off
