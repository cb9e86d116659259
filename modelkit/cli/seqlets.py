"""`modelkit seqlets`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("seqlets")
@click.argument("attributions", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A .parquet file.")
@click.option("--of", type=PATH, help="Attributions whose deviation sets the cut-off.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "code"]),
    default="paper",
    show_default=True,
    help="Gives z: 1.96 or 3.29.",
)
@click.option("--z", type=float, help="Standard deviations of a significant base.")
@click.option("--p", type=float, help="The same as a two-sided p-value.")
@click.option("--cutoff", type=float, help="The same as an attribution.")
@click.option(
    "--subtract-mean/--no-subtract-mean",
    default=True,
    show_default=True,
    help="Take the mean over the four bases off first.",
)
@click.option(
    "--max-gap", type=int, default=1, show_default=True, metavar="BP", help="In a row, of a seqlet."
)
@click.option(
    "--min-significant", type=int, default=4, show_default=True, help="Fewest significant bases."
)
@click.option(
    "--max-span", type=int, default=30, show_default=True, metavar="BP", help="Seqlets are shorter."
)
@click.option("--bed", type=PATH, help="Write them as BED too.")
@force
@quiet
def command(attributions: Path, *, quiet: bool, **options: Any) -> None:
    """Find the stretches of ATTRIBUTIONS that a model goes by."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.motifs.seqlets import seqlets

    with work_bar("looking for seqlets", "example", 1, show=not quiet) as progress:
        made = seqlets(attributions, progress=progress, **options)
    if not quiet:
        for reason, n in made.skipped.items():
            if n:
                click.echo(f"skipped {n:,} seqlets: {reason}", err=True)
        if not len(made):
            click.echo("warning: no seqlet was found; a lower --z finds more", err=True)
        click.echo(
            f"{made.path}: {len(made):,} seqlets of {made.n_examples:,} examples and "
            f"{len(made.targets)} targets, cut-off {made.cutoff:.4g}, "
            f"{perf_counter() - started:.2f} s",
            err=True,
        )
