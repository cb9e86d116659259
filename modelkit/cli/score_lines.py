"""`modelkit score-lines`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("score-lines")
@click.argument("attributions", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A text file.")
@click.option("--target", help="Of the attributions.  [default: the only one]")
@click.option(
    "--stranded", is_flag=True, help="Give the core motif's strand too, and scores along it."
)
@force
@quiet
def command(attributions: Path, *, output: Path, quiet: bool, **options: Any) -> None:
    """Write scores of bases as AgentBind's text file has them."""
    started = perf_counter()
    from modelkit.interpretation.context.score_lines import score_lines

    n = score_lines(attributions, output, **options)
    if not quiet:
        click.echo(f"{output}: {n:,} sequences, {perf_counter() - started:.2f} s", err=True)
