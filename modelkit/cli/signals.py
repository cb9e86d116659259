"""`modelkit signals`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("signals")
@click.argument("attributions", type=PATH)
@click.option("--data", "dataset", type=PATH, required=True, help="That they are of.")
@click.option("-o", "--output", type=PATH, required=True, help="A figure: .png or .svg.")
@click.option("--target", help="What was explained.  [default: the first]")
@click.option(
    "--row", type=int, help="Of the data set, 0-based.  [default: of the largest prediction]"
)
@click.option("--region", metavar="CHR:START-END", help="Only a part; up to 100 bp have letters.")
@force
@quiet
def command(attributions: Path, *, quiet: bool, **options: Any) -> None:
    """Draw what the bases and the cuts of one example of ATTRIBUTIONS did to a prediction."""
    from modelkit.interpretation.signals.signals import signals

    path = signals(attributions, **options)
    if not quiet:
        click.echo(f"{path}: drawn", err=True)
