"""`modelkit topics kmers`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("kmers")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, help="A folder  [default: the alignments, on stdout]")
@click.option(
    "--topic", "topics", multiple=True, help="Such as topic_3; repeatable  [default: all]"
)
@click.option(
    "--top", type=int, default=20, show_default=True, help="Features of a topic in the matrix."
)
@click.option(
    "--aligned", type=int, default=50, show_default=True, help="Features of a topic to align."
)
@click.option(
    "--theta",
    type=click.Choice(["npy", "parquet"]),
    help="Write all probabilities of all features too.",
)
@force
@quiet
def command(run: Path, *, output: Path | None, quiet: bool, **options: Any) -> None:
    """List the k-mers that make each topic of RUN, and lay them on each other."""
    started = perf_counter()
    from modelkit.interpretation.topics.kmers import topic_kmers

    made = topic_kmers(run, output, **options)
    if output is None:
        click.echo(made.as_text(), nl=False)
    if not quiet:
        click.echo(
            f"{output or run}: {len(made.topics)} topics, {len(made.features):,} features among "
            f"their first {options['top']}, {perf_counter() - started:.2f} s",
            err=True,
        )
