"""`kmerengine simulate gata-tal`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force
from kmerengine.cli.simulate._options import PATH, Numbers, seed


@click.command(name="gata-tal")
@click.argument("output", type=PATH)
@click.option("--motifs", type=PATH, help="A motif file.  [default: consensus sequences]")
@click.option("--core", default="MA0035.3", show_default=True, help="GATA1's name in the file.")
@click.option("--context", default="MA0091.1", show_default=True, help="TAL1's name in the file.")
@click.option("--n-train", default=50_000, show_default=True, help="Sequences, half positive.")
@click.option("--n-validation", default=1_000, show_default=True, help="Sequences, half positive.")
@click.option("--n-test", default=1_000, show_default=True, help="Sequences, half positive.")
@click.option("--length", default=1_000, show_default=True, help="bp of a sequence.")
@click.option("--mean-motifs", default=2.0, show_default=True, help="Poisson mean of TAL1 motifs.")
@click.option("--min-motifs", default=1, show_default=True, help="In a positive, at least.")
@click.option("--max-motifs", default=3, show_default=True, help="In a positive, at most.")
@click.option(
    "--background",
    type=Numbers(),
    default=(0.3, 0.2, 0.2, 0.3),
    help="Probabilities of A, C, G, T.  [default: 0.3,0.2,0.2,0.3]",
)
@seed
@force
def command(output: Path, **options: Any) -> None:
    """Make the folder OUTPUT with AgentBind's sequences of GATA1 and TAL1 motifs.

    sequences.parquet and sequences.fa, and embedded.parquet: which motif lies where.
    """
    from kmerengine import simulate_gata_tal
    from kmerengine.datasets.splits import SPLITS

    made = simulate_gata_tal(output, **options)
    n = sum(options[f"n_{split}"] for split in SPLITS)
    click.echo(f"{output}: {n:,} sequences in {made.sequences.name}", err=True)
    if options["motifs"] is None:
        click.echo("no --motifs: consensus sequences stand in for the two motifs", err=True)
