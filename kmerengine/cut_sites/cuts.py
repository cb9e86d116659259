"""Tn5 cut sites of reads, per base, strand and sample."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kmerengine import schemas
from kmerengine.cluster import Scheduler, connected
from kmerengine.cut_sites.options import CutOptions, InputShift, Mode, shift_text
from kmerengine.cut_sites.sample_sheet import Sample, listed_samples
from kmerengine.cut_sites.samples import CutSamples, read_samples
from kmerengine.cut_sites.signal import Scale, SignalFiles, check_signal, is_signal, write_signal
from kmerengine.cut_sites.sources import is_track
from kmerengine.cut_sites.track import CutTrack, cut_batches
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import table_writer
from kmerengine.parallel import Progress, available_threads
from native_kernels.cut_profile import Strands


def cuts(
    samples: Sequence[str | Path] = (),
    *,
    output: str | Path,
    sheet: str | Path | None = None,
    names: Sequence[str] = (),
    groups: str | Path | None = None,
    barcode: str = "CB",
    mode: Mode = "reads",
    shift: str = "+4/-4",
    input_shift: InputShift = "auto",
    detect_shift: bool = False,
    genome: str | Path | None = None,
    min_mapq: int = 0,
    drop_duplicates: bool = False,
    min_length: int = 0,
    max_length: int | None = None,
    contigs: Sequence[str] = (),
    blacklist: str | Path | None = None,
    weighted: bool = False,
    legacy_double_count: bool = False,
    strands: Strands | None = None,
    scale: Scale = "raw",
    threads: int | None = None,
    memory: int = 256 << 20,
    scheduler: Scheduler | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> CutTrack | SignalFiles:
    """Count Tn5 cut sites per base and strand.

    Parameters
    ----------
    samples : sequence of paths
        BAM (sorted or not, with or without index), CRAM (its reference is not needed), 10x
        fragment files, BEDPE or tagAlign; text may be gzip. Also cuts that were counted before
        (.parquet, .arrow): they are joined, or written in another form.
    output : path
        A table of chrom, position, strand, sample, count (.parquet or .arrow), or the signal along
        the genome (.bw, .bedgraph, .bedgraph.gz) with ``{sample}`` and ``{strand}`` in its name
        where there are several.
    sheet : path, optional
        Instead of `samples`: a table with columns sample, file and, if wanted, groups. Files of
        one sample name are added up.
    names : sequence of str
        Sample names, one per file; by default the file names without suffixes.
    groups : path, optional
        Barcode and group in two columns: the groups are the samples. For one file; a sheet gives
        each file its own.
    barcode : str
        Where reads of a BAM or CRAM have their barcode: a tag, or "name" for the read's name up to
        its first colon. Fragment files have a column for it.
    mode : "reads" or "fragments"
        The 5' end of every read, or both ends of every proper pair. Rows of fragment files and
        BEDPE give both their ends either way.
    shift : str
        Wanted distance of a cut from the 5' base of plus and of minus reads: ``+4/-4`` (the middle
        of the 9-bp duplication), any pair, or ``none``.
    input_shift : str
        What the files already hold; "auto" tells it from the distance between neighbouring
        fragments (see `kmerengine.cut_sites.input_shift`). Nothing is shifted twice.
    detect_shift : bool
        Tell what the files already hold from the genome's sequence around their 5' ends (see
        `kmerengine.cut_sites.sequence_shift`); `input_shift`, if given, still decides.
    genome : path, optional
        FASTA, its .fai, or chromosome sizes: the contigs, their order and their lengths. Text does
        not tell lengths itself.
    min_mapq : int
        Drop reads of lower mapping quality (BAM).
    drop_duplicates : bool
        Drop reads that are flagged as duplicates (BAM).
    min_length, max_length : int
        Drop fragments that are shorter or longer, bp.
    contigs : sequence of str
        Keep cuts on these contigs only.
    blacklist : path, optional
        BED of regions whose cuts are dropped.
    weighted : bool
        Count a row of a 10x file as often as its count column says, not once.
    legacy_double_count : bool
        With "fragments": count every fragment of a BAM once for each of its two mates, as
        bpAI-TAC's released counter does.
    strands : "sum" or "split", optional
        Of a signal; a table always keeps strands apart.
    scale : "raw", "cpm" or "binary"
        Of a signal: cuts, cuts per million of the sample, or 1 where there is a cut (DeepATAC's
        input).
    threads : int, optional
        By default the processors this process may use.
    memory : int
        Bytes for cuts held at once.
    scheduler : str or distributed.Client, optional
        Read the files on a Dask cluster, each by one worker, which leaves its cuts in a temporary
        folder beside the output (see `kmerengine.cluster`). Same bits.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in files read.

    Returns
    -------
    CutTrack, or SignalFiles for bigWig and bedGraph

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    path = Path(output)
    listed = listed_samples(samples, sheet, names, groups)
    options = CutOptions(
        mode=mode,
        shift=shift,
        input_shift=input_shift,
        detect_shift=detect_shift,
        min_mapq=min_mapq,
        drop_duplicates=drop_duplicates,
        min_length=min_length,
        max_length=max_length,
        contigs=tuple(contigs),
        blacklist=None if blacklist is None else Path(blacklist),
        genome=None if genome is None else Path(genome),
        barcode=barcode,
        weighted=weighted,
        legacy_double_count=legacy_double_count,
        threads=available_threads() if threads is None else threads,
        memory=memory,
    )
    options.check(listed)
    _check_output(path, listed, strands, scale, force=force)
    with (
        connected(scheduler) as cluster,
        read_samples(
            listed, options, pooled=sheet is not None, cluster=cluster, folder=path.parent,
            progress=progress,
        ) as read,
    ):  # fmt: skip
        document = _document(read, listed, options)
        if is_signal(path):
            check_signal(path, list(read.cuts), strands or "sum", force=force)
            return write_signal(
                path,
                read.cuts,
                read.genome,
                strands=strands or "sum",
                scale=scale,
                document=document,
                threads=options.threads,
                force=force,
            )
        schema = schemas.with_metadata(schemas.cuts_schema(), document)
        with (
            atomic(path, force=force) as temporary,
            table_writer(temporary, schema, path.suffix) as writer,
        ):
            for number, each in enumerate(read.cuts.values()):
                for batch in cut_batches(
                    schema, number, list(read.cuts), read.genome, each.pieces()
                ):
                    writer.write(batch)
    return CutTrack.open(path)


