"""`modelkit topics accessibility`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force, quiet
from modelkit.cli._names import Named, by_name
from modelkit.cli.topics._options import figure, output, topic_map


@click.command("accessibility")
@click.argument(
    "cells", type=Named(), nargs=-1, required=True, metavar="[NAME=]PROPORTIONS...",
    callback=by_name,
)  # fmt: skip
@output
@topic_map
@figure
@force
@quiet
def command(cells: dict[str, Path], *, quiet: bool, **options: Any) -> None:
    """Sum topics over the peaks of a cell type, or compare two."""
    from modelkit.interpretation.topics.accessibility import topic_accessibility

    made = topic_accessibility(cells, **options)
    if quiet:
        return
    for cell, n in zip(made.cells, made.n_peaks, strict=True):
        click.echo(f"{cell}: {n:,} peaks", err=True)
    if made.n_unmapped:
        click.echo(f"{made.n_unmapped:,} topics without a factor are left out", err=True)
    click.echo(f"{made.path}: {len(made.table):,} topics", err=True)
