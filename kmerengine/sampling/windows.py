"""Negatives matched to positives by GC: random windows of the genome."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.bed import read_regions
from kmerengine.io.fasta import Genome
from kmerengine.parallel import Progress
from kmerengine.regions import Regions, place_regions
from kmerengine.sampling.balance import Balance, check_options, kept_per_bin
from kmerengine.sampling.gc_content import GcBins, measure_gc
from kmerengine.sampling.gc_windows import Group, choose, list_candidates
from kmerengine.sampling.output import NAMES, Sample, shares, write_sample
from kmerengine.sampling.places import Line, merged

Ints = npt.NDArray[np.int64]

MAX_MARGIN = 1 << 20  # bp
NOT_ACGT = "bases other than A C G T"


def sample_windows(
    genome: str | Path,
    regions: str | Path,
    *,
    output: str | Path,
    width: int = 1000,
    ratio: int = 1,
    gc_bin: float = 0.02,
    same_chromosome: bool = False,
    exclude: Sequence[str | Path] = (),
    margin: int = 0,
    max_n: float = 0.0,
    allow_overlaps: bool = False,
    balance: Balance = "min",
    skip_missing_contigs: bool = False,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Sample:
    """Choose random windows of a genome with the GC of given regions.

    Parameters
    ----------
    genome : path
        FASTA: plain, bgzip or gzip.
    regions : path
        BED or narrowPeak, the positives; each becomes the window of `width` bp around its summit
        or midpoint. Windows that leave their contig are skipped, and counted.
    output : path
        The folder to make: regions.parquet, regions.bed, bins.parquet.
    width : int
        bp of all windows.
    ratio : int
        Negatives for each positive.
    gc_bin : float
        Width of the bins of GC: a negative is in the bin of its positive. GC is the share of C
        and G among A, C, G and T.
    same_chromosome : bool
        Negatives on the contig of their positive, so that splits by chromosome stay balanced.
        Otherwise on any contig that has positives.
    exclude : sequence of path
        BED files that no negative overlaps, such as a blacklist, or further peaks.
    margin : int
        bp that negatives keep from regions and from what is excluded.
    max_n : float
        The largest share of bases other than A C G T in a window; positives with more are
        skipped, and counted.
    allow_overlaps : bool
        Negatives may overlap one another; never do two start at the same base.
    balance : "exact", "positives" or "min"
        exact: refuse to go on where a bin has too few windows. positives: keep all positives with
        the negatives there are. min: keep as many positives as have all their negatives.
    skip_missing_contigs : bool
        Skip regions on contigs that the genome lacks, instead of refusing them.
    seed : int
        The same seed gives the same bytes, for any number of threads. The windows do not depend on
        the order of contigs in the genome.
    threads : int, optional
        By default the processors this process may use.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in bases.

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        One line that names the file or bin, what was found, what was expected and what to do.

    Notes
    -----
    No negative overlaps a region or its window. In genomes of more than 2^25 windows candidates
    are one random window of each stretch of equal length, 90 bp in one of 3 Gb.
    """
    folder, genome, regions = Path(output), Path(genome), Path(regions)
    n_threads = check_options(width, ratio, balance, seed, threads)
    bins = GcBins(gc_bin)
    if not 0 <= max_n < 1:
        raise InputError(f"max_n: found {max_n}, expected 0 or more and less than 1")
    if not 0 <= margin <= MAX_MARGIN:
        raise InputError(f"margin: found {margin}, expected 0 to {MAX_MARGIN:,} bp")
    check_writable(folder, force=force, folder=NAMES)
    listed = read_regions(regions)
    with Genome.open(genome) as opened:
        inputs = {
            "genome": schemas.contigs_digest(genome, opened.contigs),
            "regions": schemas.digest(regions),
            "exclude": [schemas.digest(Path(path)) for path in exclude],
        }
        place = {"skip_missing_contigs": skip_missing_contigs}
        whole, _ = place_regions(listed, opened.contigs, regions, **place)
        windows, skipped = place_regions(listed, opened.contigs, regions, width=width, **place)
        gc, known = measure_gc(opened, windows.contig, windows.start, width, threads=n_threads)
        clean = (known > 0) & (width - known <= max_n * width)
        if not clean.all():
            skipped[NOT_ACGT] = int((~clean).sum())
        if not clean.any():
            reasons = "; ".join(f"{n:,}: {reason}" for reason, n in skipped.items())
            raise InputError(
                f"{regions}: none of its {len(listed):,} regions can be used"
                f"{f' ({reasons})' if reasons else ''}, expected some; "
                "lower --width, raise --max-n, or give other regions"
            )
        row = np.searchsorted(listed.line, windows.line)
        blocked = [windows, whole]
        excluded = [_excluded(Path(path), opened.contigs) for path in exclude]
        line = Line(opened.contigs, width)
        windows, row, bin_of = windows.take(clean), row[clean], bins.of(gc, known)[clean]
        allowed = np.zeros(len(opened.contigs), np.bool_)
        allowed[windows.contig] = True
        blocked += [each for each, _ in excluded]
        candidates = list_candidates(
            opened, line, allowed, width, bins, blocked=_union(blocked, line, opened, margin),
            max_n=max_n, seed=seed, threads=n_threads, progress=progress,
        )  # fmt: skip
        contig = windows.contig.astype(np.int64) if same_chromosome else np.int64(-1)
        keys, group = np.unique(contig * bins.n + bin_of, return_inverse=True)
        positives = np.bincount(group, minlength=len(keys))
        groups = [
            Group(key // bins.n, key % bins.n, n * ratio)
            for key, n in zip(keys.tolist(), positives.tolist(), strict=True)
        ]
        names = list(opened.contigs)
        taken, available = choose(
            candidates, line, names, groups, width, disjoint=not allow_overlaps, seed=seed
        )
        kept, kept_negatives = kept_per_bin(
            positives,
            np.array([len(each) for each in taken], np.int64),
            ratio,
            balance,
            lambda i: _words(groups[i], bins, names),
            "" if allow_overlaps else "let negatives overlap with --allow-overlaps, ",
        )
        positive, negative, match = _paired(group, taken, kept, kept_negatives, seed)
        contig, start = line.positions(negative)
        negative_gc = measure_gc(opened, contig, start, width, threads=n_threads)
    low, _ = bins.edges(np.arange(bins.n))
    every = np.concatenate([positive, match])
    start = np.concatenate([windows.start[positive], start])
    columns = {
        "chrom": np.concatenate([windows.contig[positive], contig]),
        "start": start,
        "end": start + width,
        "strand": windows.strand[every],
        "label": np.repeat([1, 0], [len(positive), len(match)]),
        "row": row[every],
        "gc": np.concatenate([shares(gc[clean][positive], known[clean][positive]),
                              shares(*negative_gc)]),
        "gc_bin": low[bin_of[every]],
    }  # fmt: skip
    bin_table = {
        "chrom": [names[each.contig] if each.contig >= 0 else None for each in groups],
        "p_bin": [None] * len(groups),
        "gc_bin": [low[each.bin] for each in groups],
        "positives": positives,
        "negatives": available,
        "kept_positives": kept,
        "kept_negatives": kept_negatives,
    }
    parameters = {
        "width": width, "ratio": ratio, "gc_bin": gc_bin, "same_chromosome": same_chromosome,
        "margin": margin, "max_n": max_n, "allow_overlaps": allow_overlaps, "balance": balance,
        "skip_missing_contigs": skip_missing_contigs, "seed": seed,
    }  # fmt: skip
    report = {
        "regions": len(listed),
        "skipped": skipped,
        "contigs_without_positives": int((~allowed).sum()),
        "excluded": sum(len(each) for each, _ in excluded),
        "excluded_on_other_contigs": sum(n for _, n in excluded),
        "candidates": int(available.sum()),
        "bins": len(groups),
        "short_bins": int((kept_negatives < positives * ratio).sum()),
        "positives": len(positive),
        "negatives": len(match),
    }
    return write_sample(
        folder, columns, names, [], bin_table,
        schemas.provenance("sample windows", inputs, parameters), report, opened.notes,
        force=force,
    )  # fmt: skip


def _excluded(path: Path, contigs: dict[str, int]) -> tuple[Regions, int]:
    """Regions of a file, and how many are on contigs that the genome lacks; not all may be."""
    listed = read_regions(path)
    placed, _ = place_regions(listed, contigs, path, skip_missing_contigs=True)
    if len(listed) and not len(placed):
        place_regions(listed, contigs, path)  # says which contigs, and what to do
    return placed, len(listed) - len(placed)


def _union(blocked: list[Regions], line: Line, genome: Genome, margin: int) -> tuple[Ints, Ints]:
    """Everything negatives must not overlap, on the line."""
    lengths = np.array(list(genome.contigs.values()), np.int64)
    contig = np.concatenate([each.contig for each in blocked])
    start = np.concatenate([each.start for each in blocked])
    end = np.concatenate([each.end for each in blocked])
    return merged(
        line.places(contig, np.maximum(start - margin, 0)),
        line.places(contig, np.minimum(end + margin, lengths[contig])),
    )


def _paired(
    group: Ints, taken: list[Ints], kept: Ints, kept_negatives: Ints, seed: int
) -> tuple[Ints, Ints, Ints]:
    """Positives kept, places of negatives, and the positive that each negative is matched to."""
    order = np.argsort(group, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=len(taken)))])
    positives, negatives, matches = [], [], []
    for i, places in enumerate(taken):
        mine = np.random.default_rng([seed, i]).permutation(order[edges[i] : edges[i + 1]])
        mine = np.sort(mine[: kept[i]])
        n = int(kept_negatives[i])
        positives.append(mine)
        negatives.append(places[:n])
        matches.append(np.resize(mine, n))  # in turn, so that all have as many, give or take one
    return tuple(map(np.concatenate, (positives, negatives, matches)))  # type: ignore[return-value]


def _words(group: Group, bins: GcBins, names: list[str]) -> str:
    low, high = (edge[0] for edge in bins.edges(np.array([group.bin])))
    where = f" on {names[group.contig]}" if group.contig >= 0 else ""
    return f"the bin of GC {low:g} to {high:g}{where}"
