"""`kmerengine simulate kmers`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force
from kmerengine.cli.simulate._options import PATH, seed


@click.command(name="kmers")
@click.argument("output", type=PATH)
@click.option("--motifs", type=PATH, help="A motif file.  [default: 22 consensus sequences]")
@click.option("--n-topics", default=8, show_default=True, help="Latent topics.")
@click.option("--motifs-per-topic", default=2, show_default=True, help="Of that topic alone.")
@click.option("--n-absent", default=4, show_default=True, help="Motifs of probes alone.")
@click.option("--n-peaks", default=5_000, show_default=True, help="Peaks in all.")
@click.option("--width", default=200, show_default=True, help="bp of a peak.")
@click.option("--motifs-per-peak", default=3, show_default=True, help="Motifs in each peak.")
@click.option(
    "--concentration",
    default=0.1,
    show_default=True,
    help="Of the Dirichlet distribution; the smaller, the purer are peaks.",
)
@click.option("--gc", default=0.5, show_default=True, help="Share of G and C, 0 to 1.")
@click.option("--n-probes", default=200, show_default=True, help="Probes of each motif.")
@click.option("--probe-length", default=20, show_default=True, help="bp of a probe.")
@seed
@force
def command(output: Path, **options: Any) -> None:
    """Make the folder OUTPUT with peaks whose motifs come from latent topics, and probes.

    genome.fa, peaks.narrowPeak, probes.fa; the topics of peaks, the motifs in them and of topics,
    and the probes' motifs in Parquet.
    """
    from kmerengine import simulate_kmers

    simulate_kmers(output, **options)
    click.echo(f"{output}: {options['n_peaks']:,} peaks of {options['n_topics']} topics", err=True)
