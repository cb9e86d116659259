"""`modelkit topics projection`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import force, quiet
from modelkit.cli._names import Named, by_name
from modelkit.cli.topics._options import figure, output


@click.command("projection")
@click.argument(
    "sets", type=Named(), nargs=-1, required=True, metavar="[NAME=]PROPORTIONS...",
    callback=by_name,
)  # fmt: skip
@output
@click.option(
    "-n", "--n", "n", type=int, default=1000, show_default=True, help="Sequences of each."
)
@click.option(
    "--method",
    type=click.Choice(["auto", "umap", "pca"]),
    default="auto",
    show_default=True,
    help="UMAP, or principal components; auto: these where umap-learn is not installed.",
)
@click.option("--n-neighbors", type=int, default=15, show_default=True, help="Of UMAP.")
@click.option("--min-dist", type=float, default=0.1, show_default=True, help="Of UMAP.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw, and of UMAP.")
@figure
@force
@quiet
def command(sets: dict[str, Path], *, quiet: bool, **options: Any) -> None:
    """Lay sequences out in a plane by their topics."""
    started = perf_counter()
    from modelkit.interpretation.topics.projection import topic_projection

    made = topic_projection(sets, **options)
    if quiet:
        return
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(
        f"{made.path}: {len(made.table):,} sequences by {made.method}, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )
