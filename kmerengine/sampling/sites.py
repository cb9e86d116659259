"""Unbound motif sites matched to bound ones: AgentBind's three settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.fasta import Genome
from kmerengine.motifs.hits import MotifHits
from kmerengine.parallel import Progress
from kmerengine.sampling.balance import Balance, check_options
from kmerengine.sampling.gc_content import GcBins, measure_gc
from kmerengine.sampling.hits import Instances, read_instances
from kmerengine.sampling.motif_sites import (
    UNMATCHED,
    PBins,
    best_of_each_place,
    bin_words,
    match,
    of_motifs,
    onto_genome,
    prefix_hint,
    window_starts,
)
from kmerengine.sampling.output import NAMES, Sample, shares, write_sample
from kmerengine.sampling.places import Line
from kmerengine.sampling.region_set import RegionSet

Setting = Literal["baseline", "gc", "accessibility"]


def sample_sites(
    genome: str | Path,
    hits: str | Path | MotifHits,
    peaks: str | Path,
    *,
    output: str | Path,
    setting: Setting = "baseline",
    accessible: str | Path | None = None,
    motifs: Sequence[str] = (),
    width: int = 1000,
    strict: bool = False,
    p_bin: float = 0.1,
    gc_bin: float = 0.02,
    ratio: int = 1,
    balance: Balance = "min",
    skip_missing_contigs: bool = False,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Sample:
    """Match unbound instances of a motif to bound ones (Zheng et al. 2021, AgentBind, Methods).

    Parameters
    ----------
    genome : path
        FASTA: plain, bgzip or gzip.
    hits : path or MotifHits
        Motif instances: what `kmerengine scan` found (Parquet or BED), or FIMO's table.
    peaks : path
        BED or narrowPeak of the factor's ChIP-seq peaks. An instance within a peak is bound, all
        others are unbound. Instances on contigs without a peak are left out, and counted.
    output : path
        The folder to make: regions.parquet, regions.bed, bins.parquet.
    setting : "baseline", "gc" or "accessibility"
        baseline: matched by p-value. gc: by p-value, and within its bins by GC of the window.
        accessibility: the same, of instances within `accessible` regions alone, in both classes.
    accessible : path, optional
        BED or narrowPeak of open chromatin; needed for that setting, and refused for others.
    motifs : sequence of str
        Use these motifs of `hits`, where it has several.
    width : int
        bp of the windows around motifs, ``start - (width - (end - start)) // 2`` and on: of an odd
        remainder the right side has one base more. Windows that leave their contig are left out,
        and counted.
    strict : bool
        A motif that begins or ends where its peak does is not bound: as the authors' code has it,
        against their text.
    p_bin : float
        Width of the bins of -log10 p.
    gc_bin : float
        Width of the bins of GC, the share of C and G among A, C, G and T, of the window with its
        motif.
    ratio : int
        Unbound instances for each bound one.
    balance : "min", "positives" or "exact"
        Of each bin: min (the paper) keeps as many bound instances as have all their unbound ones;
        positives (the authors' code) all bound instances, with the unbound ones there are; exact
        refuses to go on where a bin has too few unbound ones.
    skip_missing_contigs : bool
        Skip instances and regions on contigs that the genome lacks, instead of refusing them.
    seed : int
        The same seed gives the same bytes, for any number of threads. What is drawn does not
        depend on the order of instances or contigs.
    threads : int, optional
        By default the processors this process may use.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in bases, where the genome is read.

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        One line that names the file or bin, what was found, what was expected and what to do.

    Notes
    -----
    Hits of both strands at one place are one site, of the lower p-value (FIMO's --max-strand, which
    the authors use). Sites that overlap otherwise are all kept, and so are unbound ones that
    overlap a peak in part, whose number is reported.
    """
    folder, genome, peaks = Path(output), Path(genome), Path(peaks)
    n_threads = check_options(width, ratio, balance, seed, threads)
    if setting not in get_args(Setting):
        raise InputError(f"setting: found {setting!r}, expected {', '.join(get_args(Setting))}")
    if (accessible is not None) != (setting == "accessibility"):
        given, expected = ("none", "a BED file") if accessible is None else (accessible, "none")
        raise InputError(f"accessible: found {given}, expected {expected} with setting {setting!r}")
    p_bins, gc_bins = PBins(p_bin), GcBins(gc_bin)
    check_writable(folder, force=force, folder=NAMES)
    where = hits.path if isinstance(hits, MotifHits) else Path(hits)
    sites = read_instances(hits if isinstance(hits, MotifHits) else where)
    n_hits = len(sites)
    sites = of_motifs(sites, list(motifs), where)
    skipped = {"another motif": n_hits - len(sites)}
    n = len(sites)
    with Genome.open(genome) as opened:
        contigs = opened.contigs
        inputs = {
            "genome": schemas.contigs_digest(genome, contigs),
            "peaks": schemas.digest(peaks),
            "hits": {"name": where.name} if where.is_dir() else schemas.digest(where),
        }
        sites = onto_genome(sites, contigs, where, skip_missing_contigs=skip_missing_contigs)
        skipped["contig not in genome"] = n - len(sites)
        line = Line(contigs, width)
        bound_in = RegionSet(peaks, contigs, line, skip_missing_contigs=skip_missing_contigs)
        n, with_peak = len(sites), bound_in.has[sites.contig]
        if not with_peak.any():
            raise InputError(_no_shared_contig(sites, bound_in, where, contigs))
        sites = sites.take(with_peak)
        skipped["contig without a peak"] = n - len(sites)
        n, sites = len(sites), best_of_each_place(sites, line)
        skipped["at the place of a better one"] = n - len(sites)
        if accessible is not None:
            open_in = RegionSet(
                Path(accessible), contigs, line, skip_missing_contigs=skip_missing_contigs
            )
            inputs["accessible"] = schemas.digest(Path(accessible))
            n, sites = len(sites), sites.take(open_in.hold(sites))
            skipped["outside accessible regions"] = n - len(sites)
            if not len(sites):
                raise InputError(
                    f"{accessible}: none of {n:,} motif instances lies within one of its "
                    f"{open_in.n:,} regions, expected some; give open chromatin of this genome"
                )
        if (sites.end - sites.start > width).any():
            raise InputError(f"width: found {width} bp, expected at least the length of the motif")
        start = window_starts(sites.start, sites.end, width)
        fits = (start >= 0) & (start + width <= np.array(list(contigs.values()))[sites.contig])
        if not fits.any():
            raise InputError(
                f"width: none of the {len(sites):,} windows of {width:,} bp lies within its "
                "contig, expected some; choose a smaller width"
            )
        skipped["window leaves its contig"] = int((~fits).sum())
        sites, start = sites.take(fits), start[fits]
        gc, known = np.zeros((2, len(sites)), np.int32)
        p_of, gc_of = p_bins.of(sites.p), None
        if setting != "baseline":
            gc, known = measure_gc(
                opened, sites.contig, start, width, threads=n_threads, progress=progress
            )
            gc_of = gc_bins.of(gc, known)
            skipped["no base is A C G T"] = int((gc_of < 0).sum())
            usable = gc_of >= 0
            sites, start, gc, known = sites.take(usable), start[usable], gc[usable], known[usable]
            p_of, gc_of = p_of[usable], gc_of[usable]
        bound = bound_in.hold(sites, strict=strict)
        _need_both(bound, where, peaks)
        found = match(
            bound, p_of, gc_of, lambda p, gc: bin_words(p_bins, gc_bins, p, gc),
            ratio=ratio, balance=balance, seed=seed,
        )  # fmt: skip
        rows = found.rows
        if not len(rows):
            raise InputError(
                f"{where}: no bin has enough bound and unbound instances ({int(bound.sum()):,} and "
                f"{int((~bound).sum()):,} in {len(found.p_bin):,} bins), expected at least one; "
                "widen the bins or lower --ratio"
            )
        if setting == "baseline":
            gc, known = measure_gc(
                opened, sites.contig[rows], start[rows], width, threads=n_threads,
                progress=progress,
            )  # fmt: skip
        else:
            gc, known = gc[rows], known[rows]
    columns = {
        "chrom": sites.contig[rows],
        "start": start[rows],
        "end": start[rows] + width,
        "strand": sites.strand[rows],
        "label": bound[rows].astype(np.int64),
        "row": sites.row[rows],
        "gc": shares(gc, known),
        "gc_bin": _edges(gc_bins, gc_of, rows),
        "motif": sites.motif[rows],
        "score": sites.score[rows],
        "p": sites.p[rows],
        "p_bin": p_bins.edges(p_of[rows])[0],
        "core_start": (sites.start - start)[rows],
        "core_end": (sites.end - start)[rows],
    }
    by_gc = found.gc_bin != UNMATCHED
    bin_table = {
        "chrom": [None] * len(found.p_bin),
        "p_bin": p_bins.edges(found.p_bin)[0],
        "gc_bin": [
            edge if matched else None
            for edge, matched in zip(gc_bins.edges(found.gc_bin)[0].tolist(), by_gc, strict=True)
        ],
        "positives": found.positives,
        "negatives": found.negatives,
        "kept_positives": found.kept_positives,
        "kept_negatives": found.kept_negatives,
    }
    parameters = {
        "setting": setting, "motifs": list(motifs), "width": width, "strict": strict,
        "p_bin": p_bin, "gc_bin": gc_bin, "ratio": ratio, "balance": balance,
        "skip_missing_contigs": skip_missing_contigs, "seed": seed,
    }  # fmt: skip
    report = {
        "instances": n_hits,
        "skipped": {reason: n for reason, n in skipped.items() if n},
        "peaks": bound_in.n,
        "peaks_skipped": bound_in.skipped,
        "bound": int(bound.sum()),
        "unbound": int((~bound).sum()),
        "unbound_that_touch_a_peak": int((~bound & bound_in.touch(sites)).sum()),
        "bins": len(found.p_bin),
        "short_bins": int((found.negatives < found.positives * ratio).sum()),
        "positives": int(found.kept_positives.sum()),
        "negatives": int(found.kept_negatives.sum()),
    }
    return write_sample(
        folder, columns, list(contigs), sites.motif_names, bin_table,
        schemas.provenance("sample sites", inputs, parameters), report, opened.notes,
        force=force,
    )  # fmt: skip


def _edges(
    bins: GcBins, number: npt.NDArray[np.int64] | None, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Lower edges of the bins of GC; NaN, which is written as null, where GC plays no part."""
    return np.full(len(rows), np.nan) if number is None else bins.edges(number[rows])[0]


def _no_shared_contig(
    sites: Instances, peaks: RegionSet, where: Path, contigs: dict[str, int]
) -> str:
    """Why nothing is left where no instance is on a contig with a peak."""
    theirs = {name: i for i, name in enumerate(peaks.contig_names)}
    ours = list(contigs)[sites.contig[0]] if len(sites) else sites.contig_names[0]
    hint = prefix_hint(ours, theirs)
    return (
        f"{where}: none of {len(sites):,} motif instances is on a contig with a peak: found "
        f"{ours} and others, and peaks of {peaks.path} on {', '.join(list(theirs)[:3])}{hint}; "
        "give peaks of the genome that was scanned"
    )


def _need_both(bound: npt.NDArray[np.bool_], where: Path, peaks: Path) -> None:
    n = int(bound.sum())
    if n and n < len(bound):
        return
    share = "all" if n else "none"
    raise InputError(
        f"{where}: found {share} of {len(bound):,} motif instances within a peak of {peaks}, "
        "expected bound and unbound ones; give all instances of the genome, and peaks of the factor"
    )
