"""`modelkit topics selection`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli.topics._options import or_none


@click.command("selection")
@click.argument("maps", type=PATH, nargs=-1, required=True, metavar="MAP...")
@click.option("-o", "--output", type=PATH, help="A folder.")
@click.option(
    "--name", "names", multiple=True, callback=or_none, help="Of each MAP's model; repeatable."
)
@click.option(
    "--ensemble", type=int, default=3, show_default=True, metavar="N", help="Models to join."
)
@force
@quiet
def command(maps: tuple[Path, ...], *, quiet: bool, **options: Any) -> None:
    """Order models by the factors that topics map found, and join the best ones."""
    from modelkit.interpretation.topics.selection import topic_selection

    made = topic_selection(maps, **options)
    if quiet:
        return
    for row in made.models.to_pylist():
        chosen = f", {row['new']:,} of them new" if row["chosen"] else ""
        click.echo(
            f"{row['rank']:>3}  {row['model']}: {row['factors']:,} factors{chosen}", err=True
        )
    where = "" if made.path is None else f"{made.path}: "
    click.echo(f"{where}{len(made.factors):,} factors together", err=True)
