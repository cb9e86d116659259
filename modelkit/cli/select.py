"""`modelkit select`."""

from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._insertion_options import TakesMany


@click.command("select", cls=TakesMany)
@click.option(
    "--runs", type=PATH, multiple=True, required=True, metavar="RUN...", help="To be better."
)
@click.option(
    "--against", type=PATH, multiple=True, required=True, metavar="RUN...", help="Than these."
)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="Of suffix .bed or .parquet.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="train, validation or test, as the runs had it; or all.",
)
@click.option(
    "--accessibility",
    type=float,
    default=75.0,
    show_default=True,
    metavar="CUTS",
    help="The task with most cuts has more.",
)
@click.option(
    "--variation",
    type=float,
    default=1.0,
    show_default=True,
    help="Standard deviation over mean of the tasks' cuts is more.",
)
@click.option(
    "--correlation",
    type=float,
    default=0.5,
    show_default=True,
    help="Pearson's R across tasks, mean of --runs, is more.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Regions at a time.")
@force
@quiet
def command(*, quiet: bool, **options: Any) -> None:
    """List the regions that all of --runs predict better than all of --against."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.interpretation.select import select

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("predicting", "region", 1, show=not quiet) as progress:
        made = select(progress=progress, **options)
    if quiet:
        return
    click.echo(f"{'regions':<12}{made.n:>10,}", err=True)
    for name, n in made.in_turn.items():
        click.echo(f"  {name:<10}{n:>10,}   (by itself {made.alone[name]:,})", err=True)
    click.echo(
        f"{made.path}: {len(made.table):,} regions, {perf_counter() - started:.2f} s", err=True
    )
