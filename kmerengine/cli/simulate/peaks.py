"""`kmerengine simulate peaks`."""

from pathlib import Path

import click

from kmerengine.cli._options import force


@click.command(name="peaks")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--n-contigs", default=2, show_default=True, help="Contigs chr1, chr2, ...")
@click.option("--contig-length", default=500_000, show_default=True, help="bp of each contig.")
@click.option("--n-peaks", default=1_000, show_default=True, help="Peaks in all.")
@click.option(
    "--motifs-per-peak", default=2, show_default=True, help="Motifs planted around each summit."
)
@click.option("--gc", default=0.42, show_default=True, help="Share of G and C, 0 to 1.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same bytes.")
@force
def command(
    output: Path,
    *,
    n_contigs: int,
    contig_length: int,
    n_peaks: int,
    motifs_per_peak: int,
    gc: float,
    seed: int,
    force: bool,
) -> None:
    """Make the folder OUTPUT with a small genome, peaks and the motifs planted in them.

    genome.fa, peaks.narrowPeak, and motif_instances.bed: the place, name and strand of every
    planted motif.
    """
    from kmerengine import simulate_peaks

    simulate_peaks(
        output,
        n_contigs=n_contigs,
        contig_length=contig_length,
        n_peaks=n_peaks,
        motifs_per_peak=motifs_per_peak,
        gc=gc,
        seed=seed,
        force=force,
    )
    click.echo(
        f"{output}: {n_contigs} contigs of {contig_length:,} bp, {n_peaks:,} peaks, "
        f"{n_peaks * motifs_per_peak:,} planted motifs",
        err=True,
    )
