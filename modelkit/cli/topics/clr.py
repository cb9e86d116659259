"""`modelkit topics clr`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._names import Named, by_name
from modelkit.cli.topics._options import chip_help, figure, min_overlap, output


@click.command("clr")
@click.argument("values", type=PATH, metavar="PROPORTIONS")
@click.argument("topic_map", type=PATH, metavar="MAP")
@click.option(
    "--chip", type=Named(), multiple=True, required=True, callback=by_name, help=chip_help
)
@output
@min_overlap
@figure
@force
@quiet
def command(values: Path, topic_map: Path, *, quiet: bool, **options: Any) -> None:
    """Show log ratios of topics in the peaks that factors bind, as a heatmap."""
    from modelkit.interpretation.topics.clr import topic_clr

    made = topic_clr(values, topic_map, **options)
    if quiet:
        return
    for row in made.factors.to_pylist():
        shown = f"{row['rows']:,} shown" if row["topic"] else "no topic is mapped to it"
        click.echo(f"{row['factor']}: {row['overlap']:,} peaks, {shown}", err=True)
    click.echo(f"{made.path}: {len(made.peaks):,} peaks", err=True)
