"""`modelkit report`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("report")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A .html file.")
@click.option("--data", "dataset", type=PATH, help="From kmerengine dataset.")
@click.option("--evaluation", type=PATH, help="From modelkit evaluate -o.")
@click.option("--attributions", type=PATH, help="From modelkit attribute.")
@click.option("--motifs", type=PATH, help="From modelkit motifs.")
@click.option("--footprints", type=PATH, help="From modelkit footprint.")
@click.option(
    "--split",
    help="Whose totals are predicted: train, validation, test or all.  [default: test]",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@force
@quiet
def command(run: Path, *, quiet: bool, **options: Any) -> None:
    """Write one HTML page about RUN, with all its figures in it."""
    started = perf_counter()
    from modelkit.reporting.report import report

    made = report(run, **options)
    if not quiet:
        size, seconds = made.stat().st_size, perf_counter() - started
        click.echo(f"{made}: {size / 1e6:.2f} MB, {seconds:.2f} s", err=True)
