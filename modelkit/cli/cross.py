"""`modelkit cross`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._names import Named, by_name, classes_by_name


@click.command("cross")
@click.argument(
    "runs", type=Named(), nargs=-1, required=True, metavar="[NAME=]RUN...", callback=by_name
)
@click.option(
    "--data", "datasets", type=Named(), multiple=True, required=True, callback=by_name,
    metavar="[NAME=]DATA", help="From kmerengine dataset, of one label; repeatable.",
)  # fmt: skip
@click.option("-o", "--output", type=PATH, help="A folder for the tables and figures.")
@click.option(
    "--as-class", multiple=True, callback=classes_by_name, metavar="NAME=CLASS",
    help="Judge a run of several classes by this one, on all data; repeatable.",
)  # fmt: skip
@click.option(
    "--sample", "samples", type=Named(), multiple=True, callback=by_name, metavar="NAME=REGIONS",
    help="Of kmerengine sample sites: compare GC with auROC; repeatable.",
)  # fmt: skip
@click.option(
    "--split", default="test", show_default=True,
    help="train, validation or test, as the runs had it; or all.",
)  # fmt: skip
@click.option("--max-fpr", type=float, default=0.1, show_default=True, help="Of the partial auROC.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Examples at a time.")
@click.option(
    "--figure", type=click.Choice(["png", "svg"]), default="png", show_default=True,
    help="Format of the figures.",
)  # fmt: skip
@force
@quiet
def command(
    runs: dict[str, Path], datasets: dict[str, Path], *, quiet: bool, **options: Any
) -> None:
    """Measure each RUN on each data set: across factors or cell types.

    A run with the name of a data set is its own. Names are those of the folders, unless given.
    """
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.inference.cross import cross

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("measuring", "pair", 1, show=not quiet) as progress:
        made = cross(runs, datasets, progress=progress, **options)
    for line in made.lines():
        click.echo(line)
