"""`kmerengine simulate atac`."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import click

from kmerengine.cli._options import force
from kmerengine.cli.simulate._options import PATH, seed

F = TypeVar("F", bound=Callable[..., Any])


def _option(name: str, default: float, text: str) -> Callable[[F], F]:
    return click.option(name, default=default, show_default=True, help=text)


@click.command(name="atac")
@click.argument("output", type=PATH)
@_option("--n-contigs", 5, "Contigs chr1, chr2, ...")
@_option("--contig-length", 2_000_000, "bp of each contig.")
@_option("--n-cell-types", 8, "cell_1, cell_2, ...; one BAM file each.")
@_option("--n-peaks", 2_000, "Open regions in all.")
@_option("--sites-per-tf", 10_000, "Motifs of each of the four factors.")
@_option("--n-decoys", 2_000, "Places of a word that Tn5 prefers and no factor binds.")
@_option("--p-open", 0.05, "Of a site to be within 300 bp of a pioneer motif.")
@_option("--p-cofactor", 0.3, "Of a site to have a co-factor's motif beside it.")
@_option("--p-bound-cofactor", 0.9, "Of an open site with a co-factor to be bound.")
@_option("--p-bound-open", 0.15, "Of an open site without one to be bound.")
@_option("--p-bound-closed", 0.001, "Of a closed site to be bound.")
@_option("--gc-open", 0.48, "Share of G and C within 300 bp of pioneer motifs.")
@_option("--gc-closed", 0.38, "Share of G and C elsewhere.")
@_option("--depth", 12.0, "Median expected cuts in 250 bp around a summit, per cell type.")
@_option("--signal", 5.0, "Accessibility at a usual summit over closed DNA, per fragment end.")
@_option("--gain", 0.0, "What each bound factor adds to its peak's cuts, over the pioneer's.")
@_option("--footprint", 0.8, "Share of cuts that a fully active factor keeps off its motif.")
@_option("--bias", 0.8, "Spread of the logarithm of Tn5's preference; 0 for none.")
@seed
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@force
def command(output: Path, **options: Any) -> None:
    """Make the folder OUTPUT with an ATAC-seq experiment of several cell types and its truth.

    genome.fa, peaks.narrowPeak, one BAM file per cell type (proper pairs, sorted, not shifted);
    sites, peaks, cell_types and sampling in Parquet; rates.npy and bias.npy.
    """
    started = perf_counter()
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    import pyarrow.parquet as pq

    from kmerengine import simulate_atac

    made = simulate_atac(output, **options)
    document = json.loads(pq.read_schema(made.sampling).metadata[b"kmerengine"])
    for name, n in document["fragments"].items():
        click.echo(f"{name}: {n:,} fragments", err=True)
    for row in pq.read_table(made.sampling).to_pylist():
        click.echo(f"best auROC, {row['setting']}: {row['bayes_auroc']:.3f}", err=True)
    click.echo(f"{output} written in {perf_counter() - started:.2f} s", err=True)