def _check_output(
    path: Path, listed: list[Sample], strands: Strands | None, scale: Scale, *, force: bool
) -> None:
    if strands not in (None, "sum", "split"):
        raise InputError(f"strands: found {strands!r}, expected sum or split")
    if scale not in ("raw", "cpm", "binary"):
        raise InputError(f"scale: found {scale!r}, expected raw, cpm or binary")
    if is_signal(path):
        if not any(sample.groups or is_track(sample.file) for sample in listed):  # names are known
            names = list(dict.fromkeys(sample.label for sample in listed))
            check_signal(path, names, strands or "sum", force=force)
        return
    if path.suffix not in (".parquet", ".arrow"):
        raise InputError(
            f"{path}: found suffix {path.suffix!r}, expected .parquet or .arrow for a table, "
            ".bw or .bedgraph for a signal"
        )
    if strands or scale != "raw":
        raise InputError(
            f"{path}: is a table, which keeps strands apart and counts as they are; strands and "
            "scale are for bigWig and bedGraph"
        )
    check_writable(path, force=force)


def _document(read: CutSamples, listed: list[Sample], options: CutOptions) -> dict[str, Any]:
    """How the cuts were made."""
    parameters = {
        "mode": options.mode, "input_shift": options.input_shift,
        "detect_shift": options.detect_shift, "min_mapq": options.min_mapq,
        "drop_duplicates": options.drop_duplicates, "min_length": options.min_length,
        "max_length": options.max_length, "contigs": list(options.contigs),
        "weighted": options.weighted, "legacy_double_count": options.legacy_double_count,
        "groups": any(sample.groups for sample in listed), "barcode": options.barcode,
    }  # fmt: skip
    inputs: dict[str, Any] = {
        name: {"name": file.ends.path.name, **({"made": file.made} if file.made else {})}
        for name, file in read.files.items()
    }
    if options.blacklist is not None:
        inputs["blacklist"] = schemas.digest(options.blacklist)
        parameters["blacklisted"] = read.n_blacklisted
    document = schemas.provenance("cuts", inputs, parameters)
    return document | {
        "format": schemas.CUTS, "samples": list(read.cuts), "reads": read.report(),
        "shift": shift_text(options.wanted), "contigs": list(read.genome.items()),
        "lengths_known": read.lengths_known,
    }  # fmt: skip
