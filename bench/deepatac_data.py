"""Windows of a simulated ATAC experiment in which density says nothing about binding.

About as many of each of four kinds, 200 bp each, whose label by factor is whether it is bound:

    bound       a factor's motif in open DNA, bound: a footprint
    unbound     a factor's motif in open DNA, of the same density, not bound
    closed      a factor's motif in closed DNA, never bound
    empty       open DNA without any factor's motif

Motifs of the same factor are bound or not by chance alone, so that bases cannot tell; footprints
are of any of four factors, so that cuts alone cannot tell which.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

import kmerengine
from kmerengine import Dataset, Motif
from kmerengine.simulators.atac_genome import FACTORS, REACH, WORDS
from kmerengine.simulators.sequences import consensus_matrix

__all__ = ["FACTOR_NAMES", "WIDTH", "Design", "make", "motifs", "sites_of"]

FACTOR_NAMES = tuple(FACTORS)
WIDTH = 200  # bp of a window
OFF_CENTRE = 50  # bp; a motif lies within this distance of the middle of its window
SPLIT = ("validation=chr4", "test=chr5")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is simulated.

    Attributes
    ----------
    sites : int
        Motifs of each factor; a third of them is closed, half of the others bound.
    contig_length : int
        bp of each of five contigs.
    depth : float
        Median of the cuts in 250 bp around a summit: deep, as of many experiments pooled.
    footprint : float
        Share of cuts that a bound factor of activity 1 keeps off; 0 for none.
    bias : float
        Spread of the logarithm of Tn5's preference.
    """

    sites: int = 3_000
    contig_length: int = 1_300_000
    depth: float = 120.0
    footprint: float = 0.95
    bias: float = 0.5
    seed: int = 1


def make(folder: Path, design: Design) -> Dataset:
    """The data set of a design, made once, and beside it peaks, sites and the genome."""
    if (folder / "data" / "dataset.json").exists():
        return Dataset.open(folder / "data")
    folder.mkdir(parents=True, exist_ok=True)
    n_peaks = 2 * design.sites
    made = kmerengine.simulate_atac(
        folder / "simulated", contig_length=design.contig_length, n_cell_types=1,
        n_peaks=n_peaks, sites_per_tf=design.sites, n_decoys=0, p_open=2 / 3, p_cofactor=0.0,
        p_bound_open=0.5, p_bound_closed=0.0, depth=design.depth, footprint=design.footprint,
        bias=design.bias, seed=design.seed, threads=1, force=True,
    )  # fmt: skip
    cuts = folder / "cuts.parquet"
    kmerengine.cuts(made.bams, output=cuts, input_shift="none", threads=1, force=True)
    rng = np.random.default_rng(design.seed)
    sites = sites_of(folder)
    starts = pl.concat([_on_sites(sites, rng), _empty(sites, rng)]).sort("chrom", "start")
    _write_bed(folder / "windows.bed", starts)
    bound = sites.filter(pl.col("bound") & (pl.col("role") == "tf"))
    (folder / "labels").mkdir(exist_ok=True)
    for name in FACTOR_NAMES:
        middle = (pl.col("start") + pl.col("end")) // 2
        mine = bound.filter(pl.col("motif") == name)
        _write_bed(
            folder / "labels" / f"{name}.bed",
            mine.select("chrom", start=middle - WIDTH // 2, kind=pl.lit(name)),
        )
    open_dna = sites.filter(pl.col("role") == "pioneer").select(
        "chrom", start=(pl.col("start") + pl.col("end")) // 2 - REACH, kind=pl.lit("open")
    )
    _write_bed(folder / "open.bed", open_dna, 2 * REACH)
    return kmerengine.dataset(
        folder / "windows.bed", output=folder / "data", genome=made.genome, cuts=cuts,
        labels=[folder / "labels"], split=SPLIT, width=WIDTH, input_width=WIDTH, window=WIDTH,
        strands="split", label_width=WIDTH, force=True,
    )  # fmt: skip


def motifs() -> list[Motif]:
    """Those of the factors."""
    return [Motif(name=n, probabilities=consensus_matrix(WORDS[n])) for n in FACTOR_NAMES]


def sites_of(folder: Path) -> pl.DataFrame:
    """Every motif that was planted."""
    table = pl.read_parquet(folder / "simulated" / "sites.parquet")
    return table.with_columns(pl.col("chrom", "motif", "role", "strand").cast(pl.String))


def _on_sites(sites: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A window for each factor's motif, not around its middle."""
    mine = sites.filter(pl.col("role") == "tf")
    off = rng.integers(-OFF_CENTRE, OFF_CENTRE + 1, len(mine))
    middle = (mine["start"] + mine["end"]).to_numpy() // 2 + off
    kinds = np.where(mine["bound"], "bound", np.where(mine["open"], "unbound", "closed"))
    return pl.DataFrame(
        {"chrom": mine["chrom"], "start": middle - WIDTH // 2, "kind": kinds.tolist()}
    )


def _empty(sites: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Windows of open DNA in which no factor's motif lies, not even a part of one."""
    parts = []
    wanted = sites.filter((pl.col("role") == "tf") & pl.col("bound")).height
    for (chrom,), here in sites.group_by("chrom", maintain_order=True):
        pioneers = here.filter(pl.col("role") == "pioneer")
        middle = (pioneers["start"] + pioneers["end"]).to_numpy() // 2
        room = REACH - WIDTH // 2
        start = np.repeat(middle, 4) + rng.integers(-room, room + 1, 4 * len(middle)) - WIDTH // 2
        tf = here.filter(pl.col("role") == "tf")
        low, high = np.sort(tf["start"].to_numpy()), np.sort(tf["end"].to_numpy())
        n_in = np.searchsorted(low, start + WIDTH) - np.searchsorted(high, start, side="right")
        start = np.unique(start[n_in == 0])
        parts.append(pl.DataFrame({"chrom": [str(chrom)] * len(start), "start": start}))
    found = pl.concat(parts)
    chosen = np.sort(rng.permutation(len(found))[:wanted])
    return found[chosen].with_columns(kind=pl.lit("empty"))


def _write_bed(path: Path, table: pl.DataFrame, width: int = WIDTH) -> None:
    rows = table.select("chrom", "start", end=pl.col("start") + width, name="kind")
    rows.with_columns(pl.col("start").clip(0)).write_csv(path, separator="\t", include_header=False)
