"""`kmerengine simulate koo`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force
from kmerengine.cli.simulate._options import PATH, Numbers, seed


@click.command(name="koo")
@click.argument("output", type=PATH)
@click.option("--motifs", type=PATH, required=True, help="JASPAR CORE 2016 vertebrates, MEME.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "code"]),
    default="paper",
    show_default=True,
    help="Number of motifs and gaps: as the paper says, or as its code does, whose data made the "
    "published tables.",
)
@click.option("--n-sequences", default=25_000, show_default=True, help="70 % train, 20 % test.")
@click.option("--length", default=200, show_default=True, help="bp of a sequence.")
@click.option("--number", type=Numbers(), help="Probabilities of 1, 2, ... motifs.")
@click.option("--buffer", type=int, metavar="BP", help="Least gap beside a motif.")
@seed
@force
def command(output: Path, **options: Any) -> None:
    """Make the folder OUTPUT with Koo and Eddy's sequences of 12 transcription factors.

    sequences.parquet and sequences.fa, embedded.parquet (which motif lies where), and models.npy
    (base probabilities of the test sequences). The tables of the documents are of --preset code
    --seed 33.
    """
    from kmerengine import simulate_koo

    made = simulate_koo(output, **options)
    click.echo(f"{output}: {options['n_sequences']:,} sequences in {made.sequences.name}", err=True)
