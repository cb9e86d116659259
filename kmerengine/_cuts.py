"""Tn5 cut sites of reads, per base, strand and sample."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cut_tally import CutTally
from kmerengine.cut_track import CutTrack, cut_batches
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bam import BamFile
from kmerengine.io.tables import table_writer
from kmerengine.options import available_threads
from native_kernels import cut_parse

Mode = Literal["reads", "fragments"]


class Shift(NamedTuple):
    """Added to the 5' base of plus and of minus reads, bp."""

    plus: int
    minus: int

    @classmethod
    def parse(cls, text: str) -> "Shift":
        """``+4/-4``, any such pair, or ``none``."""
        if text == "none":
            return cls(0, 0)
        found = re.fullmatch(r"([+-]?\d{1,3})/([+-]?\d{1,3})", text)
        if found is None:
            raise InputError(f"shift: found {text!r}, expected a pair such as +4/-4, or none")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.plus:+d}/{self.minus:+d}"


def cuts(
    samples: Sequence[str | Path],
    *,
    output: str | Path,
    names: Sequence[str] = (),
    mode: Mode = "reads",
    shift: str = "+4/-4",
    min_mapq: int = 0,
    drop_duplicates: bool = False,
    min_length: int = 0,
    max_length: int | None = None,
    contigs: Sequence[str] = (),
    legacy_double_count: bool = False,
    threads: int | None = None,
    memory: int = 256 << 20,
    force: bool = False,
) -> CutTrack:
    """Count Tn5 cut sites per base and strand.

    Parameters
    ----------
    samples : sequence of paths
        BAM files, sorted or not, with or without index; their reads are not yet shifted.
    output : path
        A Parquet file: chrom, position, strand, sample, count.
    names : sequence of str
        Sample names, one per file; by default the file names without suffixes.
    mode : "reads" or "fragments"
        The 5' end of every read, or both ends of every proper pair.
    shift : str
        Added to the 5' bases of plus and of minus reads: ``+4/-4`` (the middle of the 9-bp
        duplication), any pair, or ``none``.
    min_mapq : int
        Drop reads of lower mapping quality.
    drop_duplicates : bool
        Drop reads that are flagged as duplicates.
    min_length, max_length : int
        Drop proper pairs whose fragment is shorter or longer, bp.
    contigs : sequence of str
        Keep cuts on these contigs only.
    legacy_double_count : bool
        With "fragments": count every fragment once for each of its two mates, as bpAI-TAC's
        released counter does.
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
    if path.suffix != ".parquet":
        raise InputError(f"{path}: found suffix {path.suffix!r}, expected .parquet")
    files = [Path(sample) for sample in samples]
    listed = _names(files, names)
    if mode not in ("reads", "fragments"):
        raise InputError(f"mode: found {mode!r}, expected reads or fragments")
    if legacy_double_count and mode != "fragments":
        raise InputError("legacy_double_count: found with mode reads, expected mode fragments")
    wanted = Shift.parse(shift)
    flags = cut_parse.SECONDARY | cut_parse.SUPPLEMENTARY | cut_parse.QC_FAIL
    rules = cut_parse.Rules(
        plus_shift=wanted.plus,
        minus_shift=wanted.minus,
        fragments=mode == "fragments",
        min_mapq=min_mapq,
        dropped_flags=flags | (cut_parse.DUPLICATE if drop_duplicates else 0),
        min_length=min_length,
        max_length=(1 << 31) if max_length is None else max_length,
        times=2 if legacy_double_count else 1,
    )
    n_threads = available_threads() if threads is None else threads
    check_writable(path, force=force)
    opened = [BamFile(file, threads=n_threads) for file in files]
    genome = _same_contigs(opened)
    kept = _wanted_contigs(genome, contigs, files[0])
    # the reads are told of in the metadata, which the file begins with: they come first
    tallies = [CutTally(memory // len(files)) for _ in files]
    try:
        read = [
            _read(file, rules, kept, tally) for file, tally in zip(opened, tallies, strict=True)
        ]
        parameters: dict[str, Any] = {
            "mode": mode,
            "min_mapq": min_mapq,
            "drop_duplicates": drop_duplicates,
            "min_length": min_length,
            "max_length": max_length,
            "contigs": list(contigs),
            "legacy_double_count": legacy_double_count,
        }
        inputs = {name: {"name": file.name} for name, file in zip(listed, files, strict=True)}
        document = schemas.provenance("cuts", inputs, parameters)
        document |= {"format": schemas.CUTS, "samples": listed, "shift": str(wanted)}
        document |= {"contigs": list(genome.items()), "reads": dict(zip(listed, read, strict=True))}
        schema = schemas.with_metadata(schemas.cuts_schema(), document)
        with (
            atomic(path, force=force) as temporary,
            table_writer(temporary, schema, ".parquet") as writer,
        ):
            for batch in _all_batches(schema, listed, genome, tallies):
                writer.write(batch)
    finally:
        for tally in tallies:
            tally.close()
    return CutTrack.open(path)


def _names(files: list[Path], names: Sequence[str]) -> list[str]:
    if not files:
        raise InputError("samples: found none, expected at least one BAM file")
    listed = list(names) or [file.name.split(".")[0] for file in files]
    if len(listed) != len(files):
        raise InputError(f"names: found {len(listed)} for {len(files)} files, expected as many")
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise InputError(f"names: found {twice[0]!r} twice, expected each once; give --name")
    return listed


def _same_contigs(files: list[BamFile]) -> dict[str, int]:
    for file in files[1:]:
        if file.contigs != files[0].contigs or list(file.contigs) != list(files[0].contigs):
            raise InputError(
                f"{file.path}: its contigs are not those of {files[0].path}; "
                "count samples of one genome together"
            )
    return files[0].contigs


def _wanted_contigs(
    genome: dict[str, int], contigs: Sequence[str], where: Path
) -> npt.NDArray[np.bool_]:
    for name in contigs:
        if name not in genome:
            raise InputError(f"{where}: has no contig {name!r}; it has {', '.join(genome):.100}")
    return np.array([not contigs or name in contigs for name in genome], np.bool_)


def _read(
    file: BamFile, rules: cut_parse.Rules, kept: npt.NDArray[np.bool_], tally: CutTally
) -> dict[str, Any]:
    """Add the cuts of a file to its tally; returns what became of its reads."""
    lengths = np.fromiter(file.contigs.values(), np.int64, len(file.contigs))
    parser = cut_parse.CutParser(lengths, rules, kept)
    left = np.zeros(0, np.uint8)
    for piece in file.pieces():
        data = np.concatenate([left, piece]) if len(left) else piece
        try:
            keys, used = parser.parse(data)
        except cut_parse.DamagedRecord as error:
            raise InputError(
                f"{file.path}: record {parser.n_records + 1}: found {error}; the file is damaged, "
                "make it again"
            ) from error
        tally.add(keys)
        left = data[used:]
    if len(left):
        raise InputError(
            f"{file.path}: ends inside record {parser.n_records + 1}; the file is truncated, copy "
            "or make it again"
        )
    if not parser.n_kept:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in parser.dropped.items())
        raise InputError(
            f"{file.path}: no read is left of {parser.n_records:,} ({reasons or 'it is empty'}); "
            "loosen the filters, or count reads instead of fragments"
        )
    return {"records": parser.n_records, "kept": parser.n_kept, "dropped": parser.dropped}


def _all_batches(
    schema: pa.Schema, samples: list[str], genome: dict[str, int], tallies: Iterable[CutTally]
) -> Iterator[pa.RecordBatch]:
    for number, tally in enumerate(tallies):
        yield from cut_batches(schema, number, samples, genome, tally.pieces())
