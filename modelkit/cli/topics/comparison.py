"""`modelkit topics comparison`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("comparison")
@click.argument("topic_map", type=PATH, metavar="MAP")
@click.argument("motifs", type=PATH, metavar="NAMES")
@click.option("-o", "--output", type=PATH, help=".parquet or .tsv")
@click.option(
    "--expression", type=PATH, metavar="TSV", help="Name, and expression in each replicate."
)
@click.option(
    "--least", type=float, default=0.05, show_default=True, metavar="MEAN",
    help="Expression from which a factor is expressed.",
)  # fmt: skip
@force
@quiet
def command(topic_map: Path, motifs: Path, *, quiet: bool, **options: Any) -> None:
    """Compare the factors of MAP with those that another tool found, one of NAMES in each line.

    Counts are of factors that have probes, since no other can be found.
    """
    from modelkit.interpretation.topics.comparison import topic_comparison

    made = topic_comparison(topic_map, motifs, **options)
    for name, n in made.counts.items():
        click.echo(f"{name}\t{n}")
    if options["output"] is not None and not quiet:
        click.echo(f"{options['output']}: {len(made.table):,} factors", err=True)
